// S3Test: the specified s3 output over a transport that answers as the test says, with a directory
// of its own for the objects being made. No network.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aws/testing/fake_environment.h"
#include "config/document.h"
#include "config/values.h"
#include "output/s3/s3.h"
#include "output/testing/chunk_builder.h"

namespace noroshi::testing {

inline constexpr Timestamp kTime{Milliseconds(1795402389500)};  // 2026-11-23T02:53:09.5Z
inline const HttpHeaders kEtag = {{"ETag", "\"e\""}};

class S3Test : public ::testing::Test {
 protected:
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  S3Test() {
    char name[] = "/tmp/noroshi-s3-test-XXXXXX";
    directory_ = ::mkdtemp(name);
    fake_.variables["AWS_ACCESS_KEY_ID"] = "AKID";
    fake_.variables["AWS_SECRET_ACCESS_KEY"] = "secret";
    fake_.variables["AWS_EC2_METADATA_DISABLED"] = "true";
    environment_ = fake_.environment();
  }
  ~S3Test() override {
    output_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::optional<MadeOutput> make(const Pairs& pairs) {
    Section section{.kind = SectionKind::Output, .title = "OUTPUT"};
    section.properties.push_back({.key = "Name", .name = "name", .values = {{.text = "s3"}}});
    section.properties.push_back({.key = "Match", .name = "match", .values = {{.text = "*"}}});
    for (const auto& [key, value] : pairs) {
      section.properties.push_back(
          {.key = key, .name = to_lower(key), .values = {{.text = value}}});
    }
    diagnostics_ = Diagnostics();
    OutputContext context{.aws = environment_,
                          .state_directory = {},
                          .journal_id = "j",
                          .instance_name = "s3.0",
                          .flush = {},
                          .clock = fake_.clock};
    return kS3Plugin.make(section, context, diagnostics_);
  }
  // The specified output, and more.
  void start(const Pairs& more = {}) {
    Pairs pairs = {{"region", "eu-west-1"},
                   {"bucket", "logs-bucket"},
                   {"s3_key_format", "/logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.gz"},
                   {"compression", "gzip"},
                   {"store_dir", directory_.string()}};
    for (const auto& [key, value] : more) {
      std::erase_if(pairs, [&](const auto& pair) { return pair.first == key; });
      pairs.emplace_back(key, value);
    }
    auto made = make(pairs);
    ASSERT_TRUE(made) << diagnostics_.render();
    destination_ = made->destination;
    output_ = std::move(made->output);
    output_->start(metrics_);
  }

  std::unique_ptr<Batch> batch_of(const ChunkBuilder& chunk) {
    const ChunkView view = chunk.view();
    auto batch = output_->open_batch("", {view.base, view.records.front().time, view.tag});
    EXPECT_TRUE(batch) << batch.error().message;
    const auto taken = (*batch)->add(view, chunk.all(), rejected_);
    EXPECT_TRUE(taken);
    EXPECT_EQ(*taken, view.records.size());
    return *std::move(batch);
  }
  std::unique_ptr<Batch> small_batch() {
    return batch_of(
        ChunkBuilder("backend", Offset{7}).json(kTime, R"({"level":"INFO","message":"a"})"));
  }
  Delivery deliver(Batch& batch) {
    return output_->deliver(batch, system_clock().monotonic() + Seconds(20));
  }
  KeptRequest sent(size_t index) const { return fake_.http.requests().at(index); }

  std::filesystem::path directory_;
  FakeEnvironment fake_;
  AwsEnvironment environment_;
  Diagnostics diagnostics_;
  OutputMetrics metrics_;
  std::string destination_;
  std::vector<RejectedRecord> rejected_;
  std::unique_ptr<Output> output_;
};

}  // namespace noroshi::testing

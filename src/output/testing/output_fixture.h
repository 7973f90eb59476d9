// OutputFixture: an output plugin made from options, and one batch brought to a service that
// answers as the test says. No network.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aws/testing/fake_environment.h"
#include "config/diagnostics.h"
#include "output/testing/chunk_builder.h"
#include "output/testing/output_section.h"

namespace noroshi::testing {

inline constexpr Timestamp kRecordTime{Nanoseconds(1'763'866'380'123'456'789)};

class OutputFixture : public ::testing::Test {
 protected:
  using Pairs = OptionPairs;

  OutputFixture() {
    fake_.variables["AWS_ACCESS_KEY_ID"] = "AKIDEXAMPLE";
    fake_.variables["AWS_SECRET_ACCESS_KEY"] = "secret-access-key";
    fake_.variables["AWS_REGION"] = "eu-west-1";
    environment_ = fake_.environment();
    // Deadlines of threads that wait for each other are real ones.
    environment_.clock = &system_clock();
  }

  std::optional<MadeOutput> make(const OutputPlugin& plugin, const Pairs& pairs,
                                 std::string name = {}) {
    const Section section =
        output_section(name.empty() ? std::string(plugin.name) : std::move(name), pairs);
    diagnostics_ = Diagnostics();
    OutputContext context{.aws = environment_,
                          .state_directory = {},
                          .journal_id = "journal",
                          .instance_name = std::string(plugin.name) + ".0",
                          .flush = std::nullopt,
                          .clock = system_clock()};
    return plugin.make(section, context, diagnostics_);
  }
  // The output under test from now on.
  void use(const OutputPlugin& plugin, const Pairs& pairs, std::string name = {}) {
    auto made = make(plugin, pairs, std::move(name));
    ASSERT_TRUE(made) << diagnostics_.render();
    destination_ = made->destination;
    output_ = std::move(made->output);
    output_->start(metrics_);
    batch_.reset();
  }

  // Adds what fits of a chunk (of one group) to a new batch; what was refused is in refused_.
  uint32_t fill(const ChunkBuilder& chunk) {
    const ChunkView view = chunk.view();
    std::vector<std::string_view> groups;
    output_->group(view, chunk.all(), groups);
    auto batch = output_->open_batch(groups.front(), {view.base, kRecordTime, view.tag});
    EXPECT_TRUE(batch);
    batch_ = *std::move(batch);
    refused_.clear();
    const auto taken = batch_->add(view, chunk.all(), refused_);
    EXPECT_TRUE(taken);
    return *taken;
  }
  Delivery deliver() {
    return output_->deliver(*batch_, system_clock().monotonic() + Seconds(100));
  }
  Delivery deliver(const ChunkBuilder& chunk) {
    fill(chunk);
    return deliver();
  }

  [[nodiscard]] const KeptRequest request(size_t index = 0) {
    const auto requests = fake_.http.requests();
    if (index < requests.size()) return requests[index];
    ADD_FAILURE() << "only " << requests.size() << " requests were sent";
    return {};
  }
  [[nodiscard]] size_t request_count() { return fake_.http.requests().size(); }

  FakeEnvironment fake_;
  AwsEnvironment environment_;
  Diagnostics diagnostics_;
  OutputMetrics metrics_;
  std::string destination_;
  std::unique_ptr<Output> output_;
  std::unique_ptr<Batch> batch_;
  std::vector<RejectedRecord> refused_;
};

}  // namespace noroshi::testing

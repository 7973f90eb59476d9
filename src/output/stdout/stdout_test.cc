#include "output/stdout/stdout.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "aws/credentials.h"
#include "base/unique_fd.h"
#include "output/testing/chunk_builder.h"
#include "output/text/text_batch.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reading.reset(ends[0]);
    writing.reset(ends[1]);
  }
  std::string read_all() {
    writing.reset();
    std::string all;
    char buffer[65536];
    for (ssize_t count; (count = ::read(reading.get(), buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<size_t>(count));
    }
    return all;
  }
  UniqueFd reading, writing;
};

std::unique_ptr<Batch> batch_with(Output& output, const ChunkBuilder& chunk) {
  std::vector<std::string_view> groups;
  output.group(chunk.view(), chunk.all(), groups);
  auto batch = output.open_batch(groups.at(0), {}).value();
  std::vector<RejectedRecord> rejected;
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected), chunk.all().size());
  EXPECT_TRUE(rejected.empty());
  return batch;
}

Monotonic in(Nanoseconds time) { return system_clock().monotonic() + time; }

TEST(Stdout, WritesTheBatch) {
  Pipe pipe;
  auto output =
      make_stdout_output({.format = TextFormat::Plain}, {}, system_clock(), pipe.writing.get());
  ChunkBuilder chunk;
  chunk.json({}, R"({"a":1})").json({}, R"({"b":2})");
  auto batch = batch_with(*output, chunk);
  EXPECT_EQ(output->deliver(*batch, in(Seconds(5))).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(pipe.read_all(), "{\"a\":1}\n{\"b\":2}\n");
}

TEST(Stdout, ReaderGoneIsARetry) {
  Pipe pipe;
  auto output = make_stdout_output({}, {}, system_clock(), pipe.writing.get());
  OutputMetrics metrics;
  output->start(metrics);  // blocks SIGPIPE in this thread
  pipe.reading.reset();
  ChunkBuilder chunk;
  chunk.json({}, "{}");
  auto batch = batch_with(*output, chunk);
  const Delivery delivery = output->deliver(*batch, in(Seconds(5)));
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Retry);
  EXPECT_THAT(delivery.reason, ::testing::HasSubstr("Broken pipe"));
}

// A reader that stops for a while: the attempt ends at its deadline, and the next one goes on where
// it was.
TEST(Stdout, SlowReaderGetsEverythingOnce) {
  Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.writing.get(), F_SETFL, O_NONBLOCK), 0);
  auto output =
      make_stdout_output({.format = TextFormat::Plain}, {}, system_clock(), pipe.writing.get());
  ChunkBuilder chunk;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string record = fmt::format(R"({{"n":{},"text":"{}"}})", i, std::string(80, 'x'));
    chunk.json({}, record);
    expected += record + "\n";
  }
  auto batch = batch_with(*output, chunk);
  const Delivery first = output->deliver(*batch, in(Milliseconds(20)));
  EXPECT_EQ(first.outcome, Delivery::Outcome::Retry);
  std::string received;
  std::thread reader([&] {
    char buffer[4096];
    for (ssize_t count; (count = ::read(pipe.reading.get(), buffer, sizeof buffer)) > 0;) {
      received.append(buffer, static_cast<size_t>(count));
    }
  });
  EXPECT_EQ(output->deliver(*batch, in(Seconds(20))).outcome, Delivery::Outcome::Delivered);
  pipe.writing.reset();
  reader.join();
  EXPECT_EQ(received.size(), expected.size());
  EXPECT_TRUE(received == expected);
}

TEST(Stdout, BatchIsBoundedAndBadRecordsAreRejected) {
  auto output = make_stdout_output({.format = TextFormat::Plain}, {}, system_clock());
  ChunkBuilder chunk("t", Offset{7});
  chunk.msgpack({}, "\xc1");
  for (int i = 0; i < 30; ++i)
    chunk.json({}, fmt::format(R"({{"a":"{}"}})", std::string(100'000, 'x')));
  std::vector<std::string_view> groups;
  auto batch = output->open_batch("stdout", {}).value();
  std::vector<RejectedRecord> rejected;
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected), 1u + 11u);
  EXPECT_TRUE(batch->full());
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_EQ(rejected[0].offset, Offset{7});
  EXPECT_EQ(rejected[0].reason, DropReason::NotEncodable);
}

std::optional<MadeOutput> make(std::vector<std::pair<std::string, std::string>> pairs,
                               Diagnostics& diagnostics) {
  Section section{.kind = SectionKind::Output, .title = "OUTPUT"};
  for (auto& [key, value] : pairs) {
    section.properties.push_back({.key = key, .name = key, .values = {{.text = value}}});
  }
  OutputContext context{.aws = aws_process_environment(),
                        .state_directory = {},
                        .journal_id = "j",
                        .instance_name = "stdout.0",
                        .flush = Seconds(2),
                        .clock = system_clock()};
  return kStdoutPlugin.make(section, context, diagnostics);
}

TEST(Stdout, Options) {
  Diagnostics diagnostics;
  const auto made = make({{"name", "stdout"},
                          {"match", "*"},
                          {"format", "JSON_Lines"},
                          {"json_date_key", "false"},
                          {"json_date_format", "iso8601"}},
                         diagnostics);
  ASSERT_TRUE(made) << diagnostics.render();
  EXPECT_EQ(made->output->limits().age_max, Seconds(2));
  ChunkBuilder chunk;
  chunk.json({}, R"({"a":1})");
  EXPECT_EQ(batch_with(*made->output, chunk)->bytes(), std::string("{\"a\":1}\n").size());
  EXPECT_FALSE(make({{"name", "stdout"}, {"format", "yaml"}}, diagnostics));
  EXPECT_FALSE(make({{"name", "stdout"}, {"json_date_format", "stardate"}}, diagnostics));
  EXPECT_EQ(diagnostics.error_count(), 2u);
}

}  // namespace
}  // namespace noroshi

#include "output/cloudwatch_logs/log_batch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <random>

#include "output/testing/chunk_builder.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using std::chrono::hours;
using testing::ChunkBuilder;

constexpr Timestamp kNow{Seconds(1'790'000'000)};

struct Sent {
  int64_t timestamp;
  std::string message;
  bool operator==(const Sent&) const = default;
};

struct Request {
  std::string group, stream, token;
  std::vector<Sent> sent;
  uint64_t counted = 0;  // as the service counts
};

// Reads a body as the service would, and checks every limit the service checks.
Request read_request(std::string_view body) {
  Request request;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  EXPECT_EQ(parser.parse(body.data(), body.size()).get(root), simdjson::SUCCESS)
      << body.substr(0, 300);
  request.group = root["logGroupName"].get_c_str().value();
  request.stream = root["logStreamName"].get_c_str().value();
  std::string_view token;
  if (root["sequenceToken"].get(token) == simdjson::SUCCESS) request.token = token;
  for (const simdjson::dom::element event : root["logEvents"].get_array()) {
    request.sent.push_back({event["timestamp"].get_int64().value(),
                            std::string(event["message"].get_string().value())});
    EXPECT_FALSE(request.sent.back().message.empty());
    EXPECT_LE(request.sent.back().message.size() + 26, 1'048'576u);
    request.counted += request.sent.back().message.size() + 26;
  }
  EXPECT_LE(request.counted, 1'048'576u);
  EXPECT_GE(request.sent.size(), 1u);
  EXPECT_LE(request.sent.size(), 10'000u);
  EXPECT_TRUE(std::ranges::is_sorted(request.sent, {}, &Sent::timestamp));
  return request;
}

class LogBatchTest : public ::testing::Test {
 protected:
  void use(LogBatchOptions options) {
    context_ = std::make_shared<LogBatchContext>(std::move(options), clock_);
    context_->metrics = &metrics_;
  }
  std::unique_ptr<LogBatch> open() {
    return std::make_unique<LogBatch>("/ecs/a", "s\"1", context_);
  }
  // Everything that is left to send, request by request.
  static std::vector<Request> send_all(LogBatch& batch) {
    std::vector<Request> requests;
    batch.begin_delivery();
    while (!batch.settled()) {
      requests.push_back(read_request(batch.next_body()));
      EXPECT_EQ(requests.back().sent.size(), batch.next().size());
      batch.settle_next();
    }
    return requests;
  }

  ManualClock clock_{kNow};
  OutputMetrics metrics_;
  std::shared_ptr<LogBatchContext> context_ =
      std::make_shared<LogBatchContext>(LogBatchOptions{}, clock_);
  std::vector<RejectedRecord> rejected_;
};

TEST_F(LogBatchTest, OneRequest) {
  ChunkBuilder chunk;
  chunk.json(kNow, R"({"a":"1"})").json(kNow + Nanoseconds(1'999'999), R"({"b":"\u0001\"狼煙"})");
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 2u);
  EXPECT_FALSE(batch->full());
  EXPECT_EQ(batch->bytes(), 26 + 9 + 26 + std::string(R"({"b":"\u0001\"狼煙"})").size());
  const auto requests = send_all(*batch);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].group, "/ecs/a");
  EXPECT_EQ(requests[0].stream, "s\"1");
  EXPECT_EQ(requests[0].sent, (std::vector<Sent>{{1'790'000'000'000, R"({"a":"1"})"},
                                                 {1'790'000'000'001, R"({"b":"\u0001\"狼煙"})"}}));
  EXPECT_EQ(requests[0].counted, batch->bytes());
  EXPECT_TRUE(rejected_.empty());
}

TEST_F(LogBatchTest, SortsByTimeAndKeepsTheOrderOfEqualTimes) {
  ChunkBuilder chunk;
  for (int i = 0; i < 200; ++i) {
    chunk.json(kNow - Milliseconds(i % 7), fmt::format(R"({{"n":{}}})", i));
  }
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 200u);
  const auto requests = send_all(*batch);
  ASSERT_EQ(requests.size(), 1u);
  std::vector<Sent> expected;
  for (int late = 6; late >= 0; --late) {
    for (int i = late; i < 200; i += 7) {
      expected.push_back({1'790'000'000'000 - late, fmt::format(R"({{"n":{}}})", i)});
    }
  }
  EXPECT_EQ(requests[0].sent, expected);
}

TEST_F(LogBatchTest, BodyTwiceIsTheSameBody) {
  ChunkBuilder chunk;
  chunk.json(kNow, R"({"a":1})").json(kNow, R"({"a":2})");
  auto batch = open();
  ASSERT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 2u);
  batch->begin_delivery();
  const std::string first(batch->next_body());
  batch->begin_delivery();
  EXPECT_EQ(batch->next_body(), first);
  EXPECT_EQ(read_request(batch->next_body("tok\"en")).token, "tok\"en");
  EXPECT_EQ(batch->next_body(), first);
}

TEST_F(LogBatchTest, TakesExactlyTenThousand) {
  ChunkBuilder chunk;
  for (int i = 0; i < 10'001; ++i) chunk.json(kNow, "{}");
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 10'000u);
  EXPECT_TRUE(batch->full());
  EXPECT_EQ(send_all(*batch).size(), 1u);
}

TEST_F(LogBatchTest, FillsARequestToTheLastByte) {
  // 64 records of 16,384 with overhead are exactly 1,048,576.
  use({.log_key = "log"});
  ChunkBuilder chunk;
  const std::string message(16'384 - 26, 'x');
  for (int i = 0; i < 65; ++i) chunk.json(kNow, fmt::format(R"({{"log":"{}"}})", message));
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 64u);
  EXPECT_TRUE(batch->full());
  const auto requests = send_all(*batch);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].counted, 1'048'576u);

  // One byte more does not fit.
  ChunkBuilder larger;
  for (int i = 0; i < 63; ++i) larger.json(kNow, fmt::format(R"({{"log":"{}"}})", message));
  larger.json(kNow, fmt::format(R"({{"log":"{}x"}})", message));
  auto second = open();
  EXPECT_EQ(second->add(larger.view(), larger.all(), rejected_), 63u);
}

TEST_F(LogBatchTest, SpanOfTwentyFourHours) {
  const Timestamp first = kNow - hours(25);
  ChunkBuilder chunk;
  chunk.json(first, R"({"n":0})")
      .json(first + hours(24), R"({"n":1})")
      .json(first + hours(24) + Milliseconds(1), R"({"n":2})");
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 2u);
  EXPECT_TRUE(batch->full());
  // Also backwards.
  ChunkBuilder backwards;
  backwards.json(first + hours(24) + Milliseconds(1), "{}").json(first, "{}");
  auto second = open();
  EXPECT_EQ(second->add(backwards.view(), backwards.all(), rejected_), 1u);
}

TEST_F(LogBatchTest, RecordsTheServiceRefusesForTheirAgeDoNotCountForTheSpan) {
  ChunkBuilder chunk;
  chunk.json(kNow, "{}")
      .json(kNow - hours(24 * 15), "{}")
      .json(kNow + hours(3), "{}")
      .json(Timestamp{}, "{}")
      .json(Timestamp(Seconds(-5)), "{}")
      .json(kNow - hours(23), "{}");
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 6u);
  const auto requests = send_all(*batch);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].sent.front().timestamp, 0);  // never negative
}

TEST_F(LogBatchTest, NotEncodableIsRejectedAlone) {
  ChunkBuilder chunk("t", Offset{100});
  chunk.json(kNow, "{}").msgpack(kNow, "\xc1").json(kNow, "{}");
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 3u);
  ASSERT_EQ(rejected_.size(), 1u);
  EXPECT_EQ(rejected_[0].offset, Offset{101});
  EXPECT_EQ(rejected_[0].reason, DropReason::NotEncodable);
  EXPECT_EQ(batch->record_count(), 2u);
  EXPECT_EQ(send_all(*batch).at(0).sent.size(), 2u);
}

TEST_F(LogBatchTest, OnlyARejectedRecord) {
  ChunkBuilder chunk;
  chunk.msgpack(kNow, "\xc1");
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 1u);
  batch->begin_delivery();
  EXPECT_TRUE(batch->settled());
}

TEST_F(LogBatchTest, LogKeyMissingIsCounted) {
  use({.log_key = "log"});
  ChunkBuilder chunk;
  chunk.json(kNow, R"({"log":"a"})").json(kNow, R"({"msg":"b"})").json(kNow, R"({"msg":"c"})");
  auto batch = open();
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 3u);
  EXPECT_EQ(metrics_.log_key_missing.get(), 2u);
  const auto requests = send_all(*batch);
  EXPECT_EQ(requests[0].sent[0].message, "a");
  EXPECT_EQ(requests[0].sent[1].message, R"({"msg":"b"})");
}

std::string long_text(size_t bytes) {
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) text += fmt::format("{} 狼煙 🔥 ", i);
  text.resize(bytes);
  std::string repaired;
  append_repaired_utf8(repaired, text);
  return repaired;
}

ChunkBuilder oversize_chunk(const std::string& text) {
  ChunkBuilder chunk("t", Offset{4711});
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(1);
  writer.string("log"), writer.string(text);
  chunk.msgpack(kNow, record);
  return chunk;
}

TEST_F(LogBatchTest, SplitLosesNothing) {
  for (const uint32_t record_bytes_max : {1024u, 262'144u, 1'048'550u}) {
    use({.log_key = "log", .record_bytes_max = record_bytes_max});
    const std::string text = long_text(3'000'000);
    const ChunkBuilder chunk = oversize_chunk(text);
    auto batch = open();
    ASSERT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 1u);
    EXPECT_TRUE(batch->full());
    EXPECT_EQ(batch->record_count(), 1u);
    std::string joined;
    size_t part = 0;
    size_t parts = 0;
    for (const Request& request : send_all(*batch)) {
      for (const Sent& sent : request.sent) {
        EXPECT_TRUE(simdjson::validate_utf8(sent.message));
        EXPECT_LE(sent.message.size() + 26, record_bytes_max);
        const size_t end = sent.message.find("] ");
        unsigned number = 0;
        unsigned count = 0;
        ASSERT_EQ(
            std::sscanf(sent.message.c_str(), "[part %u/%u of record 4711] ", &number, &count), 2);
        EXPECT_EQ(number, ++part);
        parts = count;
        joined += sent.message.substr(end + 2);
      }
    }
    EXPECT_EQ(part, parts);
    EXPECT_GE(parts, 3u);
    EXPECT_EQ(joined, text);
  }
  EXPECT_EQ(metrics_.split.get(), 3u);
  EXPECT_TRUE(rejected_.empty());
}

TEST_F(LogBatchTest, SplitRecordHasABatchOfItsOwn) {
  use({.log_key = "log"});
  ChunkBuilder chunk = oversize_chunk(long_text(2'000'000));
  chunk.json(kNow, R"({"log":"after"})");
  ChunkBuilder before;
  before.json(kNow, R"({"log":"before"})");
  auto batch = open();
  ASSERT_EQ(batch->add(before.view(), before.all(), rejected_), 1u);
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 0u);
  EXPECT_TRUE(batch->full());
  auto second = open();
  EXPECT_EQ(second->add(chunk.view(), chunk.all(), rejected_), 1u);
  EXPECT_TRUE(second->full());
  auto third = open();
  EXPECT_EQ(third->add(chunk.view(), chunk.all(1), rejected_), 1u);
}

TEST_F(LogBatchTest, TruncateSaysHowMuchIsMissing) {
  use({.log_key = "log", .oversize = OversizePolicy::Truncate, .record_bytes_max = 1024});
  const std::string text = long_text(5000);
  const ChunkBuilder chunk = oversize_chunk(text);
  auto batch = open();
  ASSERT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 1u);
  const auto requests = send_all(*batch);
  const std::string& message = requests.at(0).sent.at(0).message;
  EXPECT_LE(message.size() + 26, 1024u);
  EXPECT_TRUE(simdjson::validate_utf8(message));
  const size_t marker = message.find(" [truncated: ");
  ASSERT_NE(marker, std::string::npos);
  EXPECT_EQ(message.substr(0, marker), text.substr(0, marker));
  EXPECT_EQ(message.substr(marker), fmt::format(" [truncated: {} of {} bytes are missing]",
                                                text.size() - marker, text.size()));
}

TEST_F(LogBatchTest, DeadLetterPolicyRejects) {
  use({.log_key = "log", .oversize = OversizePolicy::DeadLetter, .record_bytes_max = 1024});
  ChunkBuilder chunk = oversize_chunk(long_text(5000));
  chunk.json(kNow, R"({"log":"after"})");
  auto batch = open();
  ASSERT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 2u);
  ASSERT_EQ(rejected_.size(), 1u);
  EXPECT_EQ(rejected_[0].offset, Offset{4711});
  EXPECT_EQ(rejected_[0].reason, DropReason::Oversize);
  EXPECT_EQ(send_all(*batch).at(0).sent.size(), 1u);
}

TEST_F(LogBatchTest, RecordAtTheLimitIsWhole) {
  use({.log_key = "log"});
  const ChunkBuilder chunk = oversize_chunk(std::string(1'048'550 - 26, 'x'));
  auto batch = open();
  ASSERT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 1u);
  EXPECT_EQ(send_all(*batch).at(0).sent.at(0).message.size(), 1'048'524u);
  EXPECT_EQ(metrics_.split.get(), 0u);
}

TEST_F(LogBatchTest, HalvesFindTheBadRecord) {
  ChunkBuilder chunk("t", Offset{1000});
  for (int i = 0; i < 1000; ++i) chunk.json(kNow, fmt::format(R"({{"n":{}}})", i));
  auto batch = open();
  ASSERT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 1000u);
  batch->begin_delivery();
  int requests = 0;
  std::vector<std::string> accepted;
  while (!batch->settled()) {
    ++requests;
    const Request request = read_request(batch->next_body());
    const bool bad = std::ranges::any_of(
        request.sent, [](const Sent& sent) { return sent.message == R"({"n":777})"; });
    if (!bad) {
      for (const Sent& sent : request.sent) accepted.push_back(sent.message);
      batch->settle_next();
    } else if (request.sent.size() > 1) {
      batch->halve_next();
    } else {
      batch->reject(batch->next(), DropReason::Rejected);
      batch->settle_next();
    }
  }
  EXPECT_LE(requests, 21);  // 1 + 2 · log2(1000)
  EXPECT_EQ(accepted.size(), 999u);
  EXPECT_EQ(accepted.back(), R"({"n":999})");  // still in order
  EXPECT_TRUE(std::ranges::find(accepted, R"({"n":777})") == accepted.end());
  ASSERT_EQ(batch->rejected().size(), 1u);
  EXPECT_EQ(batch->rejected()[0].offset, Offset{1777});
}

TEST_F(LogBatchTest, OpenBatchesShareTheMemory) {
  use({.log_key = "log"});
  ChunkBuilder chunk;
  for (int i = 0; i < 1024; ++i)
    chunk.json(kNow, fmt::format(R"({{"log":"{}"}})", std::string(998, 'x')));
  std::vector<std::unique_ptr<LogBatch>> batches;
  for (int i = 0; i < 64; ++i) batches.push_back(open());
  uint64_t sum = 0;
  for (auto& batch : batches) {
    EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 128u);  // 131,072 bytes
    EXPECT_TRUE(batch->full());
    sum += batch->bytes();
  }
  EXPECT_LE(sum, LogBatchPool::kOpenBytesMax);
  batches.resize(1);
  auto alone = open();
  EXPECT_EQ(alone->add(chunk.view(), chunk.all(), rejected_), 1024u);  // and all of it again
}

// Random records of random sizes and times: whatever is added is sent exactly once, in requests
// that keep every limit.
TEST_F(LogBatchTest, RandomRecordsArriveExactlyOnce) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  use({.log_key = "log", .record_bytes_max = 200'000});
  std::vector<std::string> expected;
  std::vector<std::string> received;
  std::unique_ptr<LogBatch> batch;
  std::string split;  // parts of a split record so far
  const auto deliver = [&] {
    for (const Request& request : send_all(*batch)) {
      int64_t oldest = INT64_MAX;
      int64_t newest = 0;
      for (const Sent& sent : request.sent) {
        oldest = std::min(oldest, sent.timestamp);
        newest = std::max(newest, sent.timestamp);
        unsigned number = 0;
        unsigned count = 0;
        unsigned long long offset = 0;
        if (std::sscanf(sent.message.c_str(), "[part %u/%u of record %llu] ", &number, &count,
                        &offset) == 3) {
          split += sent.message.substr(sent.message.find("] ") + 2);
          if (number == count) received.push_back(std::move(split)), split.clear();
        } else {
          received.push_back(sent.message);
        }
      }
      EXPECT_LE(newest - oldest, 86'400'000);
    }
    batch.reset();
  };
  for (int round = 0; round < 60; ++round) {
    ChunkBuilder chunk("t", Offset{static_cast<uint64_t>(round) * 1000});
    const uint32_t count = 1 + random() % 50;
    for (uint32_t i = 0; i < count; ++i) {
      const size_t size = random() % 40 == 0 ? random() % 600'000 : random() % 2000;
      std::string text = fmt::format("{}:{}:", round, i) + std::string(size, 'y');
      expected.push_back(text);
      chunk.json(kNow - Seconds(random() % 100'000), fmt::format(R"({{"log":"{}"}})", text));
    }
    std::vector<uint32_t> left = chunk.all();
    while (!left.empty()) {
      if (!batch) batch = open();
      const auto taken = batch->add(chunk.view(), left, rejected_);
      ASSERT_TRUE(taken);
      left.erase(left.begin(), left.begin() + *taken);
      if (!left.empty() || batch->full()) deliver();
    }
  }
  if (batch) deliver();
  EXPECT_TRUE(rejected_.empty());
  std::ranges::sort(expected);
  std::ranges::sort(received);
  EXPECT_EQ(received.size(), expected.size());
  EXPECT_TRUE(received == expected);
}

TEST(SplitUtf8, NeverInsideASequence) {
  const std::string text = "a狼b煙🔥c";
  for (size_t bytes_max = 4; bytes_max < text.size() + 2; ++bytes_max) {
    std::string joined;
    for (const std::string_view part : split_utf8(text, bytes_max)) {
      EXPECT_LE(part.size(), bytes_max);
      EXPECT_FALSE(part.empty());
      EXPECT_TRUE(simdjson::validate_utf8(part.data(), part.size())) << bytes_max;
      joined += part;
    }
    EXPECT_EQ(joined, text);
  }
  EXPECT_TRUE(split_utf8("", 4).empty());
  EXPECT_EQ(split_utf8(std::string(10, '\x80'), 4).size(), 3u);  // no UTF-8, but no end either
}

}  // namespace
}  // namespace noroshi

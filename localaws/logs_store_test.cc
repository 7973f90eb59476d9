// Events read back, forwards and backwards, page by page, against a slow reference.

#include "localaws/logs_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/log.h"
#include "localaws/data_directory.h"
#include "localaws/hashes.h"
#include "localaws/put_log_events.h"

namespace noroshi::localaws {
namespace {

class LogsStoreTest : public testing::Test {
 protected:
  LogsStoreTest() : path_(fmt::format("{}/logs-{}", testing::TempDir(), hex(random_bytes(8)))) {
    reopen();
  }
  ~LogsStoreTest() override { std::filesystem::remove_all(path_); }

  void reopen() {
    store_.reset();
    auto opened = LogsStore::open(path_, clock_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  std::vector<std::string> read_all(LogQuery query) {
    std::vector<std::string> out;
    for (int pages = 0; pages < 100'000; ++pages) {
      const auto page = store_->read(query);
      EXPECT_TRUE(page);
      if (!page) return out;
      EXPECT_LE(page->events.size(), query.events_max);
      for (const FoundEvent& event : page->events) out.push_back(event.message);
      if (page->complete) return out;
      EXPECT_TRUE(page->last);
      query.after = page->last;
    }
    ADD_FAILURE() << "the pages do not end";
    return out;
  }

  std::string path_;
  ManualClock clock_{Timestamp(Seconds(1'800'000'000))};
  std::unique_ptr<LogsStore> store_;
};

TEST_F(LogsStoreTest, ReadsLikeTheReference) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  ASSERT_TRUE(store_->create_group({.name = "g"}));
  struct Event {
    int64_t timestamp;
    std::string stream;
    uint64_t arrival;
    std::string message;
    auto operator<=>(const Event&) const = default;
  };
  std::vector<Event> all;
  uint64_t arrival = 0;
  const std::vector<std::string> streams = {"a", "b/日", "c"};
  for (const std::string& stream : streams) ASSERT_TRUE(store_->create_stream("g", stream));
  for (int batch = 0; batch < 60; ++batch) {
    const std::string& stream = streams[random() % streams.size()];
    std::vector<Event> events;
    const size_t size = random() % 10 == 0 ? 1 + random() % 300 : 1 + random() % 20;
    for (size_t i = 0; i < size; ++i) {
      // Long ones now and then, so that batches span blocks and single events exceed one.
      const size_t bytes = random() % 50 == 0 ? random() % 40'000 : random() % 300;
      events.push_back({static_cast<int64_t>(random() % 500), stream, 0,
                        std::to_string(batch) + "." + std::to_string(i) + std::string(bytes, 'x')});
    }
    std::ranges::stable_sort(events, {}, &Event::timestamp);
    std::vector<LogEventView> views;
    for (Event& event : events) {
      event.arrival = arrival++;
      views.push_back({event.timestamp, event.message});
    }
    ASSERT_TRUE(store_->append("g", stream, views));
    all.insert(all.end(), events.begin(), events.end());
  }
  std::ranges::sort(all);

  for (int pass = 0; pass < 2; ++pass) {
    for (int i = 0; i < 60; ++i) {
      LogQuery query{.group = "g"};
      query.start = static_cast<int64_t>(random() % 500);
      query.end = query.start + static_cast<int64_t>(random() % 300);
      if (i % 5 == 0) query.start = 0, query.end = INT64_MAX;
      query.backward = random() % 2 == 0;
      query.events_max = 1 + random() % 200;
      query.bytes_max = 1000 + random() % 100'000;
      query.scanned_max = 1000 + random() % 100'000;
      const std::string only = streams[random() % 3];
      if (random() % 2 == 0)
        query.wants_stream = [&](std::string_view name) { return name == only; };
      const char digit = static_cast<char>('0' + random() % 10);
      if (random() % 2 == 0) {
        query.wants_message = [&](std::string_view text) { return text.front() == digit; };
      }
      std::vector<std::string> expected;
      for (const Event& event : all) {
        if (event.timestamp < query.start || event.timestamp >= query.end) continue;
        if (query.wants_stream && !query.wants_stream(event.stream)) continue;
        if (query.wants_message && !query.wants_message(event.message)) continue;
        expected.push_back(event.message);
      }
      if (query.backward) std::ranges::reverse(expected);
      EXPECT_EQ(read_all(query), expected);
    }
    const auto before = store_->groups();
    reopen();  // the second pass reads what was loaded
    EXPECT_EQ(store_->groups()[0].events, all.size());
    EXPECT_EQ(store_->groups()[0].bytes, before[0].bytes);
  }
}

TEST_F(LogsStoreTest, CutsATornTailAtEveryByte) {
  set_log_level(LogLevel::Error);
  ASSERT_TRUE(store_->create_group({.name = "g"}));
  ASSERT_TRUE(store_->create_stream("g", "s"));
  ASSERT_TRUE(store_->append("g", "s", {{1, "first"}, {2, "second"}}));
  const std::string path = path_ + "/logs/g/s.log";
  const auto whole = std::filesystem::file_size(path);
  ASSERT_TRUE(store_->append("g", "s", {{3, "torn"}}));
  const auto full = std::filesystem::file_size(path);
  const auto bytes = read_whole_file(path);
  ASSERT_TRUE(bytes);
  for (auto size = whole; size < full; ++size) {
    store_.reset();
    ASSERT_TRUE(replace_file(path, std::string_view(*bytes).substr(0, size)));
    reopen();
    EXPECT_EQ(read_all({.group = "g"}), (std::vector<std::string>{"first", "second"})) << size;
    EXPECT_EQ(std::filesystem::file_size(path), whole);
  }
  std::string flipped = *bytes;
  flipped[flipped.size() - 1] ^= 1;
  store_.reset();
  ASSERT_TRUE(replace_file(path, flipped));
  reopen();
  EXPECT_EQ(store_->groups()[0].events, 2U);
  set_log_level(LogLevel::Info);
}

// PutLogEvents' time rules, event by event, as the API reference words them.
TEST(PutLogEvents, AcceptsLikeTheReference) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  constexpr int64_t kHour = 3'600'000;
  constexpr int64_t kNow = 1'800'000'000'000;
  for (int i = 0; i < 20'000; ++i) {
    const int retention = random() % 3 == 0 ? 0 : static_cast<int>(1 + random() % 30);
    const int64_t spread = random() % 2 == 0 ? 24 : 24 * 20;
    std::vector<int64_t> times;
    for (size_t n = 1 + random() % 6; n > 0; --n) {
      times.push_back(kNow + kHour * 3 - static_cast<int64_t>(random() % (spread * 2)) * kHour / 2);
    }
    std::ranges::sort(times);
    std::vector<LogEventView> events;
    for (const int64_t time : times) events.push_back({time, "m"});
    std::vector<size_t> valid;
    size_t too_old = 0, expired = 0, too_new = 0;
    for (size_t n = 0; n < times.size(); ++n) {
      const bool is_old = kNow - times[n] > 14 * 24 * kHour;
      const bool is_expired = retention > 0 && kNow - times[n] > retention * 24 * kHour;
      const bool is_new = times[n] - kNow > 2 * kHour;
      too_old += is_old, expired += is_expired, too_new += is_new;
      if (!is_old && !is_expired && !is_new) valid.push_back(n);
    }
    const auto got = accept_events(events, kNow, retention);
    if (!valid.empty() && times[valid.back()] - times[valid.front()] > 24 * kHour) {
      ASSERT_FALSE(got);
      EXPECT_EQ(got.error().code, "InvalidParameterException");
      continue;
    }
    ASSERT_TRUE(got);
    EXPECT_EQ(got->too_old_end.value_or(0), too_old);
    EXPECT_EQ(got->expired_end.value_or(0), expired);
    EXPECT_EQ(times.size() - got->too_new_start.value_or(times.size()), too_new);
    EXPECT_EQ(got->end_taken - got->first_taken, valid.size());
    if (!valid.empty()) {
      EXPECT_EQ(got->first_taken, valid.front());
    }
  }
}

}  // namespace
}  // namespace noroshi::localaws

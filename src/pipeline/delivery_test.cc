// The delivery loop against a journal in memory and an output that misbehaves on command.

#include "pipeline/delivery.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "journal/testing/fake_file_system.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// One object or request as the destination saw it.
struct Sent {
  std::string group;
  uint64_t start = 0;
  std::vector<uint64_t> offsets;
  std::vector<uint64_t> numbers = {};  // append() numbers its records, over power losses too
};

// What the test and the output share; the output itself belongs to the worker.
struct Destination {
  Mutex mutex;
  std::deque<Delivery> answers GUARDED_BY(mutex);  // then Delivered for ever
  std::vector<Sent> sent GUARDED_BY(mutex);        // delivered ones only
  int attempts GUARDED_BY(mutex) = 0;
  bool refuse GUARDED_BY(mutex) = false;     // Retry as long as it is set
  int broken_batches GUARDED_BY(mutex) = 0;  // add() fails so often
  int die_after_put GUARDED_BY(mutex) = 0;   // after so many PUTs only "no answer" comes; -1: dead
  std::set<uint64_t> unencodable = {};       // offsets that add() refuses
  uint32_t batch_records_max = 1000;
  BatchLimits limits;
  bool exactly_once = false;

  std::vector<uint64_t> all_offsets() EXCLUDES(mutex) {
    MutexLock lock(mutex);
    std::vector<uint64_t> all;
    for (const Sent& one : sent) all.insert(all.end(), one.offsets.begin(), one.offsets.end());
    return all;
  }
};

class FakeBatch final : public Batch {
 public:
  FakeBatch(Destination& destination, Sent sent)
      : destination_(destination), sent_(std::move(sent)) {}

  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>& rejected) override {
    {
      MutexLock lock(destination_.mutex);
      if (destination_.broken_batches > 0 && --destination_.broken_batches >= 0) {
        return fail(ErrorCode::Exhausted, "no space for the spool");
      }
    }
    uint32_t taken = 0;
    for (const uint32_t index : records) {
      if (full()) break;
      ++taken;
      if (destination_.unencodable.contains(chunk.offset(index).value))
        rejected.push_back({chunk.offset(index), DropReason::Oversize});
      else
        take(chunk, index);
    }
    return taken;
  }
  bool full() const override { return sent_.offsets.size() >= destination_.batch_records_max; }
  uint64_t bytes() const override { return sent_.offsets.size(); }
  const Sent& sent() const { return sent_; }

 private:
  void take(const ChunkView& chunk, uint32_t index) {
    sent_.offsets.push_back(chunk.offset(index).value);
    sent_.numbers.push_back(
        static_cast<uint64_t>(chunk.records[index].time.time_since_epoch().count()));
  }

  Destination& destination_;
  Sent sent_;
};

class FakeOutput final : public Output {
 public:
  explicit FakeOutput(Destination& destination) : destination_(destination) {}
  BatchLimits limits() const override { return destination_.limits; }
  std::string identity() const override { return "fake"; }
  // The group is the tag, and the record's parity where the tag ends in "-parity".
  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    names_.clear();
    for (const uint32_t index : records) {
      std::string name(chunk.tag);
      if (chunk.tag.ends_with("-parity"))
        name += chunk.records[index].time.time_since_epoch().count() % 2 ? "1" : "0";
      if (chunk.tag.ends_with("-each"))
        name += std::to_string(chunk.offset(index).value) + std::string(1100, 'k');
      names_.push_back(std::move(name));
    }
    for (const std::string& name : names_) groups.push_back(name);
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view group,
                                            const BatchStart& start) override {
    return std::make_unique<FakeBatch>(destination_,
                                       Sent{std::string(group), start.offset.value, {}});
  }
  Delivery deliver(Batch& batch, Monotonic) override {
    MutexLock lock(destination_.mutex);
    ++destination_.attempts;
    if (destination_.refuse || destination_.die_after_put < 0)
      return Delivery::retry(RetryClass::Transient, "refused");
    Delivery answer = Delivery::delivered();
    if (!destination_.answers.empty()) {
      answer = destination_.answers.front();
      destination_.answers.pop_front();
    }
    if (answer.outcome == Delivery::Outcome::Delivered) {
      destination_.sent.push_back(static_cast<FakeBatch&>(batch).sent());
      if (destination_.die_after_put > 0 && --destination_.die_after_put == 0) {
        destination_.die_after_put = -1;
        return Delivery::retry(RetryClass::Transient, "the answer was lost");
      }
    }
    return answer;
  }
  bool needs_durable_journal() const override { return destination_.exactly_once; }

 private:
  Destination& destination_;
  std::vector<std::string> names_;
};

class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest() {
    std::vector<Route> routes;
    routes.push_back({.output_identity = "fake", .match = {TagPattern("*")}});
    routes_ = std::make_shared<RouteTable>(std::move(routes));
    journal_ = *Journal::open({.bytes_max = 64 << 20});
    metrics_.emplace();
    checkpoint_ = *journal_->register_output("fake");
  }

  void append(const std::string& tag, uint32_t count) { ASSERT_TRUE(try_append(tag, count)); }
  bool try_append(const std::string& tag, uint32_t count) {
    Chunk chunk{.tag = tag, .records = {}, .body = {}};
    for (uint32_t i = 0; i < count; ++i) {
      std::string record;
      MsgpackWriter writer(record);
      writer.map_header(1);
      writer.string("n");
      writer.unsigned_integer(appended_);
      chunk.append(Timestamp(Nanoseconds(static_cast<int64_t>(appended_++))), record);
    }
    std::string block;
    std::vector<uint32_t> counts;
    routes_->route(chunk, block, counts);
    if (!journal_->append(chunk.view(), {routes_->id(), block})) return false;
    arrivals_->appended(chunk.body.size(), counts[0]);
    return true;
  }

  std::unique_ptr<DeliveryWorker> start(DeliverySettings settings = {}) {
    settings.instance = "fake.0";
    settings.identity = "fake";
    settings.arrivals = arrivals_;
    auto worker = std::make_unique<DeliveryWorker>(std::move(settings),
                                                   std::make_unique<FakeOutput>(destination_),
                                                   routes_, *journal_, *metrics_, system_clock());
    worker->start(checkpoint_);
    return worker;
  }
  // Ends the worker; what it saved is where the next one starts.
  uint64_t finish(std::unique_ptr<DeliveryWorker> worker, Nanoseconds grace = Seconds(10)) {
    worker->drain(system_clock().monotonic() + grace);
    worker->join();
    const uint64_t left = worker->left()->count;
    worker.reset();
    checkpoint_ = *journal_->register_output("fake");
    return left;
  }

  template <typename Condition>
  void eventually(Condition&& condition) {
    const Monotonic deadline = system_clock().monotonic() + Seconds(10);
    while (!condition()) {
      ASSERT_LT(system_clock().monotonic(), deadline) << "did not happen within 10 s";
      std::this_thread::sleep_for(Milliseconds(2));
    }
  }

  std::shared_ptr<RouteTable> routes_;
  std::unique_ptr<Journal> journal_;
  std::optional<OutputMetrics> metrics_;
  std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
  LoadedCheckpoint checkpoint_;
  Destination destination_;
  uint64_t appended_ = 0;
};

std::vector<uint64_t> range(uint64_t from, uint64_t to) {
  std::vector<uint64_t> numbers;
  for (; from < to; ++from) numbers.push_back(from);
  return numbers;
}

TEST_F(DeliveryTest, EverythingInOrderAndARestartRepeatsNothing) {
  auto worker = start();
  append("app", 10);
  append("app", 5);
  EXPECT_EQ(finish(std::move(worker)), 0u);
  EXPECT_EQ(destination_.all_offsets(), range(0, 15));
  append("app", 5);
  EXPECT_EQ(finish(start()), 0u);
  EXPECT_EQ(destination_.all_offsets(), range(0, 20));
  EXPECT_EQ(metrics_->records.get(), 20u);
}

TEST_F(DeliveryTest, ABatchThatFailsIsSentAgainWhole) {
  {
    MutexLock lock(destination_.mutex);
    destination_.answers = {Delivery::retry(RetryClass::Transient, "reset"),
                            Delivery::retry(RetryClass::Transient, "reset")};
  }
  append("app", 3);
  EXPECT_EQ(finish(start()), 0u);
  EXPECT_EQ(destination_.all_offsets(), range(0, 3));
  EXPECT_EQ(metrics_->retries.get(), 2u);
  EXPECT_EQ(metrics_->delivery_state.get(), 0u);
}

TEST_F(DeliveryTest, AnOutageKeepsEverythingAndSaysHowMuchIsLeft) {
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = true;
  }
  destination_.batch_records_max = 4;
  auto worker = start();
  append("app", 10);
  eventually([&] { return worker->state().retrying; });
  EXPECT_EQ(worker->state().last_error, "refused");
  EXPECT_EQ(finish(std::move(worker), Milliseconds(300)), 10u);
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = false;
  }
  EXPECT_EQ(finish(start()), 0u);
  EXPECT_EQ(destination_.all_offsets(), range(0, 10));
}

// The first batch was all there was when it was sent; what came while it waited belongs to the
// drain as well.
TEST_F(DeliveryTest, ADrainDeliversWhatCameDuringAnOutage) {
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = true;
  }
  auto worker = start();
  append("app", 1);
  eventually([&] { return worker->state().retrying; });
  append("app", 1000);
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = false;
  }
  EXPECT_EQ(finish(std::move(worker)), 0u);
  EXPECT_EQ(destination_.all_offsets(), range(0, 1001));
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST_F(DeliveryTest, RejectedAndExhaustedBatchesAreCountedAndKeptAsDeadLetters) {
  const std::filesystem::path directory =
      std::filesystem::path(::testing::TempDir()) / fmt::format("dead-{}", getpid());
  {
    MutexLock lock(destination_.mutex);
    destination_.answers = {Delivery::reject("malformed")};
  }
  destination_.batch_records_max = 2;
  append("app", 3);
  EXPECT_EQ(finish(start({.dead_letter_directory = directory})), 0u);
  EXPECT_EQ(destination_.all_offsets(), range(2, 3));
  EXPECT_EQ(metrics_->drop(DropReason::Rejected).get(), 2u);
  EXPECT_THAT(
      lines_of(directory / "fake.0.jsonl"),
      ElementsAre(
          R"({"output":"fake.0","reason":"rejected","detail":"malformed","offset":0,"tag":"app","time":"1970-01-01T00:00:00.000000000Z","record":{"n":0}})",
          R"({"output":"fake.0","reason":"rejected","detail":"malformed","offset":1,"tag":"app","time":"1970-01-01T00:00:00.000000001Z","record":{"n":1}})"));
  std::filesystem::remove_all(directory);
}

TEST_F(DeliveryTest, ARecordRefusedWhileEncodingOfABatchThatIsGivenUpIsOneDeadLetter) {
  const std::filesystem::path directory =
      std::filesystem::path(::testing::TempDir()) / fmt::format("dead-once-{}", getpid());
  {
    MutexLock lock(destination_.mutex);
    destination_.answers = {Delivery::reject("malformed")};
  }
  destination_.unencodable = {1};
  append("app", 3);
  EXPECT_EQ(finish(start({.dead_letter_directory = directory})), 0u);
  EXPECT_EQ(metrics_->drop(DropReason::Rejected).get(), 2u);
  EXPECT_EQ(metrics_->drop(DropReason::Oversize).get(), 1u);
  using ::testing::HasSubstr;
  EXPECT_THAT(
      lines_of(directory / "fake.0.jsonl"),
      ElementsAre(
          HasSubstr(R"("reason":"rejected","detail":"malformed","offset":0,)"),
          HasSubstr(R"("reason":"rejected","detail":"malformed","offset":2,)"),
          HasSubstr(R"("reason":"oversize","detail":"refused while encoding","offset":1,)")));
  std::filesystem::remove_all(directory);
}

TEST_F(DeliveryTest, RetryLimitZeroGivesUpAtTheFirstFailure) {
  {
    MutexLock lock(destination_.mutex);
    destination_.answers = {Delivery::retry(RetryClass::Transient, "reset")};
  }
  append("app", 3);
  auto worker = start({.retry_limit = 0});
  eventually([&] { return metrics_->retries_failed.get() == 1; });
  EXPECT_EQ(finish(std::move(worker)), 0u);
  EXPECT_THAT(destination_.all_offsets(), IsEmpty());
  EXPECT_EQ(metrics_->drop(DropReason::RetryLimit).get(), 3u);
  EXPECT_EQ(metrics_->retries_failed.get(), 1u);
}

TEST_F(DeliveryTest, ASingleRefusedRecordOfADeliveredBatchIsCounted) {
  Delivery partly = Delivery::delivered();
  partly.rejected = {{Offset{1}, DropReason::TooOld}};
  {
    MutexLock lock(destination_.mutex);
    destination_.answers = {partly};
  }
  append("app", 3);
  EXPECT_EQ(finish(start()), 0u);
  EXPECT_EQ(metrics_->drop(DropReason::TooOld).get(), 1u);
  EXPECT_EQ(metrics_->records.get(), 2u);
}

TEST_F(DeliveryTest, ABatchWaitsForItsAgeUnlessItIsFull) {
  destination_.limits.age_max = Seconds(600);
  destination_.batch_records_max = 4;
  auto worker = start();
  append("app", 6);
  eventually([&] { return destination_.all_offsets().size() == 4; });
  std::this_thread::sleep_for(Milliseconds(50));
  EXPECT_EQ(destination_.all_offsets().size(), 4u);
  worker->deliver_now();
  eventually([&] { return destination_.all_offsets().size() == 6; });
  EXPECT_EQ(finish(std::move(worker)), 0u);
}

TEST_F(DeliveryTest, ManyGroupsCloseTheOldestEarly) {
  destination_.limits.age_max = Seconds(600);
  destination_.limits.groups_max = 2;
  auto worker = start();
  for (const char* tag : {"a", "b", "c", "d"}) append(tag, 1);
  eventually([&] { return destination_.all_offsets().size() == 2; });
  EXPECT_EQ(destination_.all_offsets(), range(0, 2));
  EXPECT_EQ(finish(std::move(worker)), 0u);
  EXPECT_EQ(destination_.all_offsets().size(), 4u);
}

TEST_F(DeliveryTest, ASpoolThatCannotBeWrittenLosesAndRepeatsNothing) {
  {
    MutexLock lock(destination_.mutex);
    destination_.broken_batches = 1;
  }
  destination_.limits.age_max = Milliseconds(50);
  auto worker = start();
  append("x-parity", 20);
  append("y", 5);
  eventually([&] { return destination_.all_offsets().size() >= 25; });
  EXPECT_EQ(finish(std::move(worker)), 0u);
  std::vector<uint64_t> all = destination_.all_offsets();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, range(0, 25));
}

// Records of hundreds of hours in one chunk (a backfill): more groups than a checkpoint can name,
// and with names longer than it can hold.
TEST_F(DeliveryTest, MoreGroupsThanACheckpointCanName) {
  destination_.exactly_once = true;
  destination_.limits.age_max = Seconds(600);
  append("x-each", 700);
  append("x-each", 300);
  EXPECT_EQ(finish(start()), 0u);
  std::vector<uint64_t> all = destination_.all_offsets();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, range(0, 1000));
  EXPECT_EQ(finish(start()), 0u);
  EXPECT_EQ(destination_.all_offsets().size(), 1000u);
}

TEST_F(DeliveryTest, ARetryLimitIsNotUsedUpByAShutdown) {
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = true;
  }
  append("app", 3);
  auto worker =
      start({.retry_limit = 1, .scheduler_base = Seconds(0), .scheduler_cap = Seconds(0)});
  EXPECT_EQ(finish(std::move(worker), Milliseconds(2500)), 3u);
  EXPECT_EQ(metrics_->drop(DropReason::RetryLimit).get(), 0u);
}

// A journal that drops its oldest segments, two outputs' worth of tags, and one that takes every
// third chunk: each range that is lost is counted by what was the output's own.
TEST_F(DeliveryTest, DroppedSegmentsAreCountedToTheRecord) {
  const auto account = std::make_shared<OutputAccount>();
  std::vector<Route> routes;
  routes.push_back({.output_identity = "other", .match = {TagPattern("*")}});
  routes.push_back({.output_identity = "fake", .match = {TagPattern("mine")}});
  routes_ = std::make_shared<RouteTable>(std::move(routes));
  journal_ = *Journal::open(
      {.bytes_max = kJournalBytesMin,
       .when_full = WhenFull::DropOldest,
       .on_drop = [&](const EntryHead& head) { note_dropped(head, *routes_, 1, *account); }});
  checkpoint_ = *journal_->register_output("fake");
  uint64_t routed = 0;
  const auto fill = [&](int chunks) {
    for (int i = 0; i < chunks; ++i) {
      append(i % 3 == 0 ? "mine" : "yours", 100);
      if (i % 3 == 0) routed += 100;
    }
  };
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = true;
  }
  destination_.batch_records_max = 70;  // batches end in the middle of chunks
  DeliverySettings settings;
  settings.output_index = 1;
  settings.account = account;
  auto worker = start(settings);
  fill(2000);
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = false;
  }
  eventually([&] { return metrics_->drop(DropReason::JournalFull).get() > 0; });
  fill(30);
  EXPECT_EQ(finish(std::move(worker)), 0u);
  EXPECT_TRUE(account->exact());
  EXPECT_EQ(destination_.all_offsets().size(), metrics_->records.get());
  EXPECT_EQ(routed, metrics_->records.get() + metrics_->drop(DropReason::JournalFull).get());
  EXPECT_LT(metrics_->records.get(), routed / 2);
}

TEST_F(DeliveryTest, WhatIsDroppedBehindABatchThatNeverGoesIsCountedAtTheEnd) {
  const auto account = std::make_shared<OutputAccount>();
  journal_ = *Journal::open(
      {.bytes_max = kJournalBytesMin,
       .when_full = WhenFull::DropOldest,
       .on_drop = [&](const EntryHead& head) { note_dropped(head, *routes_, 0, *account); }});
  checkpoint_ = *journal_->register_output("fake");
  {
    MutexLock lock(destination_.mutex);
    destination_.refuse = true;
  }
  DeliverySettings settings;
  settings.account = account;
  auto worker = start(settings);
  for (int i = 0; i < 1000; ++i) append("app", 100);
  const uint64_t left = finish(std::move(worker), Milliseconds(50));
  EXPECT_GT(left, 0u);
  EXPECT_TRUE(account->exact());
  EXPECT_EQ(appended_, left + metrics_->drop(DropReason::JournalFull).get());
}

TEST_F(DeliveryTest, AStartCountsWhatIsWaiting) {
  {
    MutexLock lock(destination_.mutex);
    destination_.answers = {Delivery::delivered()};
    destination_.die_after_put = 1;
  }
  destination_.batch_records_max = 7;
  auto worker = start();
  append("app-parity", 100);
  eventually([&] {
    MutexLock lock(destination_.mutex);
    return destination_.attempts > 1;
  });
  const uint64_t left = finish(std::move(worker), Milliseconds(50));
  {
    MutexLock lock(destination_.mutex);
    destination_.die_after_put = 0;
    destination_.refuse = true;
  }
  const auto account = std::make_shared<OutputAccount>();
  DeliveryWorker second({.instance = "fake.0", .identity = "fake", .account = account},
                        std::make_unique<FakeOutput>(destination_), routes_, *journal_, *metrics_,
                        system_clock());
  append("app", 10);
  second.start(checkpoint_, true);
  EXPECT_EQ(account->recovered.get(), left + 10);
  append("app", 10);
  EXPECT_EQ(account->recovered.get(), left + 10);
  second.drain(system_clock().monotonic());
  second.join();
  EXPECT_TRUE(account->exact());
}

// Crashes at random: between a delivery and its checkpoint, in the middle of batches, with several
// groups open. Objects are named by group and start offset, as S3 keys are: a later one of the same
// name replaces it.
TEST_F(DeliveryTest, ObjectsNamedByTheirStartHoldEveryRecordExactlyOnceWhateverCrashes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  destination_.exactly_once = true;
  destination_.limits.groups_max = 3;
  for (int round = 0; round < 60; ++round) {
    destination_.batch_records_max = 1 + random() % 20;
    destination_.limits.age_max = Milliseconds(random() % 4);
    {
      // The process "dies" inside deliver(): the object is there, its checkpoint never comes.
      MutexLock lock(destination_.mutex);
      destination_.die_after_put = random() % 3 == 0 ? static_cast<int>(1 + random() % 5) : 0;
    }
    auto worker = start();
    for (uint64_t i = random() % 6; i > 0; --i) {
      append(
          std::string(1, static_cast<char>('a' + random() % 4)) + (random() % 2 ? "-parity" : ""),
          1 + random() % 30);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 800));
    }
    static_cast<void>(finish(std::move(worker), Milliseconds(random() % 3)));
  }
  {
    MutexLock lock(destination_.mutex);
    destination_.die_after_put = 0;
  }
  EXPECT_EQ(finish(start()), 0u);
  std::map<std::pair<std::string, uint64_t>, std::vector<uint64_t>> objects;
  {
    MutexLock lock(destination_.mutex);
    for (const Sent& sent : destination_.sent) objects[{sent.group, sent.start}] = sent.offsets;
  }
  std::vector<uint64_t> all;
  for (const auto& [name, offsets] : objects) {
    ASSERT_EQ(offsets.front(), name.second);
    all.insert(all.end(), offsets.begin(), offsets.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, range(0, appended_));
}

// The machine loses power, or the process dies, in the middle of anything: a write, an fsync, a
// delivery. Acknowledged is what commit() reported on stable storage.
TEST_F(DeliveryTest, AfterPowerLossesObjectsHoldExactlyOnceWhatWasAcknowledged) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  testing::FakeFileSystem disk(random());
  std::vector<uint64_t> acknowledged;
  destination_.exactly_once = true;
  destination_.limits.groups_max = 3;
  const auto open = [&] {
    journal_ = *Journal::open({.directory = "/j",
                               .bytes_max = 4 * kJournalBytesMin,
                               .disk_free_min = 0,
                               .sync = SyncMode::Full},
                              &disk);
    checkpoint_ = *journal_->register_output("fake");
  };
  const auto set_deaths = [&](int after_put) {
    MutexLock lock(destination_.mutex);
    destination_.die_after_put = after_put;
  };
  for (int round = 0; round < 100; ++round) {
    open();
    destination_.batch_records_max = 1 + random() % 20;
    destination_.limits.age_max = Milliseconds(random() % 4);
    set_deaths(random() % 3 == 0 ? static_cast<int>(1 + random() % 5) : 0);
    if (random() % 2 == 0) disk.crash_after(1 + random() % 60);
    auto worker = start();
    for (uint64_t i = random() % 6; i > 0; --i) {
      const uint64_t first = appended_;
      const std::string tag(1, static_cast<char>('a' + random() % 4));
      const auto count = static_cast<uint32_t>(1 + random() % 30);
      if (try_append(tag + (random() % 2 ? "-parity" : ""), count) && journal_->commit()) {
        for (uint64_t n = first; n < appended_; ++n) acknowledged.push_back(n);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 800));
    }
    worker->drain(system_clock().monotonic() + Milliseconds(random() % 3));
    worker.reset();
    journal_.reset();
    disk.restart(random() % 3 == 0 ? testing::Crash::ProcessKilled : testing::Crash::PowerLoss);
  }
  open();
  set_deaths(0);
  EXPECT_EQ(finish(start()), 0u);
  journal_.reset();  // before its disk
  std::map<std::pair<std::string, uint64_t>, std::vector<uint64_t>> objects;
  {
    MutexLock lock(destination_.mutex);
    for (const Sent& sent : destination_.sent) objects[{sent.group, sent.start}] = sent.numbers;
  }
  std::vector<uint64_t> all;
  for (const auto& [name, numbers] : objects) all.insert(all.end(), numbers.begin(), numbers.end());
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << "a record is there twice";
  EXPECT_TRUE(std::ranges::includes(all, acknowledged)) << "an acknowledged record is missing";
  EXPECT_GT(acknowledged.size(), 100u);
  EXPECT_LT(acknowledged.size(), appended_) << "no crash hit an append: the test tests nothing";
}

// A thousand times as fast: what waits for seconds waits for milliseconds.
class FastClock final : public Clock {
 public:
  Timestamp wall() const override { return system_clock().wall(); }
  Monotonic monotonic() const override {
    return begin_ + (system_clock().monotonic() - begin_) * 1000;
  }

 private:
  const Monotonic begin_ = system_clock().monotonic();
};

// fsyncs fail for a while, and the kernel writes, keeps, forgets or drops what they should have
// written. The client waits for its ack; what it is told to be lost it sends again.
TEST_F(DeliveryTest, AfterFailedFsyncsObjectsHoldExactlyOnceWhatWasAcknowledged) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  testing::FakeFileSystem disk(random());
  const FastClock clock;
  std::vector<uint64_t> acknowledged;
  uint64_t repaired = 0, sent_again = 0;
  destination_.exactly_once = true;
  destination_.limits.groups_max = 3;
  const auto open = [&] {
    journal_ = *Journal::open({.directory = "/j",
                               .bytes_max = 4 * kJournalBytesMin,
                               .disk_free_min = 0,
                               .sync = SyncMode::Full},
                              &disk, clock);
    checkpoint_ = *journal_->register_output("fake");
  };
  // True once it is acknowledged.
  const auto send = [&](const std::string& tag, uint32_t count) {
    const uint64_t first = appended_;
    for (int attempt = 0; attempt < 50; ++attempt) {
      const Offset base = journal_->appended_offset();
      appended_ = first;
      if (!try_append(tag, count)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      bool waited = false;
      Status committed = journal_->commit();
      for (int tries = 0; !committed && tries < 300; ++tries) {
        waited = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        committed = journal_->commit();
      }
      if (!committed) return false;
      repaired += waited;
      if (!journal_->lost_before_sync(base, base + count)) {
        for (uint64_t n = first; n < appended_; ++n) acknowledged.push_back(n);
        return true;
      }
      ++sent_again;
    }
    return false;
  };
  for (int round = 0; round < 100; ++round) {
    open();
    destination_.batch_records_max = 1 + random() % 20;
    destination_.limits.age_max = Milliseconds(random() % 4);
    auto worker = start();
    for (uint64_t i = random() % 6; i > 0; --i) {
      if (random() % 2 == 0) disk.fail_syncs(1 + random() % 3);
      const std::string tag(1, static_cast<char>('a' + random() % 4));
      const auto count = static_cast<uint32_t>(1 + random() % 30);
      static_cast<void>(send(tag + (random() % 2 ? "-parity" : ""), count));
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 800));
    }
    if (random() % 4 == 0) disk.fail_syncs(1 + random() % 3);
    worker->drain(system_clock().monotonic() + Milliseconds(random() % 3));
    worker.reset();
    journal_.reset();
    disk.restart(random() % 3 == 0 ? testing::Crash::ProcessKilled : testing::Crash::PowerLoss);
  }
  open();
  EXPECT_EQ(finish(start()), 0u);
  journal_.reset();  // before its disk
  std::map<std::pair<std::string, uint64_t>, std::vector<uint64_t>> objects;
  {
    MutexLock lock(destination_.mutex);
    for (const Sent& sent : destination_.sent) objects[{sent.group, sent.start}] = sent.numbers;
  }
  std::vector<uint64_t> all;
  for (const auto& [name, numbers] : objects) all.insert(all.end(), numbers.begin(), numbers.end());
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << "a record is there twice";
  EXPECT_TRUE(std::ranges::includes(all, acknowledged)) << "an acknowledged record is missing";
  EXPECT_GT(acknowledged.size(), 100u);
  EXPECT_GT(repaired, 0u) << "no fsync failed: the test tests nothing";
  EXPECT_GT(sent_again, 0u) << "nothing was lost: half of the test tests nothing";
}

}  // namespace
}  // namespace noroshi

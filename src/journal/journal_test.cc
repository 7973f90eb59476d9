#include "journal/journal.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "journal/journal_format.h"
#include "journal/journal_reader.h"
#include "journal/testing/numbered_journal.h"

namespace noroshi {
namespace {

using testing::append;
using testing::Crash;
using testing::FakeFileSystem;
using testing::numbered_chunk;
using testing::numbers;
using testing::open_or_die;
using testing::read_all;

TEST(Journal, GivesBackWhatWasAppended) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  Chunk chunk;
  chunk.tag = "app";
  chunk.append(Timestamp(Nanoseconds(-5)), "first");
  chunk.append(Timestamp(Nanoseconds(7)), "second", "meta", Severity::Error);
  EXPECT_EQ(journal->append(chunk.view(), {.route_table = 9, .marks = "\x02\xff"}).value(),
            Offset{0});
  EXPECT_EQ(journal->appended_offset(), Offset{2});

  const auto reader = journal->make_reader(Offset{0});
  EntryHead head;
  ASSERT_EQ(reader->next(head).value(), ReadOutcome::Entry);
  EXPECT_EQ(head.tag, "app");
  EXPECT_EQ(head.record_count, 2u);
  EXPECT_EQ(head.routing.route_table, 9u);
  ChunkView read;
  ASSERT_EQ(reader->load(read).value(), ReadOutcome::Entry);
  EXPECT_EQ(head.routing.marks, "\x02\xff") << "the head stays valid after load()";
  EXPECT_EQ(read.tag, "app");
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.record(read.records[0]), "first");
  EXPECT_EQ(read.records[0].time, Timestamp(Nanoseconds(-5)));
  EXPECT_EQ(read.metadata(read.records[1]), "meta");
  EXPECT_EQ(read.record(read.records[1]), "second");
  EXPECT_EQ(read.records[1].severity, Severity::Error);
  EXPECT_EQ(reader->next(head).value(), ReadOutcome::End);
}

// Filters drop records by taking them out of the index; the body then has holes.
TEST(Journal, StoresOnlyTheRecordsOfTheIndex) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  Chunk chunk = numbered_chunk(0, 3);
  chunk.records.erase(chunk.records.begin());
  std::swap(chunk.records[0], chunk.records[1]);
  ASSERT_TRUE(journal->append(chunk.view(), {}));
  const auto reader = journal->make_reader(Offset{0});
  EntryHead head;
  ChunkView read;
  ASSERT_EQ(reader->next(head).value(), ReadOutcome::Entry);
  ASSERT_EQ(reader->load(read).value(), ReadOutcome::Entry);
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.body.size(), 40u);
  EXPECT_TRUE(read.record(read.records[0]).starts_with("2 "));
  EXPECT_TRUE(read.record(read.records[1]).starts_with("1 "));
}

TEST(Journal, RefusesWhatBreaksALimit) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  const auto code = [&](const Chunk& chunk) {
    const auto appended = journal->append(chunk.view(), {});
    EXPECT_FALSE(appended.has_value());
    return appended.error().code;
  };
  EXPECT_EQ(code(Chunk{}), ErrorCode::InvalidArgument);
  Chunk chunk = numbered_chunk(0, 1);
  chunk.tag.assign(kTagBytesMax + 1, 'x');
  EXPECT_EQ(code(chunk), ErrorCode::InvalidArgument);
  chunk = numbered_chunk(0, 1);
  chunk.records[0].size += 1;
  EXPECT_EQ(code(chunk), ErrorCode::InvalidArgument);
  EXPECT_EQ(code(numbered_chunk(0, 1, kJournalBytesMin)), ErrorCode::InvalidArgument);
  EXPECT_EQ(journal->appended_offset(), Offset{0});
  EXPECT_FALSE(journal->full());
}

TEST(Journal, GoesOnAfterReopeningWithTheSameId) {
  FakeFileSystem disk(1);
  JournalId id;
  {
    const auto journal = open_or_die(disk);
    id = journal->id();
    ASSERT_TRUE(append(*journal, 10));
  }
  disk.restart(Crash::ProcessKilled);
  const auto journal = open_or_die(disk);
  EXPECT_EQ(journal->id(), id);
  EXPECT_EQ(journal->appended_offset(), Offset{10});
  EXPECT_EQ(append(*journal, 5).value(), Offset{10});
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 15));
  EXPECT_EQ(read_all(*journal, Offset{7}).records, numbers(7, 15)) << "seek into an entry";
}

TEST(Journal, SecondOwnerIsRefusedByName) {
  const std::string directory = ::testing::TempDir() + fmt::format("journal_lock_{}", ::getpid());
  const JournalOptions options{.directory = directory};
  auto first = Journal::open(options);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  const auto second = Journal::open(options);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::Unavailable);
  EXPECT_THAT(second.error().message, ::testing::HasSubstr(fmt::format("pid {}", ::getpid())));
  first->reset();
  EXPECT_TRUE(Journal::open(options).has_value());
  std::filesystem::remove_all(directory);
}

// One writer, three readers with their own pace, retention behind them. Run it under the tsan
// preset, too.
TEST(JournalThreads, ReadersFollowAWriter) {
  constexpr uint64_t kRecords = 30'000;
  auto opened = Journal::open({.bytes_max = 2 << 20});
  ASSERT_TRUE(opened.has_value());
  Journal& journal = **opened;
  std::vector<Checkpoint> checkpoints;
  for (const char* name : {"a", "b", "c"}) {
    checkpoints.push_back(journal.register_output(name).value().checkpoint);
  }
  std::vector<std::thread> threads;
  std::atomic<uint64_t> read_total{0};
  for (Checkpoint& checkpoint : checkpoints) {
    threads.emplace_back([&] {
      const auto reader = journal.make_reader(Offset{0});
      EntryHead head;
      ChunkView chunk;
      uint64_t expected = 0;
      while (expected < kRecords) {
        const auto outcome = reader->next(head);
        ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
        ASSERT_NE(*outcome, ReadOutcome::Lost);
        if (*outcome == ReadOutcome::End) {
          std::this_thread::yield();
          continue;
        }
        ASSERT_EQ(head.base.value, expected);
        ASSERT_EQ(reader->load(chunk).value(), ReadOutcome::Entry);
        const RecordEntry& last = chunk.records.back();
        expected = head.end().value;
        ASSERT_EQ(std::stoull(std::string(chunk.record(last))), expected - 1);
        checkpoint.low_water = reader->position();
        ASSERT_TRUE(journal.save_checkpoint(checkpoint, false));
        if (expected % 7 == 0) {
          ASSERT_TRUE(journal.sync_to(checkpoint.low_water));
        }
      }
      read_total += expected;
    });
  }
  while (journal.appended_offset().value < kRecords) {
    const uint64_t left = kRecords - journal.appended_offset().value;
    const auto appended = append(journal, static_cast<uint32_t>(std::min<uint64_t>(left, 13)), 300);
    if (!appended) {
      ASSERT_EQ(appended.error().code, ErrorCode::Exhausted);
      std::this_thread::yield();
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read_total.load(), 3 * kRecords);
}

}  // namespace
}  // namespace noroshi

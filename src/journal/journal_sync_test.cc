// What is durable when, and what a disk that fails means for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/testing/numbered_journal.h"

namespace noroshi {
namespace {

using testing::append;
using testing::Crash;
using testing::FakeFileSystem;
using testing::kDirectory;
using testing::numbered_chunk;
using testing::numbers;
using testing::open_or_die;
using testing::read_all;
using testing::ReadAll;
using testing::small_options;

TEST(JournalSync, SurvivesAPowerLossUpToDurableOffset) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    FakeFileSystem disk(seed);
    {
      const auto journal = open_or_die(disk);
      for (int i = 0; i < 40; ++i) ASSERT_TRUE(append(*journal, 10, 500));
      ASSERT_TRUE(journal->sync_to(Offset{350}));
      EXPECT_EQ(journal->durable_offset(), Offset{400}) << "one fsync covers everything appended";
      for (int i = 0; i < 4; ++i) ASSERT_TRUE(append(*journal, 10, 500));
      EXPECT_EQ(journal->durable_offset(), Offset{400});
    }
    disk.restart(Crash::PowerLoss);
    const auto journal = open_or_die(disk);
    EXPECT_GE(journal->appended_offset(), Offset{400});
    const ReadAll read = read_all(*journal, Offset{0});
    ASSERT_GE(read.records.size(), 400u);
    EXPECT_EQ(read.records[399], 399u);
  }
}

TEST(JournalSync, FullModeSyncsBeforeAck) {
  FakeFileSystem disk(1);
  JournalOptions options = small_options();
  options.sync = SyncMode::Full;
  const auto journal = open_or_die(disk, options);
  ASSERT_TRUE(append(*journal, 10));
  EXPECT_EQ(journal->durable_offset(), Offset{0});
  ASSERT_TRUE(journal->commit());
  EXPECT_EQ(journal->durable_offset(), Offset{10});
}

using FailedSync = FakeFileSystem::FailedSync;

TEST(JournalSync, AFailedFsyncStopsAcksUntilTheRecordsAreWrittenAgain) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::CallsClean);
  ManualClock clock;
  const auto journal = open_or_die(disk, small_options(), clock);
  ASSERT_TRUE(append(*journal, 10));
  disk.fail_syncs(1);
  EXPECT_EQ(journal->sync().error().code, ErrorCode::Io);
  EXPECT_TRUE(journal->failed());
  EXPECT_EQ(journal->durable_offset(), Offset{0});
  EXPECT_EQ(journal->sync().error().code, ErrorCode::Io) << "a second fsync proves nothing";
  EXPECT_EQ(journal->commit().error().code, ErrorCode::Io);
  EXPECT_EQ(append(*journal, 1).error().code, ErrorCode::Io);
  EXPECT_NE(journal->problem().find("fake sync"), std::string::npos) << journal->problem();
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 10));

  clock.advance(kRepairWaitMin);
  EXPECT_TRUE(journal->commit());
  EXPECT_FALSE(journal->failed());
  EXPECT_EQ(journal->problem(), "");
  EXPECT_EQ(journal->durable_offset(), Offset{10});
  EXPECT_EQ(append(*journal, 1).value(), Offset{10});
  EXPECT_FALSE(journal->lost_before_sync(Offset{0}, Offset{11}));
  disk.restart(Crash::PowerLoss);
  const auto reopened = open_or_die(disk);
  EXPECT_GE(reopened->appended_offset(), Offset{10});
  const ReadAll read = read_all(*reopened, Offset{0});
  ASSERT_GE(read.records.size(), 10u) << "what was synced in the end survives";
  EXPECT_EQ(read.records[9], 9u);
  EXPECT_TRUE(read.lost.empty());
}

TEST(JournalSync, ARepairThatFailsIsTriedAgainLaterAndLater) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::CallsClean);
  ManualClock clock;
  const auto journal = open_or_die(disk, small_options(), clock);
  ASSERT_TRUE(append(*journal, 10));
  disk.fail_syncs(UINT64_MAX);
  ASSERT_FALSE(journal->sync());
  for (const int seconds : {1, 1, 2, 4, 8, 16, 30, 30, 30}) {
    clock.advance(Seconds(seconds) - Nanoseconds(1));
    const uint64_t before = disk.operations();
    EXPECT_FALSE(journal->commit());
    EXPECT_EQ(disk.operations(), before) << "too early to try again";
    clock.advance(Nanoseconds(1));
    EXPECT_FALSE(journal->commit());
    EXPECT_GT(disk.operations(), before);
  }
  disk.fail_syncs(0);
  clock.advance(kRepairWaitMax);
  EXPECT_EQ(append(*journal, 1).value(), Offset{10});
  EXPECT_EQ(journal->durable_offset(), Offset{10});
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 11));
}

// Whatever the failed fsync did to the pages, and wherever the repair is cut short: nothing is
// there twice, nothing that is whole is left out, and what was on stable storage stays so.
TEST(JournalSync, ARepairCutShortAnywhereLeavesTheOldFileOrTheNewOne) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (uint64_t cut = 1; cut < 30; ++cut) {
      SCOPED_TRACE(fmt::format("seed {}, cut at operation {}", seed, cut));
      FakeFileSystem disk(seed);
      disk.set_failed_sync(seed % 2 == 0 ? FailedSync::CallsClean : FailedSync::KeepsDirty);
      ManualClock clock;
      {
        const auto journal = open_or_die(disk, small_options(), clock);
        ASSERT_TRUE(append(*journal, 10, 300));
        ASSERT_TRUE(journal->sync());
        for (int i = 0; i < 30; ++i) ASSERT_TRUE(append(*journal, 10, 300));
        disk.fail_syncs(1);
        ASSERT_FALSE(journal->sync());
        clock.advance(kRepairWaitMin);
        disk.crash_after(cut);
        const bool repaired = journal->commit().has_value();
        if (!disk.crashed()) {
          ASSERT_TRUE(repaired);
          cut = 1000;  // the repair has fewer operations
        }
      }
      const Crash crash = seed % 4 < 2 ? Crash::ProcessKilled : Crash::PowerLoss;
      disk.restart(crash);
      const auto journal = open_or_die(disk, small_options(), clock);
      ASSERT_FALSE(journal->failed()) << "the start repairs";
      const ReadAll read = read_all(*journal, Offset{0});
      const uint64_t least = crash == Crash::ProcessKilled && seed % 2 == 1 ? 310 : 10;
      ASSERT_GE(read.records.size(), least);
      ASSERT_TRUE(std::ranges::is_sorted(read.records));
      ASSERT_EQ(std::ranges::adjacent_find(read.records), read.records.end());
      ASSERT_EQ(read.records[9], 9u);
      // What the process could still read is safe now.
      ASSERT_TRUE(journal->sync());
    }
  }
}

// A process that is killed between the failure and the repair: its successor must not take the
// cache for the disk.
TEST(JournalSync, AStartRepairsWhatTheProcessBeforeCouldNot) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::CallsClean);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append(*journal, 10));
    disk.fail_syncs(1);
    ASSERT_FALSE(journal->sync());
  }
  const auto journal = open_or_die(disk);
  EXPECT_FALSE(journal->failed());
  ASSERT_TRUE(journal->sync());
  EXPECT_EQ(journal->durable_offset(), Offset{10});
  disk.restart(Crash::PowerLoss);
  const auto reopened = open_or_die(disk);
  EXPECT_EQ(read_all(*reopened, Offset{0}).records, numbers(0, 10));
}

TEST(JournalSync, AStartOnADiskThatStillFailsReadsAndWaits) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::Writes);
  ManualClock clock;
  {
    const auto journal = open_or_die(disk, small_options(), clock);
    ASSERT_TRUE(append(*journal, 10));
    disk.fail_syncs(UINT64_MAX);
    ASSERT_FALSE(journal->sync());
  }
  const auto journal = open_or_die(disk, small_options(), clock);
  EXPECT_TRUE(journal->failed());
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 10));
  EXPECT_FALSE(append(*journal, 1));
  disk.fail_syncs(0);
  clock.advance(kRepairWaitMax);
  EXPECT_EQ(append(*journal, 1).value(), Offset{10});
}

// The kernel has thrown the pages away: what no checksum confirms is lost, under its old numbers,
// and told to whoever has not been promised it yet.
TEST(JournalSync, WhatTheDiskTookIsTold) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::DropsFromCache);
  ManualClock clock;
  JournalOptions options = small_options();
  options.sync = SyncMode::Full;
  const auto journal = open_or_die(disk, options, clock);
  ASSERT_TRUE(append(*journal, 10));
  ASSERT_TRUE(journal->commit());
  const std::vector<Receipt> receipts = {{1, 2}};
  ASSERT_TRUE(journal->append(numbered_chunk(10, 10, 1000).view(), {}, receipts));
  disk.fail_syncs(1);
  ASSERT_FALSE(journal->commit());
  const auto reader = journal->make_reader(Offset{10});
  EntryHead head;
  EXPECT_EQ(reader->next(head).error().code, ErrorCode::Io)
      << "as long as the repair may bring it back it is not called lost";
  clock.advance(kRepairWaitMin);
  ASSERT_TRUE(journal->commit());
  EXPECT_EQ(journal->durable_offset(), Offset{20});
  EXPECT_EQ(journal->losses_before_sync(), 1u);
  EXPECT_TRUE(journal->lost_before_sync(Offset{10}, Offset{11}));
  EXPECT_TRUE(journal->lost_before_sync(Offset{0}, Offset{11}));
  EXPECT_FALSE(journal->lost_before_sync(Offset{0}, Offset{10}));
  EXPECT_FALSE(journal->lost_before_sync(Offset{20}, Offset{30}));
  EXPECT_EQ(reader->next(head).value(), ReadOutcome::Lost);
  EXPECT_EQ(reader->lost().from, Offset{10});
  EXPECT_EQ(reader->lost().to, Offset{20});
  ASSERT_EQ(append(*journal, 10).value(), Offset{20}) << "a number is never used twice";
  ASSERT_TRUE(journal->commit());
  disk.restart(Crash::PowerLoss);
  const auto reopened = open_or_die(disk, options, clock);
  EXPECT_EQ(reopened->appended_offset(), Offset{30});
  const ReadAll read = read_all(*reopened, Offset{0});
  std::vector<uint64_t> expected = numbers(0, 10);
  for (uint64_t n = 20; n < 30; ++n) expected.push_back(n);
  EXPECT_EQ(read.records, expected);
  EXPECT_TRUE(reopened->take_receipts().empty()) << "the lost request counts as stored";
}

TEST(JournalSync, AReaderInTheOldFileGoesOnInTheNewOne) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::CallsClean);
  ManualClock clock;
  const auto journal = open_or_die(disk, small_options(), clock);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(*journal, 10, 2000));
  const auto reader = journal->make_reader(Offset{0});
  EntryHead head;
  ASSERT_EQ(reader->next(head).value(), ReadOutcome::Entry);
  const std::string_view tag = head.tag;
  disk.fail_syncs(1);
  ASSERT_FALSE(journal->sync());
  clock.advance(kRepairWaitMin);
  ASSERT_TRUE(append(*journal, 10));
  ChunkView chunk;
  ASSERT_EQ(reader->load(chunk).value(), ReadOutcome::Entry);
  EXPECT_EQ(chunk.base, Offset{0});
  EXPECT_EQ(tag, "app.web") << "the head is still readable";
  for (const uint64_t base : {10u, 20u, 30u}) {
    ASSERT_EQ(reader->next(head).value(), ReadOutcome::Entry);
    EXPECT_EQ(head.base, Offset{base});
    ASSERT_EQ(reader->load(chunk).value(), ReadOutcome::Entry);
  }
  EXPECT_EQ(reader->next(head).value(), ReadOutcome::End);
}

// A page that cannot be read back may come back; after some attempts it is given up, and only it.
TEST(JournalSync, APageThatCannotBeReadBackIsGivenUpInTheEnd) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::CallsClean);
  ManualClock clock;
  const auto journal = open_or_die(disk, small_options(), clock);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(*journal, 1, 9000));
  disk.fail_syncs(1);
  ASSERT_FALSE(journal->sync());
  const Path segment = kDirectory / segment_file_name(Offset{0});
  disk.make_unreadable(segment, 14'000, 14'001);
  for (int attempt = 1; attempt < 5; ++attempt) {
    clock.advance(kRepairWaitMax);
    ASSERT_FALSE(journal->commit()) << attempt;
    ASSERT_EQ(journal->losses_before_sync(), 0u);
  }
  clock.advance(kRepairWaitMax);
  ASSERT_TRUE(journal->commit());
  const ReadAll read = read_all(*journal, Offset{0});
  EXPECT_EQ(read.records, (std::vector<uint64_t>{0, 2}));
  ASSERT_EQ(read.lost.size(), 1u);
  EXPECT_EQ(read.lost[0].from, Offset{1});
  EXPECT_EQ(read.lost[0].to, Offset{2});
}

// No room for a copy: the bytes are written over themselves.
TEST(JournalSync, AFullDiskIsNoReasonToStayFailed) {
  FakeFileSystem disk(1);
  disk.set_failed_sync(FailedSync::CallsClean);
  ManualClock clock;
  const auto journal = open_or_die(disk, small_options(), clock);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(*journal, 1, 9000));
  disk.fail_syncs(1);
  ASSERT_FALSE(journal->sync());
  disk.set_capacity(disk.used_bytes() + 1000);
  clock.advance(kRepairWaitMin);
  ASSERT_TRUE(journal->sync());
  EXPECT_EQ(journal->durable_offset(), Offset{3});
  disk.restart(Crash::PowerLoss);
  disk.set_capacity(UINT64_MAX);
  const auto reopened = open_or_die(disk);
  EXPECT_EQ(read_all(*reopened, Offset{0}).records, numbers(0, 3));
}

// Names: a directory that cannot be synced stops acknowledgements, too.
TEST(JournalSync, AFailedSyncOfTheDirectoryIsRepaired) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    FakeFileSystem disk(seed);
    ManualClock clock;
    {
      const auto journal = open_or_die(disk, small_options(), clock);
      ASSERT_TRUE(append(*journal, 10));
      disk.fail_after(2, EIO);  // behind the sync of the segment
      ASSERT_FALSE(journal->sync());
      ASSERT_TRUE(journal->failed());
      clock.advance(kRepairWaitMin);
      ASSERT_TRUE(journal->sync());
    }
    disk.restart(Crash::PowerLoss);
    EXPECT_EQ(read_all(*open_or_die(disk), Offset{0}).records, numbers(0, 10));
  }
}

// A checkpoint whose sync failed is written again before it counts as durable.
TEST(JournalSync, ACheckpointWhoseSyncFailedIsWrittenAgain) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    FakeFileSystem disk(seed);
    disk.set_failed_sync(FailedSync::CallsClean);
    {
      const auto journal = open_or_die(disk);
      Checkpoint a = journal->register_output("a").value().checkpoint;
      ASSERT_TRUE(append(*journal, 10));
      ASSERT_TRUE(journal->save_checkpoint(a, true));
      ASSERT_TRUE(journal->sync());
      a.low_water = Offset{7};
      disk.fail_syncs(1);
      ASSERT_FALSE(journal->save_checkpoint(a, true));
      ASSERT_TRUE(journal->save_checkpoint(a, true));
    }
    disk.restart(Crash::PowerLoss);
    EXPECT_EQ(open_or_die(disk)->register_output("a").value().checkpoint.low_water, Offset{7});
  }
}

TEST(JournalSync, AFailedWriteIsNotAcknowledgedAndTheNextOneWorks) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  ASSERT_TRUE(append(*journal, 10));
  disk.fail_after(1, EIO);
  EXPECT_EQ(append(*journal, 10).error().code, ErrorCode::Io);
  EXPECT_NE(journal->problem(), "") << "health must say why inputs wait";
  EXPECT_FALSE(journal->failed());
  EXPECT_EQ(append(*journal, 10).value(), Offset{10});
  EXPECT_EQ(journal->problem(), "");
  const ReadAll read = read_all(*journal, Offset{0});
  EXPECT_EQ(read.records, numbers(0, 20));
  EXPECT_TRUE(read.lost.empty());
}

}  // namespace
}  // namespace noroshi

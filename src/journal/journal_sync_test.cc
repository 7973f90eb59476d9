// What is durable when, and what a disk that fails means for it.
#include <gtest/gtest.h>

#include <cerrno>

#include "journal/journal.h"
#include "journal/testing/numbered_journal.h"

namespace noroshi {
namespace {

using testing::append;
using testing::Crash;
using testing::FakeFileSystem;
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

TEST(JournalSync, AFailedFsyncStopsAcksForGoodAndReadsGoOn) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append(*journal, 10));
    disk.fail_next_sync(EIO);
    EXPECT_EQ(journal->sync().error().code, ErrorCode::Io);
    EXPECT_TRUE(journal->failed());
    EXPECT_EQ(journal->durable_offset(), Offset{0});
    EXPECT_EQ(journal->sync().error().code, ErrorCode::Io) << "a second fsync proves nothing";
    EXPECT_EQ(journal->commit().error().code, ErrorCode::Io);
    EXPECT_EQ(append(*journal, 1).error().code, ErrorCode::Io);
    EXPECT_FALSE(journal->problem().empty());
    EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 10));
  }
  disk.restart(Crash::ProcessKilled);
  const auto journal = open_or_die(disk);
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 10));
  EXPECT_TRUE(append(*journal, 1));
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

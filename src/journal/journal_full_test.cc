// A journal without room: it refuses or drops, on a disk and in memory, and takes records again.
#include <gtest/gtest.h>

#include "journal/journal.h"
#include "journal/journal_reader.h"
#include "journal/testing/numbered_journal.h"

namespace noroshi {
namespace {

using testing::append;
using testing::FakeFileSystem;
using testing::numbers;
using testing::open_or_die;
using testing::read_all;
using testing::small_options;

TEST(JournalFull, BlocksUntilAnOutputCatchesUp) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  Checkpoint a = journal->register_output("a").value().checkpoint;
  Result<Offset> appended = Offset{};
  while ((appended = append(*journal, 10, 1000))) {
  }
  EXPECT_EQ(appended.error().code, ErrorCode::Exhausted);
  EXPECT_TRUE(journal->full());
  EXPECT_FALSE(journal->problem().empty());
  EXPECT_LE(journal->bytes(), kJournalBytesMin);
  EXPECT_GT(journal->bytes(), kJournalBytesMin - 12'000);
  const Offset end = journal->appended_offset();
  a.low_water = end;
  ASSERT_TRUE(journal->save_checkpoint(a, false));
  EXPECT_EQ(append(*journal, 10, 1000).value(), end) << "space returns without a restart";
  EXPECT_FALSE(journal->full());
  EXPECT_TRUE(journal->problem().empty());
}

// The active segment alone fills the journal and is delivered: it must not block for ever.
TEST(JournalFull, ADeliveredActiveSegmentMakesRoom) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  Checkpoint a = journal->register_output("a").value().checkpoint;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(append(*journal, 1, kJournalBytesMin * 3 / 4)) << i;
    a.low_water = journal->appended_offset();
    ASSERT_TRUE(journal->save_checkpoint(a, false));
  }
}

TEST(JournalFull, NoSpaceOnTheDiskIsTheSameAsTheLimit) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  Checkpoint a = journal->register_output("a").value().checkpoint;
  ASSERT_TRUE(journal->save_checkpoint(a, false));
  ASSERT_TRUE(append(*journal, 10, 1000));
  disk.set_capacity(disk.used_bytes() + 5000);
  const auto appended = append(*journal, 10, 1000);
  ASSERT_FALSE(appended.has_value());
  EXPECT_EQ(appended.error().code, ErrorCode::Exhausted);
  a.low_water = Offset{5};
  EXPECT_TRUE(journal->save_checkpoint(a, false)) << "a full disk does not stop checkpoints";
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 10));
  disk.set_capacity(UINT64_MAX);
  EXPECT_EQ(append(*journal, 10, 1000).value(), Offset{10});
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 20));
}

TEST(JournalFull, KeepsTheDiskReserve) {
  FakeFileSystem disk(1);
  disk.set_capacity(100'000);
  JournalOptions options = small_options();
  options.disk_free_min = 50'000;
  const auto journal = open_or_die(disk, options);
  const auto first = append(*journal, 10, 6000);
  ASSERT_FALSE(first.has_value());
  EXPECT_EQ(first.error().code, ErrorCode::Exhausted);
  EXPECT_TRUE(append(*journal, 1, 1000));
}

// An output's checkpoint passes the oldest segment at the very moment when it is to be dropped.
TEST(JournalFull, DropsNothingThatItHasNotToldFirst) {
  FakeFileSystem disk(1);
  JournalOptions options = small_options();
  options.when_full = WhenFull::DropOldest;
  std::unique_ptr<Journal> journal;
  Checkpoint a;
  Offset second_segment;
  std::vector<uint64_t> told;
  options.on_drop = [&](const EntryHead& head) {
    told.push_back(head.base.value);
    if (told.size() > 1) return;
    second_segment = journal->next_segment(head.base);
    a.low_water = second_segment;
    ASSERT_TRUE(journal->save_checkpoint(a, false));
    ASSERT_EQ(journal->first_offset(), second_segment) << "the first one is gone";
  };
  journal = open_or_die(disk, options);
  a = journal->register_output("a").value().checkpoint;
  while (told.empty()) ASSERT_TRUE(append(*journal, 10, 1000));
  EXPECT_GT(second_segment, Offset{0});
  EXPECT_EQ(journal->first_offset(), second_segment);
  EXPECT_EQ(journal->records_dropped(), 0u);
  EXPECT_EQ(read_all(*journal, a.low_water).lost.size(), 0u);
}

TEST(JournalFull, DropsTheOldestAndTellsTheReader) {
  FakeFileSystem disk(1);
  JournalOptions options = small_options();
  options.when_full = WhenFull::DropOldest;
  uint64_t told = 0;
  options.on_drop = [&](const EntryHead& head) { told += head.record_count; };
  ManualClock clock;
  const auto journal = open_or_die(disk, options, clock);
  const Checkpoint a = journal->register_output("a").value().checkpoint;
  ASSERT_TRUE(append(*journal, 10, 1000));
  const auto reader = journal->make_reader(Offset{0});  // stays in the first segment
  EntryHead head;
  ASSERT_EQ(reader->next(head).value(), ReadOutcome::Entry);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(*journal, 10, 1000));
  EXPECT_TRUE(journal->full());
  EXPECT_LE(journal->bytes(), kJournalBytesMin);
  EXPECT_EQ(journal->records_dropped(), journal->first_offset().value);
  EXPECT_EQ(told, journal->records_dropped());
  EXPECT_LE(disk.used_bytes(), kJournalBytesMin + 100);

  ASSERT_EQ(reader->next(head).value(), ReadOutcome::Lost);
  EXPECT_EQ(reader->lost().from, Offset{10});
  EXPECT_EQ(reader->lost().reason, LostRange::Reason::Dropped);
  Offset reached = reader->lost().to;
  for (;;) {
    const ReadOutcome outcome = reader->next(head).value();
    if (outcome == ReadOutcome::End) break;
    if (outcome == ReadOutcome::Lost) {
      EXPECT_EQ(reader->lost().from, reached);
      EXPECT_EQ(reader->lost().reason, LostRange::Reason::Dropped);
      reached = reader->lost().to;
    } else {
      EXPECT_EQ(head.base, reached);
      reached = head.end();
    }
  }
  EXPECT_EQ(reached, Offset{1010});
  EXPECT_EQ(read_all(*journal, a.low_water).lost[0].records(), journal->records_dropped());

  Checkpoint passed = a;
  passed.low_water = reached;
  ASSERT_TRUE(journal->save_checkpoint(passed, false));
  clock.advance(Seconds(61));
  ASSERT_TRUE(append(*journal, 1));
  EXPECT_FALSE(journal->full());
}

TEST(MemoryJournal, HasAHardLimitAndGivesMemoryBack) {
  auto journal = Journal::open({.bytes_max = 1 << 20});
  ASSERT_TRUE(journal.has_value()) << journal.error().message;
  EXPECT_TRUE((*journal)->in_memory());
  Checkpoint a = (*journal)->register_output("a").value().checkpoint;
  for (int round = 0; round < 3; ++round) {
    while (append(**journal, 100, 300)) {
    }
    EXPECT_TRUE((*journal)->full());
    EXPECT_LE((*journal)->bytes(), 1u << 20);
    EXPECT_EQ(read_all(**journal, a.low_water).records.size(),
              (*journal)->appended_offset() - a.low_water);
    a.low_water = (*journal)->appended_offset();
    ASSERT_TRUE((*journal)->save_checkpoint(a, true));
    EXPECT_TRUE((*journal)->sync());
  }
}

}  // namespace
}  // namespace noroshi

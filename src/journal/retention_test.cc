// Checkpoints, and what is deleted when every output has passed it.
#include <gtest/gtest.h>

#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/testing/numbered_journal.h"

namespace noroshi {
namespace {

using testing::append;
using testing::Crash;
using testing::FakeFileSystem;
using testing::kDirectory;
using testing::numbers;
using testing::open_or_die;
using testing::read_all;
using testing::ReadAll;

TEST(Retention, DeletesWhatEveryRegisteredOutputHasPassed) {
  FakeFileSystem disk(1);
  const auto journal = open_or_die(disk);
  Checkpoint a = journal->register_output("a").value().checkpoint;
  Checkpoint b = journal->register_output("b").value().checkpoint;
  while (journal->bytes() < 200'000) ASSERT_TRUE(append(*journal, 10, 1000));
  const Offset end = journal->appended_offset();
  a.low_water = end;
  ASSERT_TRUE(journal->save_checkpoint(a, false));
  EXPECT_EQ(journal->first_offset(), Offset{0}) << "b has read nothing yet";
  b.low_water = Offset{end.value / 2};
  ASSERT_TRUE(journal->save_checkpoint(b, false));
  EXPECT_GT(journal->first_offset(), Offset{0});
  EXPECT_LE(journal->first_offset(), b.low_water);
  EXPECT_LT(journal->bytes(), 140'000u);
  EXPECT_EQ(read_all(*journal, b.low_water).records, numbers(b.low_water.value, end.value));
}

TEST(Retention, OrphansHoldNothingAndCanBeRemoved) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    Checkpoint old = journal->register_output("old output").value().checkpoint;
    ASSERT_TRUE(append(*journal, 3));
    ASSERT_TRUE(journal->save_checkpoint(old, false));
  }
  disk.restart(Crash::ProcessKilled);
  const auto journal = open_or_die(disk);
  Checkpoint now = journal->register_output("new").value().checkpoint;
  now.low_water = Offset{3};
  ASSERT_TRUE(journal->save_checkpoint(now, false));
  EXPECT_EQ(journal->bytes(), 0u);
  const auto orphans = journal->orphan_checkpoints().value();
  ASSERT_EQ(orphans.size(), 1u);
  EXPECT_EQ(orphans[0].checkpoint.identity, "old output");
  ASSERT_TRUE(journal->remove_checkpoint("old output"));
  EXPECT_TRUE(journal->orphan_checkpoints().value().empty());
}

TEST(Retention, EverythingDeliveredAndDeletedThenReopened) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    Checkpoint saved = journal->register_output("a").value().checkpoint;
    ASSERT_TRUE(append(*journal, 30));
    saved.low_water = Offset{30};
    saved.groups = {{"key 1", Offset{30}}, {"key 2", Offset{12}}};
    saved.counters = {{"records", 30}};
    ASSERT_TRUE(journal->save_checkpoint(saved, false));
  }
  for (int i = 0; i < 2; ++i) {  // the second time without any segment
    disk.restart(Crash::ProcessKilled);
    const auto journal = open_or_die(disk);
    EXPECT_EQ(journal->appended_offset(), Offset{30}) << "offsets go on without segments, too";
    EXPECT_EQ(journal->recovery().offsets_skipped, 0u);
    const auto loaded = journal->register_output("a").value();
    EXPECT_EQ(loaded.origin, CheckpointOrigin::Saved);
    EXPECT_EQ(loaded.checkpoint.groups.size(), 2u);
    EXPECT_EQ(loaded.checkpoint.groups[1].key, "key 2");
    EXPECT_EQ(loaded.checkpoint.groups[1].delivered, Offset{12});
    EXPECT_EQ(loaded.checkpoint.counters[0].value, 30u);
    ASSERT_TRUE(journal->save_checkpoint(loaded.checkpoint, false));
    EXPECT_EQ(journal->bytes(), 0u);
  }
}

TEST(Retention, DamagedSaveFallsBackToTheOneBefore) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    Checkpoint saved = journal->register_output("a").value().checkpoint;
    ASSERT_TRUE(append(*journal, 30));
    for (const uint64_t low : {10, 20, 30}) {
      saved.low_water = Offset{low};
      ASSERT_TRUE(journal->save_checkpoint(saved, false));
    }
  }
  Path path;
  const std::vector<std::string> names = disk.list(kDirectory).value();
  for (const std::string& name : names) {
    if (name.starts_with("checkpoint-")) path = kDirectory / name;
  }
  // The newest save has the highest low-water offset: 30 is the only byte 0x1e at that field's
  // place.
  std::string bytes = disk.contents(path);
  size_t damaged = 0;
  for (size_t slot = 0; slot + 48 < bytes.size(); slot += 256 << 10) {
    if (bytes[slot + 40] == 30) bytes[slot + 40] = 29, ++damaged;
  }
  ASSERT_EQ(damaged, 1u);
  disk.set_contents(path, bytes);
  {
    const auto journal = open_or_die(disk);
    const auto loaded = journal->register_output("a").value();
    EXPECT_EQ(loaded.origin, CheckpointOrigin::Earlier);
    EXPECT_EQ(loaded.checkpoint.low_water, Offset{20});
  }
  disk.set_contents(path, std::string(bytes.size(), 'x'));
  const auto journal = open_or_die(disk);
  const auto loaded = journal->register_output("a").value();
  EXPECT_EQ(loaded.origin, CheckpointOrigin::Damaged);
  EXPECT_EQ(loaded.checkpoint.low_water, journal->first_offset());
  EXPECT_EQ(loaded.checkpoint.identity, "a");
}

// A power loss takes records that an output had already delivered and said so. Their offsets stay
// used.
TEST(Retention, OffsetsNamedByACheckpointAreNeverReused) {
  FakeFileSystem disk(3);
  {
    const auto journal = open_or_die(disk);
    Checkpoint saved = journal->register_output("a").value().checkpoint;
    ASSERT_TRUE(append(*journal, 5));
    ASSERT_TRUE(journal->sync());
    ASSERT_TRUE(append(*journal, 95));
    saved.low_water = Offset{80};
    saved.groups = {{"g", Offset{90}}};
    ASSERT_TRUE(journal->save_checkpoint(saved, true));
  }
  const Path path = kDirectory / segment_file_name(Offset{0});
  const std::string whole = disk.contents(path);
  disk.set_contents(path, whole.substr(0, whole.size() / 2));  // the unsynced entry is torn
  const auto journal = open_or_die(disk);
  EXPECT_EQ(journal->appended_offset(), Offset{90});
  EXPECT_EQ(journal->recovery().offsets_skipped, 85u);
  EXPECT_EQ(append(*journal, 1).value(), Offset{90});
  const ReadAll read = read_all(*journal, Offset{0});
  ASSERT_EQ(read.lost.size(), 1u);
  EXPECT_EQ(read.lost[0].from, Offset{5});
  EXPECT_EQ(read.lost[0].to, Offset{90});
  EXPECT_EQ(read.records.back(), 90u);
}

}  // namespace
}  // namespace noroshi

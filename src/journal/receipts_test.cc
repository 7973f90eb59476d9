// Receipts: which chunks are stored, for clients that send one again after a crash.
#include <gtest/gtest.h>

#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/testing/numbered_journal.h"

namespace noroshi {
namespace {

using testing::Crash;
using testing::FakeFileSystem;
using testing::kDirectory;
using testing::numbered_chunk;
using testing::open_or_die;
using testing::small_options;

Status append_with_receipts(Journal& journal, const std::vector<Receipt>& receipts,
                            size_t size = 20) {
  const Chunk chunk = numbered_chunk(journal.appended_offset().value, 1, size);
  NOROSHI_TRY(journal.append(chunk.view(), {}, receipts));
  return {};
}

TEST(Receipts, AreFoundAfterAKill) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    EXPECT_TRUE(journal->take_receipts().empty());
    ASSERT_TRUE(append_with_receipts(*journal, {{1, 1}, {2, 2}}));
    ASSERT_TRUE(append_with_receipts(*journal, {}));
    ASSERT_TRUE(append_with_receipts(*journal, {{3, 3}}));
  }
  disk.restart(Crash::ProcessKilled);
  const std::vector<Receipt> all = {{1, 1}, {2, 2}, {3, 3}};
  {
    const auto journal = open_or_die(disk);
    EXPECT_EQ(journal->take_receipts(), all);
    EXPECT_TRUE(journal->take_receipts().empty()) << "they are given once";
  }
  // Nothing was appended in between: they are still known.
  EXPECT_EQ(open_or_die(disk)->take_receipts(), all);
}

TEST(Receipts, OutliveTheSegmentsTheyWereWrittenIn) {
  FakeFileSystem disk(1);
  const uint64_t carried_max = kJournalBytesMin / 8 / 16 / kReceiptBytes;
  std::vector<Receipt> all;
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(journal->register_output("o").has_value());
    for (uint64_t i = 0; i < 100; ++i) {
      all.push_back({i, ~i});
      ASSERT_TRUE(append_with_receipts(*journal, {all.back()}, 10'000)) << i;
      ASSERT_TRUE(journal->save_checkpoint(
          {.identity = "o", .low_water = journal->appended_offset()}, false));
    }
    ASSERT_GT(journal->first_offset(), Offset{80});
  }
  std::vector<Receipt> found = open_or_die(disk)->take_receipts();
  ASSERT_GE(found.size(), std::min<uint64_t>(carried_max, 100));
  all.erase(all.begin(), all.end() - static_cast<ptrdiff_t>(found.size()));
  EXPECT_EQ(found, all);
}

TEST(Receipts, OfATornEntryAreNotBelieved) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append_with_receipts(*journal, {{1, 1}}));
    ASSERT_TRUE(append_with_receipts(*journal, {{2, 2}}, 500));
  }
  const Path segment = kDirectory / segment_file_name(Offset{0});
  std::string bytes = disk.contents(segment);
  bytes.resize(bytes.size() - 100);
  disk.set_contents(segment, bytes);
  EXPECT_EQ(open_or_die(disk)->take_receipts(), (std::vector<Receipt>{{1, 1}}));
}

// Crash after crash, each when a segment was made and its first entry torn.
TEST(Receipts, AreInASegmentBeforeWhenTheNewestHaveNoWholeEntry) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append_with_receipts(*journal, {{1, 1}}));
  }
  const JournalId id =
      decode_segment_header(disk.contents(kDirectory / segment_file_name(Offset{0})))->journal;
  for (const Offset next : {Offset{1}, Offset{2}, Offset{3}}) {
    disk.set_contents(
        kDirectory / segment_file_name(next),
        encode_segment_header({.journal = id, .first = next}) + std::string(next.value * 40, 'x'));
    EXPECT_EQ(open_or_die(disk)->take_receipts(), (std::vector<Receipt>{{1, 1}})) << next.value;
  }
}

// Records lost to a power loss must not be taken for stored because the next segment says so.
TEST(Receipts, AreNotCarriedAheadOfTheirRecordsWhereAcksMeanFsync) {
  FakeFileSystem disk(1);
  JournalOptions options = small_options();
  options.sync = SyncMode::Full;
  const auto journal = open_or_die(disk, options);
  ASSERT_TRUE(append_with_receipts(*journal, {{1, 1}}, 20'000));
  EXPECT_EQ(journal->durable_offset(), Offset{0}) << "commit() was not called";
  ASSERT_TRUE(append_with_receipts(*journal, {{2, 2}}, 20'000));
  EXPECT_EQ(journal->durable_offset(), Offset{1}) << "the first segment, before the second";
}

TEST(Receipts, TheNewestOfTooManyAreKept) {
  FakeFileSystem disk(1);
  JournalOptions options = small_options();
  options.bytes_max = 64 << 20;
  std::vector<Receipt> many;
  for (uint64_t i = 0; i < kReceiptsMax + 10; ++i) many.push_back({i, i});
  {
    const auto journal = open_or_die(disk, options);
    ASSERT_TRUE(append_with_receipts(*journal, many));
  }
  many.erase(many.begin(), many.begin() + 10);
  EXPECT_EQ(open_or_die(disk, options)->take_receipts(), many);
}

}  // namespace
}  // namespace noroshi

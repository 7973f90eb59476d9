#include "journal/journal.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "journal/journal_format.h"
#include "journal/journal_reader.h"
#include "journal/testing/fake_file_system.h"

namespace noroshi {
namespace {

using testing::Crash;
using testing::FakeFileSystem;

const Path kDirectory = "/j";

JournalOptions small_options() {
  return {.directory = kDirectory, .bytes_max = kJournalBytesMin, .disk_free_min = 0};
}

std::unique_ptr<Journal> open_or_die(FileSystem& files, JournalOptions options = small_options(),
                                     const Clock& clock = system_clock()) {
  auto journal = Journal::open(std::move(options), &files, clock);
  EXPECT_TRUE(journal.has_value()) << journal.error().message;
  return journal ? *std::move(journal) : nullptr;
}

// A chunk whose records are "<first>", "<first + 1>", …, each padded to `size`.
Chunk numbered_chunk(uint64_t first, uint32_t count, size_t size = 20) {
  Chunk chunk;
  chunk.tag = "app.web";
  for (uint32_t i = 0; i < count; ++i) {
    std::string record = fmt::format("{}", first + i);
    record.resize(std::max(size, record.size()), ' ');
    chunk.append(Timestamp(Seconds(first + i)), record, {}, Severity::Info);
  }
  return chunk;
}

Result<Offset> append(Journal& journal, uint32_t count, size_t size = 20) {
  const Chunk chunk = numbered_chunk(journal.appended_offset().value, count, size);
  return journal.append(chunk.view(), {});
}

struct ReadAll {
  std::vector<uint64_t> records = {};  // by their text, which must match their offset
  std::vector<LostRange> lost = {};
};

// Reads to the end; every record must be the one numbered_chunk() made for its offset.
ReadAll read_all(Journal& journal, Offset from) {
  ReadAll result;
  const auto reader = journal.make_reader(from);
  EntryHead head;
  ChunkView chunk;
  for (;;) {
    const auto outcome = reader->next(head);
    if (!outcome) {
      ADD_FAILURE() << outcome.error().message;
      return result;
    }
    if (*outcome == ReadOutcome::End) return result;
    if (*outcome == ReadOutcome::Lost) {
      result.lost.push_back(reader->lost());
      continue;
    }
    const auto loaded = reader->load(chunk);
    if (!loaded) {
      ADD_FAILURE() << loaded.error().message;
      return result;
    }
    if (*loaded == ReadOutcome::Lost) {
      result.lost.push_back(reader->lost());
      continue;
    }
    for (uint32_t i = 0; i < chunk.records.size(); ++i) {
      if (chunk.offset(i) < from) continue;
      const uint64_t number = std::stoull(std::string(chunk.record(chunk.records[i])));
      EXPECT_EQ(number, chunk.offset(i).value);
      result.records.push_back(number);
    }
  }
}

std::vector<uint64_t> numbers(uint64_t from, uint64_t to) {
  std::vector<uint64_t> all;
  for (; from < to; ++from) all.push_back(from);
  return all;
}

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

TEST(Journal, CutsATornTail) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append(*journal, 3));
    ASSERT_TRUE(append(*journal, 3));
  }
  const Path path = kDirectory / segment_file_name(Offset{0});
  const std::string whole = disk.contents(path);
  disk.set_contents(path, whole.substr(0, whole.size() - 10));
  const auto journal = open_or_die(disk);
  EXPECT_EQ(journal->appended_offset(), Offset{3});
  EXPECT_GT(journal->recovery().torn_bytes_cut, 0u);
  EXPECT_EQ(append(*journal, 2).value(), Offset{3});
  const ReadAll read = read_all(*journal, Offset{0});
  EXPECT_EQ(read.records, numbers(0, 5));
  EXPECT_TRUE(read.lost.empty());
}

// One flipped bit anywhere in the middle entry: exactly its records are lost, and said to be.
TEST(Journal, DamageCostsOnlyItsEntry) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(*journal, 4));
  }
  const Path path = kDirectory / segment_file_name(Offset{0});
  const std::string whole = disk.contents(path);
  const size_t entry = (whole.size() - kSegmentHeaderBytes) / 3;
  const size_t padding = 8 - (kEntryHeadBytes + 7 + 4 * (16 + 20)) % 8;
  for (size_t at = kSegmentHeaderBytes + entry; at < kSegmentHeaderBytes + 2 * entry; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    disk.set_contents(path, damaged);
    const auto journal = open_or_die(disk);
    EXPECT_EQ(journal->appended_offset(), Offset{12});
    const ReadAll read = read_all(*journal, Offset{0});
    if (at >= kSegmentHeaderBytes + 2 * entry - padding) {
      EXPECT_EQ(read.records, numbers(0, 12)) << "padding means nothing";
      continue;
    }
    EXPECT_EQ(read.records.size(), 8u) << at;
    ASSERT_EQ(read.lost.size(), 1u) << at;
    EXPECT_EQ(read.lost[0].from, Offset{4});
    EXPECT_EQ(read.lost[0].to, Offset{8});
    EXPECT_EQ(read.lost[0].reason, LostRange::Reason::Damaged);
  }
}

TEST(Journal, ADamagedSegmentHeaderCostsNothing) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append(*journal, 4));
  }
  const Path path = kDirectory / segment_file_name(Offset{0});
  std::string bytes = disk.contents(path);
  bytes.replace(0, kSegmentHeaderBytes, kSegmentHeaderBytes, 'x');
  disk.set_contents(path, bytes);
  EXPECT_EQ(read_all(*open_or_die(disk), Offset{0}).records, numbers(0, 4));
}

TEST(Journal, AMissingSegmentIsReportedAsLost) {
  FakeFileSystem disk(1);
  std::vector<std::string> names;
  {
    const auto journal = open_or_die(disk);
    while (journal->bytes() < 100'000) ASSERT_TRUE(append(*journal, 10, 1000));
    names = disk.list(kDirectory).value();
  }
  std::vector<Offset> firsts;
  for (const std::string& name : names) {
    if (const auto first = parse_segment_file_name(name)) firsts.push_back(*first);
  }
  ASSERT_GE(firsts.size(), 3u);
  ASSERT_TRUE(disk.remove(kDirectory / segment_file_name(firsts[1])));
  const auto journal = open_or_die(disk);
  const ReadAll read = read_all(*journal, Offset{0});
  ASSERT_EQ(read.lost.size(), 1u);
  EXPECT_EQ(read.lost[0].from, firsts[1]);
  EXPECT_EQ(read.lost[0].to, firsts[2]);
  EXPECT_EQ(read.records.size() + read.lost[0].records(), journal->appended_offset().value);
}

TEST(Journal, SegmentsOfAnotherJournalAreSetAside) {
  FakeFileSystem other(2);
  {
    const auto journal = open_or_die(other);
    ASSERT_TRUE(append(*journal, 4));
  }
  FakeFileSystem disk(1);
  open_or_die(disk).reset();
  const std::string name = segment_file_name(Offset{0});
  disk.set_contents(kDirectory / name, other.contents(kDirectory / name));
  const auto journal = open_or_die(disk);
  EXPECT_EQ(journal->appended_offset(), Offset{0});
  EXPECT_TRUE(append(*journal, 1));
  EXPECT_EQ(disk.contents(kDirectory / (name + ".foreign")), other.contents(kDirectory / name));
}

TEST(Journal, ANewerFormatIsLeftAlone) {
  FakeFileSystem disk(1);
  open_or_die(disk).reset();
  const Path path = kDirectory / segment_file_name(Offset{0});
  const std::string bytes = encode_segment_header({.version = kJournalFormatVersion + 1});
  disk.set_contents(path, bytes);
  const auto journal = Journal::open(small_options(), &disk);
  ASSERT_FALSE(journal.has_value());
  EXPECT_EQ(journal.error().code, ErrorCode::Corrupt);
  EXPECT_EQ(disk.contents(path), bytes);
}

// What version 1 wrote: the same bytes, with zeros where the receipts are counted now.
TEST(Journal, AJournalOfVersionOneOpens) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append(*journal, 3).has_value());
  }
  const Path segment = kDirectory / segment_file_name(Offset{0});
  std::string bytes = disk.contents(segment);
  const auto journal_id = decode_segment_header(bytes).value();
  bytes.replace(0, kSegmentHeaderBytes,
                encode_segment_header({.version = 1,
                                       .journal = journal_id.journal,
                                       .first = journal_id.first,
                                       .created = journal_id.created}));
  disk.set_contents(segment, bytes);
  const auto journal = open_or_die(disk);
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 3));
  EXPECT_TRUE(journal->take_receipts().empty());
}

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

TEST(Receipts, AreInTheSegmentBeforeWhenTheNewestHasNoEntryYet) {
  FakeFileSystem disk(1);
  {
    const auto journal = open_or_die(disk);
    ASSERT_TRUE(append_with_receipts(*journal, {{1, 1}}));
  }
  const Offset next{1};
  const JournalId id =
      decode_segment_header(disk.contents(kDirectory / segment_file_name(Offset{0})))->journal;
  disk.set_contents(kDirectory / segment_file_name(next),
                    encode_segment_header({.journal = id, .first = next}));
  EXPECT_EQ(open_or_die(disk)->take_receipts(), (std::vector<Receipt>{{1, 1}}));
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

TEST(Journal, LostIdentityIsRestoredFromASegment) {
  FakeFileSystem disk(1);
  JournalId id;
  {
    const auto journal = open_or_die(disk);
    id = journal->id();
    ASSERT_TRUE(append(*journal, 4));
  }
  disk.set_contents(kDirectory / kIdentityFileName, "garbage");
  const auto journal = open_or_die(disk);
  EXPECT_EQ(journal->id(), id);
  EXPECT_EQ(read_all(*journal, Offset{0}).records, numbers(0, 4));
}

// ---- checkpoints and retention
// --------------------------------------------------------------------------

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

// ---- full
// ----------------------------------------------------------------------------------------------

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

// ---- sync
// ----------------------------------------------------------------------------------------------

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
  EXPECT_EQ(append(*journal, 10).value(), Offset{10});
  const ReadAll read = read_all(*journal, Offset{0});
  EXPECT_EQ(read.records, numbers(0, 20));
  EXPECT_TRUE(read.lost.empty());
}

// ---- memory and the real disk
// --------------------------------------------------------------------------

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

// A process that dies by SIGKILL in the middle of appending loses nothing that append() had
// returned for.
TEST(DiskJournal, SurvivesSigkill) {
  const Path directory = ::testing::TempDir() + fmt::format("journal_kill_{}", ::getpid());
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto journal = Journal::open({.directory = directory, .segment_bytes_max = 100'000});
    while (journal && append(**journal, 10)) {
      const uint64_t end = (*journal)->appended_offset().value;
      if (::write(pipe_fds[1], &end, sizeof end) != sizeof end) break;
    }
    ::_exit(1);
  }
  ::close(pipe_fds[1]);
  uint64_t acknowledged = 0;
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(::read(pipe_fds[0], &acknowledged, sizeof acknowledged),
              ssize_t{sizeof acknowledged});
  }
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ::waitpid(child, nullptr, 0);
  while (::read(pipe_fds[0], &acknowledged, sizeof acknowledged) == ssize_t{sizeof acknowledged}) {
  }
  ::close(pipe_fds[0]);
  auto journal = Journal::open({.directory = directory});
  ASSERT_TRUE(journal.has_value()) << journal.error().message;
  EXPECT_GE((*journal)->appended_offset().value, acknowledged);
  EXPECT_GE(acknowledged, 20'000u);
  const ReadAll read = read_all(**journal, Offset{0});
  EXPECT_EQ(read.records, numbers(0, (*journal)->appended_offset().value));
  EXPECT_TRUE(read.lost.empty());
  journal->reset();
  std::filesystem::remove_all(directory);
}

// One writer, three readers with their own pace, retention behind them. Run it under the tsan
// preset, too.
TEST(JournalThreads, ReadersFollowAWriter) {
  constexpr uint64_t kRecords = 30'000;
  auto opened = Journal::open({.bytes_max = 2 << 20});
  ASSERT_TRUE(opened.has_value());
  Journal& journal = **opened;
  std::atomic<bool> stop{false};
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
          journal.wait_appended(reader->position(), system_clock().monotonic() + Seconds(5), stop);
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

TEST(JournalThreads, WakeAllEndsAWait) {
  auto journal = Journal::open({});
  ASSERT_TRUE(journal.has_value());
  std::atomic<bool> stop{false};
  std::thread waiter([&] {
    EXPECT_FALSE(
        (*journal)->wait_appended(Offset{0}, system_clock().monotonic() + Seconds(60), stop));
  });
  stop = true;
  (*journal)->wake_all();
  waiter.join();
  EXPECT_FALSE((*journal)->wait_appended(Offset{0}, system_clock().monotonic() + Milliseconds(1),
                                         std::atomic<bool>{false}));
}

}  // namespace
}  // namespace noroshi

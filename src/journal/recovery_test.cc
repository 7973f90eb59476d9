// What a journal finds when it is opened again: torn tails, damage, missing and foreign segments.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/testing/numbered_journal.h"

namespace noroshi {
namespace {

using testing::append;
using testing::FakeFileSystem;
using testing::kDirectory;
using testing::numbers;
using testing::open_or_die;
using testing::read_all;
using testing::ReadAll;
using testing::small_options;

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

}  // namespace
}  // namespace noroshi

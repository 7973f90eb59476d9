#include "journal/inspect.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "journal/journal_format.h"
#include "journal/testing/fake_file_system.h"

namespace noroshi {
namespace {

using testing::FakeFileSystem;
using ::testing::HasSubstr;

const Path kDirectory = "/j";

// {"n": <count>} as MessagePack, count below 128.
std::string record(int count) { return std::string("\x81\xa1n") + static_cast<char>(count); }

class Inspect : public ::testing::Test {
 protected:
  void SetUp() override {
    const JournalOptions options{.directory = kDirectory,
                                 .bytes_max = kJournalBytesMin,
                                 .segment_bytes_max = 400,
                                 .disk_free_min = 0};
    auto opened = Journal::open(options, &disk_);
    ASSERT_TRUE(opened.has_value());
    journal_ = *std::move(opened);
    Checkpoint checkpoint = journal_->register_output("stdout.0").value().checkpoint;
    for (int i = 0; i < 30; i += 3) {
      Chunk chunk;
      chunk.tag = "app";
      for (int j = i; j < i + 3; ++j) {
        chunk.append(Timestamp(Seconds(1763866380)), record(j), {}, Severity::Error);
      }
      ASSERT_TRUE(journal_->append(chunk.view(), {}));
    }
    checkpoint.low_water = Offset{5};
    ASSERT_TRUE(journal_->save_checkpoint(checkpoint, false));
  }

  FakeFileSystem disk_{1};
  std::unique_ptr<Journal> journal_;
};

TEST_F(Inspect, ListsAJournalThatIsInUse) {
  const auto summary = inspect_journal(disk_, kDirectory, true);
  ASSERT_TRUE(summary.has_value()) << summary.error().message;
  EXPECT_TRUE(summary->sound());
  EXPECT_EQ(summary->id, journal_->id());
  EXPECT_GT(summary->segments.size(), 2u);
  EXPECT_EQ(summary->end, Offset{30});
  uint64_t records = 0;
  for (const SegmentSummary& segment : summary->segments) records += segment.records;
  EXPECT_EQ(records, 30u);
  EXPECT_EQ(summary->bytes, journal_->bytes());
  const std::string table = format_summary(*summary);
  EXPECT_THAT(table, HasSubstr("records 0 to 30"));
  EXPECT_THAT(table, HasSubstr("5         25       0  ok                stdout.0"));
}

TEST_F(Inspect, FindsEveryFlippedBit) {
  const auto before = inspect_journal(disk_, kDirectory, true).value();
  for (const SegmentSummary& segment : before.segments) {
    const std::string whole = disk_.contents(segment.path);
    for (size_t at = 0; at < whole.size(); at += 5) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      disk_.set_contents(segment.path, damaged);
      const auto after = inspect_journal(disk_, kDirectory, true).value();
      // A damaged head of the last entry looks like a torn tail; four bytes of padding end each
      // entry.
      const bool torn = after.end < before.end && after.segments.back().torn_bytes > 0;
      const bool padding = (at - kSegmentHeaderBytes) % 120 >= 56 + 3 + 3 * 20;
      EXPECT_TRUE(!after.sound() || torn || padding) << segment.path << " " << at;
    }
    disk_.set_contents(segment.path, whole);
  }
}

TEST_F(Inspect, DumpsRecordsAsJsonLines) {
  std::string out;
  ASSERT_TRUE(visit_entries(disk_, kDirectory, Offset{28},
                            [&](const EntryHead& head, const ChunkView& chunk) {
                              for (uint32_t i = 0; i < chunk.records.size(); ++i) {
                                if (chunk.offset(i) >= Offset{28})
                                  write_dump_line(out, head, chunk, i);
                              }
                              return true;
                            }));
  EXPECT_THAT(out, ::testing::StartsWith(
                       R"({"offset":28,"time":"2025-11-23T02:53:00.000000Z","appended":")"));
  EXPECT_THAT(out, HasSubstr(R"("tag":"app","severity":"error","record":{"n":28}})"));
  EXPECT_EQ(std::ranges::count(out, '\n'), 2);
}

TEST_F(Inspect, SaysSoWhereThereIsNoJournal) {
  EXPECT_EQ(inspect_journal(disk_, "/elsewhere", true).error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace noroshi

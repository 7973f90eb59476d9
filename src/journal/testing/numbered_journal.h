// A journal whose record at offset n is the text of n, so that a test sees at a glance what was
// lost, repeated or mixed up: append() writes such records, read_all() expects them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "journal/journal_reader.h"
#include "journal/testing/fake_file_system.h"

namespace noroshi::testing {

inline const Path kDirectory = "/j";

inline JournalOptions small_options() {
  return {.directory = kDirectory, .bytes_max = kJournalBytesMin, .disk_free_min = 0};
}

inline std::unique_ptr<Journal> open_or_die(FileSystem& files,
                                            JournalOptions options = small_options(),
                                            const Clock& clock = system_clock()) {
  auto journal = Journal::open(std::move(options), &files, clock);
  EXPECT_TRUE(journal.has_value()) << journal.error().message;
  return journal ? *std::move(journal) : nullptr;
}

// A chunk whose records are "<first>", "<first + 1>", …, each padded to `size`.
inline Chunk numbered_chunk(uint64_t first, uint32_t count, size_t size = 20) {
  Chunk chunk;
  chunk.tag = "app.web";
  for (uint32_t i = 0; i < count; ++i) {
    std::string record = fmt::format("{}", first + i);
    record.resize(std::max(size, record.size()), ' ');
    chunk.append(Timestamp(Seconds(first + i)), record, {}, Severity::Info);
  }
  return chunk;
}

inline Result<Offset> append(Journal& journal, uint32_t count, size_t size = 20) {
  const Chunk chunk = numbered_chunk(journal.appended_offset().value, count, size);
  return journal.append(chunk.view(), {});
}

struct ReadAll {
  std::vector<uint64_t> records = {};  // by their text, which must match their offset
  std::vector<LostRange> lost = {};
};

// Reads from `from` to the end; every record must be the one numbered_chunk() made for its offset.
inline ReadAll read_all(Journal& journal, Offset from) {
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

inline std::vector<uint64_t> numbers(uint64_t from, uint64_t to) {
  std::vector<uint64_t> all;
  for (; from < to; ++from) all.push_back(from);
  return all;
}

}  // namespace noroshi::testing

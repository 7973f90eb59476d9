// Looking into a journal directory without owning it: `noroshi journal ls|dump|verify`. Reads only;
// works while another process appends (the entry being written right then is not an error).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/offset.h"
#include "base/result.h"
#include "journal/checkpoint.h"
#include "journal/journal_reader.h"

namespace noroshi {

struct SegmentSummary {
  Path path = {};
  uint64_t bytes = 0;
  Offset first = {};
  Offset end = {};  // after its last whole entry
  uint64_t entries = 0;
  uint64_t records = 0;
  Timestamp oldest = {};  // append times of its first and last entry
  Timestamp newest = {};
  std::vector<std::string> problems = {};  // "position 4096: the head's CRC does not match", …
  uint64_t torn_bytes = 0;                 // behind the last whole entry; normal after a crash
};

struct JournalSummary {
  JournalId id = {};
  std::vector<SegmentSummary> segments = {};
  std::vector<LoadedCheckpoint> checkpoints = {};
  std::vector<LostRange> gaps = {};  // offsets between segments that no segment holds
  Offset first = {};
  Offset end = {};
  uint64_t bytes = 0;

  // Nothing damaged or missing. A torn tail alone is fine.
  [[nodiscard]] bool sound() const;
};

// `verify_bodies`: also checks the CRC of every entry's records (reads everything), not of heads
// alone.
[[nodiscard]] Result<JournalSummary> inspect_journal(FileSystem& files, const Path& directory,
                                                     bool verify_bodies);

// The table `journal ls` prints: segments, then checkpoints with their lag.
[[nodiscard]] std::string format_summary(const JournalSummary& summary);

// Calls `visit` for every whole entry from the one holding `from` on, in order; stops when it says
// false.
[[nodiscard]] Status visit_entries(
    FileSystem& files, const Path& directory, Offset from,
    const std::function<bool(const EntryHead& head, const ChunkView& chunk)>& visit);

// The same for one segment file, wherever it lies: of the journal that the directory around it
// names, else the one that its header names.
[[nodiscard]] Result<SegmentSummary> inspect_segment_file(FileSystem& files, const Path& path,
                                                          bool verify_bodies);
[[nodiscard]] Status visit_segment_file(
    FileSystem& files, const Path& path, Offset from,
    const std::function<bool(const EntryHead& head, const ChunkView& chunk)>& visit);

// One record as a line of JSON: offset, time, append time, tag, severity, metadata and record.
void write_dump_line(std::string& out, const EntryHead& head, const ChunkView& chunk,
                     uint32_t index);

}  // namespace noroshi

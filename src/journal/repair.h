// Repair: what is done about a segment whose fsync failed, so that the journal can go on without a
// restart. Not thread-safe: the journal calls it under its sync mutex.
//
// After a failed fsync the kernel may have marked pages clean that it never wrote. A second fsync
// of the file says "done" and proves nothing. So what such a file holds is read back, every entry
// against its checksum, and written again: as a whole into a new file that takes the old one's name
// only once it is on stable storage. Every byte stays at its position, so that readers go on where
// they are, and a crash at any moment leaves the old file or the new one.
//
//   0042.segment  [synced][ ? ? ? ]      fsync fails here
//   0042.segment.new [AAAAAA][BB  B]     copied, fsynced; a hole: what could not be read back
//   0042.segment  [AAAAAA][BB  B]        renamed; its records in the hole are lost, and counted
//
// Where there is no room for a copy, the same bytes are written over themselves: that makes the
// pages dirty again, so that the next fsync has to write them or to say that it cannot.
//
// A file named kUntrustedFileName lists such segments until they are repaired, for a process that
// is killed before: its successor reads them from the same cache, and must not trust them either.
// A power loss takes the cache, and what is then read is what the disk has: the file needs no
// fsync.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/offset.h"
#include "base/result.h"
#include "journal/segment.h"

namespace noroshi {

inline constexpr std::string_view kUntrustedFileName = "untrusted";

struct OffsetRange {
  Offset from = {};
  Offset to = {};  // exclusive
  friend bool operator==(const OffsetRange&, const OffsetRange&) = default;
};

struct RewrittenSegment {
  uint64_t records = 0;  // whole
  uint64_t bytes = 0;
  std::vector<OffsetRange> lost = {};  // what no checksum confirms, in order
  Path fresh = {};  // the synced copy, which has no name of its own yet; empty: written in place
};

// Writes the segment's bytes again and syncs them. `accept_unreadable`: bytes that cannot be read
// become zeros, and their records are lost; otherwise they are an error, and all is as it was.
// NotFound: the segment was deleted meanwhile.
[[nodiscard]] Result<RewrittenSegment> rewrite_segment(FileSystem& files, const Segment& segment,
                                                       bool accept_unreadable);

// The file names in kUntrustedFileName; none if there is no such file. Empty removes the file.
[[nodiscard]] Result<std::vector<std::string>> read_untrusted(FileSystem& files,
                                                              const Path& directory);
[[nodiscard]] Status write_untrusted(FileSystem& files, const Path& directory,
                                     const std::vector<std::string>& names);

}  // namespace noroshi

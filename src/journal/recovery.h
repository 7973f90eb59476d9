// Recovery: what open() does to a journal directory before anything is appended. It reads the
// newest segment whole (8 MiB at most as configured), never the backlog, so starting takes the same
// time with an empty journal and with a full one. Damage in older segments is found by whoever
// reads them.
//
//   segment 0      segment 900      segment 1800, the newest
//   [AAAAAAAA]     [BBBBBBBB]       [CCCC????]          ????: torn by a crash: cut off
//                                       ^ end: the next record's offset is here, or higher:
//   checkpoint of an output: low_water 1900 > end: a power loss took records that were delivered
//   already. Their offsets are never used again; the journal goes on at 1900.
#pragma once

#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "journal/journal.h"
#include "journal/segment.h"

namespace noroshi {

struct RecoveredJournal {
  JournalId id = {};
  std::vector<SegmentPointer> segments = {};  // all sealed, in offset order
  Offset next = {};                           // of the next record
  JournalRecovery report = {};
  std::vector<Receipt> receipts = {};  // see Journal::take_receipts()
  bool untrusted = false;  // an fsync failed, and some segments are yet to be repaired (repair.h)
};

// The caller holds the lock. Corrupt: a segment is of a newer format version.
[[nodiscard]] Result<RecoveredJournal> recover_journal(FileSystem& files, const Path& directory);

// The id of the journal in `directory`; NotFound if there is no journal. Reads only.
[[nodiscard]] Result<JournalId> read_journal_id(FileSystem& files, const Path& directory);

// What the first bytes of a segment file say. Damaged headers are not an error: the name says
// enough.
enum class SegmentOrigin {
  Ours,
  Damaged,  // the header is unreadable
  Foreign,  // of another journal, or renamed
  Newer,    // of a newer format version
};
[[nodiscard]] Result<SegmentOrigin> segment_origin(File& file, const JournalId& id, Offset first);

}  // namespace noroshi

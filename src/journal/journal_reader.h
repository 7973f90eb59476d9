// JournalReader: walks the journal in offset order, for one output. Reads blocks into one reused
// buffer, so memory does not grow with the backlog and small chunks do not cost a system call each.
//
//   auto reader = journal.make_reader(checkpoint.low_water);
//   NOROSHI_ASSIGN(ReadOutcome outcome, reader->next(head));
//   Entry: head.routing says whether to go on with reader->load(chunk); else call next() again
//   Lost:  reader->lost() is a range of offsets that cannot be read; count it, go on
//   End:   all that was appended is read; who appends says when there is more
//
// One thread at a time per reader. Views stay valid until the next call of next() or seek().
// Skipping an entry does not read its body. An Io error leaves the reader where it was: try again
// later.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/offset.h"
#include "base/result.h"
#include "journal/journal.h"
#include "record/chunk.h"

namespace noroshi {

// The part of an entry before its records; verified by a CRC of its own.
struct EntryHead {
  Offset base = {};
  uint32_t record_count = 0;
  uint32_t body_bytes = 0;
  Timestamp appended_at = {};
  Routing routing = {};
  std::string_view tag = {};
  std::string_view receipts = {};  // kReceiptBytes each; see decode_receipts()

  [[nodiscard]] Offset end() const { return base + record_count; }
};

enum class ReadOutcome { Entry, Lost, End };

struct LostRange {
  enum class Reason {
    Dropped,  // WhenFull::DropOldest removed it before this reader came
    Damaged,  // a CRC does not match, or a power loss took it
  };
  Offset from = {};
  Offset to = {};  // exclusive
  Reason reason = Reason::Damaged;

  [[nodiscard]] uint64_t records() const { return to - from; }
};

class JournalReader {
 public:
  virtual ~JournalReader() = default;

  // The next entry's head. The first entry after seek(x) may begin below x: its records before x
  // are the caller's to skip.
  [[nodiscard]] virtual Result<ReadOutcome> next(EntryHead& head) = 0;
  // The records of the entry that next() gave; once per entry. Entry, or Lost: their CRC does not
  // match. After an Io error call it again (next() would skip the entry).
  [[nodiscard]] virtual Result<ReadOutcome> load(ChunkView& chunk) = 0;
  // After Lost.
  [[nodiscard]] virtual const LostRange& lost() const = 0;
  // Of the first record that next() has not passed.
  [[nodiscard]] virtual Offset position() const = 0;
  virtual void seek(Offset offset) = 0;
};

}  // namespace noroshi

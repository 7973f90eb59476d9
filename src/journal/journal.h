// Journal: the only buffer and the only durable state. Chunks are appended to segment files; every
// output reads them with a JournalReader of its own and says with a checkpoint what it no longer
// needs.
//
//   NOROSHI_ASSIGN(auto journal, Journal::open({.directory = "/var/lib/noroshi"}));
//   NOROSHI_ASSIGN(auto saved, journal->register_output("s3:bucket"));   // all outputs before any
//   append NOROSHI_ASSIGN(Offset base, journal->append(chunk.view(), routing));
//   NOROSHI_TRY(journal->commit());                                      // now it may be acked
//
// What is promised: appended records survive kill -9; records below durable_offset() survive power
// loss; damaged bytes are never delivered but reported as lost; an offset that a checkpoint names,
// or that was below durable_offset(), is never given to another record.
//
// After an fsync that failed the journal has failed(): nothing may be acknowledged, append(),
// commit() and sync_to() answer Io, and reading goes on. Each of these calls tries to repair it,
// once kRepairWaitMin to kRepairWaitMax have passed since the last attempt: what was not on stable
// storage is written again into new files (repair.h). Then everything works as before; what the
// disk has taken meanwhile is told by lost_before_sync().
//
// Thread-safe, all of it. append() costs one pwritev; commit() costs nothing unless SyncMode::Full.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/offset.h"
#include "base/result.h"
#include "journal/checkpoint.h"
#include "journal/journal_id.h"
#include "record/chunk.h"

namespace noroshi {

class JournalReader;
struct EntryHead;  // journal_reader.h

enum class SyncMode { Normal, Full };       // Full: commit() syncs, so an ack means fsynced
enum class WhenFull { Block, DropOldest };  // Block: append() answers Exhausted

struct JournalOptions {
  Path directory = {};                      // empty: in memory
  uint64_t bytes_max = 512ull << 20;        // of all segments; at least kJournalBytesMin
  uint64_t segment_bytes_max = 8ull << 20;  // made smaller if bytes_max is below eight of them
  uint64_t disk_free_min = 32ull << 20;     // left to others on the disk; not for memory
  SyncMode sync = SyncMode::Normal;
  WhenFull when_full = WhenFull::Block;
  // DropOldest: called for every entry of a segment that is about to be dropped, by the appending
  // thread; for counting by output what readers then get as LostRange::Reason::Dropped. May be
  // empty.
  std::function<void(const EntryHead&)> on_drop = {};
};
inline constexpr uint64_t kJournalBytesMin = 256 << 10;
// Between two attempts to repair a journal whose fsync failed; doubled after each.
inline constexpr Seconds kRepairWaitMin{1};
inline constexpr Seconds kRepairWaitMax{30};

// The router's answer for a chunk. Opaque here; `marks` is at most kRoutingBytesMax.
struct Routing {
  uint64_t route_table = 0;
  std::string_view marks = {};
};
inline constexpr uint32_t kRoutingBytesMax = 1 << 20;
inline constexpr uint32_t kTagBytesMax = 65535;
// Receipts in one entry, those it carries over from the segment before among them.
inline constexpr uint32_t kReceiptsMax = 65535;

// What open() found and did; also logged.
struct JournalRecovery {
  uint64_t segments = 0;
  uint64_t torn_bytes_cut = 0;   // behind the last whole entry
  uint64_t records_damaged = 0;  // known to be missing in the newest segment
  uint64_t offsets_skipped = 0;  // a checkpoint named records that a power loss took
};

class Journal {
 public:
  // `files` null: the real disk, or memory if no directory is given. Unavailable: another process
  // owns the directory (the message names it). Corrupt: written by a newer format version.
  [[nodiscard]] static Result<std::unique_ptr<Journal>> open(JournalOptions options,
                                                             FileSystem* files = nullptr,
                                                             const Clock& clock = system_clock());
  virtual ~Journal() = default;

  // Stores all records of `chunk` or none; returns the offset of the first. Empty chunks:
  // InvalidArgument. Exhausted: full and WhenFull::Block, or no disk space; try again later,
  // nothing is broken. Io: an earlier fsync failed and is not repaired yet, or the write failed:
  // try again later, too. `receipts` name the requests that are complete with this chunk; at most
  // kReceiptsMax are kept.
  [[nodiscard]] virtual Result<Offset> append(const ChunkView& chunk, const Routing& routing,
                                              std::span<const Receipt> receipts = {}) = 0;
  // After it succeeded everything appended before may be acknowledged, but for what
  // lost_before_sync() names. One call for many appends is cheaper.
  [[nodiscard]] virtual Status commit() = 0;
  // True if some of these records were appended, and lost by a failing disk before they were on
  // stable storage: readers get them as damaged, and whoever sent them must send them again.
  [[nodiscard]] virtual bool lost_before_sync(Offset from, Offset to) const = 0;
  // How often a repair found such records. What was read earlier from the cache may be gone: who
  // has not finished with it reads it again.
  [[nodiscard]] virtual uint64_t losses_before_sync() const = 0;
  // Records below `offset` are on stable storage afterwards. Concurrent callers share one fsync.
  [[nodiscard]] virtual Status sync_to(Offset offset) = 0;
  [[nodiscard]] Status sync() { return sync_to(appended_offset()); }

  [[nodiscard]] virtual Offset first_offset() const = 0;     // oldest retained
  [[nodiscard]] virtual Offset appended_offset() const = 0;  // of the next record
  [[nodiscard]] virtual Offset durable_offset() const = 0;   // <= appended_offset()

  // From now on retention keeps what this output has not passed. Returns where to go on. Register
  // every output before the first save_checkpoint(): only registered outputs hold segments.
  [[nodiscard]] virtual Result<LoadedCheckpoint> register_output(std::string_view identity) = 0;
  virtual void unregister_output(std::string_view identity) = 0;
  // Stores it, then deletes segments that no registered output needs (after making the checkpoints
  // that say so durable). `durable`: it survives power loss when this returns (S3, before the next
  // object). low_water must not be above appended_offset().
  [[nodiscard]] virtual Status save_checkpoint(const Checkpoint& checkpoint, bool durable) = 0;
  // Checkpoints of outputs that nobody registered. They hold nothing.
  [[nodiscard]] virtual Result<std::vector<LoadedCheckpoint>> orphan_checkpoints() = 0;
  [[nodiscard]] virtual Status remove_checkpoint(std::string_view identity) = 0;

  // A reader starting at the entry that contains `from`. The journal must outlive it.
  [[nodiscard]] virtual std::unique_ptr<JournalReader> make_reader(Offset from) = 0;

  [[nodiscard]] virtual const JournalId& id() const = 0;
  [[nodiscard]] virtual bool in_memory() const = 0;
  [[nodiscard]] virtual uint64_t bytes() const = 0;
  [[nodiscard]] virtual uint64_t bytes_max() const = 0;
  // Bytes that a reader standing at `offset` has before it (interpolated within a segment).
  [[nodiscard]] virtual uint64_t bytes_from(Offset offset) const = 0;
  // First offset of the segment after the one that holds `offset`; appended_offset() if there is
  // none.
  [[nodiscard]] virtual Offset next_segment(Offset offset) const = 0;
  [[nodiscard]] virtual uint64_t records_dropped()
      const = 0;                                  // by WhenFull::DropOldest, since open
  [[nodiscard]] virtual bool full() const = 0;    // the last append found no room
  [[nodiscard]] virtual bool failed() const = 0;  // fsync failed, and is not repaired yet
  // What is wrong, for health; empty if nothing is.
  [[nodiscard]] virtual std::string problem() const = 0;
  [[nodiscard]] virtual const JournalRecovery& recovery() const = 0;
  // What open() found, once: receipts of the last requests that were stored whole, oldest first
  // (those of the newest segment, and what it carries over from the one before).
  [[nodiscard]] virtual std::vector<Receipt> take_receipts() = 0;
};

}  // namespace noroshi

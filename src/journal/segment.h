// Segment and SegmentList: which segment files the journal consists of, and how far each one is
// written.
//
// A segment is written by one process in one go: after a restart appends go to a new one. So
// nothing is ever written behind a torn tail, and bytes that a crash brings back are never mistaken
// for newer ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/offset.h"

namespace noroshi {

// The atomics are published by the appending thread in the order end_position, end_offset, sealed,
// and read in the opposite one: whoever sees an end_offset finds all its bytes below end_position.
struct Segment {
  Segment(Offset first_offset, Path file_path, uint32_t crc_salt)
      : first(first_offset), path(std::move(file_path)), salt(crc_salt), end_offset(first_offset) {}

  const Offset first;
  const Path path;
  const uint32_t salt;
  std::atomic<uint64_t> end_position{0};
  // Exact for segments written by this process and for the newest one found at open(); for older
  // ones the first offset of their successor, which damage may keep them from reaching.
  std::atomic<Offset> end_offset;
  std::atomic<bool> sealed{false};   // nothing is appended any more
  std::atomic<bool> dropped{false};  // by WhenFull::DropOldest: its bytes are gone
  // Counts how often a copy of the file, byte for byte, took its place (repair.h): whoever has it
  // open opens it again.
  std::atomic<uint32_t> generation{0};
  // Bytes known to be on stable storage; guarded by the journal's sync mutex.
  uint64_t synced_position = 0;
  bool settled = false;  // sealed and synced to its end: nothing to do for later syncs
  // An fsync has failed: no later one of this file means anything, and what cannot be read may be
  // whole in the copy that will take its place. Set and cleared under the same mutex.
  std::atomic<bool> untrusted{false};

  // The file as its writer opened it, to be synced with: the kernel reports an error of writing to
  // every descriptor that was open then, but may have forgotten it when somebody opens the file
  // anew. Null once it is synced to its end, or if too many are open.
  [[nodiscard]] std::shared_ptr<File> writer() const EXCLUDES(writer_mutex_) {
    const MutexLock lock(writer_mutex_);
    return writer_;
  }
  void set_writer(std::shared_ptr<File> file) EXCLUDES(writer_mutex_) {
    const MutexLock lock(writer_mutex_);
    writer_.swap(file);
  }

 private:
  mutable Mutex writer_mutex_;
  std::shared_ptr<File> writer_ GUARDED_BY(writer_mutex_);
};
using SegmentPointer = std::shared_ptr<Segment>;

// Thread-safe. Ordered by offset; only the last may be unsealed.
class SegmentList {
 public:
  // Of all segments in the list. grow(): the last one was written to.
  [[nodiscard]] uint64_t bytes() const { return bytes_.load(); }
  void grow(uint64_t bytes) { bytes_.fetch_add(bytes); }

  void add(SegmentPointer segment) EXCLUDES(mutex_);  // adds its bytes, too
  // The first segment that holds `offset` or anything above it; null if there is none.
  [[nodiscard]] SegmentPointer find(Offset offset) const EXCLUDES(mutex_);
  [[nodiscard]] std::vector<SegmentPointer> all() const EXCLUDES(mutex_);
  [[nodiscard]] bool contains(const Segment& segment) const EXCLUDES(mutex_);
  // Takes the sealed segments at the front that end at or below `offset` out of the list.
  [[nodiscard]] std::vector<SegmentPointer> take_below(Offset offset) EXCLUDES(mutex_);
  // End of the last segment that take_below(offset) would take; nothing if it would take none.
  [[nodiscard]] bool would_take(Offset offset, Offset& end) const EXCLUDES(mutex_);
  // The oldest segment if it is sealed; null otherwise.
  [[nodiscard]] SegmentPointer oldest_sealed() const EXCLUDES(mutex_);
  // Takes out what oldest_sealed() gave and marks it dropped; dropped_below() then covers it. False
  // if it is the oldest no more: somebody took it meanwhile.
  [[nodiscard]] bool drop(const SegmentPointer& oldest) EXCLUDES(mutex_);
  // What is missing below was dropped on purpose; what is missing above is damage.
  [[nodiscard]] Offset dropped_below() const { return dropped_below_.load(); }
  void set_dropped_below(Offset offset) { dropped_below_.store(offset); }
  // First offset of the oldest segment; `otherwise` if there is none.
  [[nodiscard]] Offset first_offset(Offset otherwise) const EXCLUDES(mutex_);

 private:
  void forget(const Segment& segment) { bytes_.fetch_sub(segment.end_position.load()); }

  std::atomic<uint64_t> bytes_{0};
  std::atomic<Offset> dropped_below_{Offset{}};
  mutable Mutex mutex_;
  std::deque<SegmentPointer> segments_ GUARDED_BY(mutex_);
};

}  // namespace noroshi

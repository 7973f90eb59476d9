// OutputAccount: what one output's accounting identity needs beside its metrics.
//
//   recovered + routed = delivered + dropped (by reason) + waiting in the journal
//
// recovered: what a start finds waiting. Dropped by a full journal: counted when the segment goes,
// from the marks in its entries' heads, and taken into the metrics when the reader comes to the
// gap.
//
// Lives as long as the output's metrics, over reloads. Thread-safe: the ingest thread drops, the
// delivery thread reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/offset.h"
#include "metrics/metrics.h"

namespace noroshi {

class RouteTable;
struct EntryHead;

// Entries remembered of dropped segments that an output has not come to. Beyond it neighbours are
// put together, which loses nothing where both are lost.
inline constexpr size_t kDroppedEntriesMax = 8192;

// Ingest counts a record just after it is appended: the books may differ for a moment.
inline constexpr Nanoseconds kUnaccountedAfter = Seconds(1);

class OutputAccount {
 public:
  Counter recovered;

  // Where the output is: everything below `settled` is delivered or given up, `cursor` is read
  // next.
  void set_place(Offset settled, Offset cursor);
  [[nodiscard]] Offset cursor() const { return Offset{cursor_.load()}; }
  // An entry is about to be dropped from the journal; `records` of it are for this output.
  void note_dropped(Offset from, Offset to, uint64_t records);
  // The records for this output that were dropped in [from, to); they are told once.
  [[nodiscard]] uint64_t take_dropped(Offset from, Offset to);

  // False once something could only be estimated (damage, another route table): the identity then
  // need not hold to the record.
  [[nodiscard]] bool exact() const { return exact_.load(); }
  void set_inexact() { exact_.store(false); }

  [[nodiscard]] uint64_t waiting(const OutputMetrics& metrics) const;

  // The delivery thread has read all there is, and `open` records are in its batches: the rest must
  // be delivered or dropped. True once it is found that this has not held for kUnaccountedAfter.
  bool compare(const OutputMetrics& metrics, uint64_t open, Monotonic now);
  // Records that are missing in the identity, or in it twice; 0 unless there is a bug.
  [[nodiscard]] uint64_t unaccounted() const { return unaccounted_.load(); }

 private:
  struct Dropped {
    Offset from, to;
    uint64_t records = 0;
  };

  std::atomic<bool> exact_{true};
  std::atomic<uint64_t> settled_{0}, cursor_{0}, unaccounted_{0};
  int64_t difference_ = 0;  // delivery thread only, as the next
  Monotonic differs_since_{};
  Mutex mutex_;
  std::deque<Dropped> dropped_ GUARDED_BY(mutex_);  // ascending
};

// Notes for output number `output` of `routes` how many records of an entry are lost for it.
void note_dropped(const EntryHead& head, const RouteTable& routes, size_t output,
                  OutputAccount& account);

}  // namespace noroshi

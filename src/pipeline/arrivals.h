// Arrivals: how ingest wakes one output's delivery thread, and mostly does not.
//
// A switch to another thread costs more than a hundred records do. So who waits says what for: the
// first record of its own, where one would be sent at once; or so many bytes of journal that they
// should be read while they are in the cache, where there is nothing to send before a certain time.
//
//   ingest thread                          delivery thread
//   journal.append(…)                      const auto seen = arrivals.seen();
//   arrivals.appended(bytes, ours)         … read the journal to its end …
//                                          arrivals.wait(seen, deadline, for_records)
//
// appended() takes no lock unless it wakes. One thread calls it; seen() and wait() are called by
// one thread; wake() by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/mutex.h"

namespace noroshi {

struct OutputMetrics;

// Bytes of journal that make an output read whatever it waits for.
inline constexpr uint64_t kArrivedBytesMax = 1 << 20;

class Arrivals {
 public:
  struct Seen {
    uint64_t bytes = 0;
    uint64_t records = 0;
    uint64_t wakes = 0;
  };

  // `bytes` more are in the journal, `records` of them are for this output.
  void appended(uint64_t bytes, uint64_t records) EXCLUDES(mutex_);
  // Ends the wait that is under way, or the next one with an older seen().
  void wake() EXCLUDES(mutex_);

  // Before the journal is read: what comes from now on ends a wait that is told this.
  [[nodiscard]] Seen seen() const;
  // Until `bytes` of journal, or with `for_records` a record of this output's, came after `seen`,
  // or wake() was called (true); or until `deadline` (false).
  bool wait(const Seen& seen, Monotonic deadline, bool for_records,
            uint64_t bytes = kArrivedBytesMax) EXCLUDES(mutex_);

 private:
  [[nodiscard]] bool reached() const {
    return bytes_.load() >= wake_at_bytes_.load() || records_.load() >= wake_at_records_.load();
  }

  // Sequentially consistent on both sides: either the waiter, who sets its marks first, sees what
  // was counted, or the counting thread sees the marks.
  std::atomic<uint64_t> bytes_{0}, records_{0};
  std::atomic<uint64_t> wake_at_bytes_{UINT64_MAX}, wake_at_records_{UINT64_MAX};
  std::atomic<uint64_t> wakes_{0};
  Mutex mutex_;
  ConditionVariable changed_;
};

// What ingest tells of an output: how much is routed to it, in numbers and to its delivery thread.
struct RoutedOutput {
  OutputMetrics* metrics = nullptr;
  std::shared_ptr<Arrivals> arrivals = {};
  bool operator==(const RoutedOutput&) const = default;
};

}  // namespace noroshi

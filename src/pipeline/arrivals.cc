#include "pipeline/arrivals.h"

namespace noroshi {

void Arrivals::appended(uint64_t bytes, uint64_t records) {
  bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes);
  records_.store(records_.load(std::memory_order_relaxed) + records);
  if (!reached()) return;
  const MutexLock lock(mutex_);
  // Once is enough: the waiter may get a processor only after many more appends.
  wake_at_bytes_.store(UINT64_MAX);
  wake_at_records_.store(UINT64_MAX);
  changed_.notify_all();
}

void Arrivals::wake() {
  const MutexLock lock(mutex_);
  wakes_.fetch_add(1);
  changed_.notify_all();
}

Arrivals::Seen Arrivals::seen() const {
  return {.bytes = bytes_.load(), .records = records_.load(), .wakes = wakes_.load()};
}

bool Arrivals::wait(const Seen& seen, Monotonic deadline, bool for_records, uint64_t bytes) {
  const MutexLock lock(mutex_);
  const auto arrived = [&] {
    return bytes_.load() >= seen.bytes + bytes || (for_records && records_.load() > seen.records) ||
           wakes_.load() != seen.wakes;
  };
  for (bool in_time = true; in_time;) {
    // Each time: a wake-up meant for the wait before this one took the marks away.
    wake_at_bytes_.store(seen.bytes + bytes);
    wake_at_records_.store(for_records ? seen.records + 1 : UINT64_MAX);
    if (arrived()) break;
    in_time = changed_.wait_until(mutex_, deadline);
  }
  wake_at_bytes_.store(UINT64_MAX);
  wake_at_records_.store(UINT64_MAX);
  return arrived();
}

}  // namespace noroshi

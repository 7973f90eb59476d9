// DeliveryHealth: what one DeliveryWorker says of itself to health and the status page: whether its
// destination refuses, since when and why, and whether the thread is stuck. Also in the log: each
// failed attempt, and that deliveries succeed again. The delivery thread tells, any thread asks.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "metrics/metrics.h"
#include "output/output.h"
#include "pipeline/delivery_settings.h"

namespace noroshi {

class DeliveryHealth {
 public:
  // `metrics` and `clock` outlive this.
  DeliveryHealth(const std::string& instance, OutputMetrics& metrics, const Clock& clock);

  // What begins now is over at `end`; the thread is stuck when that is long past.
  void begin_until(Monotonic end);
  // The thread has ended: nothing is awaited of it.
  void end();

  // `attempt` (1: the first) to deliver `records` has failed; the next one comes after `wait`.
  void failed(const Delivery& delivery, Nanoseconds wait, uint32_t records, uint32_t attempt);
  void delivered();

  [[nodiscard]] DeliveryState state() const;

 private:
  const std::string log_name_;
  OutputMetrics& metrics_;
  const Clock& clock_;
  std::atomic<int64_t> stuck_after_ns_{INT64_MAX};  // monotonic
  mutable Mutex mutex_;
  DeliveryState state_ GUARDED_BY(mutex_);
};

}  // namespace noroshi

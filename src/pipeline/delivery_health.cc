#include "pipeline/delivery_health.h"

#include "base/log.h"

namespace noroshi {
namespace {

// A thread this far beyond the deadline of what it does is stuck.
constexpr Nanoseconds kStuckAfter = Seconds(30);

}  // namespace

DeliveryHealth::DeliveryHealth(const std::string& instance, OutputMetrics& metrics,
                               const Clock& clock)
    : log_name_("output:" + instance), metrics_(metrics), clock_(clock) {}

void DeliveryHealth::begin_until(Monotonic end) {
  stuck_after_ns_.store((end + kStuckAfter).time_since_epoch().count());
}

void DeliveryHealth::end() { stuck_after_ns_.store(INT64_MAX); }

void DeliveryHealth::failed(const Delivery& delivery, Nanoseconds wait, uint32_t records,
                            uint32_t attempt) {
  metrics_.delivery_state.set(1);
  MutexLock lock(mutex_);
  const bool first = !state_.retrying;
  if (first) state_.failing_since = clock_.wall();
  state_.retrying = true;
  state_.last_error = delivery.reason;
  // The first failure of an episode is often a connection that went stale: the log hears of the
  // second.
  if (attempt == 2 || attempt % 10 == 0) {
    log_warn(log_name_, "attempt {} for {} records failed, next in {:.1f} s: {}", attempt, records,
             std::chrono::duration<double>(wait).count(), delivery.reason);
  } else {
    log_debug(log_name_, "attempt {} failed: {}", attempt, delivery.reason);
  }
}

void DeliveryHealth::delivered() {
  metrics_.delivery_state.set(0);
  MutexLock lock(mutex_);
  if (!state_.retrying) return;
  const double seconds =
      std::chrono::duration<double>(clock_.wall() - state_.failing_since).count();
  if (seconds >= 1) log_info(log_name_, "delivers again after {:.0f} s", seconds);
  state_ = {};
}

DeliveryState DeliveryHealth::state() const {
  DeliveryState state;
  {
    MutexLock lock(mutex_);
    state = state_;
  }
  state.stuck = clock_.monotonic().time_since_epoch().count() > stuck_after_ns_.load();
  return state;
}

}  // namespace noroshi

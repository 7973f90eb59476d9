#include "pipeline/send_rate.h"

#include <algorithm>
#include <utility>

namespace noroshi {
namespace {

constexpr double kCut = 0.7;
constexpr double kSecondsToRecover = 10;
// Requests a second that a limit grows by each second at least: in tenths of a rate of one in half
// a minute a limit would last for minutes. No quota is as low as that.
constexpr double kGrowthMin = 0.05;
constexpr double kUnlimitedAbove = 4;  // times the rate that was refused
// Share of the newest interval in the average: the last ten requests or so count.
constexpr double kNewest = 0.2;
// Requests in a burst are counted as no faster than this.
constexpr double kShortestInterval = 1e-3;

double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Nanoseconds SendRate::wait(Monotonic now) const {
  if (limit_ == 0 || last_sent_ == Monotonic::min()) return Nanoseconds(0);
  const Nanoseconds interval =
      std::min<Nanoseconds>(kIntervalMax, Nanoseconds(static_cast<int64_t>(1e9 / limit_)));
  return std::max<Nanoseconds>(Nanoseconds(0), last_sent_ + interval - now);
}

void SendRate::sent(Monotonic now) {
  taken_before_ = std::exchange(taken_, false);
  if (taken_before_) {
    const double newest = std::max(kShortestInterval, seconds(now - last_sent_));
    interval_ = interval_ == 0 ? newest : interval_ * (1 - kNewest) + newest * kNewest;
  }
  last_sent_ = now;
}

void SendRate::throttled(Monotonic now) {
  if (interval_ == 0 || !taken_before_) return;  // the first of all, or a retry: backoff is enough
  refused_at_ = limit_ == 0 ? 1 / interval_ : std::min(limit_, 1 / interval_);
  limit_ = std::max(refused_at_ * kCut, 1 / seconds(kIntervalMax));
  last_grown_ = now;
}

void SendRate::taken(Monotonic now) {
  taken_ = true;
  if (limit_ == 0) return;
  limit_ += std::max(kGrowthMin, refused_at_ * (1 - kCut) / kSecondsToRecover) *
            seconds(now - last_grown_);
  last_grown_ = now;
  if (limit_ > refused_at_ * kUnlimitedAbove) limit_ = 0;
}

}  // namespace noroshi

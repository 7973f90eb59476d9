// SendRate: how many requests a second an output makes of a destination that throttles.
//
// Backoff alone forgets: the batch that was refused waits, is taken, and the next ones go out at
// full speed until one is refused again. So a refusal also sets a rate, seven tenths of the one it
// was refused at (as the SDKs' adaptive retry mode does), and requests are spaced to it. While they
// are taken the rate grows evenly, to where it was in ten seconds at most, and when it is four
// times that, the limit ends. A destination that never throttles is never slowed.
//
// Only what follows a request that was taken tells of a rate: the pauses between retries are our
// own, and a destination that refuses every one of them is down, not asked too often. (Counted as
// requests, a minute of refusals made the rate one in half a minute, and that took minutes to
// grow.)
//
// One per output; used by its thread alone. No memory, no clock of its own.
#pragma once

#include "base/clock.h"

namespace noroshi {

class SendRate {
 public:
  // A rate never falls below one request in this time: backoff waits as long at most.
  static constexpr Nanoseconds kIntervalMax = Seconds(30);

  // How long to wait before the next request; zero while there is no limit.
  [[nodiscard]] Nanoseconds wait(Monotonic now) const;
  // A request begins.
  void sent(Monotonic now);
  // The answer to it.
  void throttled(Monotonic now);
  void taken(Monotonic now);

  // Requests a second; 0: no limit.
  [[nodiscard]] double limit() const { return limit_; }

 private:
  double limit_ = 0;
  double refused_at_ = 0;  // the rate that was too high
  double interval_ = 0;    // between two requests lately, in seconds: a moving average; 0: unknown
  bool taken_ = false;     // the last request
  bool taken_before_ = false;  // the one before it
  Monotonic last_sent_ = Monotonic::min();
  Monotonic last_grown_ = Monotonic::min();
};

}  // namespace noroshi

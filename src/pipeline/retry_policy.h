// RetryPolicy: how long to wait before a failed batch is sent again.
//
// Full jitter (a uniform draw from zero to the ceiling), so that a fleet that failed together does
// not come back together. Ceilings double from a base to a cap by class of failure:
//
//   Transient  0.2 s … 20 s   connection, timeout, 5xx
//   Throttled  1 s … 30 s
//   Auth       5 s … 60 s     credentials or permissions; may be repaired from outside
//
// Where the user sets Retry_Limit, waits are Fluent Bit's instead (a draw from 5 s to min(2000 s, 5
// s·2^n), one second more): a limit chosen there must not be used up faster here.
#pragma once

#include <cstdint>
#include <random>

#include "base/clock.h"
#include "output/output.h"

namespace noroshi {

class RetryPolicy {
 public:
  // `fluent_bit_schedule`: the user set Retry_Limit. scheduler.base and scheduler.cap, in seconds.
  RetryPolicy(bool fluent_bit_schedule, Seconds scheduler_base, Seconds scheduler_cap,
              uint64_t seed)
      : fluent_bit_schedule_(fluent_bit_schedule),
        base_(scheduler_base),
        cap_(scheduler_cap),
        random_(seed) {}

  // Before attempt number `attempt` + 1; `attempt` counts failures so far, from 1. A wish of the
  // service (Retry-After) is a lower bound, itself bounded by the class's cap.
  [[nodiscard]] Nanoseconds wait(const Delivery& failed, uint32_t attempt);

 private:
  bool fluent_bit_schedule_;
  Seconds base_;
  Seconds cap_;
  std::mt19937_64 random_;
};

}  // namespace noroshi

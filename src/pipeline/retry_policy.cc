#include "pipeline/retry_policy.h"

#include <algorithm>

namespace noroshi {
namespace {

struct Ceiling {
  Nanoseconds base, cap;
};

Ceiling ceiling_of(RetryClass retry_class) {
  switch (retry_class) {
    case RetryClass::Transient:
      return {Milliseconds(200), Seconds(20)};
    case RetryClass::Throttled:
      return {Seconds(1), Seconds(30)};
    case RetryClass::Auth:
      return {Seconds(5), Seconds(60)};
  }
  return {Seconds(1), Seconds(30)};
}

// base · 2^exponent, at most cap, without overflow.
Nanoseconds doubled(Nanoseconds base, Nanoseconds cap, uint32_t exponent) {
  for (uint32_t i = 0; i < exponent && base < cap; ++i) base *= 2;
  return std::min(base, cap);
}

}  // namespace

Nanoseconds RetryPolicy::wait(const Delivery& failed, uint32_t attempt) {
  const uint32_t exponent = attempt > 0 ? attempt - 1 : 0;
  const auto draw = [&](Nanoseconds low, Nanoseconds high) {
    return Nanoseconds(
        std::uniform_int_distribution<int64_t>(low.count(), std::max(low, high).count())(random_));
  };
  if (fluent_bit_schedule_) {
    return draw(base_, doubled(base_, cap_, exponent + 1)) + Seconds(1);
  }
  const Ceiling ceiling = ceiling_of(failed.retry_class);
  Nanoseconds wait = draw(Nanoseconds(0), doubled(ceiling.base, ceiling.cap, exponent));
  if (failed.retry_after) wait = std::max(wait, std::min(*failed.retry_after, ceiling.cap));
  return wait;
}

}  // namespace noroshi

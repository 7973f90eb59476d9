#include "pipeline/send_rate.h"

#include <gtest/gtest.h>

#include "pipeline/retry_policy.h"

namespace noroshi {
namespace {

// A destination that takes `rate` requests a second, with a burst of one second, as AWS' quotas do.
class Quota {
 public:
  explicit Quota(double rate) : rate_(rate), tokens_(rate) {}
  bool take(Monotonic now) {
    const double passed = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    tokens_ = std::min(rate_, tokens_ + passed * rate_);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  void set_rate(double rate) { rate_ = rate; }

 private:
  double rate_, tokens_;
  Monotonic last_{};
};

struct Outcome {
  int taken = 0, throttled = 0;
  [[nodiscard]] double share_throttled() const {
    return throttled / static_cast<double>(std::max(1, taken + throttled));
  }
};

// An output with a backlog, which sends as fast as it may: a request takes 5 ms, and who is refused
// waits as RetryPolicy says.
Outcome send_for(Nanoseconds duration, Quota& quota, SendRate* rate, Monotonic& now) {
  RetryPolicy policy(false, Seconds(5), Seconds(2000), 7);
  Delivery refused = Delivery::retry(RetryClass::Throttled, "slow down");
  Outcome outcome;
  uint32_t failures = 0;
  for (const Monotonic end = now + duration; now < end;) {
    if (rate != nullptr) now += rate->wait(now), rate->sent(now);
    now += Milliseconds(5);
    if (quota.take(now)) {
      ++outcome.taken;
      failures = 0;
      if (rate != nullptr) rate->taken(now);
    } else {
      ++outcome.throttled;
      if (rate != nullptr) rate->throttled(now);
      now += policy.wait(refused, ++failures);
    }
  }
  return outcome;
}

TEST(SendRate, AThrottlingDestinationIsNotStormed) {
  Monotonic now{Seconds(1000)};
  Quota quota(20);
  SendRate rate;
  (void)send_for(Seconds(60), quota, &rate, now);  // it learns
  const Outcome learnt = send_for(std::chrono::minutes(10), quota, &rate, now);
  EXPECT_LT(learnt.share_throttled(), 0.02);
  EXPECT_GT(learnt.taken, 20 * 600 * 0.6);  // and most of the quota is used

  Quota same(20);
  const Outcome backoff_alone = send_for(std::chrono::minutes(10), same, nullptr, now);
  EXPECT_GT(backoff_alone.share_throttled(), 2 * learnt.share_throttled());
}

TEST(SendRate, EndsWhenTheDestinationHasRecovered) {
  Monotonic now{Seconds(1000)};
  Quota quota(5);
  SendRate rate;
  (void)send_for(Seconds(60), quota, &rate, now);
  EXPECT_GT(rate.limit(), 0);
  quota.set_rate(1e6);
  (void)send_for(std::chrono::minutes(5), quota, &rate, now);
  EXPECT_EQ(rate.limit(), 0);
}

// Ten minutes in which everything is refused, as in an outage: soon afterwards it is as before.
TEST(SendRate, RetriesThatAreRefusedAreNoRate) {
  Monotonic now{Seconds(1000)};
  Quota quota(20);
  SendRate rate;
  (void)send_for(Seconds(60), quota, &rate, now);
  quota.set_rate(0);
  (void)send_for(std::chrono::minutes(10), quota, &rate, now);
  quota.set_rate(20);
  now += Seconds(1);
  EXPECT_LT(rate.wait(now), Milliseconds(200));
  EXPECT_GT(send_for(Seconds(10), quota, &rate, now).taken, 20 * 10 * 0.5);
}

// A request each second of which half are refused, for ten minutes: no quota, but bad luck.
TEST(SendRate, SlowRequestsThatAreRefusedByChanceRecoverSoon) {
  Monotonic now{Seconds(1000)};
  SendRate rate;
  for (int i = 0; i < 600; ++i) {
    now += std::max<Nanoseconds>(rate.wait(now), Seconds(1));
    rate.sent(now);
    if (i % 2 == 0)
      rate.taken(now);
    else
      rate.throttled(now);
  }
  EXPECT_LT(rate.wait(now), Seconds(15));
  const Monotonic healed = now;
  while (rate.limit() != 0 && now < healed + std::chrono::minutes(10)) {
    now += std::max<Nanoseconds>(rate.wait(now), Seconds(1));
    rate.sent(now);
    rate.taken(now);
  }
  EXPECT_LT(now - healed, Seconds(40));
}

TEST(SendRate, NeverSlowsWhoIsNeverThrottled) {
  SendRate rate;
  Monotonic now{Seconds(1)};
  for (int i = 0; i < 1000; ++i, now += Milliseconds(1)) {
    EXPECT_EQ(rate.wait(now), Nanoseconds(0));
    rate.sent(now);
    rate.taken(now);
  }
}

TEST(SendRate, IsBoundedFromBelow) {
  SendRate rate;
  Monotonic now{Seconds(1)};
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LE(rate.wait(now), SendRate::kIntervalMax);
    now += std::chrono::hours(1);
    rate.sent(now);
    rate.taken(now);
    now += std::chrono::hours(1);
    rate.sent(now);
    rate.throttled(now);
  }
  EXPECT_GT(rate.wait(now), Seconds(29));
  EXPECT_LE(rate.wait(now), SendRate::kIntervalMax);
}

}  // namespace
}  // namespace noroshi

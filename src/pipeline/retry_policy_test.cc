#include "pipeline/retry_policy.h"

#include <gtest/gtest.h>

namespace noroshi {
namespace {

Nanoseconds longest(RetryPolicy& policy, const Delivery& failed, uint32_t attempt) {
  Nanoseconds most{0};
  for (int i = 0; i < 2000; ++i) most = std::max(most, policy.wait(failed, attempt));
  return most;
}

TEST(RetryPolicy, FullJitterUnderADoublingCeiling) {
  RetryPolicy policy(false, Seconds(5), Seconds(2000), 1);
  const Delivery failed = Delivery::retry(RetryClass::Transient, "reset");
  EXPECT_LE(longest(policy, failed, 1), Milliseconds(200));
  EXPECT_GT(longest(policy, failed, 4), Milliseconds(1200));
  EXPECT_LE(longest(policy, failed, 4), Milliseconds(1600));
  EXPECT_LE(longest(policy, failed, 4'000'000'000u), Seconds(20));
  Nanoseconds least = Seconds(100);
  for (int i = 0; i < 2000; ++i) least = std::min(least, policy.wait(failed, 8));
  EXPECT_LT(least, Milliseconds(500)) << "full jitter starts at zero";
}

TEST(RetryPolicy, TheServicesWishIsALowerBoundWithinTheCap) {
  RetryPolicy policy(false, Seconds(5), Seconds(2000), 1);
  Delivery failed = Delivery::retry(RetryClass::Throttled, "slow down");
  failed.retry_after = Seconds(7);
  EXPECT_GE(policy.wait(failed, 1), Seconds(7));
  failed.retry_after = std::chrono::hours(5);
  EXPECT_LE(policy.wait(failed, 1), Seconds(30));
}

TEST(RetryPolicy, ARetryLimitIsNotUsedUpFasterThanFluentBitWould) {
  RetryPolicy policy(true, Seconds(5), Seconds(2000), 1);
  const Delivery failed = Delivery::retry(RetryClass::Transient, "reset");
  for (int i = 0; i < 500; ++i) {
    EXPECT_GE(policy.wait(failed, 1), Seconds(6));
    EXPECT_LE(policy.wait(failed, 1), Seconds(11));
    EXPECT_LE(policy.wait(failed, 30), Seconds(2001));
  }
}

}  // namespace
}  // namespace noroshi

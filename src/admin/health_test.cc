#include "admin/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noroshi {
namespace {

using testing::HasSubstr;

class HealthTest : public testing::Test {
 protected:
  HealthStatus observe(const HealthFacts& facts, Nanoseconds after = Seconds(1)) {
    clock_.advance(after);
    health_.observe(facts);
    return health_.status();
  }
  ManualClock clock_{Timestamp(Seconds(1'000'000))};
  Health health_{ServiceOptions{}, clock_};
};

TEST_F(HealthTest, OkFromTheStart) {
  EXPECT_TRUE(health_.status().healthy);
  EXPECT_EQ(health_.status().text, "ok");
}

TEST_F(HealthTest, ADestinationThatIsDownIsDegradedNotUnhealthy) {
  const HealthStatus status = observe({.degraded = {"s3.1 has failed for 35 s: refused"}});
  EXPECT_TRUE(status.healthy);
  EXPECT_TRUE(status.degraded);
  EXPECT_THAT(status.text, HasSubstr("s3.1 has failed for 35 s"));
}

TEST_F(HealthTest, LostRecordsAreRememberedForAMinuteAndThenForgiven) {
  EXPECT_FALSE(observe({.lost = 3, .lost_by = "s3.1 (3 retry_limit)"}).healthy);
  EXPECT_THAT(health_.status().text, HasSubstr("retry_limit"));
  EXPECT_FALSE(observe({.lost = 3}, Seconds(58)).healthy);
  EXPECT_FALSE(observe({.lost = 3}, Seconds(5)).healthy) << "hysteresis";
  EXPECT_TRUE(observe({.lost = 3}, Seconds(15)).healthy);
  EXPECT_FALSE(observe({.lost = 4, .lost_by = "again"}).healthy);
}

TEST_F(HealthTest, AJournalThatHoversAroundTheLimitDoesNotFlap) {
  EXPECT_TRUE(observe({.journal_share = 0.94}).healthy);
  EXPECT_FALSE(observe({.journal_share = 0.96}).healthy);
  EXPECT_FALSE(observe({.journal_share = 0.90}, Seconds(60)).healthy);
  EXPECT_FALSE(observe({.journal_share = 0.70}, Seconds(1)).healthy);
  EXPECT_TRUE(observe({.journal_share = 0.70}, Seconds(20)).healthy);
}

TEST_F(HealthTest, AJournalThatRefusesALargeChunkIsFullWhateverItsShare) {
  EXPECT_FALSE(observe({.journal_share = 0.91, .journal_full = true}).healthy);
  EXPECT_EQ(health_.status().text, "error: the journal is 91 % full");
  EXPECT_FALSE(observe({.journal_share = 0.91}, Seconds(60)).healthy);
  EXPECT_TRUE(observe({.journal_share = 0.70}, Seconds(20)).healthy);
}

TEST_F(HealthTest, AStuckThreadIsNamed) {
  EXPECT_THAT(observe({.stuck = {"cloudwatch_logs.0"}}).text,
              HasSubstr("cloudwatch_logs.0 is stuck"));
}

TEST(HealthAsFluentBit, GreaterThanTheLimitWithinThePeriod) {
  ManualClock clock;
  ServiceOptions service;
  service.hc_configured = true;
  service.hc_errors_count = 5;
  service.hc_period = Seconds(5);
  Health health(service, clock);
  health.observe({});
  health.observe({.errors = 5});
  EXPECT_TRUE(health.status().healthy) << "five is not more than five";
  health.observe({.errors = 6});
  EXPECT_FALSE(health.status().healthy);
  for (int i = 0; i < 5; ++i) health.observe({.errors = 6});
  EXPECT_TRUE(health.status().healthy);
}

}  // namespace
}  // namespace noroshi

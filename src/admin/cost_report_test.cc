#include "admin/cost_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cost/estimate.h"

namespace noroshi {
namespace {

using testing::HasSubstr;

// An hour of 1 GB of text, a tenth errors, compressed to a fifth in six objects.
CostFacts an_hour() {
  return {.uptime = std::chrono::hours(1),
          .records = 5'000'000,
          .text_bytes = 1'000'000'000,
          .cloudwatch_logs = {.present = true,
                              .routed = 500'000,
                              .delivered = 500'000,
                              .bytes = 100'000'000,
                              .requests = 120},
          .s3 = {.present = true,
                 .routed = 5'000'000,
                 .delivered = 5'000'000,
                 .bytes = 200'000'000,
                 .requests = 6},
          .reloads = 0};
}

TEST(CostReport, AnHourTimes730IsTheMonthThatNoroshiCostComputes) {
  const Result<std::string> report = cost_report(an_hour(), "ap-northeast-1");
  ASSERT_TRUE(report) << report.error().message;
  Deployment deployment;
  deployment.tasks = 1;
  const std::string expected = render_json(estimate_cost({.gb_per_month = 730,
                                                          .errors_gb_per_month = 73,
                                                          .s3_gb_per_month = 146,
                                                          .s3_objects_per_month = 4380},
                                                         deployment, *prices_of("ap-northeast-1")),
                                           *prices_of("ap-northeast-1"));
  EXPECT_THAT(*report, HasSubstr(expected.substr(1)));
  EXPECT_THAT(*report,
              HasSubstr("{\"measured\":{\"uptime_s\":3600,\"reloads\":0,\"records\":5000000,"));
  EXPECT_THAT(*report,
              HasSubstr("\"per_month\":{\"log_text_gb\":730.0000,\"cloudwatch_logs_gb\":73.0000,"
                        "\"s3_gb\":146.0000,\"s3_objects\":4380,"));
}

TEST(CostReport, WhatWaitsCountsAsWhatWasDelivered) {
  CostFacts facts = an_hour();
  facts.s3.routed = 6'000'000;  // a sixth is in the object that is still open
  facts.s3.delivered = 5'000'000;
  const Result<std::string> report = cost_report(facts, "ap-northeast-1");
  ASSERT_TRUE(report);
  EXPECT_THAT(*report, HasSubstr("\"s3_records_waiting\":1000000}"));
  EXPECT_THAT(*report, HasSubstr("\"s3_gb\":175.2000,\"s3_objects\":5256,"));
}

TEST(CostReport, RefusesToExtrapolateFromTooLittle) {
  CostFacts facts = an_hour();
  facts.uptime = kCostUptimeMin - Nanoseconds(1);
  Result<std::string> report = cost_report(facts, "ap-northeast-1");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::Unavailable);
  EXPECT_THAT(report.error().message, HasSubstr("not extrapolated from less than 60 s"));
  facts.uptime = kCostUptimeMin;
  EXPECT_TRUE(cost_report(facts, "ap-northeast-1"));

  facts.s3.delivered = facts.s3.bytes = facts.s3.requests = 0;
  report = cost_report(facts, "ap-northeast-1");
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("no object has been delivered to S3 yet"));
}

TEST(CostReport, NothingAtAllCostsOnlyWhatStands) {
  const Result<std::string> report =
      cost_report({.uptime = std::chrono::hours(1)}, "ap-northeast-1");
  ASSERT_TRUE(report);
  EXPECT_THAT(*report, HasSubstr("\"log_text_gb\":0.0000,"));
}

TEST(CostReport, ARegionIsNeededAndKnown) {
  EXPECT_THAT(cost_report(an_hour(), "").error().message, HasSubstr("?region=ap-northeast-1"));
  const Result<std::string> report = cost_report(an_hour(), "eu-west-1");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::NotFound);
  EXPECT_THAT(report.error().message, HasSubstr("us-east-1, ap-northeast-1"));
}

}  // namespace
}  // namespace noroshi

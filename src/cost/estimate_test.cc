#include "cost/estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noroshi {
namespace {

using testing::HasSubstr;

const CostLine& line_of(const CostEstimate& estimate, std::string_view name) {
  for (const CostLine& line : estimate.lines) {
    if (line.name == name) return line;
  }
  ADD_FAILURE() << "no line " << name;
  return estimate.lines.front();
}

// log-routing-design.ja.md, "コスト影響", for its own volumes and its own prices.
TEST(Cost, TheSpecificationsTableWhereItAddsUp) {
  Prices prices = prices_of("us-east-1").value();
  const CostEstimate estimate = estimate_cost({}, {}, prices);
  EXPECT_NEAR(line_of(estimate, "CloudWatch Logs, taken in").before, 50, 1e-9);
  EXPECT_NEAR(line_of(estimate, "CloudWatch Logs, kept").before, 3, 1e-9);
  EXPECT_NEAR(line_of(estimate, "CloudWatch Logs, taken in").after, 5, 1e-9);
  EXPECT_NEAR(line_of(estimate, "CloudWatch Logs, kept").after, 0.3, 1e-9);
}

// What it left out or computed wrongly (reference/cdk.md, fault 29).
TEST(Cost, WhereItIsCorrected) {
  const Prices prices = prices_of("ap-northeast-1").value();
  Deployment deployment;
  deployment.image_gb = 1;
  const CostEstimate estimate = estimate_cost({}, deployment, prices);
  EXPECT_NEAR(line_of(estimate, "CloudWatch Logs, taken in").before +
                  line_of(estimate, "CloudWatch Logs, kept").before,
              79.3, 1e-9);
  EXPECT_NEAR(line_of(estimate, "CloudWatch Logs, taken in").after +
                  line_of(estimate, "CloudWatch Logs, kept").after,
              7.93, 1e-9);
  EXPECT_NEAR(line_of(estimate, "ECR images").after, 0.50, 1e-9) << "5 x 1 GB, not 0.10";
  EXPECT_NEAR(line_of(estimate, "S3 Standard").after, 2.25, 1e-9) << "three months, not one";
  EXPECT_NEAR(line_of(estimate, "S3 Glacier").after, 9 * 30 * 0.0045, 1e-9);
  EXPECT_NEAR(line_of(estimate, "interface endpoints").before, 3 * 2 * 730 * 0.014, 1e-9);
  EXPECT_EQ(line_of(estimate, "interface endpoints").before,
            line_of(estimate, "interface endpoints").after);
}

TEST(Cost, SmallObjectsInGlacierCostMoreThanTheirBytes) {
  const Prices prices = prices_of("us-east-1").value();
  Volume volume;
  volume.s3_gb_per_month = 1;
  volume.s3_objects_per_month = 1'000'000;
  const CostEstimate estimate = estimate_cost(volume, {}, prices);
  // 9 months of 1 GB and of a million objects with 32 KB each.
  EXPECT_NEAR(line_of(estimate, "S3 Glacier").after, (9 + 9 * 32) * 0.0036, 1e-9);
  EXPECT_NEAR(line_of(estimate, "S3 requests").after, 1000 * 0.005 + 1000 * 0.03, 1e-9);
}

TEST(Cost, InTheFirstMonthsNothingIsInGlacier) {
  Deployment deployment;
  deployment.month = 1;
  const CostEstimate estimate = estimate_cost({}, deployment, prices_of("us-east-1").value());
  EXPECT_EQ(line_of(estimate, "S3 Glacier").after, 0);
  EXPECT_NEAR(line_of(estimate, "S3 Standard").after, 30 * 0.023, 1e-9);
}

TEST(Cost, TotalsAreTheSumsOfTheLines) {
  const CostEstimate estimate = estimate_cost({}, {}, prices_of("us-east-1").value());
  double before = 0, after = 0;
  for (const CostLine& line : estimate.lines) before += line.before, after += line.after;
  EXPECT_DOUBLE_EQ(estimate.before, before);
  EXPECT_DOUBLE_EQ(estimate.after, after);
  EXPECT_DOUBLE_EQ(estimate.saving(), before - after);
  EXPECT_GT(estimate.saving(), 40);
}

TEST(Cost, RendersATableAndJson) {
  const Prices prices = prices_of("ap-northeast-1").value();
  const CostEstimate estimate = estimate_cost({}, {}, prices);
  const std::string table = render_table(estimate, prices);
  EXPECT_THAT(table, HasSubstr("CloudWatch Logs, taken in          76.00      7.60     68.40"));
  EXPECT_THAT(table, HasSubstr("prices of ap-northeast-1, read on 2026-11-23"));
  EXPECT_THAT(render_json(estimate, prices),
              HasSubstr(R"({"name":"ECR images","before":0.0000,"after":0.0200,"basis":")"));
}

TEST(Cost, SaysThatItCostsMoreWhereItDoes) {
  const Prices prices = prices_of("ap-northeast-1").value();
  const CostEstimate estimate = estimate_cost(
      {.gb_per_month = 1, .errors_gb_per_month = 1, .s3_gb_per_month = 0.5}, {}, prices);
  ASSERT_LT(estimate.saving(), 0);
  EXPECT_THAT(render_table(estimate, prices), HasSubstr("saving: none, it costs $0."));
}

TEST(Prices, UnknownRegionsAndOverrides) {
  EXPECT_THAT(prices_of("mars-north-1").error().message, HasSubstr("us-east-1, ap-northeast-1"));
  Prices prices = prices_of("us-east-1").value();
  EXPECT_TRUE(override_price(prices, "logs_ingestion_gb=0.57"));
  EXPECT_EQ(prices.logs_ingestion_gb, 0.57);
  for (const char* wrong : {"logs_ingestion_gb", "logs_ingestion_gb=", "logs_ingestion_gb=-1",
                            "logs_ingestion_gb=1x", "logs_ingestion_gb=nan", "beer=1", "=1", ""}) {
    EXPECT_FALSE(override_price(prices, wrong)) << wrong;
  }
  EXPECT_EQ(prices.logs_ingestion_gb, 0.57);
}

TEST(Prices, AreAllThere) {
  for (const Prices& prices : known_prices()) {
    for (const PriceField& field : price_fields())
      EXPECT_GT(prices.*field.member, 0) << prices.region << ' ' << field.name;
  }
}

}  // namespace
}  // namespace noroshi

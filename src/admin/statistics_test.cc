#include "admin/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/metric_collection.h"

namespace noroshi {
namespace {

using testing::HasSubstr;

class StatisticsTest : public testing::Test {
 protected:
  static StatisticsFacts facts(uint64_t records, uint64_t delivered, uint64_t too_old) {
    StatisticsFacts::OutputFacts output{.name = "s3.1", .routed = records, .delivered = delivered};
    output.dropped[static_cast<size_t>(DropReason::TooOld)] = too_old;
    return {.inputs = {{.name = "forward.0", .records = records, .connections = 2}},
            .outputs = {output},
            .journal_bytes = 50,
            .journal_bytes_max = 200};
  }
  ManualClock clock_{Timestamp(Seconds(1'763'877'342) + Milliseconds(7))};
  Statistics statistics_{Seconds(60), clock_};
};

TEST_F(StatisticsTest, DueOncePerIntervalAndNeverWhenOff) {
  EXPECT_FALSE(statistics_.due());
  clock_.advance(Seconds(60));
  EXPECT_TRUE(statistics_.due());
  static_cast<void>(statistics_.line(facts(1, 1, 0)));
  EXPECT_FALSE(statistics_.due());
  statistics_.set_interval(Nanoseconds(0));
  clock_.advance(Seconds(600));
  EXPECT_FALSE(statistics_.due());
}

TEST_F(StatisticsTest, CountersAreDifferencesAndGaugesAreNow) {
  clock_.advance(Seconds(60));
  const std::string first = statistics_.line(facts(100, 90, 3));
  EXPECT_THAT(first, HasSubstr("\"noroshi\":\"statistics\",\"time\":\"2025-11-23T05:56:42.007Z\""));
  EXPECT_THAT(first, HasSubstr("\"interval_s\":60.000,\"records_in\":100,"));
  EXPECT_THAT(first, HasSubstr("\"records_delivered\":90,"));
  EXPECT_THAT(first, HasSubstr("\"records_dropped\":3,\"dropped\":{\"journal_full\":0,"));
  EXPECT_THAT(first, HasSubstr("\"too_old\":3,"));
  EXPECT_THAT(first, HasSubstr("\"journal_used_percent\":25.0,"));
  clock_.advance(Seconds(30));
  const std::string second = statistics_.line(facts(150, 150, 3));
  EXPECT_THAT(second, HasSubstr("\"interval_s\":30.000,\"records_in\":50,"));
  EXPECT_THAT(second, HasSubstr("\"records_delivered\":60,"));
  EXPECT_THAT(second, HasSubstr("\"records_dropped\":0,"));
  EXPECT_THAT(second, HasSubstr("\"connections\":2,"));
  EXPECT_EQ(second.back(), '\n');
  EXPECT_EQ(std::count(second.begin(), second.end(), '\n'), 1);
}

TEST_F(StatisticsTest, AnInstanceMadeAnewCountsFromZero) {
  static_cast<void>(statistics_.line(facts(100, 90, 0)));
  EXPECT_THAT(statistics_.line(facts(7, 5, 0)), HasSubstr("\"records_in\":7,"));
}

TEST_F(StatisticsTest, TheOldestOfAllOutputsIsTheAge) {
  StatisticsFacts now = facts(10, 0, 0);
  now.outputs[0].oldest_undelivered_ns =
      static_cast<uint64_t>((clock_.wall() - Seconds(12)).time_since_epoch().count());
  now.outputs.push_back({.name = "other"});
  now.outputs[0].retrying = true;
  const std::string line = statistics_.line(now);
  EXPECT_THAT(line, HasSubstr("\"oldest_undelivered_s\":12.000,\"outputs_retrying\":1,"));
  EXPECT_THAT(line, HasSubstr("\"other\":{\"records_routed\":0,"));
  EXPECT_THAT(line, HasSubstr("\"oldest_undelivered_s\":0.000,\"retrying\":0}}}"));
}

TEST_F(StatisticsTest, OutputsOfOnePluginAreAddedUp) {
  StatisticsFacts now;
  now.outputs = {{.name = "s3.0", .plugin = "s3", .routed = 5, .delivered = 3},
                 {.name = "errors", .plugin = "cloudwatch_logs", .routed = 2, .delivered = 2},
                 {.name = "s3.2", .plugin = "s3", .routed = 7, .delivered = 1}};
  const std::string plugins =
      "\"plugins\":{\"cloudwatch_logs\":{\"records_routed\":2,\"records_delivered\":2},"
      "\"s3\":{\"records_routed\":12,\"records_delivered\":4}},\"outputs\":{";
  EXPECT_THAT(statistics_.line(now), HasSubstr(plugins));
  now.outputs[2].delivered = 6;
  EXPECT_THAT(statistics_.line(now),
              HasSubstr("\"s3\":{\"records_routed\":0,\"records_delivered\":5}}"));
}

TEST(ResidentMemoryTest, IsWhatProcSays) {
  EXPECT_GT(resident_memory_bytes(), 1u << 20);
  EXPECT_LT(resident_memory_bytes(), 4ull << 30);
}

}  // namespace
}  // namespace noroshi

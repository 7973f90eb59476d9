#include "localaws/faults.h"

#include <gtest/gtest.h>

namespace noroshi::localaws {
namespace {

Fault fault(std::string_view json) {
  auto parsed = parse_fault(json);
  EXPECT_TRUE(parsed) << json << (parsed ? "" : parsed.error().message);
  return parsed ? *parsed : Fault{};
}

TEST(Faults, MatchCountAndEnd) {
  ManualClock clock;
  FaultList list(clock, 1);
  ASSERT_TRUE(
      list.add(fault(R"({"service":"s3","operation":"PutObject","error":"SlowDown","count":2})")));
  EXPECT_FALSE(list.choose("s3", "GetObject", "").fault);
  EXPECT_FALSE(list.choose("logs", "PutObject", "").fault);
  EXPECT_EQ(list.choose("s3", "PutObject", "").fault->error, "SlowDown");
  EXPECT_TRUE(list.choose("s3", "PutObject", "").fault);
  EXPECT_FALSE(list.choose("s3", "PutObject", "").fault);
  EXPECT_TRUE(list.list().empty());

  ASSERT_TRUE(list.add(fault(R"({"action":"reset_after","duration_ms":1000})")));
  EXPECT_EQ(list.choose("sts", "AssumeRole", "").fault->action, FaultAction::ResetAfter);
  clock.advance(Milliseconds(1000));
  EXPECT_FALSE(list.choose("sts", "AssumeRole", "").fault);

  ASSERT_TRUE(list.add(fault(R"({"error":"SerializationException","content_encoding":"gzip"})")));
  EXPECT_FALSE(list.choose("logs", "PutLogEvents", "").fault);
  EXPECT_TRUE(list.choose("logs", "PutLogEvents", "gzip").fault);
}

TEST(Faults, LatencyAddsToTheFirstActionAndRateIsAShare) {
  ManualClock clock;
  FaultList list(clock, 1);
  ASSERT_TRUE(list.add(fault(R"({"latency_ms":5})")));
  ASSERT_TRUE(list.add(fault(R"({"latency_ms":7,"action":"truncate","rate":0.25})")));
  const auto last = list.add(fault(R"({"error":"InternalError"})"));
  int truncated = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto chosen = list.choose("s3", "x", "");
    ASSERT_TRUE(chosen.fault);
    const bool is_truncate = chosen.fault->action == FaultAction::Truncate;
    truncated += is_truncate;
    EXPECT_EQ(chosen.latency, Milliseconds(is_truncate ? 12 : 5));
  }
  EXPECT_NEAR(truncated, 2500, 200);
  EXPECT_TRUE(list.remove(*last));
  EXPECT_FALSE(list.remove(*last));
}

TEST(Faults, RefusesWhatItDoesNotKnow) {
  for (const std::string_view bad :
       {"", "[]", "{}", R"({"eror":"x"})", R"({"action":"explode"})", R"({"action":"error"})",
        R"({"service":"ec2","error":"x"})", R"({"error":"x","rate":1.5})",
        R"({"error":"x","count":0})", R"({"error":"x","status":99})", R"({"action":"refuse"})",
        R"({"latency_ms":-1})"}) {
    EXPECT_FALSE(parse_fault(bad)) << bad;
  }
}

TEST(Faults, AreBounded) {
  ManualClock clock;
  FaultList list(clock, 1);
  for (size_t i = 0; i < FaultList::kFaultsMax; ++i)
    ASSERT_TRUE(list.add(fault(R"({"error":"x"})")));
  EXPECT_EQ(list.add(fault(R"({"error":"x"})")).error().code, ErrorCode::Exhausted);
  list.clear();
  EXPECT_TRUE(list.add(fault(R"({"error":"x"})")));
}

}  // namespace
}  // namespace noroshi::localaws

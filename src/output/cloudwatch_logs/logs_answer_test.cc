#include "output/cloudwatch_logs/logs_answer.h"

#include <gtest/gtest.h>

namespace noroshi {
namespace {

TEST(LogsAnswer, AcceptedWhole) {
  for (const char* body :
       {"{}", R"({"nextSequenceToken":"1"})", " \n{ } ", R"({"rejectedLogEventsInfo":null})"}) {
    const auto answer = parse_put_log_events_answer(body);
    ASSERT_TRUE(answer) << body;
    EXPECT_EQ(answer->too_old_end, 0u);
    EXPECT_EQ(answer->expired_end, 0u);
    EXPECT_FALSE(answer->too_new_start);
    EXPECT_EQ(answer->rejected_entity, "");
  }
}

TEST(LogsAnswer, RejectedByIndex) {
  const auto answer = parse_put_log_events_answer(
      R"({"nextSequenceToken":"x","rejectedLogEventsInfo":{"tooOldLogEventEndIndex":2,
          "expiredLogEventEndIndex":5,"tooNewLogEventStartIndex":0},
          "rejectedEntityInfo":{"errorType":"InvalidEntity"}})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->too_old_end, 2u);
  EXPECT_EQ(answer->expired_end, 5u);
  EXPECT_EQ(answer->too_new_start, 0u);
  EXPECT_EQ(answer->rejected_entity, "InvalidEntity");
}

TEST(LogsAnswer, AbsurdIndexes) {
  const auto answer = parse_put_log_events_answer(
      R"({"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":-3,"expiredLogEventEndIndex":99999999999,
          "tooNewLogEventStartIndex":"seven"}})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->too_old_end, 0u);
  EXPECT_EQ(answer->expired_end, UINT32_MAX);
  EXPECT_FALSE(answer->too_new_start);
  const auto large = parse_put_log_events_answer(
      R"({"rejectedLogEventsInfo":{"tooNewLogEventStartIndex":18446744073709551615}})");
  ASSERT_TRUE(large);
  EXPECT_EQ(large->too_new_start, UINT32_MAX);
}

TEST(LogsAnswer, NotAnAnswer) {
  for (const char* body :
       {"", "<html>Welcome to the hotel's network</html>", "[]", "null", "\"ok\"", "{", "{}{}"}) {
    EXPECT_FALSE(parse_put_log_events_answer(body)) << body;
  }
}

TEST(LogsAnswer, ExpectedSequenceToken) {
  EXPECT_EQ(parse_expected_sequence_token(
                R"({"__type":"InvalidSequenceTokenException","expectedSequenceToken":"4953"})"),
            "4953");
  for (const char* body : {"", "[]", "{}", R"({"expectedSequenceToken":null})", "not json"}) {
    EXPECT_FALSE(parse_expected_sequence_token(body)) << body;
  }
}

}  // namespace
}  // namespace noroshi

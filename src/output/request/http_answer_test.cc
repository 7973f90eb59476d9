#include "output/request/http_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noroshi {
namespace {

using Kind = RequestAnswer::Kind;

struct Case {
  int status;
  Kind kind;
  RetryClass retry_class = RetryClass::Transient;
};

class HttpAnswers : public ::testing::TestWithParam<Case> {};

TEST_P(HttpAnswers, MapToOneOutcome) {
  const RequestAnswer answer =
      classify_http_answer({.status = GetParam().status, .headers = {}, .body = "why"}, {});
  EXPECT_EQ(answer.kind, GetParam().kind);
  if (answer.kind == Kind::Answered) return;
  EXPECT_EQ(answer.retry_class, GetParam().retry_class);
  EXPECT_EQ(answer.reason, "HTTP " + std::to_string(GetParam().status) + ": why");
}
INSTANTIATE_TEST_SUITE_P(
    All, HttpAnswers,
    ::testing::Values(Case{200, Kind::Answered}, Case{201, Kind::Answered},
                      Case{204, Kind::Answered}, Case{301, Kind::Retry, RetryClass::Auth},
                      Case{400, Kind::Rejected}, Case{401, Kind::Retry, RetryClass::Auth},
                      Case{403, Kind::Retry, RetryClass::Auth},
                      Case{404, Kind::Retry, RetryClass::Auth},
                      Case{407, Kind::Retry, RetryClass::Auth}, Case{408, Kind::Retry},
                      Case{413, Kind::TooLarge}, Case{415, Kind::Rejected},
                      Case{422, Kind::Rejected}, Case{429, Kind::Retry, RetryClass::Throttled},
                      Case{500, Kind::Retry}, Case{502, Kind::Retry}, Case{503, Kind::Retry},
                      Case{504, Kind::Retry}));

TEST(HttpAnswer, RetryAfterInSecondsOrAsADate) {
  const Timestamp now{Seconds(1'795'402'380)};  // Mon, 23 Nov 2026 02:53:00 GMT
  const auto wish = [&](std::string value) {
    return retry_after_of({.status = 503, .headers = {{"retry-after", std::move(value)}}}, now);
  };
  EXPECT_EQ(wish("7"), Seconds(7));
  EXPECT_EQ(wish("0"), Seconds(0));
  EXPECT_EQ(wish("999999999"), kRetryAfterMax);
  EXPECT_EQ(wish("Mon, 23 Nov 2026 02:53:09 GMT"), Seconds(9));
  EXPECT_EQ(wish("Mon, 23 Nov 2026 02:52:09 GMT"), Seconds(0));
  EXPECT_EQ(wish("Thu, 01 Jan 1970 00:00:00 GMT"), Seconds(0));
  EXPECT_EQ(wish("Mon, 23 Nov 2200 02:53:09 GMT"), kRetryAfterMax);
  EXPECT_EQ(wish("Mon, 23 Nov 1706 02:53:09 GMT"), std::nullopt);  // overflowed
  EXPECT_EQ(wish("soon"), std::nullopt);
  EXPECT_EQ(wish("-1"), std::nullopt);
  EXPECT_EQ(retry_after_of({.status = 503}, now), std::nullopt);
}

TEST(HttpAnswer, TheReasonIsOneShortLine) {
  EXPECT_EQ(
      describe_answer({.status = 400, .headers = {}, .body = "a\nb\x01" + std::string(500, 'x')}),
      "HTTP 400: a b " + std::string(kAnswerExcerptBytes - 4, 'x'));
  EXPECT_EQ(describe_answer({.status = 500}), "HTTP 500");
}

TEST(HttpAnswer, ARedirectSaysWhereTo) {
  const RequestAnswer answer = classify_http_answer(
      {.status = 308, .headers = {{"Location", "https://elsewhere/"}}, .body = {}}, {});
  EXPECT_THAT(answer.reason, ::testing::HasSubstr("https://elsewhere/"));
  // In one line that does nothing to a terminal.
  EXPECT_EQ(classify_http_answer(
                {.status = 308, .headers = {{"Location", "x\x1b[2J\ty"}}, .body = {}}, {})
                .reason,
            "HTTP 308: redirected to x [2J y; set that as the destination");
}

}  // namespace
}  // namespace noroshi

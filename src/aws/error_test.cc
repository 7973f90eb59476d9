#include "aws/error.h"

#include <gtest/gtest.h>

#include "aws/xml.h"

namespace noroshi {
namespace {

using Kind = AwsFaultKind;

struct Answer {
  int status;
  const char* body;
  const char* code;
  Kind kind;
};

class AwsAnswers : public ::testing::TestWithParam<Answer> {};

TEST_P(AwsAnswers, HaveACodeAndAKind) {
  const auto fault = aws_fault({GetParam().status, {}, GetParam().body, false});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->code, GetParam().code);
  EXPECT_EQ(fault->kind, GetParam().kind) << to_string(fault->kind);
}

INSTANTIATE_TEST_SUITE_P(
    Json, AwsAnswers,
    ::testing::Values(Answer{400, R"({"__type":"ThrottlingException","message":"Rate exceeded"})",
                             "ThrottlingException", Kind::Throttled},
                      Answer{400, R"({"__type":"com.amazonaws.logs#ResourceNotFoundException"})",
                             "ResourceNotFoundException", Kind::NotFound},
                      Answer{400, R"({"__type":"ExpiredTokenException:http://internal/"})",
                             "ExpiredTokenException", Kind::Expired},
                      Answer{400, R"({"__type":"UnrecognizedClientException"})",
                             "UnrecognizedClientException", Kind::Expired},
                      Answer{400, R"({"__type":"AccessDeniedException","Message":"User …"})",
                             "AccessDeniedException", Kind::Auth},
                      Answer{400, R"({"__type":"InvalidSignatureException"})",
                             "InvalidSignatureException", Kind::ClockSkew},
                      Answer{400, R"({"__type":"InvalidParameterException"})",
                             "InvalidParameterException", Kind::Permanent},
                      Answer{400, R"({"__type":"SerializationException"})",
                             "SerializationException", Kind::Permanent},
                      Answer{400, R"({"__type":"OperationAbortedException"})",
                             "OperationAbortedException", Kind::Transient},
                      Answer{500, R"({"__type":"ServiceUnavailableException"})",
                             "ServiceUnavailableException", Kind::Transient},
                      Answer{400, R"({"__type":7})", "HTTP 400", Kind::Permanent},
                      Answer{400, "{broken", "HTTP 400", Kind::Permanent},
                      Answer{502, "", "HTTP 502", Kind::Transient},
                      Answer{429, "", "HTTP 429", Kind::Throttled},
                      Answer{407, "", "HTTP 407", Kind::Auth}));

INSTANTIATE_TEST_SUITE_P(
    Xml, AwsAnswers,
    ::testing::Values(
        Answer{503, "<Error><Code>SlowDown</Code></Error>", "SlowDown", Kind::Throttled},
        Answer{500, "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>",
               "InternalError", Kind::Transient},
        Answer{200, "\n\n  <Error><Code>InternalError</Code></Error>", "InternalError",
               Kind::Transient},
        Answer{200, "<Error><Code>Unheard</Code></Error>", "Unheard", Kind::Transient},
        Answer{404, "<Error><Code>NoSuchUpload</Code></Error>", "NoSuchUpload", Kind::NotFound},
        Answer{403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", "RequestTimeTooSkewed",
               Kind::ClockSkew},
        Answer{403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", "SignatureDoesNotMatch",
               Kind::ClockSkew},
        Answer{403, "<Error><Code>AccessDenied</Code></Error>", "AccessDenied", Kind::Auth},
        Answer{403, "<Error><Code>InvalidAccessKeyId</Code></Error>", "InvalidAccessKeyId",
               Kind::Expired},
        Answer{301, "<Error><Code>PermanentRedirect</Code></Error>", "PermanentRedirect",
               Kind::Redirect},
        Answer{400,
               "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>",
               "AuthorizationHeaderMalformed", Kind::Redirect},
        Answer{400, "<Error><Code>BadDigest</Code></Error>", "BadDigest", Kind::Transient},
        Answer{400, "<Error><Code>InvalidRequest</Code></Error>", "InvalidRequest",
               Kind::Permanent},
        Answer{403, "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>",
               "ExpiredToken", Kind::Expired},
        Answer{403, "<html>no</html>", "HTTP 403", Kind::Auth},
        Answer{404, "<Error", "HTTP 404", Kind::NotFound}));

TEST(AwsFault, SuccessIsNone) {
  EXPECT_FALSE(aws_fault({200, {}, "{}", false}));
  EXPECT_FALSE(aws_fault({204, {}, "", false}));
  EXPECT_FALSE(aws_fault({200,
                          {},
                          "<CompleteMultipartUploadResult><Key>a</Key>"
                          "</CompleteMultipartUploadResult>",
                          false}));
  EXPECT_FALSE(aws_fault({200, {}, "<List><Key>&lt;Error</Key></List>", false}));
}

TEST(AwsFault, HeadersTellWhatTheBodyDoesNot) {
  const auto fault = aws_fault({400,
                                {{"X-Amzn-ErrorType", "AccessDeniedException:http://x/"},
                                 {"x-amzn-RequestId", "r-1"},
                                 {"Retry-After", "7"}},
                                "",
                                false});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->code, "AccessDeniedException");
  EXPECT_EQ(fault->retry_after, Seconds(7));
  EXPECT_EQ(fault->describe(), "AccessDeniedException (HTTP 400) [request r-1]");
  EXPECT_EQ(aws_fault({503, {{"x-amz-retry-after", "1500"}}, "", false})->retry_after,
            Milliseconds(1500));
  EXPECT_EQ(aws_fault({503, {{"Retry-After", "999999"}}, "", false})->retry_after, Seconds(300));
  EXPECT_EQ(aws_fault({503,
                       {{"Retry-After", "Mon, 23 Nov 2026 02:53:10 GMT"},
                        {"Date", "Mon, 23 Nov 2026 02:53:00 GMT"}},
                       "",
                       false})
                ->retry_after,
            Seconds(10));
}

TEST(AwsFault, MessagesCannotForgeLogLines) {
  const auto fault = aws_fault(
      {400, {}, "{\"__type\":\"X\",\"message\":\"a\\nb" + std::string(1000, 'm') + "\"}", false});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->message.size(), 500U);
  EXPECT_EQ(fault->message.find('\n'), std::string::npos);
}

TEST(Times, HttpDateAndIso8601) {
  const Timestamp expected{Seconds(1795402380)};
  EXPECT_EQ(parse_http_date("Mon, 23 Nov 2026 02:53:00 GMT"), expected);
  EXPECT_EQ(parse_iso8601("2026-11-23T02:53:00Z"), expected);
  EXPECT_EQ(parse_iso8601("2026-11-23T11:53:00+09:00"), expected);
  EXPECT_EQ(parse_iso8601("2026-11-22T21:23:00-0530"), expected);
  EXPECT_EQ(parse_iso8601("2026-11-23T02:53:00.25Z"), expected + Milliseconds(250));
  for (const char* bad : {"", "Mon, 23 Nov 2026 02:53:00 UTC", "Mon, 31 Feb 2026 02:53:00 GMT",
                          "Mon, 23 Xxx 2026 02:53:00 GMT", "Mon, 23 Nov 2026 25:53:00 GMT"}) {
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  }
  for (const char* bad :
       {"", "2026-11-23", "2026-11-23T02:53:00", "2026-13-23T02:53:00Z", "2026-11-23T02:53:00.Z",
        "9999-11-23T02:53:00Z", "2026-11-23T02:53:00Zx"}) {
    EXPECT_FALSE(parse_iso8601(bad)) << bad;
  }
}

TEST(Xml, ReadsWhatServicesAnswer) {
  const auto document = XmlDocument::parse(
      "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hello -->\n"
      "<s3:InitiateMultipartUploadResult xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\" "
      "x='>'>\n"
      "  <Bucket>b &amp; c</Bucket><Key/><UploadId><![CDATA[<x>&]]>&#x3042;&#97;</UploadId>\n"
      "  <UploadId>second</UploadId>\n</s3:InitiateMultipartUploadResult>\n");
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(document->root(), "InitiateMultipartUploadResult");
  EXPECT_EQ(document->get("InitiateMultipartUploadResult/Bucket"), "b & c");
  EXPECT_EQ(document->get("InitiateMultipartUploadResult/UploadId"), "<x>&あa");
  EXPECT_EQ(document->find("InitiateMultipartUploadResult/Key"), "");
  EXPECT_FALSE(document->find("InitiateMultipartUploadResult/None"));
  EXPECT_EQ(xml_escape("<&>\"'é"), "&lt;&amp;&gt;&quot;&apos;é");
}

TEST(Xml, RefusesWhatIsNotWellFormed) {
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "<a>";
  std::string many = "<a>";
  for (int i = 0; i < 30000; ++i) many += "<b/>";
  many += "</a>";
  for (const std::string& bad :
       {std::string(), std::string("text"), std::string("<a>"), std::string("<a></b>"),
        std::string("<a/><b/>"), std::string("<a>&nbsp;</a>"), std::string("<a>&#0;</a>"),
        std::string("<!DOCTYPE a><a/>"), std::string("<a/>x"), std::string("<a"),
        std::string("</a>"), std::string("<a><![CDATA[x</a>"), std::string("<>x</>"),
        std::string("<a>&#xD800;</a>"), deep, many}) {
    const auto document = XmlDocument::parse(bad);
    ASSERT_FALSE(document) << bad.substr(0, 60);
    EXPECT_EQ(document.error().code, ErrorCode::Corrupt);
  }
}

}  // namespace
}  // namespace noroshi

#include "aws/aws_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/testing/fake_environment.h"

namespace noroshi {
namespace {

using ::testing::HasSubstr;

Monotonic soon() { return system_clock().monotonic() + Seconds(5); }

// Gives "old" until refreshed.
class OneRefresh final : public CredentialsProvider {
 public:
  Result<Credentials> get(Monotonic) override {
    return Credentials{refreshes > 0 && works ? "new" : "old", "secret", "", {}, "test"};
  }
  bool refresh(const Credentials&, Monotonic) override {
    ++refreshes;
    return works;
  }
  int refreshes = 0;
  bool works = true;
};

struct Fixture {
  testing::FakeEnvironment fake;
  std::shared_ptr<OneRefresh> credentials = std::make_shared<OneRefresh>();
  std::shared_ptr<ClockSkew> skew = std::make_shared<ClockSkew>();
  AwsClient client{kCloudWatchLogs,
                   "eu-west-1",
                   {parse_url("https://logs.eu-west-1.amazonaws.com").value(), false},
                   credentials,
                   testing::forward_to(fake.http),
                   fake.clock,
                   skew};
  AwsRequest request;
  testing::KeptRequest sent(size_t index) const { return fake.http.requests().at(index); }
};

TEST(AwsClient, SignsAndReadsTheAnswer) {
  Fixture f;
  f.request.headers = {{"X-Amz-Target", "Logs_20140328.PutLogEvents"}};
  f.request.body = "{}";
  f.fake.http.answer(200, "{\"ok\":1}");
  const auto answer = f.client.call(f.request, soon());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->ok());
  EXPECT_EQ(answer->response.body, "{\"ok\":1}");
  EXPECT_EQ(f.sent(0).url, "https://logs.eu-west-1.amazonaws.com/");
  EXPECT_EQ(f.sent(0).body, "{}");
  EXPECT_EQ(f.sent(0).headers.get("x-amz-date"), "20261123T025300Z");
  EXPECT_THAT(f.sent(0).headers.get("authorization"),
              HasSubstr("Credential=old/20261123/eu-west-1/logs/aws4_request, "
                        "SignedHeaders=host;x-amz-date;x-amz-target, "));
  EXPECT_EQ(f.client.requests(), 1U);
}

TEST(AwsClient, FaultsAreAnswersAndAreNotRepeated) {
  Fixture f;
  f.fake.http.answer(503, "<Error><Code>SlowDown</Code></Error>");
  const auto answer = f.client.call(f.request, soon());
  ASSERT_TRUE(answer);
  ASSERT_FALSE(answer->ok());
  EXPECT_EQ(answer->fault->kind, AwsFaultKind::Throttled);
  f.fake.http.fail(ErrorCode::Timeout);
  EXPECT_EQ(f.client.call(f.request, soon()).error().code, ErrorCode::Timeout);
  EXPECT_EQ(f.fake.http.requests().size(), 2U);
}

TEST(AwsClient, ASkewedClockIsCorrectedOnceForAll) {
  Fixture f;
  f.fake.http.answer(403, "<Error><Code>RequestTimeTooSkewed</Code></Error>",
                     {{"Date", "Mon, 23 Nov 2026 05:53:00 GMT"}});
  f.fake.http.answer(200);
  ASSERT_TRUE(f.client.call(f.request, soon())->ok());
  EXPECT_EQ(f.sent(0).headers.get("x-amz-date"), "20261123T025300Z");
  EXPECT_EQ(f.sent(1).headers.get("x-amz-date"), "20261123T055300Z");
  EXPECT_EQ(f.skew->offset(), std::chrono::hours(3));
  f.fake.http.answer(200);
  ASSERT_TRUE(f.client.call(f.request, soon())->ok());
  EXPECT_EQ(f.sent(2).headers.get("x-amz-date"), "20261123T055300Z");
}

TEST(AwsClient, AWrongSecretIsNotTakenForAWrongClock) {
  Fixture f;
  f.fake.http.answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>",
                     {{"Date", "Mon, 23 Nov 2026 02:53:20 GMT"}});
  const auto answer = f.client.call(f.request, soon());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->fault->kind, AwsFaultKind::Auth);
  EXPECT_EQ(f.fake.http.requests().size(), 1U);
  EXPECT_EQ(f.skew->offset(), Nanoseconds::zero());
}

TEST(AwsClient, ExpiredCredentialsAreRefreshedOnce) {
  Fixture f;
  f.fake.http.answer(400, R"({"__type":"ExpiredTokenException"})");
  f.fake.http.answer(200);
  ASSERT_TRUE(f.client.call(f.request, soon())->ok());
  EXPECT_THAT(f.sent(1).headers.get("authorization"), HasSubstr("Credential=new/"));
  f.fake.http.answer(400, R"({"__type":"ExpiredTokenException"})");
  f.fake.http.answer(400, R"({"__type":"ExpiredTokenException"})");
  EXPECT_EQ(f.client.call(f.request, soon())->fault->kind, AwsFaultKind::Expired);
  f.credentials->works = false;
  f.fake.http.answer(400, R"({"__type":"ExpiredTokenException"})");
  EXPECT_FALSE(f.client.call(f.request, soon())->ok());
  EXPECT_EQ(f.fake.http.requests().size(), 5U);
}

TEST(AwsClient, EncodesPathsAndQueriesOnce) {
  testing::FakeEnvironment fake;
  AwsClient client(kS3, "eu-west-1", {parse_url("http://localhost:9000/base").value(), true},
                   make_static_credentials({"A", "S", "T", {}, ""}), testing::forward_to(fake.http),
                   fake.clock);
  AwsRequest request;
  request.method = "PUT";
  request.path = "/bucket/a b/+/../ログ.gz";
  request.query = {{"uploads", ""}, {"x", "a/b"}};
  request.payload_hash = kUnsignedPayload;
  fake.http.answer(200);
  ASSERT_TRUE(client.call(request, soon()));
  EXPECT_EQ(
      fake.http.requests().at(0).url,
      "http://localhost:9000/base/bucket/a%20b/%2B/../%E3%83%AD%E3%82%B0.gz?uploads=&x=a%2Fb");
  EXPECT_EQ(fake.http.requests().at(0).headers.get("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  client.move_to("us-east-1", {parse_url("http://other").value(), true});
  fake.http.answer(200);
  ASSERT_TRUE(client.call(request, soon()));
  EXPECT_THAT(fake.http.requests().at(1).headers.get("authorization"), HasSubstr("/us-east-1/s3/"));
}

TEST(AwsClient, MadeFromSettingsAndEnvironment) {
  testing::FakeEnvironment fake;
  fake.variables["AWS_REGION"] = "ap-northeast-1";
  fake.variables["AWS_ACCESS_KEY_ID"] = "A";
  fake.variables["AWS_SECRET_ACCESS_KEY"] = "S";
  const AwsEnvironment environment = fake.environment();
  auto client = make_aws_client(kCloudWatchLogs, {}, environment);
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->region(), "ap-northeast-1");
  fake.http.answer(200);
  ASSERT_TRUE((*client)->call({}, soon()));
  EXPECT_EQ(fake.http.requests().at(0).url, "https://logs.ap-northeast-1.amazonaws.com/");
  EXPECT_EQ(make_aws_client(kS3, {.endpoint = "ftp://x"}, environment).error().code,
            ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace noroshi

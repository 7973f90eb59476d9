#include "aws/s3_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/testing/fake_environment.h"

namespace noroshi {
namespace {

using testing::FakeEnvironment;
using ::testing::HasSubstr;

Monotonic in(Nanoseconds time) { return system_clock().monotonic() + time; }

class S3Object : public ::testing::Test {
 protected:
  S3Object() {
    fake_.variables = {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                       {"AWS_SECRET_ACCESS_KEY", "secret"},
                       {"AWS_REGION", "eu-west-1"}};
  }
  Result<std::string> read(Nanoseconds within = Seconds(30), size_t bytes_max = 100) {
    return read_s3_object({"conf", "a dir/x.conf"}, bytes_max, fake_.environment(), in(within));
  }
  FakeEnvironment fake_;
};

TEST(S3Address, ArnsAndUrls) {
  for (const char* text : {"arn:aws:s3:::bucket/a/b.conf", "arn:aws-cn:s3:::bucket/a/b.conf",
                           "s3://bucket/a/b.conf"}) {
    const auto address = parse_s3_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), "s3://bucket/a/b.conf");
  }
  for (const char* text : {"", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket/", "arn:aws:s3:::/key",
                           "bucket/key", "https://bucket/key", "arn:aws:sqs:eu-west-1:1:s3:::b/k"})
    EXPECT_EQ(parse_s3_address(text).error().code, ErrorCode::InvalidArgument) << text;
}

TEST_F(S3Object, IsReadWithTheTasksCredentials) {
  fake_.http.answer(200, "[OUTPUT]\n");
  EXPECT_EQ(read().value(), "[OUTPUT]\n");
  const auto request = fake_.http.requests().at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url, "https://conf.s3.eu-west-1.amazonaws.com/a%20dir/x.conf");
  EXPECT_THAT(std::string(request.headers.get("authorization")),
              HasSubstr("/eu-west-1/s3/aws4_request"));
}

TEST_F(S3Object, FollowsTheBucketIntoItsRegion) {
  fake_.http.answer(301, "<Error><Code>PermanentRedirect</Code></Error>",
                    {{"x-amz-bucket-region", "ap-northeast-1"}});
  fake_.http.answer(200, "text");
  EXPECT_EQ(read().value(), "text");
  EXPECT_EQ(fake_.http.requests().at(1).url,
            "https://conf.s3.ap-northeast-1.amazonaws.com/a%20dir/x.conf");
}

TEST_F(S3Object, TriesAgainWhatMayPassAndOnlyThat) {
  fake_.http.answer(503, "<Error><Code>SlowDown</Code></Error>");
  fake_.http.fail(ErrorCode::Unavailable);
  fake_.http.answer(200, "text");
  EXPECT_EQ(read().value(), "text");
  fake_.http.answer(503, "<Error><Code>SlowDown</Code></Error>");
  EXPECT_EQ(read(Milliseconds(100)).error().code, ErrorCode::Unavailable);
  for (const auto& [status, name, code] : std::vector<std::tuple<int, std::string, ErrorCode>>{
           {403, "AccessDenied", ErrorCode::Denied},
           {404, "NoSuchKey", ErrorCode::NotFound},
           {404, "NoSuchBucket", ErrorCode::NotFound}}) {
    fake_.http.answer(status, "<Error><Code>" + name + "</Code><Message>m</Message></Error>");
    const auto text = read();
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, code) << name;
    EXPECT_THAT(text.error().message, HasSubstr("s3://conf/a dir/x.conf"));
    EXPECT_THAT(text.error().message, HasSubstr(name));
  }
  EXPECT_EQ(fake_.http.unused(), 0u);
}

TEST_F(S3Object, IsBounded) {
  fake_.http.otherwise([](const testing::KeptRequest&) -> Result<HttpResponse> {
    HttpResponse response;
    response.status = 200;
    response.body = "12345";
    response.body_cut = true;
    return response;
  });
  EXPECT_EQ(read(Seconds(1), 5).error().code, ErrorCode::Exhausted);
}

}  // namespace
}  // namespace noroshi

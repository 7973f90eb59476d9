#include "aws/endpoint.h"

#include <gtest/gtest.h>

#include "aws/profile.h"
#include "aws/region.h"
#include "aws/testing/fake_environment.h"

namespace noroshi {
namespace {

std::string resolved(testing::FakeEnvironment& fake, const AwsService& service,
                     const EndpointOptions& options) {
  const auto endpoint = resolve_endpoint(service, options, fake.environment());
  return endpoint ? endpoint->url.to_string() : std::string(to_string(endpoint.error().code));
}

TEST(Endpoint, ComputedFromTheRegion) {
  testing::FakeEnvironment fake;
  const auto url = [&](const AwsService& service, const char* region) {
    return resolved(fake, service, {.region = region});
  };
  EXPECT_EQ(url(kCloudWatchLogs, "eu-west-1"), "https://logs.eu-west-1.amazonaws.com");
  EXPECT_EQ(url(kS3, "cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(url(kSts, "us-isob-east-1"), "https://sts.us-isob-east-1.sc2s.sgov.gov");
  EXPECT_EQ(url(kSts, "eusc-de-east-1"), "https://sts.eusc-de-east-1.amazonaws.eu");
  fake.variables["AWS_USE_DUALSTACK_ENDPOINT"] = "true";
  EXPECT_EQ(url(kCloudWatchLogs, "eu-west-1"), "https://logs.eu-west-1.api.aws");
  EXPECT_EQ(url(kS3, "eu-west-1"), "https://s3.dualstack.eu-west-1.amazonaws.com");
  fake.variables["AWS_USE_FIPS_ENDPOINT"] = "TRUE";
  EXPECT_EQ(url(kCloudWatchLogs, "us-gov-west-1"), "https://logs-fips.us-gov-west-1.api.aws");
  EXPECT_EQ(url(kS3, "us-east-1"), "https://s3-fips.dualstack.us-east-1.amazonaws.com");
  fake.variables.erase("AWS_USE_DUALSTACK_ENDPOINT");
  EXPECT_EQ(url(kS3, "us-east-1"), "https://s3-fips.us-east-1.amazonaws.com");
  EXPECT_EQ(url(kS3, ""), "invalid argument");
  EXPECT_EQ(url(kS3, "evil.example.com/"), "invalid argument");
}

TEST(Endpoint, ConfiguredOnesGoFirstInTheSdksOrder) {
  testing::FakeEnvironment fake;
  fake.variables["HOME"] = "/home/u";
  fake.files["/home/u/.aws/config"] =
      "[default]\nendpoint_url = http://default:1\nservices = mine\n"
      "[services mine]\ns3 =\n  endpoint_url = http://profile-s3:2\n";
  const auto s3 = [&](const char* option = "") {
    return resolved(fake, kS3, {.endpoint = option, .region = "eu-west-1"});
  };
  EXPECT_EQ(s3(), "http://profile-s3:2");
  EXPECT_EQ(resolved(fake, kSts, {.region = "eu-west-1"}), "http://default:1");
  fake.variables["AWS_ENDPOINT_URL"] = "http://general:3";
  EXPECT_EQ(s3(), "http://general:3");
  fake.variables["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:4/base/";
  EXPECT_EQ(s3(), "http://127.0.0.1:4/base");
  EXPECT_EQ(resolved(fake, kCloudWatchLogs, {.region = "eu-west-1"}), "http://general:3");
  EXPECT_EQ(s3("http://option:5"), "http://option:5");
  fake.variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  EXPECT_EQ(s3(), "https://s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(s3("http://option:5"), "http://option:5");
}

TEST(Endpoint, OptionForms) {
  testing::FakeEnvironment fake;
  EXPECT_EQ(resolved(fake, kS3, {.endpoint = "localhost:9000", .tls = false}),
            "http://localhost:9000");
  EXPECT_EQ(resolved(fake, kS3, {.endpoint = "vpce-1.logs.eu-west-1.vpce.amazonaws.com"}),
            "https://vpce-1.logs.eu-west-1.vpce.amazonaws.com");
  EXPECT_EQ(resolved(fake, kS3, {.endpoint = "http://h", .port = 81}), "http://h:81");
  EXPECT_EQ(resolved(fake, kS3, {.endpoint = "http://h:82", .port = 81}), "http://h:82");
  EXPECT_EQ(resolved(fake, kS3, {.endpoint = "http://[::1]:4566"}), "http://[::1]:4566");
  EXPECT_EQ(resolved(fake, kS3, {.endpoint = "ftp://h"}), "invalid argument");
  EXPECT_EQ(resolved(fake, kS3, {.endpoint = "http://h/?q=1"}), "invalid argument");
}

TEST(BucketAddress, VirtualHostedWhereCertificatesAndServersAllow) {
  const auto address = [](const char* url, bool custom, const char* bucket) {
    const BucketAddress result = bucket_address({parse_url(url).value(), custom}, bucket);
    return result.url.to_string() + result.prefix;
  };
  EXPECT_EQ(address("https://s3.eu-west-1.amazonaws.com", false, "logs-1"),
            "https://logs-1.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(address("https://s3.eu-west-1.amazonaws.com", false, "logs.example.com"),
            "https://s3.eu-west-1.amazonaws.com/logs.example.com");
  EXPECT_EQ(address("http://s3.eu-west-1.amazonaws.com", false, "logs.example.com"),
            "http://logs.example.com.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(address("https://s3.eu-west-1.amazonaws.com", false, "Old_Bucket"),
            "https://s3.eu-west-1.amazonaws.com/Old_Bucket");
  EXPECT_EQ(address("http://localhost:9000", true, "b"), "http://localhost:9000/b");
  EXPECT_EQ(address("http://127.0.0.1:9000", true, "b"), "http://127.0.0.1:9000/b");
  EXPECT_EQ(address("https://minio.example.com", true, "b"), "https://minio.example.com/b");
  EXPECT_EQ(address("https://s3.dualstack.eu-west-1.amazonaws.com", true, "b"),
            "https://b.s3.dualstack.eu-west-1.amazonaws.com");
  EXPECT_EQ(address("https://b.s3.eu-west-1.amazonaws.com", true, "b"),
            "https://b.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(address("https://bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com", true, "b"),
            "https://bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com/b");
}

TEST(Region, SourcesInOrder) {
  testing::FakeEnvironment fake;
  fake.variables["HOME"] = "/h";
  fake.variables["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/x";
  const auto region = [&](const char* option = "", const char* profile = "") {
    const auto found = resolve_region(option, profile, fake.environment());
    return found ? *found : std::string(to_string(found.error().code));
  };
  fake.http.answer(404);           // task metadata
  fake.http.answer(200, "token");  // IMDSv2
  fake.http.answer(200, "eu-north-1\n");
  EXPECT_EQ(region(), "eu-north-1");
  EXPECT_EQ(fake.http.requests().at(0).url, "http://169.254.170.2/v4/x/task");
  EXPECT_EQ(fake.http.requests().at(1).method, "PUT");
  EXPECT_EQ(fake.http.requests().at(2).headers.get("X-aws-ec2-metadata-token"), "token");
  fake.http.answer(200, R"({"TaskARN":"arn:aws:ecs:ap-northeast-1:1:task/c/1"})");
  EXPECT_EQ(region(), "ap-northeast-1");
  fake.files["/h/.aws/config"] = "[default]\nregion=eu-west-3\n[profile p]\nregion = eu-west-2\n";
  EXPECT_EQ(region(), "eu-west-3");
  EXPECT_EQ(region("", "p"), "eu-west-2");
  fake.variables["AWS_DEFAULT_REGION"] = "us-west-1";
  EXPECT_EQ(region(), "us-west-1");
  fake.variables["AWS_REGION"] = "us-west-2";
  EXPECT_EQ(region(), "us-west-2");
  EXPECT_EQ(region("sa-east-1"), "sa-east-1");
}

TEST(Region, NothingKnownNamesWhatWasTried) {
  testing::FakeEnvironment fake;
  fake.variables["AWS_EC2_METADATA_DISABLED"] = "true";
  const auto region = resolve_region("", "", fake.environment());
  ASSERT_FALSE(region);
  EXPECT_EQ(region.error().code, ErrorCode::NotFound);
  EXPECT_NE(region.error().message.find("AWS_EC2_METADATA_DISABLED"), std::string::npos);
  EXPECT_TRUE(fake.http.requests().empty());
  EXPECT_EQ(region_of_arn("arn:aws:ecs:eu-west-1:1:task/x"), "eu-west-1");
  EXPECT_EQ(region_of_arn("arn:aws:ecs"), "");
  EXPECT_EQ(region_of_arn("nonsense"), "");
}

TEST(Profiles, BothFilesAndNestedBlocks) {
  testing::FakeEnvironment fake;
  fake.variables["AWS_CONFIG_FILE"] = "/c";
  fake.variables["AWS_SHARED_CREDENTIALS_FILE"] = "/k";
  fake.files["/c"] =
      "# comment\n[profile \"with space\"]\r\nregion = eu-west-1\n[ignored]\nregion=x\n"
      "[profile p]\naws_access_key_id = fromconfig\nS3 =\n  addressing_style = path\nregion = "
      "r\nbroken\n";
  fake.files["/k"] =
      "[p]\naws_access_key_id=fromkeys\naws_secret_access_key = a=b=c\n[broken\nx=y\n";
  const AwsProfiles profiles = AwsProfiles::load(fake.environment());
  EXPECT_EQ(profiles.profile("with space").get("region"), "eu-west-1");
  EXPECT_EQ(profiles.profile("p").get("aws_access_key_id"), "fromkeys");
  EXPECT_EQ(profiles.profile("p").get("aws_secret_access_key"), "a=b=c");
  EXPECT_EQ(profiles.profile("p").get("s3.addressing_style"), "path");
  EXPECT_EQ(profiles.profile("p").get("region"), "r");
  EXPECT_FALSE(profiles.profile("ignored").exists());
  EXPECT_EQ(profiles.chosen("").name(), "default");
}

}  // namespace
}  // namespace noroshi

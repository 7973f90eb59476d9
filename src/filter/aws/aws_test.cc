#include "filter/aws/aws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/testing/fake_environment.h"
#include "filter/testing/filter_fixture.h"

namespace noroshi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kMetadata = "http://169.254.169.254/latest/meta-data/";

class AwsFilterTest : public testing::FilterFixture {
 protected:
  // The instance metadata service; paths it does not know are 404.
  void serve(std::map<std::string, std::string> paths) {
    fake_.http.otherwise([paths](const testing::KeptRequest& request) -> Result<HttpResponse> {
      if (request.method == "PUT") return HttpResponse{.status = 200, .body = "token"};
      if (request.headers.get("X-aws-ec2-metadata-token") != "token")
        return HttpResponse{.status = 401};
      const auto found = paths.find(request.url);
      if (found == paths.end()) return HttpResponse{.status = 404};
      return HttpResponse{.status = 200, .body = found->second};
    });
  }
  static std::string path(std::string_view behind) {
    return std::string(kMetadata) + std::string(behind);
  }

  std::map<std::string, std::string> instance() {
    return {{path("placement/availability-zone"), "eu-west-1a"},
            {path("instance-id"), "i-0123"},
            {path("instance-type"), "c7g.large"},
            {path("local-ipv4"), "10.0.0.7"},
            {path("mac"), "02:00:00:00:00:01\n"},
            {path("network/interfaces/macs/02:00:00:00:00:01/vpc-id"), "vpc-1"},
            {path("ami-id"), "ami-1"},
            {path("hostname"), "ip-10-0-0-7"},
            {"http://169.254.169.254/latest/dynamic/instance-identity/document",
             R"({"accountId":"111122223333","region":"eu-west-1"})"},
            {path("tags/instance"), "Name\nteam\nsecret/x"},
            {path("tags/instance/Name"), "web"},
            {path("tags/instance/team"), "shop"},
            {path("tags/instance/secret/x"), "hidden"}};
  }
};

TEST_F(AwsFilterTest, ZoneAndInstanceByDefault) {
  serve(instance());
  use(kAwsFilter, "");
  EXPECT_EQ(through("app", R"({"log":"x","az":"wrong"})"),
            R"({"log":"x","az":"eu-west-1a","ec2_instance_id":"i-0123"})");
}

TEST_F(AwsFilterTest, EverythingInFluentBitsOrderAndTags) {
  serve(instance());
  use(kAwsFilter,
      "    ec2_instance_type on\n    private_ip on\n    vpc_id on\n    ami_id on\n"
      "    account_id on\n    hostname on\n    tags_enabled on\n    tags_exclude secret/x, "
      "other\n");
  EXPECT_EQ(through("app", "{}"),
            R"({"az":"eu-west-1a","ec2_instance_id":"i-0123","ec2_instance_type":"c7g.large",)"
            R"("private_ip":"10.0.0.7","vpc_id":"vpc-1","ami_id":"ami-1",)"
            R"("account_id":"111122223333","hostname":"ip-10-0-0-7","Name":"web","team":"shop"})");
}

TEST_F(AwsFilterTest, OnlyTheTagsThatAreNamed) {
  serve(instance());
  use(kAwsFilter,
      "    az off\n    ec2_instance_id off\n    tags_enabled on\n    tags_include team,none\n");
  EXPECT_EQ(through("app", "{}"), R"({"team":"shop"})");
}

TEST_F(AwsFilterTest, WhatTheInstanceDoesNotHaveIsLeftOut) {
  auto paths = instance();
  paths.erase(path("tags/instance"));
  serve(paths);
  use(kAwsFilter, "    tags_enabled on\n");
  EXPECT_EQ(through("app", "{}"), R"({"az":"eu-west-1a","ec2_instance_id":"i-0123"})");
}

TEST_F(AwsFilterTest, OnFargateZoneAndAccountAreTheTasks) {
  fake_.variables["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/x";
  fake_.http.otherwise([](const testing::KeptRequest& request) -> Result<HttpResponse> {
    if (request.url != "http://169.254.170.2/v4/x/task")
      return fail(ErrorCode::Unavailable, "nobody listens");
    return HttpResponse{.status = 200,
                        .body = R"({"TaskARN":"arn:aws:ecs:eu-west-1:111122223333:task/c/id",)"
                                R"("LaunchType":"FARGATE","AvailabilityZone":"eu-west-1c"})"};
  });
  use(kAwsFilter, "    account_id on\n");
  EXPECT_EQ(through("app", R"({"log":"x"})"),
            R"({"log":"x","az":"eu-west-1c","account_id":"111122223333"})");
}

// Records that come before the answer wait for it with their acks, in their order.
TEST_F(AwsFilterTest, TheFirstRecordsWaitForTheAnswer) {
  std::atomic<bool> open = false;
  auto paths = instance();
  fake_.http.otherwise([&](const testing::KeptRequest& request) -> Result<HttpResponse> {
    if (!open) return fail(ErrorCode::Unavailable, "not yet");
    if (request.method == "PUT") return HttpResponse{.status = 200, .body = "token"};
    return HttpResponse{.status = 200, .body = paths[request.url]};
  });
  use(kAwsFilter, "");
  apply("app", R"({"n":1})");
  apply("other", R"({"n":2})");
  filter_->on_tick(output_, metrics_);
  EXPECT_EQ(live_acks_, 2) << "held";
  EXPECT_THAT(records_, ElementsAre());
  open = true;
  ASSERT_TRUE(tick_until([&] { return !records_.empty(); }));
  EXPECT_THAT(records_, ElementsAre(R"({"n":1,"az":"eu-west-1a","ec2_instance_id":"i-0123"})",
                                    R"({"n":2,"az":"eu-west-1a","ec2_instance_id":"i-0123"})"));
  EXPECT_EQ(live_acks_, 0);
}

TEST_F(AwsFilterTest, WithoutAnAnswerRecordsGoOnAsTheyAre) {
  fake_.http.otherwise([](const testing::KeptRequest&) -> Result<HttpResponse> {
    return fail(ErrorCode::Unavailable, "nobody listens");
  });
  use(kAwsFilter, "");
  // More than may be held: they do not wait at all.
  const std::string large = R"({"log":")" + std::string(5 << 20, 'x') + R"("})";
  apply("app", large);
  EXPECT_THAT(records_, ElementsAre(large));
  apply("app", R"({"n":2})");
  EXPECT_EQ(records_.back(), R"({"n":2})");
  EXPECT_EQ(live_acks_, 0);
}

TEST_F(AwsFilterTest, ShutdownReleasesWhatWaits) {
  fake_.http.otherwise([](const testing::KeptRequest&) -> Result<HttpResponse> {
    return fail(ErrorCode::Unavailable, "nobody listens");
  });
  use(kAwsFilter, "");
  apply("app", R"({"n":1})");
  filter_->flush(output_, metrics_);
  EXPECT_THAT(records_, ElementsAre(R"({"n":1})"));
  EXPECT_EQ(live_acks_, 0);
}

TEST_F(AwsFilterTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kAwsFilter, "    tags_include a\n    tags_exclude b\n"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("exclude each other"));
  EXPECT_FALSE(make(kAwsFilter, "    retry_interval_s 0\n"));
  EXPECT_TRUE(make(kAwsFilter, "    imds_version v1\n    enable_entity on\n"));
}

}  // namespace
}  // namespace noroshi

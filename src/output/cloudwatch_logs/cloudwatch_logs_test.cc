#include "output/cloudwatch_logs/cloudwatch_logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "aws/credentials.h"
#include "config/document.h"
#include "http/testing/fake_http_transport.h"
#include "output/testing/chunk_builder.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using testing::FakeHttpTransport;
using ::testing::HasSubstr;

constexpr Timestamp kNow{Seconds(1'790'000'000)};

using Pairs = std::vector<std::pair<std::string, std::string>>;

Section section_of(const Pairs& pairs) {
  Section section{.kind = SectionKind::Output, .title = "OUTPUT"};
  section.properties.push_back(
      {.key = "Name", .name = "name", .values = {{.text = "cloudwatch_logs"}}});
  section.properties.push_back({.key = "Match", .name = "match", .values = {{.text = "*"}}});
  for (const auto& [key, value] : pairs) {
    section.properties.push_back({.key = key, .name = to_lower(key), .values = {{.text = value}}});
  }
  return section;
}

class CloudWatchLogsTest : public ::testing::Test {
 protected:
  CloudWatchLogsTest() {
    aws_.variable = [this](std::string_view name) -> std::optional<std::string> {
      const auto found = variables_.find(std::string(name));
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
    aws_.read_file = [](const std::string& path) -> Result<std::string> {
      return fail(ErrorCode::NotFound, path);
    };
    aws_.make_transport = [this](const HttpTransportOptions&) {
      return testing::forward_to(http_);
    };
    aws_.clock = &clock_;
  }

  std::optional<MadeOutput> make(const Pairs& pairs) {
    diagnostics_ = Diagnostics();
    OutputContext context{.aws = aws_,
                          .state_directory = {},
                          .journal_id = "j",
                          .instance_name = "cloudwatch_logs.0",
                          .flush = flush_,
                          .clock = *used_clock_};
    return kCloudWatchLogsPlugin.make(section_of(pairs), context, diagnostics_);
  }
  // The messages of all diagnostics.
  std::string problems(const Pairs& pairs) {
    const auto made = make(pairs);
    EXPECT_EQ(made.has_value(), !diagnostics_.has_errors());
    std::string all;
    for (const Diagnostic& diagnostic : diagnostics_.all()) all += diagnostic.message + "\n";
    return all;
  }

  ManualClock clock_{kNow};
  const Clock* used_clock_ = &clock_;
  FakeHttpTransport http_;
  std::map<std::string, std::string> variables_{{"AWS_ACCESS_KEY_ID", "AKID"},
                                                {"AWS_SECRET_ACCESS_KEY", "s"}};
  AwsEnvironment aws_;
  Diagnostics diagnostics_;
  std::optional<Nanoseconds> flush_;
};

const Pairs kSpecified = {{"region", "ap-northeast-1"},
                          {"log_group_name", "/ecs/backend/errors"},
                          {"log_stream_prefix", "fargate-"},
                          {"auto_create_group", "true"},
                          {"log_key", "log"},
                          {"Grep", "level ERROR,CRITICAL,FATAL"}};

Pairs with(Pairs pairs, std::string key, std::string value) {
  pairs.emplace_back(std::move(key), std::move(value));
  return pairs;
}

TEST_F(CloudWatchLogsTest, TheSpecifiedSection) {
  const auto made = make(kSpecified);
  ASSERT_TRUE(made);
  EXPECT_TRUE(diagnostics_.all().empty()) << diagnostics_.render();
  EXPECT_EQ(made->log_key, "log");
  EXPECT_EQ(made->destination,
            "CloudWatch Logs /ecs/backend/errors, streams fargate-<tag>, ap-northeast-1, "
            "https://logs.ap-northeast-1.amazonaws.com");
  EXPECT_EQ(made->output->identity(),
            "cloudwatch_logs:ap-northeast-1::/ecs/backend/errors:fargate-<tag>");
  EXPECT_EQ(made->output->shutdown_order(), 0);
  EXPECT_FALSE(made->output->needs_durable_journal());
  const BatchLimits limits = made->output->limits();
  EXPECT_EQ(limits.records_max, 10'000u);
  EXPECT_EQ(limits.age_max, Nanoseconds(0));
  EXPECT_EQ(limits.request_interval_min, Milliseconds(100));
  EXPECT_TRUE(http_.requests().empty());
}

TEST_F(CloudWatchLogsTest, FlushIsTheLongestWait) {
  flush_ = Seconds(5);
  EXPECT_EQ(make(kSpecified)->output->limits().age_max, Nanoseconds(0));
  EXPECT_EQ(make(kSpecified)->output->limits().request_interval_min, Milliseconds(100));
}

TEST_F(CloudWatchLogsTest, EndToEndWithEndpointsFromTheEnvironment) {
  // The credentials chain fetches on a thread of its own, so deadlines must be real.
  aws_.clock = used_clock_ = &system_clock();
  variables_["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"] = "http://127.0.0.1:4566";
  const auto made = make(kSpecified);
  ASSERT_TRUE(made);
  EXPECT_THAT(made->destination, HasSubstr("http://127.0.0.1:4566"));
  OutputMetrics metrics;
  made->output->start(metrics);
  ChunkBuilder chunk("backend");
  chunk.json(kNow, R"({"level":"ERROR","message":"boom"})");
  std::vector<std::string_view> groups;
  made->output->group(chunk.view(), chunk.all(), groups);
  auto batch = made->output->open_batch(groups.at(0), {});
  ASSERT_TRUE(batch);
  std::vector<RejectedRecord> rejected;
  ASSERT_EQ((*batch)->add(chunk.view(), chunk.all(), rejected), 1u);
  http_.answer(200, "{}");
  const Delivery delivery = made->output->deliver(**batch, used_clock_->monotonic() + Seconds(10));
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Delivered) << delivery.reason;
  ASSERT_EQ(http_.requests().size(), 1u);
  EXPECT_EQ(http_.requests()[0].url, "http://127.0.0.1:4566/");
  EXPECT_EQ(
      http_.requests()[0].body,
      R"({"logGroupName":"/ecs/backend/errors","logStreamName":"fargate-backend","logEvents":[)"
      R"({"timestamp":1790000000000,"message":"{\"level\":\"ERROR\",\"message\":\"boom\"}"}]})");
  EXPECT_EQ(metrics.log_key_missing.get(), 1u);
}

TEST_F(CloudWatchLogsTest, RegionOfTheEnvironment) {
  Pairs pairs = kSpecified;
  pairs[0].second = "";  // ${AWS_REGION} that is not set
  EXPECT_THAT(make(pairs)->destination, HasSubstr("region from the task's metadata"));
  variables_["AWS_REGION"] = "eu-west-1";
  EXPECT_THAT(make(pairs)->destination,
              HasSubstr("eu-west-1, https://logs.eu-west-1.amazonaws.com"));
}

TEST_F(CloudWatchLogsTest, Problems) {
  EXPECT_THAT(problems({{"region", "eu-west-1"}}), HasSubstr("log_group_name"));
  EXPECT_THAT(problems({{"log_group_name", "g"}}),
              HasSubstr("neither log_stream_name nor log_stream_prefix"));
  EXPECT_THAT(problems(with(kSpecified, "log_stream_name", "x")), HasSubstr("exclude each other"));
  EXPECT_THAT(problems(with(kSpecified, "log_retention_days", "10")),
              HasSubstr("no retention of 10 days"));
  EXPECT_THAT(problems(with(kSpecified, "log_retention_days", "-1")), HasSubstr("-1"));
  EXPECT_EQ(problems(with(kSpecified, "log_retention_days", "1096")), "");
  EXPECT_THAT(problems(with(kSpecified, "log_group_class", "CHEAP")), HasSubstr("log_group_class"));
  EXPECT_THAT(problems(with(kSpecified, "endpoint", "ftp://x")), HasSubstr("ftp"));
  EXPECT_THAT(problems(with(kSpecified, "record_size_max", "2M")), HasSubstr("record_size_max"));
  EXPECT_THAT(problems(with(kSpecified, "log_format", "json/emf\r\nEvil: 1")),
              HasSubstr("control characters"));
  EXPECT_THAT(problems(with(kSpecified, "new_log_group_tags", "a=b,c")),
              HasSubstr("\"c\" is not key=value"));
  EXPECT_EQ(problems(with(kSpecified, "log_group_tags", "a=b, c = d=e")), "");
  EXPECT_THAT(problems(with(kSpecified, "log_stream_template", "$kubernetes['x")),
              HasSubstr("log_stream_template"));
  EXPECT_THAT(problems(with(kSpecified, "log_steam_name", "x")), HasSubstr("log_steam_name"));
  Pairs bad_group = kSpecified;
  bad_group[1].second = "my group";
  EXPECT_THAT(problems(bad_group), HasSubstr("cannot be the name of a log group"));
  Pairs bad_region = kSpecified;
  bad_region[0].second = "Tokyo!";
  EXPECT_THAT(problems(bad_region), HasSubstr("not the name of an AWS region"));
}

TEST_F(CloudWatchLogsTest, Warnings) {
  Pairs pairs = with(kSpecified, "add_entity", "true");
  EXPECT_THAT(problems(pairs), HasSubstr("add_entity is ignored"));
  EXPECT_FALSE(diagnostics_.has_errors());
  EXPECT_EQ(problems(with(kSpecified, "auto_retry_requests", "true")), "");
  EXPECT_EQ(problems(with(kSpecified, "workers", "1")), "");
  EXPECT_THAT(
      problems({{"log_group_name", "g"}, {"log_stream_name", "a:b"}, {"log_retention_days", "7"}}),
      ::testing::AllOf(HasSubstr("cannot be named so"),
                       HasSubstr("no effect without auto_create_group")));
}

TEST_F(CloudWatchLogsTest, GoPluginSection) {
  const auto made = make({{"region", "us-east-1"},
                          {"log_group_name", "/x/$(tag)"},
                          {"log_stream_name", "$(kubernetes['pod'])"},
                          {"auto_create_group", "true"},
                          {"auto_create_stream", "true"},
                          {"new_log_group_tags", "a=b"}});
  ASSERT_TRUE(made) << diagnostics_.render();
  ChunkBuilder chunk("t1");
  chunk.json({}, R"({"kubernetes":{"pod":"p"}})").json({}, "{}");
  std::vector<std::string_view> groups;
  made->output->group(chunk.view(), chunk.all(), groups);
  EXPECT_EQ(groups.at(0), "/x/t1\np");
  EXPECT_EQ(groups.at(1), "/x/t1\n/fluentbit-default");
}

TEST_F(CloudWatchLogsTest, GoPluginKnowsTheTask) {
  variables_["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/x";
  const Pairs pairs = {{"region", "us-east-1"},
                       {"log_group_name", "/x/$(ecs_cluster)"},
                       {"log_stream_name", "$(ecs_task_id)-$(tag)"},
                       {"default_log_group_name", "unknown"}};
  const auto names = [](Output& output) {
    OutputMetrics metrics;
    output.start(metrics);
    ChunkBuilder chunk("t");
    chunk.json({}, R"({"a":1})");
    std::vector<std::string_view> groups;
    output.group(chunk.view(), chunk.all(), groups);
    return std::string(groups.at(0));
  };
  http_.fail(ErrorCode::Timeout);
  http_.answer(200, R"({"Cluster":"prod","TaskARN":"arn:aws:ecs:us-east-1:1:task/prod/158d"})");
  EXPECT_EQ(names(*make(pairs)->output), "/x/prod\n158d-t");
  EXPECT_EQ(http_.requests().size(), 2u);
  variables_.erase("ECS_CONTAINER_METADATA_URI_V4");
  EXPECT_EQ(names(*make(pairs)->output), "unknown\n/fluentbit-default");
}

TEST_F(CloudWatchLogsTest, GoPluginUuid) {
  const Pairs pairs = {
      {"region", "us-east-1"}, {"log_group_name", "g"}, {"log_stream_name", "s-$(uuid)"}};
  const auto first = make(pairs);
  const auto second = make(pairs);
  EXPECT_EQ(first->output->identity(), second->output->identity());
  ChunkBuilder chunk;
  chunk.json({}, "{}");
  std::vector<std::string_view> groups;
  first->output->group(chunk.view(), chunk.all(), groups);
  second->output->group(chunk.view(), chunk.all(), groups);
  EXPECT_NE(groups.at(0), groups.at(1));
  EXPECT_THAT(std::string(groups.at(0)),
              ::testing::ContainsRegex(
                  "g\ns-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
}

}  // namespace
}  // namespace noroshi

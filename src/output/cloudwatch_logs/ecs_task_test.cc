#include "output/cloudwatch_logs/ecs_task.h"

#include <gtest/gtest.h>

#include "http/testing/fake_http_transport.h"

namespace noroshi {
namespace {

TEST(EcsTask, ReadsTheEndpoint) {
  testing::FakeHttpTransport http;
  std::string uri;
  AwsEnvironment environment;
  environment.variable = [&](std::string_view) {
    return uri.empty() ? std::nullopt : std::optional(uri);
  };
  environment.make_transport = [&](const HttpTransportOptions&) {
    return testing::forward_to(http);
  };
  EXPECT_EQ(read_ecs_task(environment).error().code, ErrorCode::NotFound);

  uri = "http://169.254.170.2/v4/x";
  http.answer(200, R"({"Cluster":"arn:aws:ecs:eu-west-1:1:cluster/prod",
                       "TaskARN":"arn:aws:ecs:eu-west-1:1:task/prod/158d1c80"})");
  const auto task = read_ecs_task(environment);
  ASSERT_TRUE(task);
  EXPECT_EQ(http.requests().at(0).url, "http://169.254.170.2/v4/x/task");
  EXPECT_EQ(task->arn, "arn:aws:ecs:eu-west-1:1:task/prod/158d1c80");
  EXPECT_EQ(task->id, "158d1c80");
  EXPECT_EQ(task->cluster, "prod");

  http.answer(500);
  EXPECT_EQ(read_ecs_task(environment).error().code, ErrorCode::Unavailable);
}

TEST(EcsTask, Parse) {
  EXPECT_EQ(parse_ecs_task(R"({"Cluster":"default","TaskARN":"arn:x:task/id"})")->cluster,
            "default");
  EXPECT_EQ(parse_ecs_task(R"({"TaskARN":"arn:x:task/id"})")->id, "id");
  for (const char* text : {"", "[]", "{}", R"({"TaskARN":7})", R"({"TaskARN":"none"})"}) {
    EXPECT_FALSE(parse_ecs_task(text)) << text;
  }
}

}  // namespace
}  // namespace noroshi

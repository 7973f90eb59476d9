#include "aws/task_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/testing/fake_environment.h"

namespace noroshi {
namespace {

using ::testing::ElementsAre;
using testing::FakeEnvironment;
using ::testing::Field;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// The answer in the ECS documentation, cut to what is read.
constexpr std::string_view kAnswer = R"({
  "Cluster": "arn:aws:ecs:us-west-2:111122223333:cluster/default",
  "TaskARN": "arn:aws:ecs:us-west-2:111122223333:task/default/e9028f8d5d8e4f258373e7b93ce9a3c3",
  "Family": "curltest", "Revision": "3", "DesiredStatus": "RUNNING", "LaunchType": "FARGATE",
  "AvailabilityZone": "us-west-2d",
  "Containers": [{"DockerId": "d", "Name": "log-router", "DockerName": "log-router"},
                 {"DockerId": "e", "Name": "backend"}, {"DockerId": "no name"}]})";

Monotonic in(Nanoseconds time) { return system_clock().monotonic() + time; }

TEST(TaskMetadata, ReadsTheEndpoint) {
  FakeEnvironment fake;
  EXPECT_EQ(read_task_metadata(fake.environment(), in(Seconds(1))).error().code,
            ErrorCode::NotFound);
  EXPECT_FALSE(in_ecs_task(fake.environment()));
  fake.variables["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/x";
  EXPECT_TRUE(in_ecs_task(fake.environment()));
  fake.http.answer(200, std::string(kAnswer));
  const auto task = read_task_metadata(fake.environment(), in(Seconds(1)));
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(fake.http.requests().at(0).url, "http://169.254.170.2/v4/x/task");
  EXPECT_THAT(task->containers, ElementsAre(Field(&TaskContainer::name, "log-router"),
                                            Field(&TaskContainer::name, "backend")));
  EXPECT_EQ(task->containers[0].id, "d");
  EXPECT_EQ(task->containers[0].docker_name, "log-router");
  EXPECT_EQ(task->account_id, "111122223333");
  EXPECT_THAT(
      task->variables(),
      UnorderedElementsAre(
          Pair("AWS_REGION", "us-west-2"), Pair("AWS_AVAILABILITY_ZONE", "us-west-2d"),
          Pair("ECS_CLUSTER", "default"),
          Pair("ECS_TASK_ARN",
               "arn:aws:ecs:us-west-2:111122223333:task/default/e9028f8d5d8e4f258373e7b93ce9a3c3"),
          Pair("ECS_TASK_ID", "e9028f8d5d8e4f258373e7b93ce9a3c3"), Pair("ECS_FAMILY", "curltest"),
          Pair("ECS_LAUNCH_TYPE", "FARGATE"), Pair("ECS_REVISION", "3"),
          Pair("ECS_TASK_DEFINITION", "curltest:3")));
}

TEST(TaskMetadata, AsksAgainUntilTheDeadline) {
  FakeEnvironment fake;
  fake.variables["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/x";
  fake.http.answer(429);
  fake.http.answer(500);
  fake.http.answer(200, std::string(kAnswer));
  EXPECT_TRUE(read_task_metadata(fake.environment(), in(Seconds(30))));
  EXPECT_EQ(fake.http.requests().size(), 3u);
  fake.http.answer(500);
  EXPECT_EQ(read_task_metadata(fake.environment(), in(Milliseconds(1))).error().code,
            ErrorCode::Unavailable);
  fake.http.answer(404);
  EXPECT_EQ(read_task_metadata(fake.environment(), in(Seconds(30))).error().code,
            ErrorCode::NotFound);
}

TEST(TaskMetadata, LeavesOutWhatTheTaskDoesNotHave) {
  const auto task = parse_task_metadata(
      R"({"Cluster":"default","TaskARN":"arn:aws:ecs:eu-west-1:1:task/id","Revision":7})");
  ASSERT_TRUE(task);
  EXPECT_EQ(task->cluster, "default");
  EXPECT_EQ(task->revision, "7");
  EXPECT_FALSE(task->variables().contains("ECS_TASK_DEFINITION"));
  EXPECT_FALSE(task->variables().contains("ECS_LAUNCH_TYPE"));
  for (const char* text : {"", "[]", "{}", R"({"TaskARN":7})", R"({"TaskARN":"none"})"})
    EXPECT_EQ(parse_task_metadata(text).error().code, ErrorCode::Corrupt) << text;
}

}  // namespace
}  // namespace noroshi

#include "app/cli/task_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "aws/testing/fake_environment.h"

namespace noroshi {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

constexpr const char* kTask =
    R"({"TaskARN":"arn:aws:ecs:eu-west-1:1:task/prod/abc","Cluster":"prod",
  "Family":"web","Revision":"7","Containers":[{"Name":"app"},{"Name":"shipper"}]})";

class InTask : public ::testing::Test {
 protected:
  InTask() {
    for (const char* name : {"ECS_TASK_ID", "ECS_CLUSTER", "ECS_FAMILY"}) unsetenv(name);
    fake_.variables["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/x";
    task_.before_network([this] { ++early_; });
  }
  ~InTask() override { unsetenv("ECS_FAMILY"); }

  testing::FakeEnvironment fake_;
  AwsEnvironment aws_ = fake_.environment();
  TaskEnvironment task_{aws_};
  int early_ = 0;
};

TEST_F(InTask, AnswersForTheTaskAndAsksOnceAndOnlyWhenNeeded) {
  fake_.http.answer(200, kTask);
  setenv("ECS_FAMILY", "mine", 1);
  const EnvironmentLookup lookup = task_.lookup();
  EXPECT_EQ(lookup("ECS_FAMILY"), "mine");  // what is set stays
  EXPECT_EQ(lookup("ECS_NONSENSE"), std::nullopt);
  EXPECT_TRUE(fake_.http.requests().empty());
  EXPECT_EQ(early_, 0);
  EXPECT_THAT(lookup("ECS_TASK_ID"), Optional(std::string("abc")));
  EXPECT_THAT(lookup("ECS_CLUSTER"), Optional(std::string("prod")));
  EXPECT_EQ(lookup("ECS_LAUNCH_TYPE"), std::nullopt);
  EXPECT_THAT(task_.container_names(), ElementsAre("app", "shipper"));
  EXPECT_EQ(fake_.http.requests().size(), 1u);
  EXPECT_EQ(early_, 1);
  task_.export_variables();
  EXPECT_STREQ(getenv("ECS_TASK_ID"), "abc");
  unsetenv("ECS_TASK_ID");
}

TEST_F(InTask, AnEndpointThatRefusesIsAskedOnce) {
  fake_.http.answer(404);
  EXPECT_EQ(task_.lookup()("ECS_TASK_ID"), std::nullopt);
  EXPECT_TRUE(task_.container_names().empty());
  EXPECT_EQ(fake_.http.requests().size(), 1u);
}

TEST_F(InTask, OutsideOfEcsNothingIsAsked) {
  fake_.variables.clear();
  EXPECT_EQ(task_.lookup()("ECS_TASK_ID"), std::nullopt);
  EXPECT_TRUE(task_.container_names().empty());
  EXPECT_TRUE(fake_.http.requests().empty());
}

}  // namespace
}  // namespace noroshi

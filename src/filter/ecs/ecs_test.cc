#include "filter/ecs/ecs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "filter/testing/filter_fixture.h"

namespace noroshi {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kBegin =
    R"({"Cluster":"arn:aws:ecs:eu-west-1:111122223333:cluster/prod","Family":"shop","Revision":"7",)"
    R"("TaskARN":"arn:aws:ecs:eu-west-1:111122223333:task/prod/158d1c8083dd49d6b527",)"
    R"("Containers":[{"DockerId":"aaaabbbbccccdddd","Name":"log-router","DockerName":"ecs-r"})";
constexpr std::string_view kApp =
    R"(,{"DockerId":"0123456789abcdef","Name":"app","DockerName":"ecs-shop-7-app-9ac0"})";

class EcsFilterTest : public testing::FilterFixture {
 protected:
  EcsFilterTest() {
    fake_.variables["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/x";
    answer({kBegin, kApp, "]}"});
  }
  void answer(std::initializer_list<std::string_view> parts) {
    std::string body;
    for (const std::string_view part : parts) body += part;
    fake_.http.otherwise([body](const testing::KeptRequest&) -> Result<HttpResponse> {
      return HttpResponse{.status = 200, .body = body};
    });
  }
};

TEST_F(EcsFilterTest, EveryVariableForTheContainerThatTheTagNames) {
  use(kEcsFilter,
      "    Add where $ClusterName.$TaskDefinitionFamily.$TaskID.$ECSContainerName\n"
      "    Add revision $TaskDefinitionFamily:$TaskDefinitionVersion\n"
      "    Add arn $TaskARN\n    ADD docker $DockerContainerName\n    Add id $ContainerID\n"
      "    Add fixed words and blanks\n");
  EXPECT_EQ(through("app-firelens-158d1c8083dd49d6b527", R"({"log":"x","arn":"old"})"),
            R"({"log":"x","where":"prod.shop.158d1c8083dd49d6b527.app","revision":"shop:7",)"
            R"("arn":"arn:aws:ecs:eu-west-1:111122223333:task/prod/158d1c8083dd49d6b527",)"
            R"("docker":"ecs-shop-7-app-9ac0","id":"0123456789abcdef",)"
            R"("fixed":"words and blanks"})");
  EXPECT_EQ(through("log-router-firelens-158d1c8083dd49d6b527", "{}").substr(0, 51),
            R"({"where":"prod.shop.158d1c8083dd49d6b527.log-router)");
}

TEST_F(EcsFilterTest, AContainersIdBehindAPrefixAsFluentBitReadsTags) {
  use(kEcsFilter, "    ecs_tag_prefix ecs.\n    Add name $ECSContainerName\n");
  EXPECT_EQ(through("ecs.0123456789ab.log", "{}"), R"({"name":"app"})");
  // Whatever it is, it is in our task.
  use(kEcsFilter, "    Add name $ECSContainerName\n    Add task $TaskID\n");
  EXPECT_EQ(through("docker.daemon", "{}"), R"({"name":"","task":"158d1c8083dd49d6b527"})");
}

TEST_F(EcsFilterTest, OnlyTheCluster) {
  use(kEcsFilter, "    cluster_metadata_only on\n    Add c $ClusterName\n    Add t $TaskID\n");
  EXPECT_EQ(through("app-firelens-1", "{}"), R"({"c":"prod","t":""})");
}

// ECS tells of a container once it exists; the tag tells its name at once.
TEST_F(EcsFilterTest, AContainerThatStartsLater) {
  answer({kBegin, "]}"});
  use(kEcsFilter, "    Add name $ECSContainerName\n    Add docker $DockerContainerName\n");
  EXPECT_EQ(through("app-firelens-1", "{}"), R"({"name":"app","docker":""})");
  EXPECT_EQ(through("log-router-firelens-1", "{}"), R"({"name":"log-router","docker":"ecs-r"})");
}

TEST_F(EcsFilterTest, WrongTemplatesAreNamed) {
  EXPECT_FALSE(make(kEcsFilter, "    Add task $TaskId\n"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("did you mean $TaskID?"));
  EXPECT_FALSE(make(kEcsFilter, "    Add task $\n"));
  EXPECT_FALSE(make(kEcsFilter, "    Add task\n"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("KEY TEMPLATE"));
  EXPECT_TRUE(make(kEcsFilter, "    Add agent $ECSAgentVersion\n"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("stands for nothing"));
  EXPECT_TRUE(make(kEcsFilter,
                   "    ecs_meta_host 172.17.0.1\n    ecs_meta_port 51678\n"
                   "    ecs_meta_cache_ttl 1h\n    agent_endpoint_retries 3\n"));
  EXPECT_THAT(diagnostics_.render(), IsEmpty());
}

}  // namespace
}  // namespace noroshi

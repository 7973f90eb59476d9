#include "output/datadog/datadog.h"

#include <gmock/gmock.h>

#include "output/testing/output_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;
using testing::kRecordTime;
using ::testing::Not;

class DatadogTest : public testing::OutputFixture {
 protected:
  std::string body_of(Pairs pairs, const char* record) {
    pairs.emplace_back("apikey", "secret-key");
    use(kDatadogOutput, pairs);
    fake_.http.answer(202, "{}");
    ChunkBuilder chunk("app");
    chunk.json(kRecordTime, record);
    EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
    return request(request_count() - 1).body;
  }
};

TEST_F(DatadogTest, RequestAsFluentBitSendsIt) {
  EXPECT_EQ(body_of({{"dd_service", "web"},
                     {"dd_source", "python"},
                     {"dd_tags", "team:a,stage:b"},
                     {"dd_hostname", "h"},
                     {"include_tag_key", "on"}},
                    R"({"log":"line","n":1})"),
            R"([{"timestamp":1763866380123,"tagkey":"app","ddsource":"python","service":"web",)"
            R"("hostname":"h","message":"line","n":1,"ddtags":"team:a,stage:b"}])");
  EXPECT_EQ(request().url, "https://http-intake.logs.datadoghq.com/api/v2/logs");
  EXPECT_EQ(request().headers.get("DD-API-KEY"), "secret-key");
  EXPECT_THAT(destination_ + output_->identity(), Not(HasSubstr("secret")));
  EXPECT_EQ(output_->identity(), "datadog:https://http-intake.logs.datadoghq.comweb");
}

TEST_F(DatadogTest, FireLensKeysBecomeTags) {
  EXPECT_EQ(
      body_of(
          {{"provider", "ecs"}, {"dd_tags", "x:y"}, {"dd_message_key", "msg"}},
          R"({"msg":"m","container_name":"/app","ecs_cluster":"arn:aws:ecs:eu-west-1:1:cluster/c",)"
          R"("ecs_task_definition":"web:7","ecs_task_arn":"arn:aws:ecs:eu-west-1:1:task/c/abc",)"
          R"("container_id":"","other":1})"),
      R"([{"timestamp":1763866380123,"message":"m","container_id":"","other":1,"ddtags":)"
      R"("container_name:app,cluster_name:c,task_family:web,task_version:7,)"
      R"(task_arn:arn:aws:ecs:eu-west-1:1:task/c/abc,region:eu-west-1,task_id:c/abc,x:y"}])");
}

TEST_F(DatadogTest, SiteSetsTheHostAndGzipCompresses) {
  const std::string body = body_of({{"site", "datadoghq.eu"}, {"compress", "gzip"}},
                                   (R"({"log":")" + std::string(4000, 'x') + R"("})").c_str());
  EXPECT_EQ(request().url, "https://http-intake.logs.datadoghq.eu/api/v2/logs");
  EXPECT_EQ(request().headers.get("Content-Encoding"), "gzip");
  EXPECT_LT(body.size(), 500u);
}

TEST_F(DatadogTest, WithoutAKeyThereIsNone) {
  EXPECT_FALSE(make(kDatadogOutput, {}));
  EXPECT_FALSE(make(kDatadogOutput, {{"apikey", "k"}, {"provider", "gcp"}}));
}

}  // namespace
}  // namespace noroshi

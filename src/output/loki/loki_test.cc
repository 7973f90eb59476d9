#include "output/loki/loki.h"

#include <gmock/gmock.h>

#include "output/testing/output_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;
using testing::kRecordTime;

class LokiTest : public testing::OutputFixture {
 protected:
  std::string body_of(const Pairs& pairs, const ChunkBuilder& chunk) {
    use(kLokiOutput, pairs);
    fake_.http.answer(204);
    EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
    return request(request_count() - 1).body;
  }
  std::string line_of(const Pairs& pairs, const char* record) {
    ChunkBuilder chunk;
    chunk.json(kRecordTime, record);
    const std::string body = body_of(pairs, chunk);
    constexpr std::string_view kMark = R"(["1763866380123456789",)";
    const size_t at = body.find(kMark);
    return at == std::string::npos
               ? body
               : body.substr(at + kMark.size(), body.size() - at - kMark.size() - 5);
  }
};

TEST_F(LokiTest, StreamsByLabelsAndEntriesByTime) {
  ChunkBuilder chunk;
  chunk.json(Timestamp(Nanoseconds(30)), R"({"level":"info","log":"c"})")
      .json(Timestamp(Nanoseconds(20)), R"({"level":"error","log":"b"})")
      .json(Timestamp(Nanoseconds(10)), R"({"level":"info","log":"a"})");
  EXPECT_EQ(body_of({{"Labels", "job=web, level=$level"}, {"Drop_Single_Key", "raw"}}, chunk),
            R"({"streams":[{"stream":{"job":"web","level":"error"},"values":[["20","b"]]},)"
            R"({"stream":{"job":"web","level":"info"},"values":[["10","a"],["30","c"]]}]})");
  EXPECT_EQ(request().url, "http://127.0.0.1:3100/loki/api/v1/push");
  EXPECT_EQ(request().headers.get("Content-Type"), "application/json");
}

TEST_F(LokiTest, LabelsAreNamedAsFluentBitNamesThem) {
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"k":{"pod-name":"p","x":1},"s":"v","log":"l"})");
  EXPECT_EQ(body_of({{"Label_Keys", "$k['pod-name'],$s,$absent"}}, chunk),
            R"({"streams":[{"stream":{"k_pod_name":"p","s":"v"},"values":)"
            R"([["1763866380123456789","{\"k\":{\"x\":1},\"log\":\"l\"}"]]}]})");
  EXPECT_THAT(body_of({}, chunk), HasSubstr(R"({"stream":{"job":"fluent-bit"})"));
}

TEST_F(LokiTest, Lines) {
  EXPECT_EQ(line_of({{"Line_Format", "key_value"}}, R"({"a":1,"b":"x y"})"), R"("a=1 b=\"x y\"")");
  EXPECT_EQ(line_of({{"Remove_Keys", "b,$c['d']"}}, R"({"a":1,"b":2,"c":{"d":3,"e":4}})"),
            R"("{\"a\":1,\"c\":{\"e\":4}}")");
  EXPECT_EQ(line_of({{"Drop_Single_Key", "on"}}, R"({"log":"x"})"), R"("\"x\"")");
  EXPECT_EQ(line_of({{"Drop_Single_Key", "raw"}}, R"({"log":{"a":1}})"), R"("{\"a\":1}")");
  EXPECT_EQ(line_of({{"Structured_Metadata", "trace=$t,fixed=1"},
                     {"Structured_Metadata_Map_Keys", "$m"},
                     {"Drop_Single_Key", "raw"}},
                    R"({"t":"abc","m":{"k.v":2},"log":"x"})"),
            R"("x",{"trace":"abc","fixed":"1","k_v":"2"})");
}

TEST_F(LokiTest, Tenants) {
  use(kLokiOutput, {{"Tenant_ID", "all"}, {"Tenant_ID_Key", "$team"}, {"bearer_token", "secret"}});
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"team":"web"})").json(kRecordTime, R"({"log":"x"})");
  const ChunkView view = chunk.view();
  std::vector<std::string_view> groups;
  output_->group(view, chunk.all(), groups);
  EXPECT_THAT(groups, ::testing::ElementsAre("web", ""));
  for (const char* group : {"web", ""}) {
    batch_ = *output_->open_batch(group, {});
    const uint32_t index = *group == '\0' ? 1 : 0;
    ASSERT_TRUE(batch_->add(view, std::span(&index, 1), refused_));
    fake_.http.answer(204);
    EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  }
  EXPECT_EQ(request(0).headers.get("X-Scope-OrgID"), "web");
  EXPECT_EQ(request(1).headers.get("X-Scope-OrgID"), "all");
  EXPECT_EQ(request(0).headers.get("Authorization"), "Bearer secret");
}

TEST_F(LokiTest, Failures) {
  use(kLokiOutput, {});
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"log":"x"})");
  fake_.http.answer(429, "Ingestion rate limit exceeded");
  EXPECT_EQ(deliver(chunk).retry_class, RetryClass::Throttled);
  fake_.http.answer(500);
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Retry);
  fake_.http.answer(400, "entry too far behind");
  const Delivery rejected = deliver();
  EXPECT_EQ(rejected.outcome, Delivery::Outcome::Rejected);
  EXPECT_EQ(rejected.reason, "HTTP 400: entry too far behind");
}

TEST_F(LokiTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kLokiOutput, {{"Labels", "nolabel"}}));
  EXPECT_FALSE(make(kLokiOutput, {{"Labels", "a=1,a=2"}}));
  EXPECT_FALSE(make(kLokiOutput, {{"Label_Keys", "$a['"}}));
  EXPECT_FALSE(make(kLokiOutput, {{"label_map_path", "/x.json"}}));
  EXPECT_FALSE(make(kLokiOutput, {{"line_format", "xml"}}));
}

}  // namespace
}  // namespace noroshi

#include "output/opensearch/opensearch.h"

#include <gmock/gmock.h>

#include "base/base64.h"
#include "output/opensearch/bulk_answer.h"
#include "output/testing/output_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kRecordTime;
using ::testing::Not;

class OpensearchTest : public testing::OutputFixture {
 protected:
  static ChunkBuilder records(std::initializer_list<const char*> all) {
    ChunkBuilder chunk("app.web", Offset{40});
    for (const char* record : all) chunk.json(kRecordTime, record);
    return chunk;
  }
  // `statuses` of one answer.
  void answer(std::initializer_list<int> statuses, std::string_view type = "some_exception") {
    std::string items;
    for (const int status : statuses) {
      if (!items.empty()) items += ',';
      items += R"({"create":{"_index":"i","status":)" + std::to_string(status);
      if (status > 299)
        items += R"(,"error":{"type":")" + std::string(type) + R"(","reason":"because"})";
      items += "}}";
    }
    fake_.http.answer(200, R"({"took":1,"errors":true,"items":[)" + items + "]}");
  }
  std::string body_of(const Pairs& pairs, const char* record = R"({"a":1})") {
    use(kOpensearchOutput, pairs);
    answer({201});
    EXPECT_EQ(deliver(records({record})).outcome, Delivery::Outcome::Delivered);
    return request(request_count() - 1).body;
  }
};

TEST_F(OpensearchTest, RequestAsFluentBitSendsIt) {
  use(kOpensearchOutput, {{"Host", "search.example"}, {"Path", "/front/"}, {"Pipeline", "p 1"}});
  answer({201, 201});
  EXPECT_EQ(deliver(records({R"({"a":1})", R"({"b":"x"})"})).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().url, "http://search.example:9200/front/_bulk?pipeline=p%201");
  EXPECT_EQ(request().headers.get("Content-Type"), "application/x-ndjson");
  EXPECT_EQ(request().body,
            "{\"create\":{\"_index\":\"fluent-bit\",\"_type\":\"_doc\"}}\n"
            "{\"@timestamp\":\"2025-11-23T02:53:00.123Z\",\"a\":1}\n"
            "{\"create\":{\"_index\":\"fluent-bit\",\"_type\":\"_doc\"}}\n"
            "{\"@timestamp\":\"2025-11-23T02:53:00.123Z\",\"b\":\"x\"}\n");
}

TEST_F(OpensearchTest, IndexesAndDocuments) {
  EXPECT_EQ(body_of({{"Logstash_Format", "on"}, {"Suppress_Type_Name", "on"}}),
            "{\"create\":{\"_index\":\"logstash-2025.11.23\"}}\n"
            "{\"@timestamp\":\"2025-11-23T02:53:00.123Z\",\"a\":1}\n");
  EXPECT_THAT(body_of({{"Logstash_Format", "on"},
                       {"Logstash_Prefix_Key", "team"},
                       {"Logstash_DateFormat", "%Y"},
                       {"Logstash_Prefix_Separator", "_"}},
                      R"({"team":"web"})"),
              HasSubstr(R"("_index":"web_2025")"));
  EXPECT_THAT(body_of({{"Index", "logs-$team"}}, R"({"team":"web"})"),
              HasSubstr(R"("_index":"logs-web")"));
  // A value that cannot be an index, or would break the line, is not used.
  EXPECT_THAT(body_of({{"Index", "logs-$team"}}, R"({"team":"A\"}}\n{"})"),
              HasSubstr(R"("_index":"fluent-bit")"));
  EXPECT_THAT(
      body_of({{"Include_Tag_Key", "on"}, {"Tag_Key", "tag"}, {"Time_Key_Nanos", "on"}},
              R"({"tag":"mine","@timestamp":"old"})"),
      HasSubstr("{\"@timestamp\":\"2025-11-23T02:53:00.123456789Z\",\"tag\":\"app.web\"}\n"));
  EXPECT_THAT(body_of({{"Replace_Dots", "on"}}, R"({"a.b":{"c.d":1}})"),
              HasSubstr(R"("a_b":{"c_d":1})"));
}

TEST_F(OpensearchTest, IdsAndOperations) {
  EXPECT_THAT(body_of({{"Id_Key", "$id"}}, R"({"id":"x1"})"), HasSubstr(R"("_id":"x1"})"));
  const std::string first = body_of({{"Generate_ID", "on"}});
  EXPECT_THAT(first, HasSubstr(R"("_id":")"));
  EXPECT_EQ(body_of({{"Generate_ID", "on"}}), first);
  EXPECT_THAT(
      body_of({{"Write_Operation", "upsert"}, {"Id_Key", "id"}}, R"({"id":"1"})"),
      HasSubstr("{\"update\":{\"_index\":\"fluent-bit\",\"_type\":\"_doc\",\"_id\":\"1\"}}\n"
                "{\"doc_as_upsert\":true,\"doc\":{\"@timestamp\""));
  use(kOpensearchOutput, {{"Write_Operation", "update"}, {"Id_Key", "id"}});
  fill(records({R"({"no":"id"})"}));
  EXPECT_EQ(refused_.size(), 1u);
}

TEST_F(OpensearchTest, OnlyWhatMayWorkLaterIsSentAgain) {
  use(kOpensearchOutput, {{"Generate_ID", "on"}});
  answer({201, 429, 400, 503, 409});
  const Delivery first =
      deliver(records({R"({"n":0})", R"({"n":1})", R"({"n":2})", R"({"n":3})", R"({"n":4})"}));
  EXPECT_EQ(first.outcome, Delivery::Outcome::Retry);
  EXPECT_EQ(first.retry_class, RetryClass::Throttled);
  EXPECT_THAT(first.reason, HasSubstr("because"));
  // 409 with an id of ours: stored by an attempt whose answer was lost.
  EXPECT_THAT(batch_->settled_records().delivered, ElementsAre(Offset{40}, Offset{44}));
  answer({201, 201});
  const Delivery second = deliver();
  EXPECT_EQ(second.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(second.rejected.size(), 1u);
  EXPECT_EQ(second.rejected[0].offset, Offset{42});
  EXPECT_THAT(request(1).body, HasSubstr("\"n\":1"));
  EXPECT_THAT(request(1).body, HasSubstr("\"n\":3"));
  EXPECT_THAT(request(1).body, Not(HasSubstr("\"n\":2")));
}

TEST_F(OpensearchTest, AMissingIndexOrPermissionKeepsTheDocuments) {
  use(kOpensearchOutput, {});
  answer({404}, "index_not_found_exception");
  EXPECT_EQ(deliver(records({R"({"a":1})"})).retry_class, RetryClass::Auth);
  answer({403}, "security_exception");
  EXPECT_EQ(deliver().retry_class, RetryClass::Auth);
  fake_.http.answer(401);
  EXPECT_EQ(deliver().retry_class, RetryClass::Auth);
  fake_.http.answer(
      400, R"({"error":"Action/metadata line [1] contains an unknown parameter [_type]"})");
  const Delivery types = deliver();
  EXPECT_EQ(types.outcome, Delivery::Outcome::Retry);
  EXPECT_THAT(types.reason, HasSubstr("Suppress_Type_Name on"));
  fake_.http.answer(200, "<html>");
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Retry);
  fake_.http.answer(200, R"({"items":[]})");
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Retry);
  answer({400}, "mapper_parsing_exception");
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Rejected);
}

TEST_F(OpensearchTest, SigV4ForAmazonOpenSearch) {
  use(kOpensearchOutput, {{"Host", "vpc-x.eu-west-1.es.amazonaws.com"},
                          {"Port", "443"},
                          {"tls", "on"},
                          {"AWS_Auth", "on"},
                          {"AWS_Region", "eu-west-1"},
                          {"AWS_Service_Name", "aoss"}});
  answer({201});
  EXPECT_EQ(deliver(records({R"({"a":1})"})).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().url, "https://vpc-x.eu-west-1.es.amazonaws.com/_bulk");
  EXPECT_THAT(std::string(request().headers.get("Authorization")),
              HasSubstr("/eu-west-1/aoss/aws4_request"));
  EXPECT_EQ(request().headers.get("X-Amz-Content-Sha256").size(), 64u);
}

TEST_F(OpensearchTest, ElasticCloud) {
  std::string id = "deployment:";
  append_base64(id, "eu-west-1.aws.found.io$abc123$kibana");
  use(kEsOutput, {{"Cloud_ID", id}, {"Cloud_Auth", "elastic:secret"}});
  answer({201});
  EXPECT_EQ(deliver(records({R"({"a":1})"})).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().url, "https://abc123.eu-west-1.aws.found.io/_bulk");
  EXPECT_EQ(request().headers.get("Authorization"), "Basic ZWxhc3RpYzpzZWNyZXQ=");
  EXPECT_THAT(destination_ + output_->identity(), Not(HasSubstr("secret")));
  EXPECT_FALSE(make(kEsOutput, {{"Cloud_ID", "nonsense"}}));
  EXPECT_FALSE(make(kEsOutput, {{"Upstream", "/etc/upstream.conf"}}));
  EXPECT_FALSE(make(kOpensearchOutput, {{"Cloud_ID", id}}));
}

TEST_F(OpensearchTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kOpensearchOutput, {{"Index", "Upper Case"}}));
  EXPECT_FALSE(make(kOpensearchOutput, {{"Write_Operation", "update"}}));
  EXPECT_FALSE(make(kOpensearchOutput, {{"Write_Operation", "delete"}}));
  EXPECT_FALSE(make(kOpensearchOutput, {{"Id_Key", "$a['"}}));
  EXPECT_FALSE(make(kOpensearchOutput,
                    {{"AWS_Auth", "on"}, {"AWS_Service_Name", ""}, {"AWS_Region", "x y"}}));
}

TEST(BulkAnswer, OnlyAResultForEveryDocumentCounts) {
  EXPECT_TRUE(parse_bulk_answer(R"({"errors":false,"items":[]})", 0));
  EXPECT_TRUE(parse_bulk_answer(R"({"items":[{"create":{"status":201}}]})", 1));
  EXPECT_FALSE(parse_bulk_answer(R"({"items":[{"create":{"status":201}}]})", 2));
  EXPECT_FALSE(parse_bulk_answer(R"({"items":[{"create":{}}]})", 1));
  EXPECT_FALSE(parse_bulk_answer(R"({"items":[{"create":{"status":99999}}]})", 1));
  EXPECT_FALSE(parse_bulk_answer(R"({"items":[{}]})", 1));
  EXPECT_FALSE(parse_bulk_answer(R"({"items":[7]})", 1));
  EXPECT_FALSE(parse_bulk_answer("{}", 0));
  const auto failed = parse_bulk_answer(
      R"({"items":[{"index":{"status":200}},{"index":{"status":400,"error":{"type":"t","reason":"r"}}}]})",
      2);
  ASSERT_TRUE(failed);
  ASSERT_EQ(failed->size(), 1u);
  EXPECT_EQ((*failed)[0].index, 1u);
  EXPECT_EQ((*failed)[0].type, "t");
  EXPECT_EQ((*failed)[0].reason, "r");
}

}  // namespace
}  // namespace noroshi

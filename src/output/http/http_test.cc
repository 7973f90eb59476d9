#include "output/http/http.h"

#include <gmock/gmock.h>

#include "output/testing/output_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;
using testing::kRecordTime;
using ::testing::Not;

class HttpOutputTest : public testing::OutputFixture {
 protected:
  static ChunkBuilder two() {
    ChunkBuilder chunk("app.web", Offset{5});
    chunk.json(kRecordTime, R"({"a":1})").json(kRecordTime, R"({"b":"x"})");
    return chunk;
  }
  std::string body_of(const Pairs& pairs) {
    use(kHttpOutput, pairs);
    fake_.http.answer(200);
    EXPECT_EQ(deliver(two()).outcome, Delivery::Outcome::Delivered);
    return request(request_count() - 1).body;
  }
};

TEST_F(HttpOutputTest, RequestAsFluentBitSendsIt) {
  use(kHttpOutput, {{"Host", "logs.example"},
                    {"Port", "8080"},
                    {"URI", "/in?x=1"},
                    {"Header", "X-Team web team"},
                    {"Header_Tag", "X-Tag"},
                    {"HTTP_User", "me"},
                    {"HTTP_Passwd", "secret"}});
  fake_.http.answer(204);
  EXPECT_EQ(deliver(two()).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().method, "POST");
  EXPECT_EQ(request().url, "http://logs.example:8080/in?x=1");
  EXPECT_EQ(request().headers.get("X-Team"), "web team");
  EXPECT_EQ(request().headers.get("X-Tag"), "app.web");
  EXPECT_EQ(request().headers.get("Content-Type"), "application/json");
  EXPECT_EQ(request().headers.get("Authorization"), "Basic bWU6c2VjcmV0");
  EXPECT_EQ(request().body,
            R"([{"date":1763866380.123457,"a":1},{"date":1763866380.123457,"b":"x"}])");
  EXPECT_THAT(destination_, Not(HasSubstr("secret")));
  EXPECT_THAT(output_->identity(), Not(HasSubstr("secret")));
}

TEST_F(HttpOutputTest, Formats) {
  EXPECT_EQ(body_of({{"Format", "json_lines"}, {"Json_Date_Key", "false"}}),
            "{\"a\":1}\n{\"b\":\"x\"}\n");
  EXPECT_EQ(body_of({{"Format", "json_stream"}, {"Json_Date_Key", "false"}}),
            "{\"a\":1}{\"b\":\"x\"}");
  EXPECT_EQ(
      body_of({{"Format", "json"},
               {"Json_Date_Key", "@t"},
               {"Json_Date_Format", "iso8601"},
               {"http_method", "PUT"}}),
      R"([{"@t":"2025-11-23T02:53:00.123456Z","a":1},{"@t":"2025-11-23T02:53:00.123456Z","b":"x"}])");
  EXPECT_EQ(request(2).method, "PUT");
  EXPECT_EQ(body_of({{"Format", "gelf"}, {"Gelf_Short_Message_Key", "b"}}),
            "{\"version\":\"1.1\",\"short_message\":\"x\",\"timestamp\":1763866380.123}\n");
  ASSERT_EQ(refused_.size(), 1u);
  EXPECT_EQ(refused_[0].reason, DropReason::NotEncodable);
  body_of({{"Format", "msgpack"}});
  EXPECT_EQ(request(4).headers.get("Content-Type"), "application/msgpack");
}

TEST_F(HttpOutputTest, BodyAndHeadersFromTheRecord) {
  use(kHttpOutput, {{"Body_Key", "$body"}, {"Headers_Key", "$headers"}});
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"body":"first","headers":{"X-A":"1","X-B":"bad\nX-C: 2"}})")
      .json(kRecordTime, R"({"no":"body"})")
      .json(kRecordTime, R"({"body":{"k":1},"headers":{}})");
  fake_.http.answer(200);
  fake_.http.answer(200);
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(request_count(), 2u);
  EXPECT_EQ(request(0).body, "first");
  EXPECT_EQ(request(0).headers.get("X-A"), "1");
  EXPECT_FALSE(request(0).headers.find("X-B"));
  EXPECT_FALSE(request(0).headers.find("X-C"));
  EXPECT_EQ(request(1).body, R"({"k":1})");
  ASSERT_EQ(refused_.size(), 1u);
}

TEST_F(HttpOutputTest, CompressedBodies) {
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"m":")" + std::string(5000, 'x') + R"("})");
  for (const std::string name : {"gzip", "zstd"}) {
    use(kHttpOutput, {{"compress", name}});
    fake_.http.answer(200);
    EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
    const auto kept = request(request_count() - 1);
    EXPECT_EQ(kept.headers.get("Content-Encoding"), name);
    EXPECT_LT(kept.body.size(), 500u);
  }
}

TEST_F(HttpOutputTest, EveryFailure) {
  use(kHttpOutput, {});
  fake_.http.answer(503, "busy", {{"Retry-After", "3"}});
  Delivery delivery = deliver(two());
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Retry);
  EXPECT_EQ(delivery.retry_after, Seconds(3));
  fake_.http.answer(429);
  delivery = deliver();
  EXPECT_EQ(delivery.retry_class, RetryClass::Throttled);
  fake_.http.answer(403);
  EXPECT_EQ(deliver().retry_class, RetryClass::Auth);
  fake_.http.fail(ErrorCode::Timeout);
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Retry);
  fake_.http.answer(413);
  fake_.http.answer(200);
  fake_.http.answer(413);
  delivery = deliver();
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(delivery.rejected.size(), 1u);
  EXPECT_EQ(delivery.rejected[0].offset, Offset{6});
  EXPECT_EQ(delivery.rejected[0].reason, DropReason::Oversize);
  fake_.http.answer(400, "field \"a\" is not mapped");
  delivery = deliver(two());
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Rejected);
  EXPECT_EQ(delivery.reason, "HTTP 400: field \"a\" is not mapped");
}

TEST_F(HttpOutputTest, SignedRequests) {
  use(kHttpOutput, {{"Host", "x.eu-west-1.es.amazonaws.com"},
                    {"Port", "443"},
                    {"tls", "on"},
                    {"URI", "/a b?c=d"},
                    {"aws_auth", "on"},
                    {"aws_service", "es"},
                    {"aws_region", "eu-west-1"}});
  fake_.http.answer(200);
  EXPECT_EQ(deliver(two()).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().url, "https://x.eu-west-1.es.amazonaws.com/a%20b?c=d");
  EXPECT_THAT(std::string(request().headers.get("Authorization")),
              HasSubstr("/eu-west-1/es/aws4_request"));
}

TEST_F(HttpOutputTest, WrongOptionsAreNamed) {
  for (const Pairs& pairs :
       {Pairs{{"Host", "http://x/y"}}, Pairs{{"Header", "NoValue"}}, Pairs{{"compress", "snappy"}},
        Pairs{{"Format", "xml"}}, Pairs{{"Json_Date_Format", "never"}},
        Pairs{{"oauth2.enable", "on"}}, Pairs{{"Headers_Key", "$h"}}, Pairs{{"aws_auth", "on"}},
        Pairs{{"Proxy", "socks://x"}}, Pairs{{"Body_Key", "$a['"}}}) {
    EXPECT_FALSE(make(kHttpOutput, pairs)) << pairs[0].first;
    EXPECT_GE(diagnostics_.error_count(), 1u) << pairs[0].first;
  }
  EXPECT_FALSE(make(kHttpOutput, {{"Header", "Authorization:very-secret"}}));
  EXPECT_THAT(diagnostics_.render(), Not(HasSubstr("very-secret")));
}

}  // namespace
}  // namespace noroshi

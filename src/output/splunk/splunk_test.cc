#include "output/splunk/splunk.h"

#include <gmock/gmock.h>

#include "output/testing/output_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;
using testing::kRecordTime;
using ::testing::Not;

class SplunkTest : public testing::OutputFixture {
 protected:
  static ChunkBuilder two() {
    ChunkBuilder chunk("app", Offset{3});
    chunk.json(kRecordTime, R"({"log":"a","h":"web-1"})").json(kRecordTime, R"({"log":"b"})");
    return chunk;
  }
  std::string body_of(Pairs pairs) {
    pairs.emplace_back("Splunk_Token", "secret-token");
    use(kSplunkOutput, pairs);
    fake_.http.answer(200, R"({"text":"Success","code":0})");
    EXPECT_EQ(deliver(two()).outcome, Delivery::Outcome::Delivered);
    return request(request_count() - 1).body;
  }
};

TEST_F(SplunkTest, Events) {
  EXPECT_EQ(body_of({}), R"({"time":1763866380.123456,"event":{"log":"a","h":"web-1"}})"
                         R"({"time":1763866380.123456,"event":{"log":"b"}})");
  EXPECT_EQ(request().url, "http://127.0.0.1:8088/services/collector/event");
  EXPECT_EQ(request().headers.get("Authorization"), "Splunk secret-token");
  EXPECT_THAT(destination_ + output_->identity(), Not(HasSubstr("secret")));
  EXPECT_EQ(body_of({{"Event_Key", "$log"},
                     {"Event_Host", "$h"},
                     {"Event_Source", "noroshi"},
                     {"Event_Sourcetype", "plain"},
                     {"Event_Sourcetype_Key", "$h"},
                     {"Event_Index", "main"},
                     {"Event_Field", "name $h"}}),
            R"({"time":1763866380.123456,"host":"web-1","source":"noroshi","sourcetype":"web-1",)"
            R"("index":"main","fields":{"name":"web-1"},"event":"a"})"
            R"({"time":1763866380.123456,"source":"noroshi","sourcetype":"plain","index":"main",)"
            R"("fields":{},"event":"b"})");
}

TEST_F(SplunkTest, RawAndExtractedTimes) {
  EXPECT_EQ(body_of({{"Splunk_Send_Raw", "on"}, {"Channel", "0aeeac95-ac74-4aa9"}}),
            "{\"log\":\"a\",\"h\":\"web-1\"}\n{\"log\":\"b\"}\n");
  EXPECT_EQ(request().url, "http://127.0.0.1:8088/services/collector/raw");
  EXPECT_EQ(request().headers.get("X-Splunk-Request-Channel"), "0aeeac95-ac74-4aa9");
  EXPECT_EQ(body_of({{"auto_extract_timestamp", "on"}, {"Event_Key", "$log"}}),
            R"({"event":"a"}{"event":"b"})");
  EXPECT_THAT(request(1).url, HasSubstr("auto_extract_timestamp=true"));
}

TEST_F(SplunkTest, WhatTheCollectorRefuses) {
  use(kSplunkOutput, {{"Splunk_Token", "t"}});
  fake_.http.answer(400, R"({"text":"Incorrect index","code":7,"invalid-event-number":1})");
  EXPECT_EQ(deliver(two()).retry_class, RetryClass::Auth);
  fake_.http.answer(403, R"({"text":"Invalid token","code":4})");
  EXPECT_EQ(deliver().retry_class, RetryClass::Auth);
  fake_.http.answer(503, R"({"text":"Server is busy","code":9})");
  EXPECT_EQ(deliver().retry_class, RetryClass::Transient);
  // One of the events: it is searched.
  fake_.http.answer(400, R"({"text":"Invalid data format","code":6,"invalid-event-number":1})");
  fake_.http.answer(200);
  fake_.http.answer(400, R"({"text":"Invalid data format","code":6,"invalid-event-number":0})");
  const Delivery found = deliver();
  EXPECT_EQ(found.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(found.rejected.size(), 1u);
  EXPECT_EQ(found.rejected[0].offset, Offset{4});
}

TEST_F(SplunkTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kSplunkOutput, {}));
  EXPECT_FALSE(make(kSplunkOutput, {{"Splunk_Token", "t"}, {"Event_Field", "nothing"}}));
  EXPECT_FALSE(make(kSplunkOutput, {{"Splunk_Token", "t"}, {"Event_Host", "$a['"}}));
}

}  // namespace
}  // namespace noroshi

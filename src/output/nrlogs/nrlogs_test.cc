#include "output/nrlogs/nrlogs.h"

#include <gmock/gmock.h>

#include "output/testing/output_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;
using testing::kRecordTime;
using ::testing::Not;

class NrlogsTest : public testing::OutputFixture {};

TEST_F(NrlogsTest, RequestAsFluentBitSendsIt) {
  use(kNrlogsOutput, {{"license_key", "secret-key"}});
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"log":"a","message":"kept","n":1})")
      .json(kRecordTime, R"({"message":"b"})")
      .json(kRecordTime, R"({"n":2})");
  fake_.http.answer(202, R"({"requestId":"1"})");
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().url, "https://log-api.newrelic.com/log/v1");
  EXPECT_EQ(request().headers.get("X-License-Key"), "secret-key");
  EXPECT_EQ(request().body,
            R"([{"common":{"attributes":{"plugin":{"type":"noroshi","version":")" NOROSHI_VERSION
            R"("}}},"logs":[)"
            R"({"timestamp":1763866380123,"message":"a","attributes":{"message":"kept","n":1}},)"
            R"({"timestamp":1763866380123,"message":"b","attributes":{}},)"
            R"({"timestamp":1763866380123,"attributes":{"n":2}}]}])");
  EXPECT_THAT(destination_ + output_->identity(), Not(HasSubstr("secret")));
}

TEST_F(NrlogsTest, AnInsertKeyAndAnotherAddress) {
  use(kNrlogsOutput, {{"api_key", "k"}, {"base_uri", "http://127.0.0.1:8080/x?y=1"}}, "newrelic");
  ChunkBuilder chunk;
  chunk.json(kRecordTime, "{}");
  fake_.http.answer(202);
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().url, "http://127.0.0.1:8080/x?y=1");
  EXPECT_EQ(request().headers.get("X-Insert-Key"), "k");
}

// As New Relic's page for FireLens writes it: its image has a Go plugin with names of its own.
TEST_F(NrlogsTest, TheNamesOfNewRelicsGoPlugin) {
  use(kNrlogsOutput,
      {{"apiKey", "k"},
       {"endpoint", "https://log-api.eu.newrelic.com/log/v1"},
       {"maxRecords", "9"}},
      "newrelic");
  ChunkBuilder chunk;
  chunk.json(kRecordTime, "{}");
  fake_.http.answer(202);
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().url, "https://log-api.eu.newrelic.com/log/v1");
  EXPECT_EQ(request().headers.get("X-Insert-Key"), "k");
  use(kNrlogsOutput, {{"licenseKey", "secret-key"}}, "newrelic");
  fake_.http.answer(202);
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request(1).headers.get("X-License-Key"), "secret-key");
}

TEST_F(NrlogsTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kNrlogsOutput, {}));
  EXPECT_FALSE(make(kNrlogsOutput, {{"api_key", "a"}, {"license_key", "b"}}));
  EXPECT_FALSE(make(kNrlogsOutput, {{"api_key", "a"}, {"base_uri", "nowhere"}}));
}

}  // namespace
}  // namespace noroshi

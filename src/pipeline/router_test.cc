#include "pipeline/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Route route(std::string identity, std::string_view match, std::string_view grep = {}) {
  Route made{.output_identity = std::move(identity), .match = {TagPattern(match)}};
  if (!grep.empty()) {
    EXPECT_TRUE(made.condition.add_grep(grep).has_value());
  }
  return made;
}

std::vector<Route> specified(std::string_view match_logs = "*") {
  std::vector<Route> routes;
  routes.push_back(route("cloudwatch", match_logs, "level ERROR,CRITICAL,FATAL"));
  routes.push_back(route("s3", "*"));
  routes.push_back(route("other", "other.*"));
  return routes;
}

Chunk chunk_of(std::initializer_list<std::string_view> levels) {
  Chunk chunk{.tag = "app", .records = {}, .body = {}};
  for (const std::string_view level : levels) {
    std::string record;
    MsgpackWriter writer(record);
    writer.map_header(1);
    writer.string("level");
    writer.string(level);
    chunk.append(Timestamp{}, record);
  }
  return chunk;
}

std::vector<uint32_t> select(const RouteTable& table, size_t output, uint64_t id,
                             const std::string& block, const Chunk& chunk) {
  std::vector<uint32_t> selected;
  EXPECT_TRUE(table.select(output, id, block, chunk.view(), selected).has_value());
  return selected;
}

TEST(Router, NoneAllAndSome) {
  RouteTable table(specified());
  Chunk chunk = chunk_of({"INFO", "ERROR", "debug", "fatal"});
  std::string block;
  std::vector<uint32_t> counts;
  table.route(chunk, block, counts);
  EXPECT_THAT(counts, ElementsAre(2, 4, 0));
  EXPECT_THAT(select(table, 0, table.id(), block, chunk), ElementsAre(1, 3));
  EXPECT_THAT(select(table, 1, table.id(), block, chunk), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(select(table, 2, table.id(), block, chunk), IsEmpty());
  EXPECT_TRUE(table.selects_none(2, table.id(), block));
  EXPECT_FALSE(table.selects_none(0, table.id(), block));
}

TEST(Router, ManyRecordsAgreeWithTheConditionRecordByRecord) {
  std::vector<Route> routes;
  routes.push_back(route("a", "*", "level error"));
  routes.push_back(route("b", "*", "level info"));
  RouteTable table(std::move(routes));
  Chunk chunk{.tag = "app", .records = {}, .body = {}};
  std::vector<uint32_t> errors, infos;
  for (uint32_t i = 0; i < 1000; ++i) {
    const bool error = i % 7 == 3;
    const Chunk one = chunk_of({error ? "error" : "info"});
    chunk.append(Timestamp{}, one.body);
    (error ? errors : infos).push_back(i);
  }
  std::string block;
  std::vector<uint32_t> counts;
  table.route(chunk, block, counts);
  EXPECT_EQ(select(table, 0, table.id(), block, chunk), errors);
  EXPECT_EQ(select(table, 1, table.id(), block, chunk), infos);
}

TEST(Router, AnotherTableDecidesAgain) {
  RouteTable before(specified());
  RouteTable after(specified("nothing"));
  ASSERT_NE(before.id(), after.id());
  Chunk chunk = chunk_of({"ERROR", "INFO"});
  std::string block;
  std::vector<uint32_t> counts;
  before.route(chunk, block, counts);
  EXPECT_THAT(select(after, 0, before.id(), block, chunk), IsEmpty());
  EXPECT_THAT(select(after, 1, before.id(), block, chunk), ElementsAre(0, 1));
  EXPECT_FALSE(after.selects_none(0, before.id(), block));
}

TEST(Router, TheIdIsStable) {
  EXPECT_EQ(RouteTable(specified()).id(), RouteTable(specified()).id());
}

TEST(Router, ADamagedBlockIsAnErrorNotACrash) {
  RouteTable table(specified());
  Chunk chunk = chunk_of({"INFO", "ERROR"});
  std::string block;
  std::vector<uint32_t> counts;
  table.route(chunk, block, counts);
  std::vector<uint32_t> selected;
  for (size_t size = 0; size < block.size(); ++size) {
    const Status status =
        table.select(0, table.id(), block.substr(0, size), chunk.view(), selected);
    EXPECT_FALSE(status.has_value()) << size;
  }
  block.back() = '\x80';  // bit 63 of a chunk of two records
  EXPECT_FALSE(table.select(0, table.id(), block, chunk.view(), selected).has_value());
}

}  // namespace
}  // namespace noroshi

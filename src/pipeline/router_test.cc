#include "pipeline/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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
  // The marks alone say the same number, from any record on.
  const auto records = static_cast<uint32_t>(chunk.records.size());
  for (uint32_t first = 0; first <= records; ++first) {
    const auto counted = table.count(output, id, block, records, first);
    EXPECT_EQ(counted.has_value(), id == table.id());
    if (counted) {
      EXPECT_EQ(*counted,
                std::ranges::count_if(selected, [&](uint32_t index) { return index >= first; }));
    }
  }
  return selected;
}

TEST(Route, TagsThatAreNotMeant) {
  Route all = route("s3", "*");
  std::vector<Route> plain;
  plain.push_back(route("s3", "*"));
  const RouteTable before(std::move(plain));
  all.except_tags = {"firelens-healthcheck"};
  EXPECT_TRUE(all.matches_tag("app"));
  EXPECT_TRUE(all.matches_tag("firelens-healthcheck2"));
  EXPECT_FALSE(all.matches_tag("firelens-healthcheck"));
  std::vector<Route> routes;
  routes.push_back(std::move(all));
  EXPECT_FALSE(routes[0] == before.routes()[0]);
  EXPECT_NE(RouteTable(std::move(routes)).id(), before.id());  // old chunks are decided again
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

// Equal conditions are evaluated once for a chunk, and a key that different ones ask for is looked
// up once: every output still gets what it gets alone, chunk after chunk, whichever of them the tag
// selects.
TEST(Router, OutputsThatShareWorkGetWhatEachGetsAlone) {
  constexpr const char* kMatches[] = {"other", "*", "app", "*", "other", "*", "*", "*", "app"};
  constexpr const char* kGreps[] = {"level error", "level error", "level ERROR",
                                    "level info",  "level info",  "",
                                    "level info",  "absent a",    "$absent b"};
  std::vector<Route> routes;
  for (size_t i = 0; i < std::size(kGreps); ++i)
    routes.push_back(route(std::to_string(i), kMatches[i], kGreps[i]));
  RouteTable together(std::move(routes));
  std::string block;
  std::vector<uint32_t> counts;
  for (const char* tag : {"app", "other", "third", "app"}) {
    for (Chunk chunk : {chunk_of({"error", "info", "info"}), chunk_of({"info"}),
                        chunk_of({"debug", "error"}), chunk_of({"error", "error"})}) {
      chunk.tag = tag;
      together.route(chunk, block, counts);
      for (size_t i = 0; i < std::size(kGreps); ++i) {
        std::vector<Route> alone;
        alone.push_back(route(std::to_string(i), kMatches[i], kGreps[i]));
        RouteTable single(std::move(alone));
        std::string single_block;
        std::vector<uint32_t> single_counts;
        single.route(chunk, single_block, single_counts);
        EXPECT_EQ(counts[i], single_counts[0]) << tag << i;
        EXPECT_EQ(select(together, i, together.id(), block, chunk),
                  select(single, 0, single.id(), single_block, chunk));
      }
    }
  }
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

RecordRules rules(std::string_view op, const std::vector<std::string>& values) {
  RecordRules made;
  EXPECT_TRUE(made.add("$level", op, values, RecordRules::Context::Body).has_value());
  return made;
}

// Input 0 by tag; input 1 with three routes: errors → 0 and 1, "audit" → 1, the rest → 2.
RouteTable table_with_routes(std::string_view match_of_output_0 = "*") {
  std::vector<Route> routes;
  routes.push_back(route("zero", match_of_output_0));
  routes.push_back(route("one", "*", "level ERROR,AUDIT,FATAL"));
  routes.push_back(route("two", "nothing"));
  std::vector<InputRouting> inputs(2);
  inputs[0].identity = "plain";
  inputs[1].identity = "app";
  inputs[1].routes.push_back({.name = "rest", .is_default = true, .outputs = {2}});
  inputs[1].routes.push_back(
      {.name = "errors", .rules = rules("in", {"ERROR", "WEIRD"}), .outputs = {0, 1}});
  inputs[1].routes.push_back({.name = "audit", .rules = rules("eq", {"AUDIT"}), .outputs = {1}});
  return RouteTable(std::move(routes), std::move(inputs));
}

TEST(Router, AnInputWithRoutesIsNotRoutedByTag) {
  RouteTable table = table_with_routes();
  EXPECT_TRUE(table.needs_inputs());
  Chunk chunk = chunk_of({"INFO", "ERROR", "AUDIT", "WEIRD", "DEBUG"});
  chunk.input = 1;
  std::string block;
  std::vector<uint32_t> counts;
  table.route(chunk, block, counts);
  EXPECT_THAT(select(table, 0, table.id(), block, chunk), ElementsAre(1, 3));
  // The output's own Grep holds as well.
  EXPECT_THAT(select(table, 1, table.id(), block, chunk), ElementsAre(1, 2));
  EXPECT_THAT(select(table, 2, table.id(), block, chunk), ElementsAre(0, 4));
  EXPECT_THAT(counts, ElementsAre(2, 2, 2));

  chunk.input = 0;
  table.route(chunk, block, counts);
  EXPECT_THAT(counts, ElementsAre(5, 2, 0));
  chunk.input = kNoInput;
  table.route(chunk, block, counts);
  EXPECT_THAT(counts, ElementsAre(5, 2, 0));
}

TEST(Router, AfterARestartWithOtherRoutesOldChunksAreRoutedByTheInputTheyCameFrom) {
  RouteTable before = table_with_routes(), after = table_with_routes("app");
  ASSERT_NE(before.id(), after.id());
  Chunk chunk = chunk_of({"INFO", "ERROR", "AUDIT"});
  chunk.input = 1;
  std::string block;
  std::vector<uint32_t> counts;
  before.route(chunk, block, counts);
  for (size_t output = 0; output < 3; ++output) {
    EXPECT_EQ(select(after, output, before.id(), block, chunk),
              select(before, output, before.id(), block, chunk))
        << output;
  }
  // A table in which that input is gone goes by the tag.
  RouteTable without(specified());
  EXPECT_THAT(select(without, 1, before.id(), block, chunk), ElementsAre(0, 1, 2));
  // A journal of before there were fields: the block ends with the bitmaps.
  RouteTable old(specified());
  Chunk unknown = chunk_of({"INFO", "ERROR", "AUDIT"});
  old.route(unknown, block, counts);
  EXPECT_THAT(select(after, 0, old.id(), block, chunk), ElementsAre(0, 1, 2));
  EXPECT_THAT(select(after, 2, old.id(), block, chunk), IsEmpty());
}

TEST(Router, AProcessedCopyIsForItsOutputAloneAlsoForAnotherTable) {
  const auto make = [](std::string_view match_logs, bool processed) {
    std::vector<Route> routes = specified(match_logs);
    routes[1].processed = processed;
    return RouteTable(std::move(routes));
  };
  RouteTable before = make("*", true);
  Chunk chunk = chunk_of({"INFO", "ERROR"});
  std::string original, copy;
  std::vector<uint32_t> counts;
  before.route(chunk, original, counts);
  EXPECT_THAT(counts, ElementsAre(1, 0, 0));
  Bitmap selected;
  ASSERT_TRUE(before.select_for_copy(chunk, 1, selected));
  EXPECT_TRUE(selected.all());
  before.route_copy(chunk, 1, copy, counts);
  EXPECT_THAT(counts, ElementsAre(0, 2, 0));
  EXPECT_THAT(select(before, 0, before.id(), copy, chunk), IsEmpty());
  EXPECT_THAT(select(before, 1, before.id(), copy, chunk), ElementsAre(0, 1));

  for (const bool still_processed : {false, true}) {
    const RouteTable after = make("app", still_processed);
    EXPECT_THAT(select(after, 0, before.id(), original, chunk), ElementsAre(1));
    EXPECT_THAT(select(after, 1, before.id(), original, chunk), IsEmpty()) << "it has the copy";
    EXPECT_THAT(select(after, 0, before.id(), copy, chunk), IsEmpty());
    EXPECT_THAT(select(after, 1, before.id(), copy, chunk), ElementsAre(0, 1));
  }
}

TEST(Router, FieldsOfAnotherTableMayBeDamaged) {
  RouteTable before = table_with_routes(), after = table_with_routes("app");
  Chunk chunk = chunk_of({"INFO", "ERROR", "AUDIT"});
  chunk.input = 1;
  std::string block;
  std::vector<uint32_t> counts;
  before.route(chunk, block, counts);
  // Cut anywhere, the chunk is routed by its input or by its tag: output 0 takes one or all.
  for (size_t size = 0; size < block.size(); ++size) {
    EXPECT_THAT(select(after, 0, before.id(), block.substr(0, size), chunk),
                testing::AnyOf(ElementsAre(1), ElementsAre(0, 1, 2)));
  }
}

}  // namespace
}  // namespace noroshi

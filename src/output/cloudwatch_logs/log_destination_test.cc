#include "output/cloudwatch_logs/log_destination.h"

#include <gtest/gtest.h>

#include "output/testing/chunk_builder.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;

std::vector<std::pair<std::string, std::string>> names_of(LogDestinationOptions options,
                                                          const ChunkBuilder& chunk) {
  LogDestination destination(std::move(options));
  std::vector<std::string_view> groups;
  destination.group(chunk.view(), chunk.all(), groups);
  std::vector<std::pair<std::string, std::string>> names;
  for (const std::string_view key : groups) {
    const LogDestination::Names split = LogDestination::split(key);
    names.emplace_back(split.group, split.stream);
  }
  return names;
}

LogNameTemplate accessor(std::string_view text) { return LogNameTemplate::parse(text).value(); }
LogNameTemplate go(std::string_view text) { return LogNameTemplate::parse_go(text).value(); }

ChunkBuilder two_records() {
  ChunkBuilder chunk("backend-firelens-0123");
  chunk.json({}, R"({"team":"web","kubernetes":{"pod":"p1"}})").json({}, R"({"other":1})");
  return chunk;
}

using Names = std::vector<std::pair<std::string, std::string>>;

TEST(LogDestination, PrefixAndTag) {
  EXPECT_EQ(names_of({.group_fallback = "/ecs/a", .stream_prefix = "fargate-"}, two_records()),
            (Names(2, {"/ecs/a", "fargate-backend-firelens-0123"})));
}

TEST(LogDestination, StaticName) {
  EXPECT_EQ(names_of({.group_fallback = "/ecs/a", .stream_fallback = "one"}, two_records()),
            (Names(2, {"/ecs/a", "one"})));
}

TEST(LogDestination, TemplatesFallBack) {
  EXPECT_EQ(names_of({.group = accessor("/ecs/$team"),
                      .stream = accessor("$kubernetes['pod']"),
                      .group_fallback = "/ecs/other",
                      .stream_prefix = "p-"},
                     two_records()),
            (Names{{"/ecs/web", "p1"}, {"/ecs/other", "p-backend-firelens-0123"}}));
  EXPECT_EQ(names_of({.stream = accessor("$TAG"), .group_fallback = "g"}, two_records()),
            (Names(2, {"g", "backend-firelens-0123"})));
}

TEST(LogDestination, GoPluginTemplates) {
  EXPECT_EQ(names_of({.group = go("/x/$(tag)$(team)y"),
                      .stream = go("$(kubernetes['pod'])-$5"),
                      .group_fallback = "dg",
                      .stream_fallback = "ds"},
                     two_records()),
            (Names{{"/x/backend-firelens-0123weby", "p1-$5"}, {"dg", "ds"}}));
  ChunkBuilder dotted("kube.var.log");
  dotted.json({}, "{}");
  EXPECT_EQ(names_of({.stream = go("a-$(tag[1])"), .group_fallback = "g"}, dotted),
            (Names{{"g", "a-var"}}));
  EXPECT_FALSE(LogNameTemplate::parse_go("$(tag"));
  EXPECT_FALSE(LogNameTemplate::parse_go("$()"));
}

TEST(LogDestination, EqualNamesAreOneGroup) {
  LogDestination destination(
      {.stream = accessor("$team"), .group_fallback = "g", .stream_fallback = "s"});
  ChunkBuilder chunk;
  chunk.json({}, R"({"team":"a"})").json({}, R"({"team":"b"})").json({}, R"({"team":"a"})");
  std::vector<std::string_view> groups;
  destination.group(chunk.view(), chunk.all(), groups);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0], groups[2]);
  EXPECT_NE(groups[0], groups[1]);
}

TEST(LogDestination, ValidNames) {
  EXPECT_EQ(valid_stream_name("a:b*c\nd 狼煙/#"), "a_b_c_d 狼煙/#");
  EXPECT_EQ(valid_stream_name(""), "_");
  EXPECT_EQ(valid_stream_name(std::string(600, 'x')), std::string(512, 'x'));
  EXPECT_EQ(valid_stream_name(std::string(511, 'x') + "狼"), std::string(511, 'x'));
  EXPECT_EQ(valid_stream_name("\xff"), "\xEF\xBF\xBD");
  EXPECT_EQ(valid_group_name("/ecs/a-b_c.d#1"), "/ecs/a-b_c.d#1");
  EXPECT_EQ(valid_group_name("a b:c"), "a_b_c");
}

}  // namespace
}  // namespace noroshi

// What the golden cases (tests/golden/filter/lua_…) cannot see: bounds, counters, scripts in files.
#include "filter/lua/lua.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "config/classic.h"
#include "config/diagnostics.h"
#include "filter/lua/lua_script.h"
#include "parser/parser_registry.h"
#include "record/json_record.h"
#include "record/json_writer.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

std::unique_ptr<LuaScript> load(std::string_view source, LuaSettings settings = {}) {
  settings.call = "cb";
  auto script = LuaScript::load(source, "=test", std::move(settings));
  EXPECT_TRUE(script.has_value()) << script.error().message;
  return script ? *std::move(script) : nullptr;
}

constexpr std::string_view kIdentity = "function cb(tag, ts, r) return 1, ts, r end";

TEST(LuaScript, MemoryIsBoundedAndGivenBack) {
  const auto script =
      load("kept = {} function cb(tag, ts, r) for i = 1, 1e9 do kept[#kept + 1] = {i} end end",
           {.instructions_max = 1'000'000'000, .memory_max = 4 << 20});
  LuaAnswer answer;
  for (int i = 0; i < 3; ++i) {
    const auto called = script->call("t", {}, {}, record_of("{}"), answer);
    ASSERT_FALSE(called.has_value());
    EXPECT_EQ(called.error().failure, LuaFailure::Memory) << called.error().message;
    EXPECT_LE(script->memory(), uint64_t{4} << 20);
  }
}

TEST(LuaScript, AnEndlessLoopEndsEvenInsideACoroutineAndPcall) {
  for (const char* source :
       {"function cb() while true do end end",
        "function cb() local i = 0 while true do i = i + 1 end end",
        "function cb() local ok = true while ok do ok = true pcall(function() end) end end",
        "function cb() coroutine.wrap(function() while true do end end)() end",
        "local function f() return f() end function cb() return f() end"}) {
    const auto script = load(source, {.instructions_max = 1'000'000});
    LuaAnswer answer;
    const auto called = script->call("t", {}, {}, record_of("{}"), answer);
    ASSERT_FALSE(called.has_value()) << source;
    EXPECT_EQ(called.error().failure, LuaFailure::Instructions)
        << source << ": " << called.error().message;
  }
}

TEST(LuaScript, ARecordThatGoesThroughUnchangedStaysWhatItIs) {
  const auto script = load(kIdentity, {.enable_flb_null = true});
  LuaAnswer answer;
  const Timestamp time(Nanoseconds(1795402380123456789));
  for (const char* json :
       {R"({})", R"({"a":[],"m":{},"l":[[],{}],"n":null,"t":true,"f":-0.5,"i":-9007199254740992})",
        R"({"deep":{"deep":{"deep":[1,[2,[3]]]}}})"}) {
    ASSERT_TRUE(script->call("t", time, {}, record_of(json), answer).has_value());
    EXPECT_EQ(answer.time, time);
    ASSERT_EQ(answer.ends.size(), 1u);
    std::string out, expected;
    ASSERT_TRUE(write_json(out, answer.bodies));
    EXPECT_EQ(out.size(), std::string(json).size()) << out;  // a Lua table has no order
    for (const char c : out) {
      EXPECT_EQ(std::ranges::count(out, c), std::ranges::count(std::string(json), c)) << out;
    }
  }
}

TEST(LuaScript, DepthIsBoundedBothWays) {
  std::string deepest = R"({"d":)" + std::string(90, '[') + "1" + std::string(90, ']') + "}";
  const auto script = load(kIdentity);
  LuaAnswer answer;
  ASSERT_TRUE(script->call("t", {}, {}, record_of(deepest), answer).has_value());
  EXPECT_EQ(answer.bodies, record_of(deepest));
  const auto builder = load(
      "function cb(tag, ts, r) local t = {} for i = 1, 1000 do t = {t = t} end return 2, ts, t "
      "end");
  const auto called = builder->call("t", {}, {}, record_of("{}"), answer);
  ASSERT_FALSE(called.has_value());
  EXPECT_EQ(called.error().failure, LuaFailure::BadAnswer);
  EXPECT_EQ(answer.action, LuaAnswer::Action::Keep);
}

TEST(LuaScript, FiveParametersGetMetadataToo) {
  const auto script = load(
      "function cb(tag, ts, group, meta, r) meta.seen = true r.had = meta.a return 2, ts, meta, r "
      "end");
  LuaAnswer answer;
  ASSERT_TRUE(
      script->call("t", {}, record_of(R"({"a":"x"})"), record_of("{}"), answer).has_value());
  EXPECT_EQ(answer.bodies, record_of(R"({"had":"x"})"));
  std::string json;
  ASSERT_TRUE(write_json(json, answer.metadata));
  EXPECT_THAT(
      json, testing::AllOf(testing::HasSubstr(R"("a":"x")"), testing::HasSubstr(R"("seen":true)")));
}

TEST(LuaScript, AnyRecordEndsWellFormed) {
  const auto script = load(kIdentity);
  LuaAnswer answer;
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 300; ++i) {
    std::string record;
    MsgpackWriter writer(record);
    writer.map_header(1);
    writer.string("v");
    for (int depth = static_cast<int>(random() % 5); depth >= 0; --depth) writer.array_header(1);
    writer.binary(std::string(random() % 40, '\xff'));
    ASSERT_TRUE(script->call("t", {}, {}, record, answer).has_value());
    EXPECT_TRUE(validate_msgpack(answer.bodies).has_value());
  }
}

struct NoOutput final : FilterOutput {
  void emit(Chunk&, bool) override { ADD_FAILURE(); }
};

class LuaFilterTest : public testing::Test {
 protected:
  std::string use(const std::string& options) {
    Diagnostics diagnostics;
    const Document document = parse_classic_text(
        "t.conf", "[FILTER]\n    Name lua\n    Match *\n    call cb\n" + options, diagnostics);
    made = kLuaFilter.make(*document.find_all(SectionKind::Filter).front(),
                           {.parsers = parsers,
                            .instance_name = "lua.0",
                            .config_directory = directory,
                            .clock = clock},
                           diagnostics);
    return diagnostics.render();
  }
  uint64_t errors(std::string_view reason) {
    for (const auto& counter : made->counters) {
      if (counter->value == reason) return counter->counter.get();
    }
    return 999;
  }
  Chunk apply(int records) {
    Chunk chunk;
    chunk.tag = "t";
    for (int i = 0; i < records; ++i) chunk.append(clock.wall(), record_of(R"({"a":1})"));
    made->filter->apply(chunk, output, metrics);
    return chunk;
  }

  std::string directory;
  ManualClock clock;
  ParserRegistry parsers{clock};
  std::optional<MadeFilter> made;
  NoOutput output;
  FilterMetrics metrics;
};

TEST_F(LuaFilterTest, AnEndlessLoopIsLeftAloneAfterAFewTimes) {
  EXPECT_EQ(use("    code function cb() while true do end end\n    instruction_limit 100000\n"),
            "");
  EXPECT_EQ(apply(1000).records.size(), 1000u);
  EXPECT_EQ(errors("instructions"), static_cast<uint64_t>(kLuaOverrunsMax));
  EXPECT_EQ(errors("suspended"), 1000u - kLuaOverrunsMax);
  clock.advance(kLuaSuspension);
  EXPECT_EQ(apply(1).records.size(), 1u);
  EXPECT_EQ(errors("instructions"), 1u + kLuaOverrunsMax);
}

TEST_F(LuaFilterTest, DroppedAndAddedRecordsAreCounted) {
  EXPECT_EQ(use("    code n = 0 function cb(t, ts, r) n = n + 1 if n == 1 then return -1, 0, 0 end "
                "return 2, ts, {r, r, r} end\n"),
            "");
  EXPECT_EQ(apply(2).records.size(), 3u);
  EXPECT_EQ(metrics.dropped.get(), 1u);
  EXPECT_EQ(metrics.added.get(), 2u);
}

TEST_F(LuaFilterTest, AScriptIsFoundBesideTheConfiguration) {
  std::string name = "/tmp/noroshi-lua-XXXXXX";
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  directory = name;
  std::ofstream(directory + "/mark.lua") << "function cb(t, ts, r)\n  return -1, 0, 0\nend\n";
  EXPECT_EQ(use("    script mark.lua\n"), "");
  EXPECT_EQ(apply(2).records.size(), 0u);
  std::ofstream(directory + "/broken.lua") << "function cb(t, ts, r)\n  return = 1\nend\n";
  EXPECT_THAT(use("    script broken.lua\n"), testing::HasSubstr("broken.lua:2:"));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace noroshi

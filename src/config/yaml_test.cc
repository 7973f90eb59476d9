// Properties of the YAML reader and writer that golden cases cannot show; those are in
// tests/golden/config/yaml-*/.
#include "config/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "config/option_table.h"
#include "config/parse_config.h"
#include "config/to_yaml.h"
#include "config/yaml_tree.h"

namespace noroshi {
namespace {

using testing::HasSubstr;

ClassicOptions no_environment() {
  return {.environment = [](const std::string&) { return std::optional<std::string>(); },
          .variables = {}};
}

Document parse(std::string text, Diagnostics& diagnostics) {
  return parse_yaml_text("test.yaml", std::move(text), diagnostics, no_environment());
}

TEST(Yaml, WhichTextIsYaml) {
  for (const char* yaml : {"pipeline:\n", "# x\n\n  \nservice: {flush: 1}", "---\n", "{a: b}",
                           "\xEF\xBB\xBF%YAML 1.1\n", "env:\r\n  A: b\r\n"}) {
    EXPECT_TRUE(is_yaml_text(yaml)) << yaml;
  }
  for (const char* classic : {"", "# only: a comment\n", "[SERVICE]\n  a: b\n", "@SET a=b\n",
                              "    Name forward\n", "@INCLUDE http://x\n"}) {
    EXPECT_FALSE(is_yaml_text(classic)) << classic;
  }
  EXPECT_TRUE(is_yaml_path("/a/b.YML"));
  EXPECT_FALSE(is_yaml_path("/a.yaml/b.conf"));
}

TEST(Yaml, AListForAnOptionOfOneTextIsJoined) {
  struct Options {
    std::string names = {};
    int64_t count = 0;
    std::vector<std::string> many = {};
  };
  const auto table = OptionTable<Options>("x", "X.")
                         .option("names", &Options::names, "Names.")
                         .option("count", &Options::count, "0", "Count.")
                         .option("many", &Options::many, "Many.");
  Diagnostics diagnostics;
  const Document document = parse(
      "pipeline: {outputs: [{name: x, names: [a, b], many: [c, d], count: [1, 2]}]}", diagnostics);
  const Options options = table.parse(document.sections.at(0), diagnostics);
  EXPECT_EQ(options.names, "a,b");
  EXPECT_THAT(options.many, testing::ElementsAre("c", "d"));
  EXPECT_THAT(diagnostics.render(), HasSubstr("output x count takes one value"));
}

TEST(Yaml, DepthIsBoundedWithoutRecursion) {
  for (const auto& [depth, good] : std::vector<std::pair<size_t, bool>>{
           {kYamlDepthMax, true}, {kYamlDepthMax + 1, false}, {1'000'000, false}}) {
    Diagnostics diagnostics;
    const auto source = std::make_shared<const SourceText>("deep", std::string(depth, '['));
    static_cast<void>(parse_yaml_tree(source, diagnostics));
    EXPECT_EQ(diagnostics.render().find("nested deeper") == std::string::npos, good) << depth;
    EXPECT_TRUE(diagnostics.has_errors());  // nothing closes them
  }
}

TEST(Yaml, NodesAreBounded) {
  std::string text = "a: [";
  for (size_t i = 0; i < kYamlNodesMax; ++i) text += "b,";
  Diagnostics diagnostics;
  static_cast<void>(parse(text + "]", diagnostics));
  EXPECT_THAT(diagnostics.render(), HasSubstr("more than 250000 keys and values"));
}

TEST(Yaml, ALongLineIsReadInLinearTime) {
  // JSON on one line of megabytes: every key and value still knows its column.
  std::string text = "{\"pipeline\": {\"inputs\": [";
  for (size_t i = 0; i < 40'000; ++i) text += "{\"name\": \"日本\", \"tag\": \"t\"},";
  text += "]}}";
  Diagnostics diagnostics;
  const Document document = parse(text, diagnostics);
  ASSERT_EQ(document.sections.size(), 40'000u);
  const PropertyValue& last = document.sections.back().properties.back().values.front();
  EXPECT_EQ(text.substr(last.where.column - 1, last.where.length), "t");
  EXPECT_EQ(last.where.line, 1u);
}

TEST(Yaml, PlacesCountBytesAndLinesAsEditorsDo) {
  Diagnostics diagnostics;
  // A byte order mark, CRLF, a line separator of Unicode inside a value, a tab inside quotes.
  const std::string text =
      "\xEF\xBB\xBFservice:\r\n  log_level: \"日\xE2\x80\xA8本\" # x\r\n  flush: 'a''b'\r\n"
      "  grace:\t\"1\\t2\"\r\n";
  const Document document = parse(text, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.render();
  const Section& service = document.sections.at(0);
  EXPECT_EQ(service.find("flush")->value(), "a'b");
  EXPECT_EQ(service.find("flush")->where().line, 3u);
  EXPECT_EQ(service.find("flush")->where().column, 10u);
  EXPECT_EQ(service.find("flush")->where().length, 6u) << "with its quotes";
  EXPECT_EQ(service.find("grace")->value(), "1\t2");
  EXPECT_EQ(service.find("grace")->where().line, 4u);
  EXPECT_NE(service.find("grace")->where().length, service.find("grace")->value().size());
}

TEST(Yaml, BytesThatAreNoText) {
  for (const std::string& text : {std::string("a: \xff\xfe\n"), std::string("a: \x01\n"),
                                  std::string("\xff\xfe"
                                              "a\0:\0",
                                              6),
                                  std::string("a: \0b", 5)}) {
    Diagnostics diagnostics;
    static_cast<void>(parse(text, diagnostics));
    EXPECT_THAT(diagnostics.render(), HasSubstr("not a text in UTF-8")) << text;
  }
}

// What is written as a scalar is read back as it was.
TEST(ToYaml, EveryScalarIsReadBack) {
  const auto check = [](const std::string& text) {
    Diagnostics diagnostics;
    const Document document = parse("env:\n  A: " + yaml_scalar(text) + "\n", diagnostics);
    ASSERT_FALSE(diagnostics.has_errors()) << text << "\n" << diagnostics.render();
    EXPECT_EQ(document.environment.at("A"), text) << yaml_scalar(text);
  };
  for (const char* text : {"*",     "**",   "",     " ",    "a b",       "a: b",
                           "a:",    "a #b", "#a",   "- a",  "-1",        "--- a",
                           "---",   "...",  "'a'",  "\"",   "it's",      "null",
                           "~",     "yes",  "0x10", "@x",   "`",         "%Y-%m",
                           "{log}", "[a]",  "a, b", "${X}", "$a['b']",   "! x",
                           "& x",   "| x",  "> x",  "? x",  ": x",       "a\tb",
                           "日本",  "\\",   "<<",   "=",    "key=value", "^(?<a>\\w+): \"x\" #y$"})
    check(text);
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr std::string_view kLetters = "ab 1-?:,[]{}#&*!|>'\"%@`\\\t\n~=.";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t length = random() % 12; length > 0; --length)
      text += kLetters[random() % kLetters.size()];
    check(text);
  }
}

std::string converted(std::string classic) {
  Diagnostics diagnostics;
  const Document document =
      parse_classic_text("a.conf", std::move(classic), diagnostics, no_environment());
  EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.render();
  return to_yaml(document);
}

TEST(ToYaml, CommentsVariablesAndListsStay) {
  EXPECT_EQ(converted("# Head\n"
                      "@SET group=/ecs/x\n"
                      "[SERVICE]\n"
                      "    # often\n"
                      "    Flush 1\n"
                      "\n"
                      "# What comes in\n"
                      "[INPUT]\n"
                      "    Tag  app\n"
                      "    Name forward\n"
                      "[FILTER]\n"
                      "    Name record_modifier\n"
                      "    Match *\n"
                      "    Record a 1\n"
                      "    # the second\n"
                      "    Record b ${B}\n"
                      "# [OUTPUT] was here\n"),
            "env:\n"
            "  group: /ecs/x\n"
            "\n"
            "service:\n"
            "  # often\n"
            "  flush: 1\n"
            "\n"
            "pipeline:\n"
            "  inputs:\n"
            "    # What comes in\n"
            "    - name: forward\n"
            "      tag: app\n"
            "  filters:\n"
            "    - name: record_modifier\n"
            "      match: '*'\n"
            "      record:\n"
            "        - a 1\n"
            "        # the second\n"
            "        - b ${B}\n"
            "\n"
            "# Head\n"
            "# [OUTPUT] was here\n");
}

TEST(ToYaml, RulesOfAMultilineParserBecomeMaps) {
  EXPECT_EQ(converted("[MULTILINE_PARSER]\n"
                      "    name trace\n"
                      "    type regex\n"
                      "    rule \"start_state\" \"/^\\\"(\\d+)/\" \"cont\"\n"
                      "    rule \"cont\"        \"/^\\s+at/\"     \"cont\"\n"),
            "multiline_parsers:\n"
            "  - name: trace\n"
            "    type: regex\n"
            "    rules:\n"
            "      - state: start_state\n"
            "        regex: /^\"(\\d+)/\n"
            "        next_state: cont\n"
            "      - state: cont\n"
            "        regex: /^\\s+at/\n"
            "        next_state: cont\n");
}

}  // namespace
}  // namespace noroshi

#include "parser/parser.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include <fmt/format.h>

#include "parser/unescape.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"

namespace noroshi {
namespace {

// 2026-11-23 02:53:00 UTC
const ManualClock kClock{Timestamp(Seconds(1795402380))};

std::unique_ptr<Parser> make(ParserOptions options) {
  auto parser = Parser::make(std::move(options), kClock);
  EXPECT_TRUE(parser) << (parser ? "" : parser.error().message);
  return std::move(*parser);
}

// The record as JSON; "-" if the text is not of the format.
std::string parsed(Parser& parser, std::string_view text) {
  std::string map, json;
  std::optional<Timestamp> time;
  if (!parser.parse(text, map, time)) return "-";
  EXPECT_TRUE(validate_msgpack(map));
  EXPECT_TRUE(write_json(json, map));
  return json;
}

TEST(Parser, AppendsAndLeavesWhatIsThere) {
  const auto json = make({});
  std::string out = "before";
  std::optional<Timestamp> time;
  EXPECT_EQ(json->append_map(R"({"a":1})", out, time), 1u);
  EXPECT_EQ(out,
            "before\x81\xa1"
            "a\x01");
  for (const std::string_view wrong : {"", "x", "{", "[1]", "{\"a\":}", "{} {}", "\xff"}) {
    std::string kept = "before";
    EXPECT_EQ(json->append_map(wrong, kept, time), std::nullopt) << wrong;
    EXPECT_EQ(kept, "before");
  }
}

TEST(Parser, NothingIsKeptFromOneTextToTheNext) {
  const auto regex =
      make({.format = ParserFormat::Regex, .regex = R"(^(?<a>\d+)(?:-(?<b>\d+))?$)"});
  EXPECT_EQ(parsed(*regex, "1-2"), R"({"a":"1","b":"2"})");
  EXPECT_EQ(parsed(*regex, "3"), R"({"a":"3"})");
  EXPECT_EQ(parsed(*regex, "x"), "-");
  EXPECT_EQ(parsed(*regex, "4-5"), R"({"a":"4","b":"5"})");
}

TEST(Parser, OfGroupsWithOneNameTheOneThatTookPart) {
  const auto regex =
      make({.format = ParserFormat::Regex, .regex = R"((?:num (?<v>\d+)|word (?<v>[a-z]+)))"});
  EXPECT_EQ(parsed(*regex, "num 12"), R"({"v":"12"})");
  EXPECT_EQ(parsed(*regex, "word abc"), R"({"v":"abc"})");
  const auto all = make({.format = ParserFormat::Regex,
                         .regex = R"((?:num (?<v>\d+)|word (?<v>[a-z]+)))",
                         .skip_empty_values = false});
  EXPECT_EQ(parsed(*all, "num 12"), R"({"v":"12"})");
  EXPECT_EQ(parsed(*all, "word abc"), R"({"v":"abc"})");
}

TEST(Parser, TimeOfEveryFormat) {
  for (const auto& [format, regex, text] :
       std::initializer_list<std::tuple<ParserFormat, std::string, std::string>>{
           {ParserFormat::Json, "", R"({"t":"2026-11-23T02:53:01.5Z","k":"v"})"},
           {ParserFormat::Regex, R"(^(?<t>\S+) (?<k>.*)$)", "2026-11-23T02:53:01.5Z v"},
           {ParserFormat::Ltsv, "", "t:2026-11-23T02:53:01.5Z\tk:v"},
           {ParserFormat::Logfmt, "", "t=2026-11-23T02:53:01.5Z k=v"}}) {
    for (const bool keep : {false, true}) {
      const auto parser = make({.format = format,
                                .regex = regex,
                                .time_key = "t",
                                .time_format = "%Y-%m-%dT%H:%M:%S.%L%z",
                                .time_keep = keep});
      std::string map, json;
      std::optional<Timestamp> time;
      ASSERT_TRUE(parser->parse(text, map, time)) << text;
      EXPECT_EQ(time, Timestamp(Milliseconds(1795402381500))) << text;
      ASSERT_TRUE(write_json(json, map));
      EXPECT_EQ(json, keep ? R"({"t":"2026-11-23T02:53:01.5Z","k":"v"})" : R"({"k":"v"})");
      EXPECT_EQ(parser->time_failures(), 0u);

      std::string late = text;
      late.replace(late.find("2026"), 4, "late");
      time.reset();
      ASSERT_TRUE(parser->parse(late, map, time)) << late;
      EXPECT_EQ(time, std::nullopt) << "the record keeps its own";
      EXPECT_EQ(MapPairs(map).count(), 2u) << "and the text stays";
      EXPECT_EQ(parser->time_failures(), 1u);
    }
  }
}

TEST(Parser, JsonTimeMayBeANumber) {
  const auto parser = make({.time_key = "ts", .time_format = "%s"});
  std::string map;
  std::optional<Timestamp> time;
  ASSERT_TRUE(parser->parse(R"({"ts":1795402381,"a":1})", map, time));
  EXPECT_EQ(time, Timestamp(Seconds(1795402381)));
  EXPECT_EQ(MapPairs(map).count(), 1u);
  time.reset();
  ASSERT_TRUE(parser->parse(R"({"ts":{"not":"a time"}})", map, time));
  EXPECT_EQ(time, std::nullopt);
}

TEST(Parser, ManyFieldsChangeTheHeadOfTheMap) {
  std::string text = "{";
  for (int i = 0; i < 16; ++i) text += fmt::format(R"("k{}":{},)", i, i);
  text += R"("time":"1795402381"})";
  const auto parser = make({.time_format = "%s"});
  std::string map;
  std::optional<Timestamp> time;
  ASSERT_TRUE(parser->parse(text, map, time));
  EXPECT_EQ(MapPairs(map).count(), 16u);
  EXPECT_TRUE(validate_msgpack(map));
  const auto fifteen = make({.format = ParserFormat::Logfmt, .time_format = "%s"});
  std::string logfmt;
  for (int i = 0; i < 20; ++i) logfmt += fmt::format("k{}={} ", i, i);
  ASSERT_TRUE(fifteen->parse(logfmt, map, time));
  EXPECT_EQ(MapPairs(map).count(), 20u);
  EXPECT_TRUE(validate_msgpack(map));
}

TEST(Parser, BadOptionsAreErrors) {
  const auto code = [](ParserOptions options) {
    return Parser::make(std::move(options), kClock).error().code;
  };
  EXPECT_EQ(code({.format = ParserFormat::Regex}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.format = ParserFormat::Regex, .regex = "(?<a>"}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.format = ParserFormat::Regex, .regex = "(.*)"}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.time_format = "%Q"}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.time_zone = "Asia/Tokyo"}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.time_format = "%F", .time_zone = "No/Where"}), ErrorCode::NotFound);
}

// The formats again, written for clearness alone.
std::string reference_ltsv(const std::string& text) {
  const std::string line = text.substr(0, text.find_first_of(std::string("\r\n\0", 3)));
  std::string json;
  std::stringstream fields(line);
  for (std::string field; std::getline(fields, field, '\t');) {
    const size_t colon = field.find_first_not_of(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-");
    if (colon == std::string::npos || field[colon] != ':') break;
    if (colon == 0) continue;
    json += json.empty() ? "{" : ",";
    write_json_string(json, field.substr(0, colon));
    json += ":";
    write_json_string(json, field.substr(colon + 1));
  }
  return json.empty() ? "-" : json + "}";
}

std::string reference_logfmt(const std::string& text) {
  const auto word = [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '=' && c != '"';
  };
  std::string json;
  const auto add = [&](const std::string& key, const std::string& value) {
    json += json.empty() ? "{" : ",";
    write_json_string(json, key);
    json += ":" + value;
  };
  size_t i = 0;
  while (true) {
    while (i < text.size() && !word(text[i])) ++i;
    if (i == text.size()) break;
    std::string key, value, quoted;
    while (i < text.size() && word(text[i])) key += text[i++];
    if (i == text.size() || text[i] != '=') {
      add(key, "true");
    } else if (++i < text.size() && text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') {
          value += text[i++];
          if (i == text.size()) break;
        }
        value += text[i];
      }
      if (i < text.size()) ++i;
      std::string plain;
      append_unescaped_utf8(plain, value);
      write_json_string(quoted, plain);
      add(key, quoted);
    } else {
      while (i < text.size() && word(text[i])) value += text[i++];
      write_json_string(quoted, value);
      add(key, value.empty() ? "true" : quoted);
    }
    if (i < text.size() && (text[i] == '\n' || text[i] == '\r')) break;
  }
  return json.empty() ? "-" : json + "}";
}

TEST(Parser, AgreesWithTheSlowReference) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const auto ltsv = make({.format = ParserFormat::Ltsv});
  const auto logfmt = make({.format = ParserFormat::Logfmt});
  const std::string_view pieces[] = {"a",  "key", "b.c-d_e", ":",   "\t",   "=",
                                     "\"", "\\",  "\\n",     " ",   "\n",   "\r\n",
                                     "1",  "é",   "\\u00e9", "x y", "\x01", ""};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t i = random() % 12; i > 0; --i) text += pieces[random() % std::size(pieces)];
    EXPECT_EQ(parsed(*ltsv, text), reference_ltsv(text)) << "ltsv of " << text;
    EXPECT_EQ(parsed(*logfmt, text), reference_logfmt(text)) << "logfmt of " << text;
  }
}

TEST(Unescape, Escapes) {
  const auto plain = [](std::string_view text) {
    std::string out;
    append_unescaped(out, text);
    return out;
  };
  const auto utf8 = [](std::string_view text) {
    std::string out;
    append_unescaped_utf8(out, text);
    return out;
  };
  EXPECT_EQ(plain(R"(a\nb\tc\\d\"e\q\)"), "a\nb\tc\\d\"eq\\");
  EXPECT_EQ(utf8(R"(\u00e9 \ud83d\ude00 \U0001f600 \x41 \101 \/ \q)"), "é 😀 😀 A A / q");
  EXPECT_EQ(utf8(R"(\ud83d x)"), "\uFFFD x") << "a lone surrogate";
  EXPECT_EQ(utf8(R"(\ude00)"), "\uFFFD");
  EXPECT_EQ(utf8(R"(\u12)"), "\uFFFD");
  EXPECT_EQ(utf8(R"(\U00110000)"), "\uFFFD");
  EXPECT_EQ(utf8("\\"), "\\");
  std::string out;
  append_mysql_unquoted(out, R"('it\'s\Z\0\q')");
  EXPECT_EQ(out, std::string("it's\x1a\0\\q", 8));
  out.clear();
  append_mysql_unquoted(out, "plain");
  EXPECT_EQ(out, "plain");
}

}  // namespace
}  // namespace noroshi

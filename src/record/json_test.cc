#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "record/json_parser.h"
#include "record/json_reference.h"
#include "record/json_writer.h"
#include "record/random_value.h"
#include "record/simdjson_reference.h"

namespace noroshi {
namespace {

using namespace std::string_literals;

std::string to_json(std::string_view msgpack, JsonOptions options = {}) {
  std::string out = "before";
  const auto status = write_json(out, msgpack, options);
  EXPECT_TRUE(status.has_value());
  EXPECT_TRUE(out.starts_with("before"));
  return out.substr(6);
}

// JSON to MessagePack and back.
std::string round_trip(std::string_view json) {
  static JsonToMsgpack parser;
  std::string msgpack;
  const auto status = parser.append_value(json, msgpack);
  EXPECT_TRUE(status.has_value()) << json;
  return status ? to_json(msgpack) : "";
}

std::string string_json(std::string_view text, JsonOptions options = {}) {
  std::string out;
  write_json_string(out, text, options);
  return out;
}

TEST(JsonWriter, Values) {
  EXPECT_EQ(to_json("\xc0"), "null");
  EXPECT_EQ(to_json("\xc3"), "true");
  EXPECT_EQ(to_json("\xc2"), "false");
  EXPECT_EQ(to_json("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615");
  EXPECT_EQ(to_json("\xd3\x80\0\0\0\0\0\0\0"s), "-9223372036854775808");
  EXPECT_EQ(to_json("\xcb\x3f\xf0\0\0\0\0\0\0"s), "1.0");
  EXPECT_EQ(to_json("\xca\x3f\xc0\0\0"s), "1.5");
  EXPECT_EQ(to_json("\xcb\x7f\xf8\0\0\0\0\0\0"s), "null");
  EXPECT_EQ(to_json("\xcb\xff\xf0\0\0\0\0\0\0"s), "null");
  EXPECT_EQ(to_json("\x80"), "{}");
  EXPECT_EQ(to_json("\x90"), "[]");
  EXPECT_EQ(to_json("\x93\x01\xc0\x92\x02\x80"), "[1,null,[2,{}]]");
  EXPECT_EQ(to_json("\x82\xa1"
                    "a\x01\xa1"
                    "a\x02"),
            R"({"a":1,"a":2})")
      << "duplicates stay";
  EXPECT_EQ(to_json("\xc4\x03"
                    "a\xff"
                    "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_EQ(to_json("\x83\x01\xa1x\xc3\xa1y\x91\x05\xa1z"), R"({"1":"x","true":"y","[5]":"z"})");
  EXPECT_EQ(to_json("\x81\xc4\x01k\x02"), R"({"k":2})");
  EXPECT_EQ(to_json("\xd7\0\x69\x22\x77\x8c\0\0\0\x07"s), "1763866508.000000007");
  EXPECT_EQ(to_json("\xd7\0\0\0\0\x05\xff\xff\xff\xff"s), "9.294967295")
      << "nanoseconds beyond a second, as time_of_token() reads them";
  EXPECT_EQ(to_json("\xc7\x02\x05hi"), R"({"type":5,"data":"aGk="})");
  EXPECT_EQ(to_json("\xd4\xff"
                    "a"),
            R"({"type":-1,"data":"YQ=="})");
  EXPECT_EQ(to_json("\xc7\x03\x05"
                    "abc"),
            R"({"type":5,"data":"YWJj"})");
}

TEST(JsonWriter, ErrorsLeaveTheOutputAlone) {
  const auto error = [](std::string_view msgpack) {
    std::string out = "kept";
    const auto status = write_json(out, msgpack);
    EXPECT_FALSE(status.has_value());
    EXPECT_EQ(out, "kept");
    return status ? MsgpackError::WrongType : status.error();
  };
  EXPECT_EQ(error(""), MsgpackError::Truncated);
  EXPECT_EQ(error("\x92\x01"), MsgpackError::Truncated);
  EXPECT_EQ(error("\x01\x02"), MsgpackError::Malformed);
  EXPECT_EQ(error("\x91\xc1"), MsgpackError::Malformed);
  EXPECT_EQ(error(std::string(10000, '\x91') + "\xc0"), MsgpackError::TooDeep);
  EXPECT_EQ(error(std::string(kMsgpackDepthMax, '\x91') + "\x90"), MsgpackError::TooDeep);
  std::string keys;  // arrays as map keys inside each other
  for (int i = 0; i < 10000; ++i) keys += "\x81";
  EXPECT_EQ(error(keys), MsgpackError::TooDeep);
  EXPECT_EQ(to_json(std::string(kMsgpackDepthMax, '\x91') + "\xc0"),
            std::string(100, '[') + "null" + std::string(100, ']'));
}

// Escapes of escapes double with each level: 90 bytes became 2^30.
TEST(JsonWriter, KeysInsideOfKeysDoNotGrow) {
  EXPECT_EQ(to_json("\x81\x81\x01\x02\x03"), R"({"{\"1\":2}":3})");
  EXPECT_EQ(to_json("\x81\x81\x91\x01\x02\x03"), R"({"{\"kQE=\":2}":3})");
  EXPECT_EQ(to_json("\x81\x91\x81\x80\x02\x03"), R"({"[{\"gA==\":2}]":3})");
  for (const std::string_view key : {"\x81", "\x91\x81"}) {
    std::string nested, values;
    for (size_t depth = 0; depth + key.size() <= kMsgpackDepthMax; depth += key.size()) {
      nested += key;
      values += '\x01';
    }
    const std::string value = nested + "\xa1\"" + values;
    EXPECT_LT(to_json(value).size(), 20 * value.size());
  }
}

TEST(JsonWriter, EscapesEveryByteAtEveryPosition) {
  for (int byte = 0; byte < 0x80; ++byte) {
    std::string escaped;
    switch (byte) {
      case '"':
        escaped = "\\\"";
        break;
      case '\\':
        escaped = "\\\\";
        break;
      case '\b':
        escaped = "\\b";
        break;
      case '\f':
        escaped = "\\f";
        break;
      case '\n':
        escaped = "\\n";
        break;
      case '\r':
        escaped = "\\r";
        break;
      case '\t':
        escaped = "\\t";
        break;
      default:
        escaped = static_cast<char>(byte);
    }
    if (byte < 0x20 && escaped.size() == 1) {
      char text[8];
      snprintf(text, sizeof text, "\\u%04x", byte);
      escaped = text;
    }
    for (size_t size = 1; size < 40; ++size) {
      for (size_t place = 0; place < size; ++place) {
        std::string text(size, 'x');
        text[place] = static_cast<char>(byte);
        const std::string expected =
            "\"" + std::string(place, 'x') + escaped + std::string(size - place - 1, 'x') + "\"";
        ASSERT_EQ(string_json(text), expected) << byte << " at " << place << " of " << size;
      }
    }
  }
}

// A short text inside a value is written on a way of its own when enough bytes follow it: with any
// number of them the result is that of the text alone.
TEST(JsonWriter, ShortTextsAreTheSameWhateverFollowsThem) {
  const std::string_view specials[] = {"x",    "\"",   "\\",   "\n", "\x1f",
                                       "\x7f", "\x80", "\xff", "é",  "日"};
  for (const std::string_view special : specials) {
    for (size_t size = 0; size < 40; ++size) {
      for (size_t place = 0; place <= size; ++place) {
        const std::string text =
            std::string(place, 'a') + std::string(special) + std::string(size - place, 'z');
        std::string alone;
        write_json_string(alone, text);
        for (const size_t behind : {0, 1, 15, 16, 30, 31, 32, 33, 64}) {
          std::string array = "\x92";
          MsgpackWriter writer(array);
          writer.string(text);
          writer.string(std::string(behind, '"'));
          // Its own memory, so that a sanitizer sees a byte too many.
          const std::vector<char> bytes(array.begin(), array.end());
          std::string tail;
          write_json_string(tail, std::string(behind, '"'));
          std::string json = "#";
          ASSERT_TRUE(write_json(json, {bytes.data(), bytes.size()}).has_value());
          ASSERT_EQ(json, "#[" + alone + "," + tail + "]") << size << " " << place << " " << behind;
        }
      }
    }
  }
}

TEST(JsonWriter, InvalidUtf8IsReplacedByMaximalSubparts) {
  const std::string r = "\xef\xbf\xbd";
  // The examples of Unicode 15, tables 3-8 to 3-11.
  EXPECT_EQ(string_json("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"),
            "\"" + r + r + r + r + r + r + r + r + "A\"");
  EXPECT_EQ(string_json("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"),
            "\"" + r + r + r + r + r + r + r + r + "A\"");
  EXPECT_EQ(string_json("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"),
            "\"" + r + r + r + r + r + "A" + r + r + "B\"");
  EXPECT_EQ(string_json("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), "\"" + r + r + r + r + "A\"");
  EXPECT_EQ(string_json("\xe3\x81"), "\"" + r + "\"") << "cut at the end";
  EXPECT_EQ(string_json("狼煙 é 😀"), "\"狼煙 é 😀\"");
}

TEST(JsonWriter, EscapeUnicode) {
  EXPECT_EQ(string_json("é狼😀\xff", {.escape_unicode = true}),
            R"("\u00e9\u72fc\ud83d\ude00\ufffd")");
  EXPECT_EQ(to_json("\x81\xa2é\xa3狼", {.escape_unicode = true}), R"({"\u00e9":"\u72fc"})");
}

TEST(JsonWriter, DoublesReadBackExactly) {
  RandomValue random(7);
  for (int i = 0; i < 20000; ++i) {
    const double value = random.number();
    std::string text;
    write_json_number(text, value);
    ASSERT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    ASSERT_NE(text.find_first_of(".e"), text.npos) << text << " would be read as an integer";
  }
  EXPECT_EQ(round_trip("[0.1,100.0,1e300,-0.0,5e-324]"), "[0.1,100.0,1e+300,-0.0,5e-324]");
}

TEST(JsonDate, AsFluentBitPrintsThem) {
  const auto date = [](JsonDateFormat format, int64_t seconds, int64_t nanoseconds) {
    std::string out;
    write_json_date(out, format, Timestamp(Seconds(seconds) + Nanoseconds(nanoseconds)));
    return out;
  };
  constexpr int64_t kTime = 1795402380;  // 2026-11-23 02:53:00
  EXPECT_EQ(date(JsonDateFormat::Iso8601, kTime, 123456789), "\"2026-11-23T02:53:00.123456Z\"");
  EXPECT_EQ(date(JsonDateFormat::JavaSqlTimestamp, kTime, 1000), "\"2026-11-23 02:53:00.000001\"");
  EXPECT_EQ(date(JsonDateFormat::Epoch, kTime, 999999999), "1795402380");
  EXPECT_EQ(date(JsonDateFormat::EpochMillis, kTime, 999999999), "1795402380999");
  EXPECT_EQ(date(JsonDateFormat::Double, kTime, 0), "1795402380.0");
  EXPECT_EQ(date(JsonDateFormat::Double, kTime, 123456789), "1795402380.123457");
  EXPECT_EQ(date(JsonDateFormat::Iso8601, -1, 0), "\"1969-12-31T23:59:59.000000Z\"");
  EXPECT_EQ(date(JsonDateFormat::EpochMillis, -1, 500000000), "-500");
  std::string earliest;
  write_json_date(earliest, JsonDateFormat::Iso8601, Timestamp(Nanoseconds::min()));
  EXPECT_EQ(earliest, "\"1677-09-21T00:12:43.145224Z\"");
  EXPECT_EQ(parse_json_date_format("ISO8601"), JsonDateFormat::Iso8601);
  EXPECT_EQ(parse_json_date_format("epoch_milliseconds"), JsonDateFormat::EpochMillis);
  EXPECT_EQ(parse_json_date_format("rfc3339"), std::nullopt);
}

TEST(JsonDate, AgreesWithGmtime) {
  RandomValue random(11);
  for (int i = 0; i < 5000; ++i) {
    const auto seconds = static_cast<time_t>(random.below(UINT32_MAX)) * 2 - 4000000000;
    const auto micros = random.below(1000000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char expected[64];
    const size_t size = strftime(expected, sizeof expected, "\"%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(expected + size, sizeof expected - size, ".%06uZ\"", micros);
    std::string out;
    write_json_date(out, JsonDateFormat::Iso8601,
                    Timestamp(Seconds(seconds) + std::chrono::microseconds(micros)));
    ASSERT_EQ(out, expected);
  }
}

TEST(NdjsonRecord, DateFirst) {
  const auto line = [](std::string_view record, NdjsonOptions options = {}) {
    std::string out = "earlier\n";
    EXPECT_TRUE(
        write_ndjson_record(out, options, Timestamp(Seconds(1795402380)), record).has_value());
    return out.substr(8);
  };
  EXPECT_EQ(line("\x82\xa1"
                 "a\x01\xa1"
                 "b\x90"),
            "{\"date\":\"2026-11-23T02:53:00.000000Z\",\"a\":1,\"b\":[]}\n");
  EXPECT_EQ(line("\x80"), "{\"date\":\"2026-11-23T02:53:00.000000Z\"}\n");
  EXPECT_EQ(line("\x80", {.date_key = ""}), "{}\n");
  EXPECT_EQ(line("\x81\xa1"
                 "a\x01",
                 {.date_key = ""}),
            "{\"a\":1}\n");
  EXPECT_EQ(line("\x81\xa1"
                 "a\x01",
                 {.date_key = "t", .date_format = JsonDateFormat::Epoch}),
            "{\"t\":1795402380,\"a\":1}\n");
  EXPECT_EQ(line("\x82\xa1"
                 "a\x01\xa4"
                 "date\x02"),
            "{\"a\":1,\"date\":2}\n")
      << "the record's own date stays, without a second one";
  EXPECT_EQ(line("\x81\xa4"
                 "date\x02"),
            "{\"date\":2}\n");
  std::string out = "kept";
  EXPECT_EQ(write_ndjson_record(out, {}, {}, "\x90").error(), MsgpackError::WrongType);
  EXPECT_EQ(write_ndjson_record(out, {}, {}, "\x81\xa1").error(), MsgpackError::Truncated);
  EXPECT_EQ(write_ndjson_record(out, {}, {}, "\x80\x80").error(), MsgpackError::Malformed);
  EXPECT_EQ(out, "kept");
}

TEST(JsonParser, ObjectsAndOnlyObjects) {
  JsonToMsgpack parser;
  std::string out = "kept";
  const auto error = [&](std::string_view json) {
    const auto status = parser.append_object(json, out);
    EXPECT_FALSE(status.has_value()) << json;
    EXPECT_EQ(out, "kept") << json;
    return status ? JsonError::TooLong : status.error();
  };
  EXPECT_EQ(error("ERROR:    Exception in ASGI application"), JsonError::NotAnObject);
  EXPECT_EQ(error(""), JsonError::NotAnObject);
  EXPECT_EQ(error("   "), JsonError::NotAnObject);
  EXPECT_EQ(error("[1]"), JsonError::NotAnObject);
  EXPECT_EQ(error("42"), JsonError::NotAnObject);
  EXPECT_EQ(error("{\"a\":1} trailing"), JsonError::Invalid);
  EXPECT_EQ(error("{\"a\":1}{\"b\":2}"), JsonError::Invalid);
  EXPECT_EQ(error("{\"a\":1"), JsonError::Invalid);
  EXPECT_EQ(error("{\"a\":\"\xff\"}"), JsonError::Invalid);
  EXPECT_EQ(error("{\"a\":1\0}"s), JsonError::Invalid);
  EXPECT_EQ(error("{'a':1}"), JsonError::Invalid);
  EXPECT_EQ(error("{a:1}"), JsonError::Invalid);
  EXPECT_EQ(error("{1:1}"), JsonError::Invalid);
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "{\"a\":";
  EXPECT_EQ(error(deep + "1" + std::string(10000, '}')), JsonError::TooDeep);
  EXPECT_EQ(error("{" + std::string(kJsonBytesMax, ' ')), JsonError::TooLong);
  EXPECT_TRUE(parser.append_object(" \t{\"a\":1}\r\n ", out).has_value());
  EXPECT_EQ(out,
            "kept\x81\xa1"
            "a\x01");
}

TEST(JsonParser, AcceptsAndRefusesWhatRfc8259Does) {
  JsonToMsgpack parser;
  const auto accepts = [&](std::string_view json) {
    std::string out, reference;
    const bool accepted = parser.append_value(json, out).has_value();
    EXPECT_EQ(accepted, JsonReference::append(json, reference)) << json;
    EXPECT_TRUE(!accepted || out == reference) << json;
    return accepted;
  };
  for (const char* good : {"0",
                           "-0",
                           "-0.0",
                           "1e5",
                           "1E+5",
                           "1e-999",
                           "0.1",
                           "18446744073709551615",
                           "18446744073709551616",
                           "-9223372036854775808",
                           "-9223372036854775809",
                           "99999999999999999999",
                           "123456789012345678901234567890",
                           "19999999999999999999",
                           "10000000000000000000",
                           "1e308",
                           "-1e-400",
                           "0e999999999999999999999",
                           "\"\"",
                           "\"\\u0000\"",
                           "\"\\ud83d\\ude00\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\ud800\"",
                           "\"\\ud800\\n\"",
                           "\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
                           "[]",
                           "{}",
                           "[[]]",
                           "[1,[2,{}],{\"\":[]}]",
                           " null ",
                           "\"狼煙\"",
                           "0.000000000000000000000000000000000000000000000001e40"}) {
    EXPECT_TRUE(accepts(good)) << good;
  }
  for (const char* bad : {"",
                          " ",
                          "01",
                          "-",
                          "-a",
                          "+1",
                          ".5",
                          "1.",
                          "1.e5",
                          "1e",
                          "1e+",
                          "0x10",
                          "1a",
                          "nul",
                          "nulll",
                          "True",
                          "tru",
                          "falsey",
                          "NaN",
                          "Infinity",
                          "1e999",
                          "-1e309",
                          "[1,]",
                          "[,1]",
                          "[1 2]",
                          "[1",
                          "]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\" 1}",
                          "{,}",
                          "{\"a\":1,}",
                          "{\"a\":1 \"b\":2}",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"abc",
                          "\"a\nb\"",
                          "\"\t\"",
                          "1 2",
                          "\"a\"\"b\"",
                          "\"a\"b",
                          "1\"a\"",
                          "[1]2",
                          "{\"a\":1]",
                          "[1}",
                          ":",
                          ",",
                          "{\"a\":1:2}",
                          "\"\\ud800\\u12\"",
                          "\xef\xbb\xbf{}",
                          "1000000000000000000000000000000000000000e400"}) {
    EXPECT_FALSE(accepts(bad)) << bad;
  }
}

TEST(JsonParser, AgreesWithTheReferenceOnRandomValues) {
  JsonToMsgpack parser;
  for (uint64_t seed = 0; seed < 250; ++seed) {
    RandomValue random(seed);
    std::string value;
    random.append(value, true);
    const std::string json = to_json(value);
    std::string parsed, reference;
    ASSERT_TRUE(parser.append_value(json, parsed).has_value()) << "seed " << seed;
    ASSERT_TRUE(JsonReference::append(json, reference)) << "seed " << seed;
    ASSERT_TRUE(parsed == reference) << "seed " << seed;
    ASSERT_TRUE(parsed == value) << "seed " << seed << ": the round trip changed the value";
    const std::string escaped = to_json(value, {.escape_unicode = true});
    parsed.clear();
    ASSERT_TRUE(parser.append_value(escaped, parsed).has_value()) << "seed " << seed;
    ASSERT_TRUE(parsed == value) << "seed " << seed;
  }
}

TEST(JsonParser, AgreesWithTheReferenceOnDamagedText) {
  JsonToMsgpack parser;
  static constexpr char kBytes[] = "{}[]:,\"\\0123456789.eE+-truefalsn \n\x01\xff\xc3\xa9uU/";
  int accepted = 0;
  for (uint64_t seed = 0; seed < 8000; ++seed) {
    RandomValue random(seed);
    std::string value;
    random.append(value, true, 3);
    std::string json = to_json(value);
    if (json.size() > 2000) continue;
    for (uint32_t n = 1 + random.below(3); n > 0; --n) {
      const size_t place = random.below(static_cast<uint32_t>(json.size() + 1));
      const char byte = kBytes[random.below(sizeof kBytes)];
      switch (random.below(3)) {
        case 0:
          json.insert(place, 1, byte);
          break;
        case 1:
          json.erase(place, 1 + random.below(3));
          break;
        default:
          if (place < json.size()) json[place] = byte;
      }
    }
    std::string parsed, reference;
    const bool ours = parser.append_value(json, parsed).has_value();
    ASSERT_EQ(ours, JsonReference::append(json, reference)) << "seed " << seed << ": " << json;
    ASSERT_TRUE(!ours || parsed == reference) << "seed " << seed << ": " << json;
    accepted += ours ? 1 : 0;
  }
  EXPECT_GT(accepted, 400) << "the damage must leave enough valid texts to compare";
}

TEST(JsonWriter, WritesWhatSimdjsonReads) {
  simdjson::dom::parser dom;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    RandomValue random(seed);
    std::string value;
    random.append(value, false);
    const std::string json = to_json(value);
    simdjson::dom::element element;
    ASSERT_EQ(dom.parse(json).get(element), simdjson::SUCCESS) << "seed " << seed << ": " << json;
    ASSERT_TRUE(simdjson_reference::same(element, value)) << "seed " << seed << ": " << json;
  }
}

TEST(JsonParser, LongTextsDoNotKeepTheirMemory) {
  JsonToMsgpack parser;
  const std::string big = "{\"a\":\"" + std::string(2 << 20, 'x') + "\\n\"}";
  std::string out;
  for (int i = 0; i < 3; ++i) {
    out.clear();
    ASSERT_TRUE(parser.append_object(big, out).has_value());
    ASSERT_EQ(out.size(), 9u + (2u << 20));
    ASSERT_TRUE(parser.append_object("{\"b\":1}", out).has_value());
  }
}

// The slow twin of the fast path for numbers of few decimals.
std::string shortest(double value) {
  char text[64];
  std::string out(text, std::to_chars(text, text + sizeof text, value).ptr);
  if (out.find_first_not_of("-0123456789") == std::string::npos) out += ".0";
  return out;
}

TEST(JsonNumber, OfFewDecimalsIsTheShortestText) {
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  std::uniform_int_distribution<int> digits(0, 17);
  for (int i = 0; i < 300'000; ++i) {
    const auto mantissa = static_cast<double>(static_cast<int64_t>(random()) >> (random() % 64));
    const double value = mantissa / std::pow(10, digits(random));
    for (const double near : {value, std::nextafter(value, 0), std::nextafter(value, 1e300)}) {
      std::string text;
      write_json_number(text, near);
      ASSERT_EQ(text, shortest(near));
    }
  }
}

TEST(JsonDate, OfManySecondsInAnyOrder) {
  // Timestamps that share a second, follow each other, or jump: what is kept of one second must not
  // show in another.
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  Timestamp time{};
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 3 == 0) time = Timestamp(Nanoseconds(static_cast<int64_t>(random())));
    time += Nanoseconds(random() % 700'000'000);
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::microseconds>(time - day));
    const std::string expected =
        fmt::format("\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z\"", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                    clock.subseconds().count());
    std::string text;
    write_json_date(text, JsonDateFormat::Iso8601, time);
    ASSERT_EQ(text, expected);
  }
}

}  // namespace
}  // namespace noroshi

// Any text through the JSON parser: it must agree with the slow reference and with simdjson's DOM
// on what is JSON and on every value in it, and what it gives must be written as JSON that parses
// to the same MessagePack again.
//
// Where we and simdjson's DOM (3.0.1) differ on purpose:
//   nested deeper than kMsgpackDepthMax    we refuse; its limit is 1024
//   integers beyond 64 bits                we take them as doubles; it refuses them
//   a lone surrogate (\ud800)              we take it as U+FFFD; it refuses it
#include <charconv>

#include "base/check.h"
#include "record/json_parser.h"
#include "record/json_reference.h"
#include "record/json_writer.h"
#include "record/simdjson_reference.h"

namespace {

using namespace noroshi;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "\ud800" at `at`, as a number; 0 if there is no escape of a surrogate.
uint32_t surrogate_at(std::string_view json, size_t at) {
  if (json.substr(at, 2) != "\\u" || json.size() < at + 6) return 0;
  const auto unit =
      static_cast<uint32_t>(std::stoul(std::string(json.substr(at + 2, 4)), nullptr, 16));
  return unit >= 0xd800 && unit < 0xe000 ? unit : 0;
}

bool fits_64_bits(std::string_view digits, bool negative) {
  uint64_t value = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && (!negative || value <= uint64_t{1} << 63);
}

// `json`, which is valid, with what simdjson refuses in words that it takes and that mean the same:
// integers beyond 64 bits with ".0" behind them, lone surrogates as \ufffd.
std::string in_words_of_simdjson(std::string_view json) {
  std::string out;
  bool in_string = false;
  for (size_t at = 0; at < json.size();) {
    if (in_string && json[at] == '\\') {
      const uint32_t unit = surrogate_at(json, at);
      const uint32_t next = unit == 0 ? 0 : surrogate_at(json, at + 6);
      const bool pair = unit != 0 && unit < 0xdc00 && next >= 0xdc00;
      const size_t bytes = pair ? 12 : unit != 0 ? 6 : 2;
      out += unit != 0 && !pair ? "\\ufffd" : json.substr(at, bytes);
      at += bytes;
    } else if (!in_string && is_digit(json[at])) {
      const size_t end = std::min(json.find_first_not_of("0123456789.eE+-", at), json.size());
      const std::string_view number = json.substr(at, end - at);
      out += number;
      const bool whole = number.find_first_of(".eE") == number.npos;
      if (whole && !fits_64_bits(number, at > 0 && json[at - 1] == '-')) out += ".0";
      at = end;
    } else {
      if (json[at] == '"') in_string = !in_string;
      out += json[at++];
    }
  }
  return out;
}

void compare_with_simdjson(std::string_view json, std::string_view ours) {
  static simdjson::dom::parser parser(kJsonBytesMax);
  simdjson::dom::element element;
  std::string changed;
  if (parser.parse(json.data(), json.size()).get(element) != simdjson::SUCCESS) {
    changed = in_words_of_simdjson(json);
    CHECK(changed != json, "simdjson refuses what the parser accepts");
    CHECK(parser.parse(changed).get(element) == simdjson::SUCCESS,
          "simdjson refuses what the parser accepts, for another reason");
  }
  CHECK(simdjson_reference::same(element, ours), "another value than simdjson's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static JsonToMsgpack parser;
  static simdjson::dom::parser dom(kJsonBytesMax);

  std::string parsed = "x", reference = "x";
  const auto status = parser.append_value(text, parsed);
  CHECK(status.has_value() == JsonReference::append(text, reference), "not as the reference");
  if (!status) {
    CHECK(parsed == "x", "the output was touched");
    if (status.error() != JsonError::TooDeep) {
      CHECK(dom.parse(text.data(), text.size()).error() != simdjson::SUCCESS,
            "simdjson accepts what the parser refuses");
    }
    return 0;
  }
  CHECK(parsed == reference, "other MessagePack than the reference");
  const std::string_view value = std::string_view(parsed).substr(1);
  CHECK(validate_msgpack(value).has_value(), "malformed MessagePack");
  compare_with_simdjson(text, value);
  for (const bool escape_unicode : {false, true}) {
    std::string json, again;
    CHECK(write_json(json, value, {escape_unicode}).has_value(), "no JSON");
    CHECK(parser.append_value(json, again).has_value(), "our JSON does not parse");
    CHECK(again == value, "the round trip changed the value");
    simdjson::dom::element element;
    CHECK(dom.parse(json).get(element) == simdjson::SUCCESS, "simdjson refuses our JSON");
    CHECK(simdjson_reference::same(element, value), "simdjson reads another value in our JSON");
  }
  std::string object;
  const bool is_map = (static_cast<uint8_t>(value[0]) & 0xf0) == 0x80 ||
                      (static_cast<uint8_t>(value[0]) & 0xfe) == 0xde;
  CHECK(parser.append_object(text, object).has_value() == is_map, "append_object");
  return 0;
}

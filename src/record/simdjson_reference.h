// JSON compared with MessagePack by way of simdjson's DOM: somebody else's reading of the JSON.
// Knows what json_writer.h promises, and nothing of how it is done. Tests and fuzzers only.
#pragma once

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "record/msgpack_reader.h"

namespace noroshi::simdjson_reference {

// `text` with each maximal invalid part of UTF-8 as one U+FFFD, by Unicode's table 3-7 of
// well-formed sequences: as long as the bytes begin one of them, they are one part.
inline std::string valid_utf8(std::string_view text) {
  struct Row {
    uint8_t first_low, first_high, second_low, second_high;
    size_t bytes;
  };
  static constexpr Row kTable[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                                   {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                                   {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                                   {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string(text);
  std::string out;
  const auto within = [&](size_t at, uint8_t low, uint8_t high) {
    return at < text.size() && static_cast<uint8_t>(text[at]) >= low &&
           static_cast<uint8_t>(text[at]) <= high;
  };
  for (size_t at = 0; at < text.size();) {
    if (within(at, 0, 0x7f)) {
      out += text[at++];
      continue;
    }
    const auto* const row = std::ranges::find_if(
        kTable, [&](const Row& each) { return within(at, each.first_low, each.first_high); });
    size_t bytes = 1;
    if (row != std::end(kTable) && within(at + 1, row->second_low, row->second_high)) {
      for (bytes = 2; bytes < row->bytes && within(at + bytes, 0x80, 0xbf);) ++bytes;
    }
    if (row != std::end(kTable) && bytes == row->bytes) {
      out += text.substr(at, bytes);
    } else {
      out += "\xef\xbf\xbd";
    }
    at += bytes;
  }
  return out;
}

inline std::string base64(std::string_view bytes) {
  std::string out, bits;
  for (const char c : bytes) {
    for (int bit = 7; bit >= 0; --bit)
      bits += (static_cast<uint8_t>(c) >> bit & 1) != 0 ? '1' : '0';
  }
  while (bits.size() % 6 != 0) bits += '0';
  for (size_t at = 0; at < bits.size(); at += 6) {
    out += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[std::stoul(
        bits.substr(at, 6), nullptr, 2)];
  }
  while (out.size() % 4 != 0) out += '=';
  return out;
}

inline bool is_double(simdjson::dom::element element, double expected) {
  double value = 0;
  return element.type() == simdjson::dom::element_type::DOUBLE &&
         element.get(value) == simdjson::SUCCESS &&
         std::bit_cast<uint64_t>(value) == std::bit_cast<uint64_t>(expected);
}

inline bool is_string(simdjson::dom::element element, std::string_view expected) {
  std::string_view value;
  return element.get(value) == simdjson::SUCCESS && value == expected;
}

inline bool is_extension(simdjson::dom::element element, const MsgpackToken& token) {
  if (token.extension_type == 0 && token.bytes.size() == 8) {
    constexpr uint64_t kBillion = 1'000'000'000;
    uint64_t seconds = 0, nanoseconds = 0;
    for (size_t i = 0; i < 4; ++i) {
      seconds = seconds * 256 + static_cast<uint8_t>(token.bytes[i]);
      nanoseconds = nanoseconds * 256 + static_cast<uint8_t>(token.bytes[i + 4]);
    }
    const std::string fraction = std::to_string(kBillion + nanoseconds % kBillion).substr(1);
    const std::string whole = std::to_string(seconds + nanoseconds / kBillion);
    return is_double(element, std::strtod((whole + "." + fraction).c_str(), nullptr));
  }
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS || object.size() != 2) return false;
  auto at = object.begin();
  int64_t type = 0;
  if (at.key() != "type" || at.value().get(type) != simdjson::SUCCESS ||
      type != token.extension_type) {
    return false;
  }
  ++at;
  return at.key() == "data" && is_string(at.value(), base64(token.bytes));
}

inline bool same(simdjson::dom::element element, MsgpackReader& reader, bool in_key = false);

// A key of JSON is a string; one that was something else is that value's JSON, and what has
// elements is base64 inside of a key.
inline bool same_key(std::string_view key, MsgpackReader& reader, bool in_key) {
  MsgpackReader ahead = reader;
  const auto token = ahead.next();
  if (!token) return false;
  if (token->type == MsgpackType::String || token->type == MsgpackType::Binary) {
    reader = ahead;
    return key == valid_utf8(token->bytes);
  }
  const bool event_time = token->extension_type == 0 && token->bytes.size() == 8;
  if (in_key && (token->type == MsgpackType::Array || token->type == MsgpackType::Map ||
                 (token->type == MsgpackType::Extension && !event_time))) {
    const auto value = reader.skip();
    return value && key == base64(*value);
  }
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  return parser.parse(key.data(), key.size()).get(element) == simdjson::SUCCESS &&
         same(element, reader, true);
}

// True if `element` is what json_writer.h promises for the next value of `reader`, which is
// stepped over: integers and doubles to the bit, keys in their order, also those that are there
// twice. The value's nesting is bounded by kMsgpackDepthMax.
inline bool same(simdjson::dom::element element, MsgpackReader& reader, bool in_key) {
  using Json = simdjson::dom::element_type;
  const auto token = reader.next();
  if (!token) return false;
  switch (token->type) {
    case MsgpackType::Nil:
      return element.is_null();
    case MsgpackType::Bool: {
      bool value = false;
      return element.get(value) == simdjson::SUCCESS && value == token->boolean;
    }
    case MsgpackType::UnsignedInteger: {
      uint64_t value = 0;
      return element.type() != Json::DOUBLE && element.get(value) == simdjson::SUCCESS &&
             value == token->unsigned_integer;
    }
    case MsgpackType::NegativeInteger: {
      int64_t value = 0;
      return element.type() == Json::INT64 && element.get(value) == simdjson::SUCCESS &&
             value == token->negative_integer;
    }
    case MsgpackType::Float:
      return std::isfinite(token->number) ? is_double(element, token->number) : element.is_null();
    case MsgpackType::String:
    case MsgpackType::Binary:
      return is_string(element, valid_utf8(token->bytes));
    case MsgpackType::Extension:
      return is_extension(element, *token);
    case MsgpackType::Array: {
      simdjson::dom::array array;
      if (element.get(array) != simdjson::SUCCESS) return false;
      uint32_t count = 0;
      for (const simdjson::dom::element each : array) {
        if (count++ == token->count || !same(each, reader, in_key)) return false;
      }
      return count == token->count;
    }
    case MsgpackType::Map: {
      simdjson::dom::object object;
      if (element.get(object) != simdjson::SUCCESS) return false;
      uint32_t count = 0;
      for (const simdjson::dom::key_value_pair pair : object) {
        if (count++ == token->count || !same_key(pair.key, reader, in_key) ||
            !same(pair.value, reader, in_key))
          return false;
      }
      return count == token->count;
    }
  }
  return false;
}

// `msgpack` is exactly one value.
inline bool same(simdjson::dom::element element, std::string_view msgpack) {
  MsgpackReader reader(msgpack);
  return same(element, reader) && reader.at_end();
}

}  // namespace noroshi::simdjson_reference

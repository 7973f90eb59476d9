// For tests: MessagePack read into trees, slowly and simply, one call per value, everything copied.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace noroshi::forward {

struct ReferenceValue {
  char kind = 0;  // n nil, b bool, i integer, f float, s str, B bin, e ext, a array, m map
  int64_t integer = 0;
  bool beyond_integer = false;  // an unsigned above INT64_MAX
  double number = 0;
  int extension = 0;
  std::string bytes = {};
  std::vector<ReferenceValue> items = {};  // of a map: key, value, key, …
  std::string raw = {};
  size_t depth = 0;
};

// nullopt: cut off or invalid. `at` moves behind the value.
inline std::optional<ReferenceValue> read_reference_value(std::string_view in, size_t& at) {
  const size_t start = at;
  const auto byte = [&](size_t where) { return static_cast<uint8_t>(in[where]); };
  const auto big_endian = [&](size_t count) -> std::optional<uint64_t> {
    if (in.size() - at < count) return std::nullopt;
    uint64_t value = 0;
    for (size_t n = 0; n < count; ++n) value = value << 8 | byte(at++);
    return value;
  };
  if (at >= in.size()) return std::nullopt;
  const uint8_t first = byte(at++);
  ReferenceValue value;
  const auto take_bytes = [&](std::optional<uint64_t> count, char kind) {
    if (!count || in.size() - at < *count) return false;
    value.kind = kind;
    value.bytes = in.substr(at, *count);
    at += *count;
    return true;
  };
  const auto take_items = [&](std::optional<uint64_t> count, char kind) {
    if (!count) return false;
    value.kind = kind;
    for (uint64_t n = 0; n < *count; ++n) {
      auto item = read_reference_value(in, at);
      if (!item) return false;
      value.depth = std::max(value.depth, item->depth);
      value.items.push_back(std::move(*item));
    }
    ++value.depth;
    return true;
  };
  const auto take_extension = [&](std::optional<uint64_t> count) {
    if (!count || at >= in.size()) return false;
    value.extension = static_cast<int8_t>(byte(at++));
    return take_bytes(count, 'e');
  };
  const auto take_integer = [&](std::optional<uint64_t> raw, size_t bytes, bool is_signed) {
    if (!raw) return false;
    value.kind = 'i';
    value.integer = static_cast<int64_t>(*raw);
    if (is_signed && bytes < 8) {
      const int shift = 64 - 8 * static_cast<int>(bytes);
      value.integer = static_cast<int64_t>(*raw << shift) >> shift;
    }
    value.beyond_integer = !is_signed && *raw > static_cast<uint64_t>(INT64_MAX);
    return true;
  };
  const auto is = [&](int from, int to) { return first >= from && first <= to; };
  const auto width = [&](int from) { return size_t{1} << (first - from); };
  const auto doubled = [](std::optional<uint64_t> count) {
    if (count) *count *= 2;
    return count;
  };
  bool good = true;
  if (is(0x00, 0x7f)) {
    good = take_integer(first, 1, false);
  } else if (is(0x80, 0x8f)) {
    good = take_items(2u * (first & 15), 'm');
  } else if (is(0x90, 0x9f)) {
    good = take_items(first & 15u, 'a');
  } else if (is(0xa0, 0xbf)) {
    good = take_bytes(first & 31u, 's');
  } else if (is(0xc0, 0xc0)) {
    value.kind = 'n';
  } else if (is(0xc2, 0xc3)) {
    value.kind = 'b';
  } else if (is(0xc4, 0xc6)) {
    good = take_bytes(big_endian(width(0xc4)), 'B');
  } else if (is(0xc7, 0xc9)) {
    good = take_extension(big_endian(width(0xc7)));
  } else if (is(0xca, 0xcb)) {
    const auto raw = big_endian(first == 0xca ? 4 : 8);
    good = raw.has_value();
    value.kind = 'f';
    if (good && first == 0xca) value.number = std::bit_cast<float>(static_cast<uint32_t>(*raw));
    if (good && first == 0xcb) value.number = std::bit_cast<double>(*raw);
  } else if (is(0xcc, 0xcf)) {
    good = take_integer(big_endian(width(0xcc)), width(0xcc), false);
  } else if (is(0xd0, 0xd3)) {
    good = take_integer(big_endian(width(0xd0)), width(0xd0), true);
  } else if (is(0xd4, 0xd8)) {
    good = take_extension(width(0xd4));
  } else if (is(0xd9, 0xdb)) {
    good = take_bytes(big_endian(width(0xd9)), 's');
  } else if (is(0xdc, 0xdd)) {
    good = take_items(big_endian(2 * width(0xdc)), 'a');
  } else if (is(0xde, 0xdf)) {
    good = take_items(doubled(big_endian(2 * width(0xde))), 'm');
  } else if (is(0xe0, 0xff)) {
    good = take_integer(first, 1, true);
  } else {
    good = false;  // c1
  }
  if (!good) return std::nullopt;
  value.raw = in.substr(start, at - start);
  return value;
}

}  // namespace noroshi::forward

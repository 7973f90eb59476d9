// One UTF-8 sequence at a time, for the paths where a string is not plain ASCII.
#pragma once

#include <cstddef>
#include <cstdint>

namespace noroshi {

struct Utf8Sequence {
  uint32_t code_point = 0;  // 0xfffd if invalid
  uint8_t bytes = 1;        // of the sequence; if invalid, of its maximal invalid part
  bool valid = false;
};

// The sequence at `text` (size ≥ 1), as Unicode 15, table 3-7 and "U+FFFD substitution of maximal
// subparts" (section 3.9) say: surrogates, overlong forms and values over 10FFFF are invalid.
[[nodiscard]] inline Utf8Sequence read_utf8(const char* text, size_t size) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  uint8_t length = 0, low = 0x80, high = 0xbf;  // low, high: bounds of the second byte
  uint32_t value = 0;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2, value = first & 0x1f;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3, value = first & 0x0f;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4, value = first & 0x07;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return {0xfffd, 1, false};
  }
  for (uint8_t i = 1; i < length; ++i) {
    if (i >= size || byte(i) < low || byte(i) > high) return {0xfffd, i, false};
    value = value << 6 | (byte(i) & 0x3f);
    low = 0x80, high = 0xbf;
  }
  return {value, length, true};
}

}  // namespace noroshi

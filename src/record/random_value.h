// Random MessagePack values and JSON texts for tests, with every type, encoding and nasty string.
#pragma once

#include <bit>
#include <random>
#include <string>

#include "record/msgpack_format.h"
#include "record/msgpack_writer.h"

namespace noroshi {

class RandomValue {
 public:
  explicit RandomValue(uint64_t seed) : random_(seed) {}

  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

  // A number with a random count of significant bits.
  uint64_t integer() { return random_() >> below(64); }

  std::string text() {
    static const char* const kPieces[] = {
        "a",    "level", " ",   "\"",   "\\", "\n",   "\t",
        "\x01", "\x7f",  "é",   "狼煙", "😀", "/",    "{\"a\":1}",
        "0",    "'",     "<>&", "%",    "\r", "\x1f", "plain ascii text of some length"};
    std::string text;
    for (uint32_t n = below(5); n > 0; --n) text += kPieces[below(std::size(kPieces))];
    if (below(40) == 0) text.append(below(70000), 'x');
    if (below(30) == 0) text += '\0';
    return text;
  }

  // One value; `only_json`: types that JSON can hold, encoded as short as possible.
  void append(std::string& out, bool only_json, int depth = 0) {
    MsgpackWriter writer(out);
    const uint32_t kind = below(depth > 4 ? 8 : 11);
    switch (kind) {
      case 0:
        return writer.nil();
      case 1:
        return writer.boolean(below(2) == 0);
      case 2:
        return writer.unsigned_integer(integer());
      case 3:
        return writer.integer(-static_cast<int64_t>(integer() >> 1));
      case 4:
        return writer.number(number());
      case 5:
      case 6:
        return writer.string(text());
      case 7:
        if (only_json) return writer.string(text());
        return odd(writer, out);
      case 8:
      case 9: {
        const size_t begin = writer.begin_map();
        const uint32_t count = below(20) == 0 ? below(300) : below(5);
        for (uint32_t i = 0; i < count; ++i) {
          if (only_json || below(10) != 0) {
            writer.string(text());
          } else {
            append(out, only_json, depth + 2);
          }
          append(out, only_json, depth + 1);
        }
        return writer.end_map(begin, count);
      }
      default: {
        const size_t begin = writer.begin_array();
        const uint32_t count = below(20) == 0 ? below(300) : below(5);
        for (uint32_t i = 0; i < count; ++i) append(out, only_json, depth + 2);
        return writer.end_array(begin, count);
      }
    }
  }

  double number() {
    if (below(3) == 0) return static_cast<double>(below(1000)) / 8;
    while (true) {
      const auto value = std::bit_cast<double>(random_());
      if (value - value == 0) return value;
    }
  }

 private:
  // What JSON does not have, and encodings longer than needed.
  void odd(MsgpackWriter& writer, std::string& out) {
    namespace format = msgpack_format;
    const auto raw = [&](uint8_t first, std::string_view rest) {
      out.push_back(static_cast<char>(first));
      out.append(rest);
    };
    switch (below(9)) {
      case 0:
        return writer.binary(text());
      case 1:
        return writer.extension(static_cast<int8_t>(below(256) - 128), text());
      case 2:
        return writer.time(Timestamp(Nanoseconds(static_cast<int64_t>(integer()))));
      case 3:
        return raw(format::kSigned64, std::string_view("\0\0\0\0\0\0\0\x05", 8));
      case 4:
        return raw(format::kUnsigned32, std::string_view("\0\0\0\x07", 4));
      case 5:
        return raw(format::kString32, std::string_view("\0\0\0\x02hi", 6));
      case 6:
        return raw(format::kFloat32, std::string_view("\x3f\xc0\0\0", 4));
      case 7:
        return raw(format::kMap32, std::string_view("\0\0\0\0", 4));
      default:
        return writer.string("\xff\xc3 \xe3\x81 bad");
    }
  }

  std::mt19937_64 random_;
};

}  // namespace noroshi

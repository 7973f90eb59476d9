// For tests: the Forward protocol decoded slowly and simply, to compare the real decoder with. It
// reads MessagePack into trees, one call per value, everything copied, whole stream at once. Limits
// (sizes, number of records) are not its business.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "input/recording_sink.h"

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
  bool good = true;
  if (first < 0x80)
    good = take_integer(first, 1, false);
  else if (first < 0x90)
    good = take_items(2u * (first & 15), 'm');
  else if (first < 0xa0)
    good = take_items(first & 15u, 'a');
  else if (first < 0xc0)
    good = take_bytes(first & 31u, 's');
  else if (first >= 0xe0)
    good = take_integer(first, 1, true);
  else {
    switch (first) {
      case 0xc0:
        value.kind = 'n';
        break;
      case 0xc2:
      case 0xc3:
        value.kind = 'b';
        break;
      case 0xc4:
        good = take_bytes(big_endian(1), 'B');
        break;
      case 0xc5:
        good = take_bytes(big_endian(2), 'B');
        break;
      case 0xc6:
        good = take_bytes(big_endian(4), 'B');
        break;
      case 0xc7:
        good = take_extension(big_endian(1));
        break;
      case 0xc8:
        good = take_extension(big_endian(2));
        break;
      case 0xc9:
        good = take_extension(big_endian(4));
        break;
      case 0xca: {
        const auto raw = big_endian(4);
        good = raw.has_value();
        value.kind = 'f';
        if (raw) value.number = std::bit_cast<float>(static_cast<uint32_t>(*raw));
        break;
      }
      case 0xcb: {
        const auto raw = big_endian(8);
        good = raw.has_value();
        value.kind = 'f';
        if (raw) value.number = std::bit_cast<double>(*raw);
        break;
      }
      case 0xcc:
        good = take_integer(big_endian(1), 1, false);
        break;
      case 0xcd:
        good = take_integer(big_endian(2), 2, false);
        break;
      case 0xce:
        good = take_integer(big_endian(4), 4, false);
        break;
      case 0xcf:
        good = take_integer(big_endian(8), 8, false);
        break;
      case 0xd0:
        good = take_integer(big_endian(1), 1, true);
        break;
      case 0xd1:
        good = take_integer(big_endian(2), 2, true);
        break;
      case 0xd2:
        good = take_integer(big_endian(4), 4, true);
        break;
      case 0xd3:
        good = take_integer(big_endian(8), 8, true);
        break;
      case 0xd4:
        good = take_extension(1);
        break;
      case 0xd5:
        good = take_extension(2);
        break;
      case 0xd6:
        good = take_extension(4);
        break;
      case 0xd7:
        good = take_extension(8);
        break;
      case 0xd8:
        good = take_extension(16);
        break;
      case 0xd9:
        good = take_bytes(big_endian(1), 's');
        break;
      case 0xda:
        good = take_bytes(big_endian(2), 's');
        break;
      case 0xdb:
        good = take_bytes(big_endian(4), 's');
        break;
      case 0xdc:
        good = take_items(big_endian(2), 'a');
        break;
      case 0xdd:
        good = take_items(big_endian(4), 'a');
        break;
      case 0xde: {
        auto n = big_endian(2);
        good = n && take_items(*n * 2, 'm');
        break;
      }
      case 0xdf: {
        auto n = big_endian(4);
        good = n && take_items(*n * 2, 'm');
        break;
      }
      default:
        good = false;  // c1
    }
  }
  if (!good) return std::nullopt;
  value.raw = in.substr(start, at - start);
  return value;
}

struct ReferenceResult {
  std::vector<RecordedRecord> records = {};
  std::vector<std::string> acks = {};  // ids of frames that decoded whole, in order, as MessagePack
  uint64_t malformed = 0;
  bool closed = false;  // the stream is not, or no longer, the Forward protocol
};

// Where the real decoder puts the time of arrival, the reference has this.
inline constexpr Timestamp kReferenceArrival{Seconds(1)};

class ReferenceDecoder {
 public:
  static ReferenceResult decode(std::string_view stream) {
    ReferenceDecoder decoder;
    size_t at = 0;
    while (at < stream.size() && !decoder.result_.closed) {
      if (stream[at] == '\xc0') {
        ++at;
        continue;
      }
      const auto frame = read_reference_value(stream, at);
      if (!frame || frame->kind != 'a') {
        decoder.result_.closed = true;
      } else {
        decoder.frame(*frame);
      }
    }
    return std::move(decoder.result_);
  }

 private:
  void frame(const ReferenceValue& frame) {
    const auto is_text = [](const ReferenceValue& value) {
      return value.kind == 's' || value.kind == 'B';
    };
    const uint64_t before = result_.malformed;
    if (frame.items.size() < 2 || !is_text(frame.items[0]) || frame.items[0].bytes.size() > 1024) {
      ++result_.malformed;
      return;
    }
    tag_ = frame.items[0].bytes;
    const ReferenceValue& second = frame.items[1];
    const bool is_message = second.kind != 'a' && !is_text(second);
    const size_t option_at = is_message ? 3 : 2;
    if (is_message && frame.items.size() < 3) {
      ++result_.malformed;
      return;
    }
    std::string chunk, compressed, metadata;
    int64_t signal = 0;
    if (frame.items.size() > option_at && frame.items[option_at].kind == 'm') {
      const auto& pairs = frame.items[option_at].items;
      for (size_t n = 0; n + 1 < pairs.size(); n += 2) {
        const std::string key = is_text(pairs[n]) ? pairs[n].bytes : "";
        if (key == "chunk" && is_text(pairs[n + 1])) chunk = pairs[n + 1].raw;
        if (key == "metadata" && pairs[n + 1].kind == 'm') metadata = pairs[n + 1].raw;
        if (key == "compressed") compressed = is_text(pairs[n + 1]) ? pairs[n + 1].bytes : "";
        if (key == "fluent_signal" && pairs[n + 1].kind == 'i' && pairs[n + 1].integer >= 0)
          signal = pairs[n + 1].integer;
      }
    }
    if (chunk.size() > 1024 || signal != 0) {
      ++result_.malformed;
      return;
    }
    if (is_message) {
      store(second, frame.items[2], metadata);
    } else if (second.kind == 'a') {
      for (const ReferenceValue& each : second.items) entry(each);
    } else {
      size_t at = 0;
      while (at < second.bytes.size()) {
        const auto value = read_reference_value(second.bytes, at);
        if (!value) {
          ++result_.malformed;
          break;
        }
        entry(*value);
      }
    }
    if (!chunk.empty() && result_.malformed == before) result_.acks.push_back(chunk);
  }

  void entry(const ReferenceValue& value) {
    if (value.kind != 'a' || value.items.size() < 2) {
      ++result_.malformed;
    } else if (value.items[0].kind == 'a') {
      const auto& head = value.items[0].items;
      if (head.empty()) {
        ++result_.malformed;
      } else {
        store(head[0], value.items[1], head.size() > 1 && head[1].kind == 'm' ? head[1].raw : "");
      }
    } else {
      store(value.items[0], value.items[1], "");
    }
  }

  void store(const ReferenceValue& time, const ReferenceValue& record, std::string metadata) {
    RecordedRecord recorded{tag_, kReferenceArrival, record.raw,
                            metadata == "\x80" ? "" : metadata};
    bool good = record.kind == 'm' && record.depth <= 100;
    if (time.kind == 'i') {
      if (!time.beyond_integer && std::abs(static_cast<double>(time.integer)) < 9.2e9) {
        recorded.time = Timestamp(Seconds(time.integer));
      }
    } else if (time.kind == 'f') {
      if (std::abs(time.number) <= 9.2e9) {
        const double whole = std::floor(time.number);
        recorded.time = Timestamp(Seconds(static_cast<int64_t>(whole)) +
                                  Nanoseconds(static_cast<int64_t>((time.number - whole) * 1e9)));
      }
    } else if (time.kind == 'e' && time.extension == 0 && time.bytes.size() == 8) {
      uint64_t words[2] = {};
      for (size_t n = 0; n < 8; ++n)
        words[n / 4] = words[n / 4] << 8 | static_cast<uint8_t>(time.bytes[n]);
      if (words[0] >= 0xfffffffe && words[1] == 0) {
        if (!good && record.kind != 'm') ++result_.malformed;
        return;  // Fluent Bit's group marker
      }
      recorded.time = Timestamp(Seconds(words[0]) + Nanoseconds(words[1]));
    } else {
      good = false;
    }
    if (good) {
      result_.records.push_back(std::move(recorded));
    } else {
      ++result_.malformed;
    }
  }

  ReferenceResult result_;
  std::string tag_;
};

}  // namespace noroshi::forward

// For tests: the Forward protocol decoded slowly and simply, whole stream at once, without limits.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "input/forward/reference_value.h"
#include "input/recording_sink.h"

namespace noroshi::forward {

struct ReferenceResult {
  std::vector<RecordedRecord> records = {};
  std::vector<std::string> acks = {};  // ids of frames that decoded whole, in order, as MessagePack
  uint64_t malformed = 0;
  bool closed = false;  // the stream is not, or no longer, the Forward protocol
};

inline constexpr Timestamp kReferenceArrival{Seconds(1)};  // stands for the time of arrival

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
        if (record.kind != 'm') ++result_.malformed;
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

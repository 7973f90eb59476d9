// JSON text to MessagePack. simdjson's first stage (chosen for the CPU at run time) finds the
// structure and checks UTF-8; our second stage writes MessagePack straight from it: no tree in
// between, no allocation per record.
//
// Strict: RFC 8259, plus what a log line needs: nothing but white space after the value. Key order
// and duplicate keys are kept. Integers of up to 64 bits stay integers, larger ones and fractions
// become doubles; a number no double can hold (1e999) is an error. A lone surrogate (\ud800)
// becomes U+FFFD.
#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace noroshi {

enum class JsonError : uint8_t {
  NotAnObject,  // the text does not begin with '{': the common case of a plain line, found out at
                // once
  Invalid,      // not JSON, invalid UTF-8, trailing text
  TooDeep,      // nested more than kMsgpackDepthMax
  TooLong,      // more than kJsonBytesMax
};
[[nodiscard]] std::string_view to_string(JsonError error);

inline constexpr size_t kJsonBytesMax = 16 << 20;
inline constexpr size_t kJsonKeysNotedMax = 64;
// Memory kept between calls; a longer text gets its memory for that one call.
inline constexpr size_t kJsonBytesKept = 256 << 10;

// Keeps its buffers (about 8 bytes per byte of the longest text up to kJsonBytesKept). One per
// thread.
class JsonToMsgpack {
 public:
  JsonToMsgpack();
  ~JsonToMsgpack();
  JsonToMsgpack(JsonToMsgpack&&) noexcept;
  JsonToMsgpack& operator=(JsonToMsgpack&&) noexcept;

  // Appends the object in `json` as one MessagePack map. On error `out` is as it was before.
  [[nodiscard]] std::expected<void, JsonError> append_object(std::string_view json,
                                                             std::string& out);
  // The same for any JSON value (configuration, AWS answers, tests).
  [[nodiscard]] std::expected<void, JsonError> append_value(std::string_view json,
                                                            std::string& out);

  // Where the keys of the object appended last begin, counted from the end of its map's head: to
  // look for a name without walking over the values. Empty if there are more than
  // kJsonKeysNotedMax, or none. Undefined after an error or another value than an object; valid
  // until the next call.
  [[nodiscard]] std::span<const uint32_t> key_positions() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace noroshi

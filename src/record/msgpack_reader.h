// Reading MessagePack (github.com/msgpack/msgpack/blob/master/spec.md) in place: no copy, no
// allocation, no recursion. Every length is checked against the bytes that are really there, so a
// header that promises a gigabyte costs nothing. Strings are returned as they are; whether they are
// UTF-8 is the user's question.
//
// Truncated means that the bytes so far are fine and more are needed (a stream can wait for them);
// every other error stays an error whatever follows. After an error a reader has not moved.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace noroshi {

// Arrays and maps inside each other at most. 100 is also what Fluentd and simdjson-sized tools
// expect.
inline constexpr uint32_t kMsgpackDepthMax = 100;

enum class MsgpackError : uint8_t {
  Truncated,  // the value continues past the end of the bytes
  Malformed,  // byte c1, an out-of-range time, bytes left over after the value
  TooDeep,    // nested more than kMsgpackDepthMax
  WrongType,  // well-formed, but not of the type that was asked for (or an integer that does not
              // fit)
};
[[nodiscard]] std::string_view to_string(MsgpackError error);
// For Result: code Corrupt, "what: truncated MessagePack".
[[nodiscard]] Error to_error(MsgpackError error, std::string_view what);

template <typename T>
using MsgpackResult = std::expected<T, MsgpackError>;
using MsgpackStatus = MsgpackResult<void>;

// clang-format off
enum class MsgpackType : uint8_t {
  Nil, Bool, UnsignedInteger, NegativeInteger, Float, String, Binary, Extension, Array, Map
};
// clang-format on

// One value, or the head of an array or map (its elements follow). A signed encoding of a value ≥ 0
// is an UnsignedInteger: types follow values, not encodings. A 32-bit float is widened.
struct MsgpackToken {
  MsgpackType type = MsgpackType::Nil;
  int8_t extension_type = 0;
  uint32_t count = 0;  // elements of an array, pairs of a map
  union {
    bool boolean;
    uint64_t unsigned_integer = 0;
    int64_t negative_integer;
    double number;
  };
  std::string_view bytes = {};  // String, Binary, Extension payload; points into the input
};

// EventTime (Forward protocol: extension type 0 of 8 bytes), whole seconds (also negative), or
// seconds as a float. Malformed if outside Timestamp's years 1677 to 2262 or not finite.
[[nodiscard]] MsgpackResult<Timestamp> time_of_token(const MsgpackToken& token);

class MsgpackReader {
 public:
  MsgpackReader() = default;
  explicit MsgpackReader(std::string_view bytes)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {}

  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] size_t position() const { return static_cast<size_t>(at_ - begin_); }
  [[nodiscard]] std::string_view remaining() const {
    return {at_, static_cast<size_t>(end_ - at_)};
  }

  [[nodiscard]] MsgpackResult<MsgpackToken> next();  // consumes a value or a head
  [[nodiscard]] MsgpackResult<MsgpackType> peek()
      const;  // of the next value, from its first byte(s)

  [[nodiscard]] MsgpackStatus read_nil();
  [[nodiscard]] MsgpackResult<bool> read_bool();
  [[nodiscard]] MsgpackResult<int64_t> read_int();
  [[nodiscard]] MsgpackResult<uint64_t> read_uint();
  [[nodiscard]] MsgpackResult<double> read_float();  // integers too
  [[nodiscard]] MsgpackResult<std::string_view> read_string();
  [[nodiscard]] MsgpackResult<std::string_view> read_binary();  // or string: Forward accepts both
  [[nodiscard]] MsgpackResult<uint32_t> read_array();           // elements that follow
  [[nodiscard]] MsgpackResult<uint32_t> read_map();             // pairs that follow
  [[nodiscard]] MsgpackResult<Timestamp> read_time();

  // Steps over one whole value, checked as validate_msgpack() does, and returns its bytes.
  [[nodiscard]] MsgpackResult<std::string_view> skip();

 private:
  const char* begin_ = nullptr;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

// True if `bytes` are exactly one well-formed value.
[[nodiscard]] MsgpackStatus validate_msgpack(std::string_view bytes);

// Finds the end of one value that arrives in pieces, looking at each byte once: pass all bytes
// since the value's start again, as they grow. Returns the value's size; after that or an error,
// reset().
class MsgpackScanner {
 public:
  [[nodiscard]] MsgpackResult<size_t> scan(std::string_view bytes);
  // After Truncated: total bytes the value will have at least. Compare with the limit before you
  // wait.
  [[nodiscard]] uint64_t bytes_needed() const { return needed_; }
  void reset() { position_ = 0, needed_ = 1, depth_ = 0, open_[0] = 1; }

 private:
  size_t position_ = 0;
  uint64_t needed_ = 1;
  uint32_t depth_ = 0;
  std::array<uint64_t, kMsgpackDepthMax + 1> open_ = {1};  // values still to come at each depth
};

}  // namespace noroshi

// Skipping is the hottest operation here: every record's end is found by it. It never looks into a
// value: a table gives each first byte's shape, and one counter per open array or map says how many
// values are still to come, so that neither depth nor promised lengths cost stack or memory.
#include "record/msgpack_reader.h"

#include <cmath>

#include "record/msgpack_decode.h"

namespace noroshi {
namespace {

using msgpack_decode::decode;
using msgpack_decode::skip_value;

enum class Shape : uint8_t { Fixed, Payload, Extension, Array, Map, Invalid };

// How far a value reaches, from its first byte.
struct FirstByte {
  Shape shape = Shape::Invalid;
  uint8_t length_bytes = 0;  // of the length or count that follows; 0: it is `size`
  uint8_t size = 0;          // bytes after the first byte, or the count itself
};

constexpr std::array<FirstByte, 256> make_first_bytes() {
  namespace format = msgpack_format;
  std::array<FirstByte, 256> table = {};
  const auto set = [&](uint8_t from, uint8_t to, FirstByte entry) {
    for (unsigned i = from; i <= to; ++i) table[i] = entry;
  };
  set(0x00, 0x7f, {Shape::Fixed, 0, 0});
  set(format::kNegativeFix, 0xff, {Shape::Fixed, 0, 0});
  for (uint8_t i = 0; i < 16; ++i) {
    table[format::kFixMap + i] = {Shape::Map, 0, i};
    table[format::kFixArray + i] = {Shape::Array, 0, i};
  }
  for (uint8_t i = 0; i < 32; ++i) table[format::kFixString + i] = {Shape::Fixed, 0, i};
  table[format::kNil] = table[format::kFalse] = table[format::kTrue] = {Shape::Fixed, 0, 0};
  for (uint8_t i = 0; i < 3; ++i) {
    const auto width = static_cast<uint8_t>(1 << i);
    table[format::kBinary8 + i] = table[format::kString8 + i] = {Shape::Payload, width, 0};
    table[format::kExtension8 + i] = {Shape::Extension, width, 0};
  }
  for (uint8_t i = 0; i < 2; ++i) {
    const auto width = static_cast<uint8_t>(2 << i);
    table[format::kArray16 + i] = {Shape::Array, width, 0};
    table[format::kMap16 + i] = {Shape::Map, width, 0};
  }
  table[format::kFloat32] = {Shape::Fixed, 0, 4};
  table[format::kFloat64] = {Shape::Fixed, 0, 8};
  for (uint8_t i = 0; i < 4; ++i) {
    const auto width = static_cast<uint8_t>(1 << i);
    table[format::kUnsigned8 + i] = table[format::kSigned8 + i] = {Shape::Fixed, 0, width};
  }
  for (uint8_t i = 0; i < 5; ++i) {
    table[format::kFixExtension1 + i] = {Shape::Fixed, 0, static_cast<uint8_t>(1 + (1 << i))};
  }
  return table;
}
constexpr auto kFirstBytes = make_first_bytes();
static_assert(kFirstBytes[msgpack_format::kNeverUsed].shape == Shape::Invalid);

uint32_t load_length(const char* from, uint8_t bytes) {
  switch (bytes) {
    case 1:
      return msgpack_format::load_big_endian<uint8_t>(from);
    case 2:
      return msgpack_format::load_big_endian<uint16_t>(from);
    default:
      return msgpack_format::load_big_endian<uint32_t>(from);
  }
}

// Continues the walk at `at`: open[0 … depth] are the values still to come at each depth. Stops
// before the first value that is not complete; `missing` is then the bytes it lacks at least.
std::optional<MsgpackError> walk(const char*& at, const char* end, uint32_t& depth, uint64_t* open,
                                 uint64_t& missing) {
  while (true) {
    while (open[depth] == 0) {
      if (depth == 0) return std::nullopt;
      --depth;
    }
    if (at == end) {
      missing = 0;
      return MsgpackError::Truncated;
    }
    const FirstByte first = kFirstBytes[static_cast<uint8_t>(*at)];
    const auto left = static_cast<size_t>(end - at);
    uint64_t size = first.size;
    if (first.length_bytes != 0) {
      if (left <= first.length_bytes) {
        missing = first.length_bytes;
        return MsgpackError::Truncated;
      }
      size = load_length(at + 1, first.length_bytes);
    }
    const uint64_t head = 1u + first.length_bytes;
    switch (first.shape) {
      case Shape::Extension:
        ++size;  // its type byte
        [[fallthrough]];
      case Shape::Fixed:
      case Shape::Payload:
        if (left < head + size) {
          missing = head + size - 1;
          return MsgpackError::Truncated;
        }
        at += head + size;
        --open[depth];
        break;
      case Shape::Array:
      case Shape::Map:
        if (depth == kMsgpackDepthMax) return MsgpackError::TooDeep;
        at += head;
        --open[depth];
        open[++depth] = first.shape == Shape::Map ? 2 * size : size;
        break;
      case Shape::Invalid:
        return MsgpackError::Malformed;
    }
  }
}

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int64_t kSecondsMax = INT64_MAX / kNanosecondsPerSecond - 1;

Timestamp timestamp(int64_t seconds, int64_t nanoseconds) {
  return Timestamp(Nanoseconds(seconds * kNanosecondsPerSecond + nanoseconds));
}

}  // namespace

std::optional<MsgpackError> msgpack_decode::skip_any_value(const char*& at, const char* end) {
  if (at == end) return MsgpackError::Truncated;
  const FirstByte first = kFirstBytes[static_cast<uint8_t>(*at)];
  if (first.shape == Shape::Fixed) {
    if (end - at <= first.size) return MsgpackError::Truncated;
    at += 1 + first.size;
    return std::nullopt;
  }
  uint64_t open[kMsgpackDepthMax + 1];
  open[0] = 1;
  uint32_t depth = 0;
  uint64_t missing = 0;
  const char* walked = at;
  const auto error = walk(walked, end, depth, open, missing);
  if (!error) at = walked;
  return error;
}

std::string_view to_string(MsgpackError error) {
  switch (error) {
    case MsgpackError::Truncated:
      return "truncated";
    case MsgpackError::Malformed:
      return "malformed";
    case MsgpackError::TooDeep:
      return "too deeply nested";
    case MsgpackError::WrongType:
      return "of the wrong type";
  }
  return "unknown";
}

Error to_error(MsgpackError error, std::string_view what) {
  return Error{ErrorCode::Corrupt,
               std::string(what).append(": the MessagePack value is ").append(to_string(error))};
}

MsgpackResult<Timestamp> time_of_token(const MsgpackToken& token) {
  switch (token.type) {
    case MsgpackType::Extension: {
      if (token.extension_type != msgpack_format::kEventTime ||
          token.bytes.size() != msgpack_format::kEventTimeBytes) {
        return std::unexpected(MsgpackError::WrongType);
      }
      const char* at = token.bytes.data();
      return timestamp(msgpack_format::load_big_endian<uint32_t>(at),
                       msgpack_format::load_big_endian<uint32_t>(at + 4));
    }
    case MsgpackType::UnsignedInteger:
      if (token.unsigned_integer > static_cast<uint64_t>(kSecondsMax)) {
        return std::unexpected(MsgpackError::Malformed);
      }
      return timestamp(static_cast<int64_t>(token.unsigned_integer), 0);
    case MsgpackType::NegativeInteger:
      if (token.negative_integer < -kSecondsMax) return std::unexpected(MsgpackError::Malformed);
      return timestamp(token.negative_integer, 0);
    case MsgpackType::Float: {
      // Whole seconds and fraction apart: the product would lose the microseconds. NaN fails the
      // test.
      const double seconds = std::floor(token.number);
      if (!(std::fabs(seconds) <= static_cast<double>(kSecondsMax))) {
        return std::unexpected(MsgpackError::Malformed);
      }
      return timestamp(static_cast<int64_t>(seconds), std::llround((token.number - seconds) * 1e9));
    }
    default:
      return std::unexpected(MsgpackError::WrongType);
  }
}

MsgpackResult<MsgpackToken> MsgpackReader::next() {
  MsgpackToken token;
  if (const auto error = decode(at_, end_, token)) return std::unexpected(*error);
  return token;
}

MsgpackResult<MsgpackType> MsgpackReader::peek() const {
  if (at_ == end_) return std::unexpected(MsgpackError::Truncated);
  namespace format = msgpack_format;
  const auto first = static_cast<uint8_t>(*at_);
  switch (kFirstBytes[first].shape) {
    case Shape::Array:
      return MsgpackType::Array;
    case Shape::Map:
      return MsgpackType::Map;
    case Shape::Extension:
      return MsgpackType::Extension;
    case Shape::Payload:
      return first >= format::kString8 ? MsgpackType::String : MsgpackType::Binary;
    case Shape::Invalid:
      return std::unexpected(MsgpackError::Malformed);
    case Shape::Fixed:
      break;
  }
  if (first >= format::kFixString && first < format::kNil) return MsgpackType::String;
  if (first >= format::kFixExtension1 && first <= format::kFixExtension16) {
    return MsgpackType::Extension;
  }
  // Numbers: their sign may be in the bytes that follow.
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  return token.type;
}

MsgpackStatus MsgpackReader::read_nil() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type != MsgpackType::Nil) return std::unexpected(MsgpackError::WrongType);
  at_ = at;
  return {};
}

MsgpackResult<bool> MsgpackReader::read_bool() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type != MsgpackType::Bool) return std::unexpected(MsgpackError::WrongType);
  at_ = at;
  return token.boolean;
}

MsgpackResult<int64_t> MsgpackReader::read_int() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type == MsgpackType::NegativeInteger) {
    at_ = at;
    return token.negative_integer;
  }
  if (token.type != MsgpackType::UnsignedInteger || token.unsigned_integer > INT64_MAX) {
    return std::unexpected(MsgpackError::WrongType);
  }
  at_ = at;
  return static_cast<int64_t>(token.unsigned_integer);
}

MsgpackResult<uint64_t> MsgpackReader::read_uint() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type != MsgpackType::UnsignedInteger) return std::unexpected(MsgpackError::WrongType);
  at_ = at;
  return token.unsigned_integer;
}

MsgpackResult<double> MsgpackReader::read_float() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  double value = 0;
  switch (token.type) {
    case MsgpackType::Float:
      value = token.number;
      break;
    case MsgpackType::UnsignedInteger:
      value = static_cast<double>(token.unsigned_integer);
      break;
    case MsgpackType::NegativeInteger:
      value = static_cast<double>(token.negative_integer);
      break;
    default:
      return std::unexpected(MsgpackError::WrongType);
  }
  at_ = at;
  return value;
}

MsgpackResult<std::string_view> MsgpackReader::read_string() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type != MsgpackType::String) return std::unexpected(MsgpackError::WrongType);
  at_ = at;
  return token.bytes;
}

MsgpackResult<std::string_view> MsgpackReader::read_binary() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type != MsgpackType::Binary && token.type != MsgpackType::String) {
    return std::unexpected(MsgpackError::WrongType);
  }
  at_ = at;
  return token.bytes;
}

MsgpackResult<uint32_t> MsgpackReader::read_array() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type != MsgpackType::Array) return std::unexpected(MsgpackError::WrongType);
  at_ = at;
  return token.count;
}

MsgpackResult<uint32_t> MsgpackReader::read_map() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  if (token.type != MsgpackType::Map) return std::unexpected(MsgpackError::WrongType);
  at_ = at;
  return token.count;
}

MsgpackResult<Timestamp> MsgpackReader::read_time() {
  MsgpackToken token;
  const char* at = at_;
  if (const auto error = decode(at, end_, token)) return std::unexpected(*error);
  const auto time = time_of_token(token);
  if (time) at_ = at;
  return time;
}

MsgpackResult<std::string_view> MsgpackReader::skip() {
  const char* from = at_;
  if (const auto error = skip_value(at_, end_)) return std::unexpected(*error);
  return std::string_view(from, static_cast<size_t>(at_ - from));
}

MsgpackStatus validate_msgpack(std::string_view bytes) {
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  if (const auto error = skip_value(at, end)) return std::unexpected(*error);
  if (at != end) return std::unexpected(MsgpackError::Malformed);
  return {};
}

MsgpackResult<size_t> MsgpackScanner::scan(std::string_view bytes) {
  const char* at = bytes.data() + position_;
  uint64_t missing = 0;
  const auto error = walk(at, bytes.data() + bytes.size(), depth_, open_.data(), missing);
  position_ = static_cast<size_t>(at - bytes.data());
  if (!error) return position_;
  // Every value still to come takes one byte at least.
  needed_ = position_ + missing;
  for (uint32_t i = 0; i <= depth_; ++i) needed_ += open_[i];
  return std::unexpected(*error);
}

}  // namespace noroshi

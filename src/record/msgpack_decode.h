// The decoder behind MsgpackReader, inline for the loops of this folder that run once per value.
// Others use MsgpackReader.
#pragma once

#include <optional>

#include "record/map_pairs.h"
#include "record/msgpack_format.h"
#include "record/msgpack_reader.h"

namespace noroshi::msgpack_decode {

// Decodes one value or head at `at` and moves `at` past it. An empty answer is success; on error
// `at` is unchanged. `token.bytes` lies in the input.
[[nodiscard]] inline std::optional<MsgpackError> decode(const char*& at, const char* end,
                                                        MsgpackToken& token) {
  namespace format = msgpack_format;
  if (at == end) return MsgpackError::Truncated;
  const auto first = static_cast<uint8_t>(*at);
  const char* after = at + 1;
  const auto left = static_cast<size_t>(end - after);

  const auto payload = [&](MsgpackType type, const char* from,
                           uint32_t size) -> std::optional<MsgpackError> {
    if (static_cast<size_t>(end - from) < size) return MsgpackError::Truncated;
    token.type = type;
    token.bytes = {from, size};
    at = from + size;
    return std::nullopt;
  };
  const auto container = [&](MsgpackType type, const char* from,
                             uint32_t count) -> std::optional<MsgpackError> {
    token.type = type;
    token.count = count;
    at = from;
    return std::nullopt;
  };
  const auto unsigned_value = [&](uint64_t value, int bytes) -> std::optional<MsgpackError> {
    token.type = MsgpackType::UnsignedInteger;
    token.unsigned_integer = value;
    at = after + bytes;
    return std::nullopt;
  };
  const auto signed_value = [&](int64_t value, int bytes) -> std::optional<MsgpackError> {
    if (value >= 0) return unsigned_value(static_cast<uint64_t>(value), bytes);
    token.type = MsgpackType::NegativeInteger;
    token.negative_integer = value;
    at = after + bytes;
    return std::nullopt;
  };
  const auto extension = [&](const char* from, uint32_t size) -> std::optional<MsgpackError> {
    if (from == end) return MsgpackError::Truncated;
    token.extension_type = static_cast<int8_t>(*from);
    return payload(MsgpackType::Extension, from + 1, size);
  };

  if (first < format::kFixMap) return unsigned_value(first, 0);
  if (first < format::kFixArray) return container(MsgpackType::Map, after, first & 0x0f);
  if (first < format::kFixString) return container(MsgpackType::Array, after, first & 0x0f);
  if (first < format::kNil) return payload(MsgpackType::String, after, first & 0x1f);
  if (first >= format::kNegativeFix) return signed_value(static_cast<int8_t>(first), 0);

  using format::load_big_endian;
  // Bytes of the fixed part after the first byte, for c0 … df.
  static constexpr uint8_t kFixedBytes[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                              1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
  const uint8_t fixed = kFixedBytes[first - format::kNil];
  if (left < fixed) return MsgpackError::Truncated;
  const char* body = after + fixed;
  switch (first) {
    case format::kNil:
      token.type = MsgpackType::Nil;
      at = after;
      return std::nullopt;
    case format::kFalse:
    case format::kTrue:
      token.type = MsgpackType::Bool;
      token.boolean = first == format::kTrue;
      at = after;
      return std::nullopt;
    case format::kBinary8:
      return payload(MsgpackType::Binary, body, load_big_endian<uint8_t>(after));
    case format::kBinary16:
      return payload(MsgpackType::Binary, body, load_big_endian<uint16_t>(after));
    case format::kBinary32:
      return payload(MsgpackType::Binary, body, load_big_endian<uint32_t>(after));
    case format::kString8:
      return payload(MsgpackType::String, body, load_big_endian<uint8_t>(after));
    case format::kString16:
      return payload(MsgpackType::String, body, load_big_endian<uint16_t>(after));
    case format::kString32:
      return payload(MsgpackType::String, body, load_big_endian<uint32_t>(after));
    case format::kExtension8:
      return extension(body, load_big_endian<uint8_t>(after));
    case format::kExtension16:
      return extension(body, load_big_endian<uint16_t>(after));
    case format::kExtension32:
      return extension(body, load_big_endian<uint32_t>(after));
    case format::kFixExtension1:
    case format::kFixExtension2:
    case format::kFixExtension4:
    case format::kFixExtension8:
    case format::kFixExtension16:
      return extension(body, 1u << (first - format::kFixExtension1));
    case format::kFloat32:
      token.type = MsgpackType::Float;
      token.number = std::bit_cast<float>(load_big_endian<uint32_t>(after));
      at = body;
      return std::nullopt;
    case format::kFloat64:
      token.type = MsgpackType::Float;
      token.number = std::bit_cast<double>(load_big_endian<uint64_t>(after));
      at = body;
      return std::nullopt;
    case format::kUnsigned8:
      return unsigned_value(load_big_endian<uint8_t>(after), 1);
    case format::kUnsigned16:
      return unsigned_value(load_big_endian<uint16_t>(after), 2);
    case format::kUnsigned32:
      return unsigned_value(load_big_endian<uint32_t>(after), 4);
    case format::kUnsigned64:
      return unsigned_value(load_big_endian<uint64_t>(after), 8);
    case format::kSigned8:
      return signed_value(load_big_endian<int8_t>(after), 1);
    case format::kSigned16:
      return signed_value(load_big_endian<int16_t>(after), 2);
    case format::kSigned32:
      return signed_value(load_big_endian<int32_t>(after), 4);
    case format::kSigned64:
      return signed_value(load_big_endian<int64_t>(after), 8);
    case format::kArray16:
      return container(MsgpackType::Array, body, load_big_endian<uint16_t>(after));
    case format::kArray32:
      return container(MsgpackType::Array, body, load_big_endian<uint32_t>(after));
    case format::kMap16:
      return container(MsgpackType::Map, body, load_big_endian<uint16_t>(after));
    case format::kMap32:
      return container(MsgpackType::Map, body, load_big_endian<uint32_t>(after));
    default:
      return MsgpackError::Malformed;  // c1
  }
}

// skip_value() for every kind of value.
[[nodiscard]] std::optional<MsgpackError> skip_any_value(const char*& at, const char* end);

// Moves `at` past one whole value, checked as validate_msgpack() does; unchanged on error. Numbers
// and strings below 64 KiB, most of every record, are stepped over without a call.
[[nodiscard]] inline std::optional<MsgpackError> skip_value(const char*& at, const char* end) {
  namespace format = msgpack_format;
  if (end - at >= 2) [[likely]] {
    const auto first = static_cast<uint8_t>(*at);
    int64_t size = map_pairs_internal::kForms[first].size;
    if (first == format::kString8)
      size = 2 + static_cast<uint8_t>(at[1]);
    else if (first == format::kString16 && end - at >= 3)
      size = 3 + format::load_big_endian<uint16_t>(at + 1);
    if (size != 0 && end - at >= size) {
      at += size;
      return std::nullopt;
    }
  }
  return skip_any_value(at, end);
}

}  // namespace noroshi::msgpack_decode

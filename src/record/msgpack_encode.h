// Heads and integers of MessagePack in their shortest form, stored at `to`; each returns the end. 9
// bytes at most. Behind MsgpackWriter and the JSON parser, which have different buffers.
#pragma once

#include <bit>
#include <cstddef>

#include "record/msgpack_format.h"

namespace noroshi::msgpack_encode {

namespace format = msgpack_format;

inline constexpr size_t kHeadBytesMax = 9;

template <typename T>
inline char* put(char* to, uint8_t first, T value) {
  *to = static_cast<char>(first);
  format::store_big_endian(to + 1, value);
  return to + 1 + sizeof value;
}

inline char* put_byte(char* to, unsigned byte) {
  *to = static_cast<char>(byte);
  return to + 1;
}

[[nodiscard]] inline char* put_unsigned(char* to, uint64_t value) {
  if (value < format::kFixMap) return put_byte(to, static_cast<unsigned>(value));
  if (value <= UINT8_MAX) return put(to, format::kUnsigned8, static_cast<uint8_t>(value));
  if (value <= UINT16_MAX) return put(to, format::kUnsigned16, static_cast<uint16_t>(value));
  if (value <= UINT32_MAX) return put(to, format::kUnsigned32, static_cast<uint32_t>(value));
  return put(to, format::kUnsigned64, value);
}

[[nodiscard]] inline char* put_integer(char* to, int64_t value) {
  if (value >= 0) return put_unsigned(to, static_cast<uint64_t>(value));
  if (value >= -32) return put_byte(to, static_cast<uint8_t>(value));
  if (value >= INT8_MIN) return put(to, format::kSigned8, static_cast<int8_t>(value));
  if (value >= INT16_MIN) return put(to, format::kSigned16, static_cast<int16_t>(value));
  if (value >= INT32_MIN) return put(to, format::kSigned32, static_cast<int32_t>(value));
  return put(to, format::kSigned64, value);
}

[[nodiscard]] inline char* put_float(char* to, double value) {
  return put(to, format::kFloat64, std::bit_cast<uint64_t>(value));
}

[[nodiscard]] inline char* put_string_head(char* to, uint32_t bytes) {
  if (bytes < 32) return put_byte(to, format::kFixString | bytes);
  if (bytes <= UINT8_MAX) return put(to, format::kString8, static_cast<uint8_t>(bytes));
  if (bytes <= UINT16_MAX) return put(to, format::kString16, static_cast<uint16_t>(bytes));
  return put(to, format::kString32, bytes);
}

[[nodiscard]] inline char* put_container_head(char* to, bool is_map, uint32_t count) {
  if (count < 16) return put_byte(to, (is_map ? format::kFixMap : format::kFixArray) | count);
  if (count <= UINT16_MAX) {
    return put(to, is_map ? format::kMap16 : format::kArray16, static_cast<uint16_t>(count));
  }
  return put(to, is_map ? format::kMap32 : format::kArray32, count);
}

}  // namespace noroshi::msgpack_encode

// The first byte of every MessagePack value (github.com/msgpack/msgpack/blob/master/spec.md).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace noroshi::msgpack_format {

inline constexpr uint8_t kFixMap = 0x80, kFixArray = 0x90, kFixString = 0xa0;
inline constexpr uint8_t kNil = 0xc0, kNeverUsed = 0xc1, kFalse = 0xc2, kTrue = 0xc3;
inline constexpr uint8_t kBinary8 = 0xc4, kBinary16 = 0xc5, kBinary32 = 0xc6;
inline constexpr uint8_t kExtension8 = 0xc7, kExtension16 = 0xc8, kExtension32 = 0xc9;
inline constexpr uint8_t kFloat32 = 0xca, kFloat64 = 0xcb;
inline constexpr uint8_t kUnsigned8 = 0xcc, kUnsigned16 = 0xcd, kUnsigned32 = 0xce,
                         kUnsigned64 = 0xcf;
inline constexpr uint8_t kSigned8 = 0xd0, kSigned16 = 0xd1, kSigned32 = 0xd2, kSigned64 = 0xd3;
inline constexpr uint8_t kFixExtension1 = 0xd4, kFixExtension2 = 0xd5, kFixExtension4 = 0xd6,
                         kFixExtension8 = 0xd7, kFixExtension16 = 0xd8;
inline constexpr uint8_t kString8 = 0xd9, kString16 = 0xda, kString32 = 0xdb;
inline constexpr uint8_t kArray16 = 0xdc, kArray32 = 0xdd, kMap16 = 0xde, kMap32 = 0xdf;
inline constexpr uint8_t kNegativeFix = 0xe0;

// Forward protocol: EventTime is this extension, u32 seconds and u32 nanoseconds, big-endian.
inline constexpr int8_t kEventTime = 0;
inline constexpr uint32_t kEventTimeBytes = 8;

template <typename T>
[[nodiscard]] inline T load_big_endian(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big || sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(value));
}

template <typename T>
inline void store_big_endian(char* to, T value) {
  if constexpr (std::endian::native == std::endian::little) {
    if constexpr (sizeof(T) == 2) value = static_cast<T>(__builtin_bswap16(value));
    if constexpr (sizeof(T) == 4) value = static_cast<T>(__builtin_bswap32(value));
    if constexpr (sizeof(T) == 8) value = static_cast<T>(__builtin_bswap64(value));
  }
  std::memcpy(to, &value, sizeof value);
}

}  // namespace noroshi::msgpack_format

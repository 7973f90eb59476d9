// Little-endian integers in byte buffers, whatever the machine. Compiles to plain loads and stores
// on x86 and ARM. The caller guarantees the room.
#pragma once

#include <bit>
#include <concepts>
#include <cstring>
#include <utility>

namespace noroshi {

template <std::integral T>
[[nodiscard]] inline T little_endian(T value) {
  if constexpr (std::endian::native == std::endian::big) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(bytes[i], bytes[sizeof(T) - 1 - i]);
    std::memcpy(&value, bytes, sizeof(T));
  }
  return value;
}

template <std::integral T>
inline void store_le(char* to, T value) {
  value = little_endian(value);
  std::memcpy(to, &value, sizeof(T));
}

template <std::integral T>
[[nodiscard]] inline T load_le(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return little_endian(value);
}

}  // namespace noroshi

// The head of one MessagePack value: how far it reaches, and how many values follow that belong to
// it. Inlined into the inner loops of the frame scanner and the entry decoder (extent.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "record/msgpack_format.h"

namespace noroshi::forward {

// The head of one value: `advance` bytes to the next head (a string's bytes included), after which
// `children` values follow that belong to it.
struct ValueHead {
  uint64_t advance = 0;
  uint64_t children = 0;
  bool container = false;
};

enum class HeadStatus : uint8_t { Ok, Truncated, Invalid };

// Reads the head at `at`; never past `end`.
[[nodiscard]] inline HeadStatus read_head(const char* at, const char* end, ValueHead& head) {
  using namespace msgpack_format;
  const auto available = static_cast<size_t>(end - at);
  if (available == 0) return HeadStatus::Truncated;
  const auto first = static_cast<uint8_t>(*at);
  head.children = 0;
  head.container = false;
  if ((first & 0xe0) == kFixString) {  // the most frequent one
    head.advance = 1u + (first & 0x1f);
    return HeadStatus::Ok;
  }
  if (first < kFixMap || first >= kNegativeFix) {
    head.advance = 1;
    return HeadStatus::Ok;
  }
  if (first < kFixString) {  // fixmap, fixarray
    head.advance = 1;
    head.container = true;
    head.children = first < kFixArray ? 2u * (first & 0x0f) : (first & 0x0fu);
    return HeadStatus::Ok;
  }
  const auto sized = [&](uint32_t length_bytes, uint32_t more) {  // head, length, `more`, the bytes
    if (available < 1 + length_bytes) return HeadStatus::Truncated;
    const uint64_t length = length_bytes == 1   ? load_big_endian<uint8_t>(at + 1)
                            : length_bytes == 2 ? load_big_endian<uint16_t>(at + 1)
                                                : load_big_endian<uint32_t>(at + 1);
    head.advance = 1 + length_bytes + more + length;
    return HeadStatus::Ok;
  };
  const auto counted = [&](uint32_t length_bytes, uint32_t values_each) {
    if (available < 1 + length_bytes) return HeadStatus::Truncated;
    const uint64_t count =
        length_bytes == 2 ? load_big_endian<uint16_t>(at + 1) : load_big_endian<uint32_t>(at + 1);
    head.advance = 1 + length_bytes;
    head.container = true;
    head.children = count * values_each;
    return HeadStatus::Ok;
  };
  const auto fixed = [&](uint32_t bytes) {
    head.advance = bytes;
    return HeadStatus::Ok;
  };
  switch (first) {
    case kNil:
    case kFalse:
    case kTrue:
      return fixed(1);
    case kNeverUsed:
      return HeadStatus::Invalid;
    case kBinary8:
    case kString8:
      return sized(1, 0);
    case kBinary16:
    case kString16:
      return sized(2, 0);
    case kBinary32:
    case kString32:
      return sized(4, 0);
    case kExtension8:
      return sized(1, 1);
    case kExtension16:
      return sized(2, 1);
    case kExtension32:
      return sized(4, 1);
    case kUnsigned8:
    case kSigned8:
      return fixed(2);
    case kUnsigned16:
    case kSigned16:
    case kFixExtension1:
      return fixed(3);
    case kFixExtension2:
      return fixed(4);
    case kUnsigned32:
    case kSigned32:
    case kFloat32:
      return fixed(5);
    case kFixExtension4:
      return fixed(6);
    case kUnsigned64:
    case kSigned64:
    case kFloat64:
      return fixed(9);
    case kFixExtension8:
      return fixed(10);
    case kFixExtension16:
      return fixed(18);
    case kArray16:
      return counted(2, 1);
    case kArray32:
      return counted(4, 1);
    case kMap16:
      return counted(2, 2);
    default:
      return counted(4, 2);  // kMap32
  }
}

}  // namespace noroshi::forward

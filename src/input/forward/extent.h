// How long one MessagePack value is, found by counting values still to come: no stack, no
// recursion, any depth. What is inside is not judged here, except that byte c1 is never valid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "input/forward/value_head.h"

namespace noroshi::forward {

struct Extent {
  HeadStatus status = HeadStatus::Ok;
  size_t size = 0;          // of the whole value, if Ok
  uint64_t containers = 0;  // arrays and maps in it: an upper bound of its depth
};

[[nodiscard]] inline Extent extent_of(const char* begin, const char* end) {
  Extent extent;
  const char* at = begin;
  uint64_t pending = 1;
  ValueHead head;
  while (pending != 0) {
    const HeadStatus status = read_head(at, end, head);
    if (status != HeadStatus::Ok) return {status, 0, 0};
    const auto available = static_cast<uint64_t>(end - at);
    pending += head.children - 1;
    // Every pending value takes at least a byte: a header that promises more than there is ends it
    // at once.
    if (head.advance > available || pending > available - head.advance) {
      return {HeadStatus::Truncated, 0, 0};
    }
    at += head.advance;
    extent.containers += head.container;
  }
  extent.size = static_cast<size_t>(at - begin);
  return extent;
}
[[nodiscard]] inline Extent extent_of(std::string_view bytes) {
  return extent_of(bytes.data(), bytes.data() + bytes.size());
}

}  // namespace noroshi::forward

// Offset: the number of a record in the journal. Dense, from 0, never a byte count (that is a
// position).
#pragma once

#include <compare>
#include <cstdint>

namespace noroshi {

struct Offset {
  uint64_t value = 0;

  friend constexpr auto operator<=>(Offset, Offset) = default;
  friend constexpr Offset operator+(Offset offset, uint64_t count) {
    return {offset.value + count};
  }
  // Records between two offsets; `from` must not be above `to`.
  friend constexpr uint64_t operator-(Offset to, Offset from) { return to.value - from.value; }
};

}  // namespace noroshi

// The keys of a record where only text can stand: JSON, tags.
#pragma once

#include <string>
#include <string_view>

#include "record/map_pairs.h"
#include "record/record_accessor.h"

namespace noroshi {

// The key of `pair`; one that is neither string nor binary as its JSON, in `scratch`. `pair` is of
// a valid record.
[[nodiscard]] inline std::string_view key_text(const MapPair& pair, std::string& scratch) {
  if (pair.name.data() != nullptr) return pair.name;
  scratch.clear();
  static_cast<void>(append_value_text(scratch, pair.key));
  return scratch;
}

}  // namespace noroshi

// Pointing into an option's value: at the bad character of a regex, at one word of several.
#pragma once

#include "config/option_table_base.h"

namespace noroshi {

// The place of text[index .. index+length) of `option`; of the whole value where that cannot be
// told, because a variable was expanded in it.
[[nodiscard]] inline SourceLocation place_in(const LocatedText& option, size_t index,
                                             size_t length = 1) {
  SourceLocation where = option.where;
  if (where.length != option.text.size() || option.text.empty()) return where;
  if (index >= option.text.size()) index = option.text.size() - 1;  // "something is missing here"
  where.column += static_cast<uint32_t>(index);
  where.length = static_cast<uint32_t>(length);
  return where;
}

}  // namespace noroshi

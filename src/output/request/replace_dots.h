// Keys without dots, for destinations that take a dot for a path.
#pragma once

#include <string>
#include <string_view>

namespace noroshi {

// Appends the MessagePack `value` (well-formed) with every '.' in keys of maps, at any depth,
// replaced.
void append_with_dots_replaced(std::string& out, std::string_view value,
                               std::string_view replacement);

}  // namespace noroshi

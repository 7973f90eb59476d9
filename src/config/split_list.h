// Options that are lists with commas: "a, b,,c".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace noroshi {

// The words between the commas, without blanks around them; empty ones are left out.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

}  // namespace noroshi

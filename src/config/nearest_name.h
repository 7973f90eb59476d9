// The name a user probably meant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace noroshi {

// Damerau-Levenshtein distance (insert, delete, replace, swap neighbours), in bytes. Both words are
// cut at 128 bytes. Cost: the product of their lengths.
[[nodiscard]] size_t edit_distance(std::string_view left, std::string_view right);

// The candidate nearest to `word`, compared in lower case and without '-', '_' and '.'; "" if none
// is near (more than a third of the word would have to change). The first of equals.
[[nodiscard]] std::string nearest_name(std::string_view word,
                                       std::span<const std::string> candidates);

}  // namespace noroshi

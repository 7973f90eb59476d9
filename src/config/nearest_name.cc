#include "config/nearest_name.h"

#include <algorithm>
#include <vector>

namespace noroshi {
namespace {

constexpr size_t kWordMax = 128;

// "total-fileSize" and "total_file_size" are one word to a person.
std::string canonical(std::string_view word) {
  std::string result;
  for (const char c : word.substr(0, kWordMax)) {
    if (c == '-' || c == '_' || c == '.') continue;
    result.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return result;
}

}  // namespace

// Three rows of the usual table; the swap looks two rows back.
size_t edit_distance(std::string_view left, std::string_view right) {
  left = left.substr(0, kWordMax);
  right = right.substr(0, kWordMax);
  const size_t width = right.size() + 1;
  std::vector<size_t> before(width), above(width), row(width);
  for (size_t j = 0; j < width; ++j) above[j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j < width; ++j) {
      const bool same = left[i - 1] == right[j - 1];
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[right.size()];
}

std::string nearest_name(std::string_view word, std::span<const std::string> candidates) {
  const std::string wanted = canonical(word);
  size_t best_distance = std::max<size_t>(1, wanted.size() / 3) + 1;
  std::string best;
  for (const std::string& candidate : candidates) {
    const std::string name = canonical(candidate);
    const size_t distance = edit_distance(wanted, name);
    // Replacing every letter is no likeness ("to" is not a misspelt "id").
    if (distance < best_distance && distance < std::max(wanted.size(), name.size())) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace noroshi

#include "config/split_list.h"

#include "config/values.h"

namespace noroshi {

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (const std::string_view word = trim(text.substr(0, comma)); !word.empty())
      words.emplace_back(word);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return words;
}

}  // namespace noroshi

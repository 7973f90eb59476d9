// The obvious recursive matcher to compare TagPattern with. Tests and fuzzers only.
#pragma once

#include <string_view>

namespace noroshi {

inline bool tag_matches_reference(std::string_view pattern, std::string_view tag) {
  if (pattern.empty()) return tag.empty();
  if (pattern[0] == '*') {
    return tag_matches_reference(pattern.substr(1), tag) ||
           (!tag.empty() && tag_matches_reference(pattern, tag.substr(1)));
  }
  return !tag.empty() && tag[0] == pattern[0] &&
         tag_matches_reference(pattern.substr(1), tag.substr(1));
}

}  // namespace noroshi

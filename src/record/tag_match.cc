#include "record/tag_match.h"

namespace noroshi {

TagPattern::TagPattern(std::string_view pattern) : text_(pattern) {
  for (const char c : pattern) {
    if (c != '*' || !pattern_.ends_with('*')) pattern_.push_back(c);
  }
  const size_t star = pattern_.find('*');
  if (pattern_ == "*") {
    form_ = Form::Everything;
  } else if (star == std::string::npos) {
    form_ = Form::Literal;
  } else if (star == pattern_.size() - 1) {
    form_ = Form::Prefix;
  }
}

bool TagPattern::matches(std::string_view tag) const {
  switch (form_) {
    case Form::Everything:
      return true;
    case Form::Literal:
      return tag == pattern_;
    case Form::Prefix:
      return tag.starts_with(std::string_view(pattern_).substr(0, pattern_.size() - 1));
    case Form::General:
      break;
  }
  // A later '*' makes earlier ones irrelevant: whatever an earlier one took, the later one can take
  // the difference. So only the last one seen is ever tried again, one byte further.
  size_t at = 0, in_pattern = 0, star = std::string::npos, star_at = 0;
  while (at < tag.size()) {
    if (in_pattern < pattern_.size() && pattern_[in_pattern] == '*') {
      star = in_pattern++;
      star_at = at;
    } else if (in_pattern < pattern_.size() && pattern_[in_pattern] == tag[at]) {
      ++at, ++in_pattern;
    } else if (star != std::string::npos) {
      in_pattern = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  return in_pattern == pattern_.size() ||
         (in_pattern + 1 == pattern_.size() && pattern_[in_pattern] == '*');
}

}  // namespace noroshi

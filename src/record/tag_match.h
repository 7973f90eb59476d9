// Match patterns of filters and outputs, as Fluent Bit's Match: `*` stands for any run of bytes,
// none and dots included (`**` means the same); everything else is literal and case-sensitive.
// "app.*" does not match "app", and "" matches only the empty tag.
#pragma once

#include <string>
#include <string_view>

namespace noroshi {

class TagPattern {
 public:
  explicit TagPattern(std::string_view pattern);

  // Cost: a comparison for the usual forms ("*", "app", "app.*"); at worst pattern × tag, never
  // exponential.
  [[nodiscard]] bool matches(std::string_view tag) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  enum class Form { Everything, Literal, Prefix, General };

  std::string text_;     // as written
  std::string pattern_;  // runs of '*' reduced to one
  Form form_ = Form::General;
};

}  // namespace noroshi

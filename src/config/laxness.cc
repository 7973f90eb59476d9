#include "config/laxness.h"

#include <fmt/format.h>

#include <string_view>

namespace noroshi {
namespace {

struct Words {
  std::string_view what;
  std::string_view fluent_bit = "refuses that";  // what it does with it
};

Words words_of(Laxness kind) {
  switch (kind) {
    case Laxness::KeyInColumnOne:
      return {"this key is not indented"};
    case Laxness::Indentation:
      return {"this line is not indented like the first key of the file"};
    case Laxness::BlankLine:
      return {"this blank line has blanks, and not as many as the indentation"};
    case Laxness::CommentIndentation:
      return {"this comment is neither in column 1 nor at the indentation"};
    case Laxness::TabSeparator:
      return {"a tab separates key and value"};
    case Laxness::IncludeBlanks:
      return {"there are blanks beside the path of this @INCLUDE"};
    case Laxness::IndentedDirective:
      return {"this directive is indented"};
    case Laxness::IndentedSection:
      return {"this section header is indented"};
    case Laxness::TitleBlanks:
      return {"there are blanks inside the brackets", "ignores the whole section"};
    case Laxness::ByteOrderMark:
      return {"the file begins with a byte order mark"};
    case Laxness::KeysOfIncluder:
      return {"this key belongs to the section of the including file"};
    case Laxness::Count:
      break;
  }
  return {};
}

}  // namespace

void LaxnessReport::notice(Laxness kind, const SourceLocation& where) {
  Noticed& noticed = noticed_[static_cast<size_t>(kind)];
  if (noticed.count++ == 0) noticed.first = where;
}

void LaxnessReport::report(Diagnostics& diagnostics) const {
  for (size_t i = 0; i < noticed_.size(); ++i) {
    const Noticed& noticed = noticed_[i];
    if (noticed.count == 0) continue;
    const Words words = words_of(static_cast<Laxness>(i));
    Diagnostic& diagnostic = diagnostics.warning(
        noticed.first, fmt::format("{}: Fluent Bit {}", words.what, words.fluent_bit));
    if (noticed.count > 1)
      diagnostic.note(fmt::format("{} lines of this file are like that", noticed.count));
  }
}

}  // namespace noroshi

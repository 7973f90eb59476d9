#include "config/laxness.h"

#include <fmt/format.h>

#include <string_view>

namespace noroshi {
namespace {

std::string_view text_of(Laxness kind) {
  switch (kind) {
    case Laxness::KeyInColumnOne:
      return "this key is not indented";
    case Laxness::Indentation:
      return "this line is not indented like the first key of the file";
    case Laxness::BlankLine:
      return "this line is not empty: it has blanks, and not as many as the file's indentation";
    case Laxness::CommentIndentation:
      return "this comment is neither in column 1 nor at the file's indentation";
    case Laxness::TabSeparator:
      return "a tab separates key and value";
    case Laxness::IncludeBlanks:
      return "blanks beside the path of an @INCLUDE";
    case Laxness::IndentedDirective:
      return "this directive is indented";
    case Laxness::IndentedSection:
      return "this section header is indented";
    case Laxness::TitleBlanks:
      return "blanks inside the brackets";
    case Laxness::ByteOrderMark:
      return "the file begins with a byte order mark";
    case Laxness::KeysOfIncluder:
      return "this key belongs to the section of the including file";
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
    std::string text(text_of(static_cast<Laxness>(i)));
    if (noticed.count > 1) {
      text += fmt::format(" (and {} more in this file)", noticed.count - 1);
    }
    diagnostics.warning(noticed.first, text + ": Fluent Bit refuses that");
  }
}

}  // namespace noroshi

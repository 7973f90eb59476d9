// What noroshi reads and Fluent Bit refuses: noticed per file, and said once per kind with a count,
// so that a file with another taste in indentation gives one warning and not one per line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "config/diagnostics.h"

namespace noroshi {

enum class Laxness {
  KeyInColumnOne,      // a key that is not indented
  Indentation,         // a key that is not indented like the file's first
  BlankLine,           // blanks only, but not as many as the indentation
  CommentIndentation,  // a comment neither in column 1 nor at the indentation
  TabSeparator,        // a tab between key and value
  IncludeBlanks,       // blanks around the path of an @INCLUDE, or a tab
  IndentedDirective,   // @INCLUDE or @SET that is not in column 1
  IndentedSection,     // "[INPUT]" that is not in column 1
  TitleBlanks,         // "[ INPUT ]"
  ByteOrderMark,       // UTF-8's at the start of the file
  KeysOfIncluder,  // an included file that begins with keys: they belong to the includer's section
  Count,
};

class LaxnessReport {
 public:
  void notice(Laxness kind, const SourceLocation& where);
  void report(Diagnostics& diagnostics) const;

 private:
  struct Noticed {
    SourceLocation first = {};
    uint32_t count = 0;
  };
  std::array<Noticed, static_cast<size_t>(Laxness::Count)> noticed_;
};

}  // namespace noroshi

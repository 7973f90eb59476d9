// The words of a filter option such as `Rule $level "^(ERROR|WARN)$" errors.$TAG false`, as Fluent
// Bit splits them, each with its place for messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "config/diagnostics.h"
#include "config/option_table_base.h"
#include "record/record_accessor.h"

namespace noroshi {

struct Word {
  std::string text = {};  // without quotes and escapes
  size_t index = 0;       // in the option's value, of the first character (behind the quote)
  size_t length = 0;      // there, as written
};

// At most `words_max` words, separated by blanks; what follows the last is part of it, as written.
// A word that begins with one of `quotes` goes to the same quote; inside, a backslash stands before
// the quote and before itself. nullopt and an error if a quote is not closed.
[[nodiscard]] std::optional<std::vector<Word>> split_words(const LocatedText& option,
                                                           std::string_view quotes,
                                                           size_t words_max,
                                                           Diagnostics& diagnostics);

// As written, the regex or accessor `word` of `option`; nullopt and an error at its place.
[[nodiscard]] std::optional<Regex> compile_word(const LocatedText& option, const Word& word,
                                                Diagnostics& diagnostics);
[[nodiscard]] std::optional<RecordAccessor> accessor_of_word(const LocatedText& option,
                                                             const Word& word,
                                                             Diagnostics& diagnostics);

}  // namespace noroshi

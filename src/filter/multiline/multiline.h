// Filter `multiline`: joins records whose texts are lines of one message: tracebacks, and what
// [MULTILINE_PARSER] sections describe. parser/multiline.h does the joining; README.md beside this
// file says what each option means to an operator.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct MultilineFilterOptions {
  enum class Mode { Parser, PartialMessage };
  std::vector<LocatedText> parsers = {};
  std::string key_content = {};
  Mode mode = Mode::Parser;
  bool buffer = true;
  int64_t flush_ms = 2000;
};

const OptionTable<MultilineFilterOptions>& multiline_filter_option_table();
extern const FilterPlugin kMultilineFilter;

}  // namespace noroshi

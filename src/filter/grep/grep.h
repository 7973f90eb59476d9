// Filter `grep`: keeps or drops records by regular expressions on their fields. README.md beside
// this file says what each option means to an operator.
#pragma once

#include <vector>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct GrepOptions {
  enum class LogicalOp { Legacy, And, Or };
  std::vector<LocatedText> rules = {};  // Regex and Exclude, in their order: "KEY REGEX"
  LogicalOp logical_op = LogicalOp::Legacy;
};

const OptionTable<GrepOptions>& grep_option_table();
extern const FilterPlugin kGrepFilter;

}  // namespace noroshi

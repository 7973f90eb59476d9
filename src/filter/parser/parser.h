// Filter `parser`: replaces a record's text field by the fields a parser finds in it. README.md
// beside this file says what each option means to an operator.
#pragma once

#include <vector>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct ParserFilterOptions {
  LocatedText key_name = {};              // "log", or "$a['b']"
  std::vector<LocatedText> parsers = {};  // tried in this order
  bool reserve_data = false;
  bool preserve_key = false;
};

const OptionTable<ParserFilterOptions>& parser_filter_option_table();
extern const FilterPlugin kParserFilter;

}  // namespace noroshi

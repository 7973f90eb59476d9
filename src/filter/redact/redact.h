// Filter `redact`: masks mail addresses, card numbers, credentials and what your own expressions
// find in the texts of records. noroshi's own.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct RedactOptions {
  std::vector<LocatedText> patterns = {};
  std::vector<LocatedText> regexes = {};
  std::string replacement = {};
  std::vector<LocatedText> keys = {};
};

const OptionTable<RedactOptions>& redact_option_table();
extern const FilterPlugin kRedactFilter;

}  // namespace noroshi

// Filter `modify`: changes the fields of records by rules, where conditions hold. README.md beside
// this file says what each option means to an operator.
#pragma once

#include <vector>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct ModifyOptions {
  std::vector<LocatedText> rules = {};       // Set, Add, Remove … in their order
  std::vector<LocatedText> conditions = {};  // "Key_exists KEY" …: all must hold
};

const OptionTable<ModifyOptions>& modify_option_table();
extern const FilterPlugin kModifyFilter;

}  // namespace noroshi

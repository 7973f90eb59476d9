// Filter `record_modifier`: adds fixed fields, removes fields, or keeps only listed ones. README.md
// beside this file says what each option means to an operator.
#pragma once

#include <vector>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct RecordModifierOptions {
  std::vector<LocatedText> records = {};         // "KEY VALUE"
  std::vector<LocatedText> remove_keys = {};     // "KEY" or "PREFIX*"
  std::vector<LocatedText> allowlist_keys = {};  // the same
  std::string uuid_key = {};
};

const OptionTable<RecordModifierOptions>& record_modifier_option_table();
extern const FilterPlugin kRecordModifierFilter;

}  // namespace noroshi

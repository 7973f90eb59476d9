// Filter and processor `content_modifier`: one action on one key of a record or of its metadata.
// README.md beside this file says what each option means to an operator.
#pragma once

#include <string>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct ContentModifierOptions {
  std::string action = {};
  LocatedText context = {};
  LocatedText key = {};
  LocatedText value = {};
  LocatedText pattern = {};
  std::string converted_type = {};
};

const OptionTable<ContentModifierOptions>& content_modifier_option_table();
extern const FilterPlugin kContentModifierFilter;

}  // namespace noroshi

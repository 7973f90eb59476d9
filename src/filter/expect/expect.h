// Filter `expect`: says when records are not what the next steps rely on.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct ExpectOptions {
  enum class Action { Warn, Exit, ResultKey };
  std::vector<LocatedText> rules = {};
  Action action = Action::Warn;
  std::string result_key = {};
};

const OptionTable<ExpectOptions>& expect_option_table();
extern const FilterPlugin kExpectFilter;

}  // namespace noroshi

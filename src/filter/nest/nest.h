// Filter `nest`: puts fields into a map of their own (nest), or takes them out of one (lift).
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct NestOptions {
  enum class Operation { Nest, Lift };
  std::optional<Operation> operation = {};
  std::vector<LocatedText> wildcards = {};
  std::string nest_under = {}, nested_under = {};
  LocatedText add_prefix = {}, remove_prefix = {};
};

const OptionTable<NestOptions>& nest_option_table();
extern const FilterPlugin kNestFilter;

}  // namespace noroshi

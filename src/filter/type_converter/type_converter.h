// Filter `type_converter`: writes a field's value as another type under a key.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct TypeConverterOptions {
  std::vector<LocatedText> rules = {};
};

const OptionTable<TypeConverterOptions>& type_converter_option_table();
extern const FilterPlugin kTypeConverterFilter;

}  // namespace noroshi

// Filter `ecs`: adds what the metadata of our ECS task says. README.md beside this file says what
// each option means to an operator.
#pragma once

#include <vector>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct EcsFilterOptions {
  std::vector<LocatedText> add = {};  // "KEY TEMPLATE"
  std::string ecs_tag_prefix = {};
  bool cluster_metadata_only = false;
};

const OptionTable<EcsFilterOptions>& ecs_filter_option_table();
extern const FilterPlugin kEcsFilter;

}  // namespace noroshi

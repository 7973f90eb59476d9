// Output null: takes every record and forgets it; the counters count. README.md is its manual.
#pragma once

#include "config/option_table.h"
#include "output/plugin.h"

namespace noroshi {

struct NullOptions {};
[[nodiscard]] const OptionTable<NullOptions>& null_option_table();

extern const OutputPlugin kNullPlugin;

}  // namespace noroshi

// Every plugin of the program, in one list to read and to extend.
#pragma once

#include "pipeline/pipeline.h"

namespace noroshi {
[[nodiscard]] const PluginSet& all_plugins();
}  // namespace noroshi

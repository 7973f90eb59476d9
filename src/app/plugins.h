// Every plugin of the program, in one list to read and to extend.
#pragma once

#include "pipeline/pipeline.h"

namespace noroshi {
[[nodiscard]] const PluginSet& all_plugins();
// False if a section's Name is missing or no plugin's.
[[nodiscard]] bool knows_all_plugins(const Document& document);
}  // namespace noroshi

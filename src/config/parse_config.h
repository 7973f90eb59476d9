// A configuration in whichever format it is written: what the program, its parsers files and
// NOROSHI_CONFIG use.
#pragma once

#include <string>
#include <string_view>

#include "config/classic.h"

namespace noroshi {

// By the name, as Fluent Bit: .yaml and .yml, in any case, are YAML; everything else is classic.
[[nodiscard]] bool is_yaml_path(std::string_view path);
// By the first line that says something: "pipeline:", "---" or "{" is YAML; "[INPUT]" and "@SET"
// are classic.
[[nodiscard]] bool is_yaml_text(std::string_view text);

[[nodiscard]] Document parse_config_file(const std::string& path, Diagnostics& diagnostics,
                                         const ClassicOptions& options = {});
[[nodiscard]] Document parse_config_text(std::string name, std::string text,
                                         Diagnostics& diagnostics,
                                         const ClassicOptions& options = {});

}  // namespace noroshi

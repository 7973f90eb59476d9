// Log levels of single components (an input's, filter's or output's own Log_Level), and what the
// log has written: for /api/v2/metrics. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/log.h"

namespace noroshi {

// By component as log lines name it ("output:s3.1"): replaces all earlier ones. Everything else
// keeps the level of set_log_level(). A component may say more or less than the rest.
void set_component_log_levels(std::map<std::string, LogLevel, std::less<>> levels);

// Lines written at `level` since the start.
[[nodiscard]] uint64_t log_lines_written(LogLevel level);

}  // namespace noroshi

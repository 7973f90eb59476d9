// The option json_date_format of outputs that write JSON.
#pragma once

#include <optional>

#include "config/option_value.h"
#include "record/json_writer.h"

namespace noroshi {

class Diagnostics;

// nullopt: it is no date format, and an error was added.
[[nodiscard]] std::optional<JsonDateFormat> parse_json_date_option(const LocatedText& option,
                                                                   Diagnostics& diagnostics);

}  // namespace noroshi

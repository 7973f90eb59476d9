#include "config/json_date_option.h"

#include <fmt/format.h>

#include "config/diagnostics.h"

namespace noroshi {

std::optional<JsonDateFormat> parse_json_date_option(const LocatedText& option,
                                                     Diagnostics& diagnostics) {
  const auto format = parse_json_date_format(option.text);
  if (!format) {
    diagnostics.error(option.where, fmt::format("\"{}\" is no date format", option.text))
        .help("possible are double, epoch, epoch_ms, iso8601, java_sql_timestamp");
  }
  return format;
}

}  // namespace noroshi

// Options whose value names a place in a record ("$a['b']") or is a template ("/ecs/$TAG[1]").
//
// nullopt for an option that is not set, and for a wrong one: then with the error at its value,
// "<prefix><name of the option>: <why>".
#pragma once

#include <optional>
#include <string_view>

#include "config/option_value.h"
#include "record/record_accessor.h"

namespace noroshi {

class Diagnostics;

[[nodiscard]] std::optional<RecordAccessor> parse_accessor_option(const LocatedText& option,
                                                                  Diagnostics& diagnostics,
                                                                  std::string_view prefix = {});
[[nodiscard]] std::optional<RecordTemplate> parse_template_option(const LocatedText& option,
                                                                  Diagnostics& diagnostics,
                                                                  std::string_view prefix = {});

}  // namespace noroshi

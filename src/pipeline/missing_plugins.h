// Fluent Bit's plugins that do not exist here, with what to do instead: for the error of `check`
// and for docs/migrate-from-fluent-bit.md (`noroshi options --missing`).
#pragma once

#include <span>
#include <string_view>

namespace noroshi {

struct MissingPlugin {
  std::string_view kind;  // "input", "filter", "output", "processor"
  std::string_view name;
  std::string_view advice;  // one sentence
};

// A name may stand here that exists by now; who lists them leaves those out.
[[nodiscard]] std::span<const MissingPlugin> missing_plugins();

// What to do instead of the plugin; "" if Fluent Bit has none of that name either.
[[nodiscard]] std::string_view advice_for_missing(std::string_view kind, std::string_view name);

}  // namespace noroshi

// `regex KEY REGEX` and `exclude KEY REGEX`: the lines by which filters grep and log_to_metrics
// choose records.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/regex.h"
#include "config/diagnostics.h"
#include "config/option_table_base.h"
#include "record/record_accessor.h"

namespace noroshi {

struct RegexRule {
  bool exclude = false;
  RecordAccessor key;
  Regex regex;

  // Only texts match, as in Fluent Bit: a number or a map does not.
  [[nodiscard]] bool matches(std::string_view record) const;
};

// The line of an option named "regex" or "exclude"; nullopt and an error at its place.
[[nodiscard]] std::optional<RegexRule> parse_regex_rule(const LocatedText& line,
                                                        Diagnostics& diagnostics);

// In their order: the first regex rule decides, an exclude rule that matches refuses. True if no
// rule says anything.
[[nodiscard]] bool chosen_in_order(std::span<const RegexRule> rules, std::string_view record);

}  // namespace noroshi

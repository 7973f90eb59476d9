// What the built-in multiline rules have beyond a user's. Only for the multiline_….cc files.
#pragma once

#include <optional>

#include "parser/multiline_rules.h"

namespace noroshi {

struct BuiltInTraits {
  // A line that is a JSON object is always a record of its own, and blank lines at the end of a
  // message are left out.
  bool built_in = false;
  // False only if no start rule can match: cheaper than asking them. Null: ask them.
  bool (*could_start)(std::string_view line) = nullptr;
};

[[nodiscard]] Result<std::shared_ptr<const MultilineRules>> compile_multiline(
    MultilineOptions options, BuiltInTraits traits, std::optional<ParserOptions> line_parser);

// From its first and last byte.
[[nodiscard]] bool is_json_object(std::string_view line);

[[nodiscard]] std::shared_ptr<const MultilineRules> make_python_rules();

}  // namespace noroshi

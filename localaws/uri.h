// Percent encoding and query strings, as SigV4 and S3 define them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace noroshi::localaws {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// nullopt for a '%' without two hex digits. `plus_is_space`: query strings and forms, not paths.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
// Everything but A-Z a-z 0-9 - . _ ~ becomes %XX, upper case; '/' stays if `keep_slash`.
[[nodiscard]] std::string percent_encode(std::string_view text, bool keep_slash);

// "a=1&b&c=%20": pairs in order; a name without '=' has an empty value. nullopt for bad encoding.
[[nodiscard]] std::optional<Parameters> parse_query(std::string_view query);
// First value of that name; nullptr if there is none.
[[nodiscard]] const std::string* find_parameter(const Parameters& parameters,
                                                std::string_view name);

}  // namespace noroshi::localaws

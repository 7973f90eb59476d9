// How names and values of YAML are spelled where the classic format has them.
#pragma once

#include <string>
#include <string_view>

namespace noroshi {

// "memBufLimit" → "mem_buf_limit", by Fluent Bit's rule (flb_cf_key_translate): only what begins
// in lower case and holds no '_' is camel case. Else the key in lower case.
[[nodiscard]] std::string property_name(std::string_view key);

// A word of a classic multiline rule: "state" "/regex/" "next".
[[nodiscard]] std::string quoted_word(std::string_view text);

}  // namespace noroshi

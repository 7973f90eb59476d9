// Whether bytes are a record that an encoder may walk without looking at errors.
#pragma once

#include <string_view>

namespace noroshi {

// True if `record` is exactly one well-formed map. Cost: one pass.
[[nodiscard]] bool is_valid_record(std::string_view record);

}  // namespace noroshi

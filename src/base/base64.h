// Base64 (RFC 4648, section 4, with padding).
#pragma once

#include <string>
#include <string_view>

namespace noroshi {

// Appends the text of `bytes`: 4 characters for each 3 bytes begun.
void append_base64(std::string& out, std::string_view bytes);

[[nodiscard]] constexpr size_t base64_size(size_t bytes) { return (bytes + 2) / 3 * 4; }

}  // namespace noroshi

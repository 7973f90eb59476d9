// Times as the services write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace noroshi::localaws {

// A Timestamp ends in 2262; later years are refused wherever text becomes one.
inline constexpr int kYearMax = 2200;

[[nodiscard]] std::string iso_time(Timestamp time);         // "2026-11-23T02:53:00Z"
[[nodiscard]] std::string iso_time_millis(Timestamp time);  // "2026-11-23T02:53:00.123Z"
[[nodiscard]] std::string http_time(Timestamp time);        // "Mon, 23 Nov 2026 02:53:00 GMT"
[[nodiscard]] std::optional<Timestamp> parse_http_time(const std::string& text);
[[nodiscard]] int64_t to_millis(Timestamp time);  // since 1970

}  // namespace noroshi::localaws

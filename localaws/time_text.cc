#include "localaws/time_text.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace noroshi::localaws {
namespace {

std::tm utc(Timestamp time) {
  const std::time_t seconds = std::chrono::floor<Seconds>(time).time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return parts;
}

std::string formatted(Timestamp time, const char* format) {
  const std::tm parts = utc(time);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

}  // namespace

int64_t to_millis(Timestamp time) {
  return std::chrono::floor<Milliseconds>(time).time_since_epoch().count();
}

std::string iso_time(Timestamp time) { return formatted(time, "%Y-%m-%dT%H:%M:%SZ"); }

std::string iso_time_millis(Timestamp time) {
  const int64_t millis = to_millis(time) - to_millis(std::chrono::floor<Seconds>(time));
  return fmt::format("{}.{:03}Z", formatted(time, "%Y-%m-%dT%H:%M:%S"), millis);
}

std::string http_time(Timestamp time) { return formatted(time, "%a, %d %b %Y %H:%M:%S GMT"); }

std::optional<Timestamp> parse_http_time(const std::string& text) {
  std::tm parts{};
  const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0' || parts.tm_year > kYearMax - 1900) return std::nullopt;
  if (parts.tm_year < 0) return std::nullopt;
  return Timestamp(Seconds(::timegm(&parts)));
}

}  // namespace noroshi::localaws

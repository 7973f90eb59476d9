#include "input/socket_options.h"

#include <fmt/format.h>

#include <charconv>

#include "config/diagnostics.h"

namespace noroshi {
namespace {

constexpr size_t kUnixPathBytesMax = 107;  // sun_path, with its final zero

}  // namespace

std::optional<uint32_t> read_file_mode(const LocatedText& given, std::string_view plugin,
                                       Diagnostics& diagnostics) {
  const std::string& text = given.text;
  if (text.empty()) return std::nullopt;
  uint32_t mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error == std::errc() && end == text.data() + text.size() && mode <= 07777) return mode;
  diagnostics.error(given.where, fmt::format("{}: \"{}\" is not an octal file mode", plugin, text))
      .help(fmt::format("for example {} 0660", given.name));
  return std::nullopt;
}

void check_unix_path(const std::string& path, std::string_view option, const Section& section,
                     std::string_view plugin, Diagnostics& diagnostics) {
  if (path.size() <= kUnixPathBytesMax) return;
  diagnostics.error(section.where_of(option),
                    fmt::format("{}: {} has {} bytes, a Unix socket's path {} at most", plugin,
                                option, path.size(), kUnixPathBytesMax));
}

}  // namespace noroshi

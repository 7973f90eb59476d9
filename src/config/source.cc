#include "config/source.h"

#include <fmt/format.h>

namespace noroshi {

std::string_view SourceText::line(uint32_t number) const {
  if (number == 0) return {};
  std::string_view rest = text_;
  for (uint32_t skipped = 1; skipped < number; ++skipped) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  rest = rest.substr(0, rest.find('\n'));
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

std::string SourceLocation::to_string() const {
  if (source == nullptr) return {};
  if (line == 0) return source->name();
  size_t characters = 1;
  if (column > 1) {
    for (const char c : source->line(line).substr(0, column - 1)) {
      if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++characters;
    }
  }
  return fmt::format("{}:{}:{}", source->name(), line, characters);
}

}  // namespace noroshi

#include "config/accessor_option.h"

#include <fmt/format.h>

#include "config/diagnostics.h"

namespace noroshi {
namespace {

template <typename Parsed>
std::optional<Parsed> parse_option(const LocatedText& option, Diagnostics& diagnostics,
                                   std::string_view prefix) {
  if (option.text.empty()) return std::nullopt;
  Result<Parsed> parsed = Parsed::parse(option.text);
  if (parsed) return *std::move(parsed);
  diagnostics.error(option.where,
                    fmt::format("{}{}: {}", prefix, option.name, parsed.error().message));
  return std::nullopt;
}

}  // namespace

std::optional<RecordAccessor> parse_accessor_option(const LocatedText& option,
                                                    Diagnostics& diagnostics,
                                                    std::string_view prefix) {
  return parse_option<RecordAccessor>(option, diagnostics, prefix);
}

std::optional<RecordTemplate> parse_template_option(const LocatedText& option,
                                                    Diagnostics& diagnostics,
                                                    std::string_view prefix) {
  return parse_option<RecordTemplate>(option, diagnostics, prefix);
}

}  // namespace noroshi

// Accessors of ServerRequest.

#include <algorithm>

#include "net/http_server.h"

namespace noroshi {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string_view ServerRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view ServerRequest::query() const {
  const size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view{} : std::string_view(target).substr(mark + 1);
}

const std::string* ServerRequest::find_header(std::string_view name) const {
  const auto found = std::ranges::find_if(
      headers, [&](const ServerHeader& header) { return same_name(header.name, name); });
  return found == headers.end() ? nullptr : &found->value;
}

std::string_view ServerRequest::header(std::string_view name) const {
  const std::string* value = find_header(name);
  return value ? std::string_view(*value) : std::string_view{};
}

}  // namespace noroshi

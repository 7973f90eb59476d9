#include <algorithm>

#include "http/http_client.h"

namespace noroshi {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (equal_ignoring_case(entry.name, name)) return entry.value;
  }
  return std::nullopt;
}

void HttpHeaders::set(std::string_view name, std::string_view value) {
  std::string copy(value);  // `value` may point into an entry that erase() destroys
  erase(name);
  entries_.push_back({std::string(name), std::move(copy)});
}

void HttpHeaders::add(std::string_view name, std::string_view value) {
  entries_.push_back({std::string(name), std::string(value)});
}

void HttpHeaders::erase(std::string_view name) {
  std::erase_if(entries_,
                [name](const Entry& entry) { return equal_ignoring_case(entry.name, name); });
}

std::string_view http_user_agent() { return "noroshi/" NOROSHI_VERSION; }

}  // namespace noroshi

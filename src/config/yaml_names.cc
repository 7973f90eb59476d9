#include "config/yaml_names.h"

#include "config/values.h"

namespace noroshi {

std::string property_name(std::string_view key) {
  const bool camel =
      !key.empty() && key[0] >= 'a' && key[0] <= 'z' && key.find('_') == std::string_view::npos;
  if (!camel) return to_lower(key);
  std::string name;
  for (const char c : key) {
    if (c >= 'A' && c <= 'Z') {
      name.push_back('_');
      name.push_back(static_cast<char>(c - 'A' + 'a'));
    } else {
      name.push_back(c);
    }
  }
  return name;
}

std::string quoted_word(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out.push_back('\\');
    out.push_back(c);
  }
  return out + '"';
}

}  // namespace noroshi

#include "config/parse_config.h"

#include "config/values.h"
#include "config/yaml.h"

namespace noroshi {

bool is_yaml_path(std::string_view path) {
  const std::string lower = to_lower(path);
  return lower.ends_with(".yaml") || lower.ends_with(".yml");
}

bool is_yaml_text(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("---") || line.starts_with("%YAML") || line.front() == '{') return true;
    if (line.front() == '[' || line.front() == '@') return false;
    // "pipeline:", "service: {…}"; a classic text never begins with a key.
    const size_t colon = line.find(':');
    return colon != std::string_view::npos &&
           (colon + 1 == line.size() || line[colon + 1] == ' ') &&
           line.substr(0, colon).find_first_of(" \t") == std::string_view::npos;
  }
  return false;
}

Document parse_config_file(const std::string& path, Diagnostics& diagnostics,
                           const ClassicOptions& options) {
  return is_yaml_path(path) ? parse_yaml_file(path, diagnostics, options)
                            : parse_classic_file(path, diagnostics, options);
}

Document parse_config_text(std::string name, std::string text, Diagnostics& diagnostics,
                           const ClassicOptions& options) {
  if (is_yaml_text(text))
    return parse_yaml_text(std::move(name), std::move(text), diagnostics, options);
  return parse_classic_text(std::move(name), std::move(text), diagnostics, options);
}

}  // namespace noroshi

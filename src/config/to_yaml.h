// A classic configuration as YAML: for `noroshi convert`. Values stay as they were written, with
// their variables; comments stay with what they stood above. What cannot be said in YAML (groups
// that nothing reads) becomes a comment.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"

namespace noroshi {

struct ToYamlOptions {
  // True if this option of the section may be written as a list: it repeats, and its place among
  // the other options does not matter.
  std::function<bool(const Section& section, std::string_view option)> is_list =
      [](const Section&, std::string_view) { return true; };
  // Included files that the text keeps, instead of what they hold.
  std::vector<std::string> includes = {};
  // Where the includes stand: before the filters of the file (false: behind them).
  bool includes_first = true;
};

// `document` comes from the classic parser.
[[nodiscard]] std::string to_yaml(const Document& document, const ToYamlOptions& options = {});

// A value as a YAML scalar: plain where that is safe, else in quotes.
[[nodiscard]] std::string yaml_scalar(std::string_view text);

}  // namespace noroshi

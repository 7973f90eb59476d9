// Any text through the YAML reader and every table behind it. Checked besides memory safety: a key
// or value that stands in its source in one piece stands exactly where its location says, rendering
// never prints a control character, and every value survives being written as YAML and read again.
#include "base/check.h"
#include "config/common_options.h"
#include "config/fuzz_configuration.h"
#include "config/parse_config.h"
#include "config/to_yaml.h"
#include "config/yaml.h"

namespace {

using namespace noroshi;

void check_place(const SourceLocation& where, std::string_view text) {
  CHECK(where.source != nullptr && where.line > 0 && where.column > 0, "everything has a place");
  const std::string_view line = where.source->line(where.line);
  CHECK(where.column - 1 + size_t{where.length} <= line.size(), "the place is on its line");
  // As long as the text means: it is the text (place_in.h relies on it).
  if (where.length == text.size()) {
    CHECK(line.substr(where.column - 1, where.length) == text, "the place is right");
  }
}

void read_values(const Section& section, Diagnostics& diagnostics) {
  for (const Property& property : section.properties) {
    CHECK(!property.values.empty(), "a property has a value");
    for (const PropertyValue& value : property.values) {
      if (!value.expanded && property.name != "rule") check_place(value.where, value.text);
    }
  }
  static_cast<void>(parse_input_common(section, diagnostics));
  static_cast<void>(parse_filter_common(section, diagnostics));
  static_cast<void>(parse_output_common(section, diagnostics));
  for (const Section& child : section.children) read_values(child, diagnostics);
}

// UTF-8 without what YAML refuses is the reader's business; here only what it has read comes back.
void check_scalar(const std::string& text) {
  Diagnostics diagnostics;
  const Document again = parse_yaml_text("again", "env:\n  KEY: " + yaml_scalar(text) + "\n",
                                         diagnostics, {.variables = {}});
  if (diagnostics.has_errors()) return;
  CHECK(again.environment.at("KEY") == text, "a scalar means what was written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parse = [](std::string name, std::string text, Diagnostics& diagnostics,
                        const ClassicOptions& options) {
    static_cast<void>(is_yaml_text(text));
    return parse_yaml_text(std::move(name), std::move(text), diagnostics, options);
  };
  return fuzz_configuration(data, size, parse,
                            [](const Section& section, Diagnostics& diagnostics) {
                              read_values(section, diagnostics);
                              for (const Property& property : section.properties)
                                check_scalar(property.value());
                            });
}

// Any text through the classic parser, every table and every value parser. Checked besides memory
// safety: a value that was not expanded stands in its source exactly where its location says, and
// rendering never prints a control character.
#include "base/check.h"
#include "config/classic.h"
#include "config/common_options.h"
#include "config/fuzz_configuration.h"

namespace {

using namespace noroshi;

void check_place(const SourceLocation& where, std::string_view text) {
  CHECK(where.source != nullptr && where.line > 0 && where.column > 0, "a property has a place");
  CHECK(where.source->line(where.line).substr(where.column - 1, where.length) == text,
        "the place is right");
}

void read_values(const Section& section, Diagnostics& diagnostics) {
  for (const Property& property : section.properties) {
    check_place(property.key_where, property.key);
    for (const PropertyValue& value : property.values) {
      if (!value.expanded) check_place(value.where, value.text);
      static_cast<void>(parse_byte_size(value.text));
      static_cast<void>(parse_duration(value.text));
      static_cast<void>(parse_boolean(value.text));
      static_cast<void>(parse_integer(value.text));
      static_cast<void>(parse_double(value.text));
      static_cast<void>(parse_retry_limit(value.text));
    }
  }
  static_cast<void>(parse_input_common(section, diagnostics));
  static_cast<void>(parse_filter_common(section, diagnostics));
  static_cast<void>(parse_output_common(section, diagnostics));
  for (const Section& child : section.children) read_values(child, diagnostics);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_configuration(data, size, parse_classic_text, read_values);
}

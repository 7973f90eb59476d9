// MultilineRegistry: the multiline parsers a configuration can name: the built-in ones and the
// user's [MULTILINE_PARSER] sections (from parsers files, and from the main file, which Fluent Bit
// refuses). ParserRegistry::multiline() holds the one of a configuration. Filled on the main thread
// while the configuration is read, then read-only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/diagnostics.h"
#include "config/option_value.h"

namespace noroshi {

class MultilineJoiner;  // parser/multiline.h
class MultilineRules;   // parser/multiline_rules.h
class OptionTableBase;  // config/option_table_base.h
class ParserRegistry;   // parser/parser_registry.h
struct MultilineSettings;
struct Section;  // config/document.h

class MultilineRegistry {
 public:
  // Adds one section. It is really compiled: every problem goes to `diagnostics` and the definition
  // is left out. The user's definition of a built-in name wins, of two definitions the last, with
  // a warning.
  void add(const Section& section, Diagnostics& diagnostics);
  // Null if nobody defined `name` (any case, as in Fluent Bit).
  [[nodiscard]] std::shared_ptr<const MultilineRules> find(std::string_view name) const;
  // All names, sorted: for suggestions.
  [[nodiscard]] std::vector<std::string> names() const;

  // [SERVICE] multiline_buffer_limit: bytes of one message.
  void set_message_bytes_max(uint64_t bytes) { message_bytes_max_ = bytes; }
  [[nodiscard]] uint64_t message_bytes_max() const { return message_bytes_max_; }

  // The options of a section, for docs.
  static const OptionTableBase& option_table();

 private:
  struct Definition {
    std::shared_ptr<const MultilineRules> rules;
    SourceLocation where;
  };
  std::map<std::string, Definition, std::less<>> definitions_;  // by lower-case name
  uint64_t message_bytes_max_ = 2 << 20;
};

// The joiner for the `multiline.parser` values of a filter or an input: names separated by commas,
// in their order. Null and an error with suggestions if one does not exist or cannot be used.
// `settings.message_bytes_max` is set from the registry.
[[nodiscard]] std::unique_ptr<MultilineJoiner> make_multiline_joiner(
    const std::vector<LocatedText>& names, MultilineSettings settings,
    const ParserRegistry& registry, const Clock& clock, Diagnostics& diagnostics);

}  // namespace noroshi

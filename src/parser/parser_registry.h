// ParserRegistry: the parsers a configuration can name: Fluent Bit's stock parsers, built in, and
// the user's [PARSER] sections (in parsers files, -R files and inline). The user's definition of a
// stock name wins silently; of two user definitions of one name the last wins with a warning.
//
// Filled on the main thread while the configuration is read, then read-only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/source.h"
#include "parser/multiline_registry.h"
#include "parser/parser.h"

namespace noroshi {

class Diagnostics;      // config/diagnostics.h
class OptionTableBase;  // config/option_table_base.h
struct Section;         // config/document.h

class ParserRegistry {
 public:
  // `clock` outlives the registry and every parser it makes.
  explicit ParserRegistry(const Clock& clock = system_clock());

  // Adds one [PARSER] section. It is really compiled: every problem (unknown option, bad regex with
  // the column inside it, unknown time zone …) goes to `diagnostics` and the definition is left
  // out.
  void add(const Section& section, Diagnostics& diagnostics);

  // A parser of its own for the caller; NotFound if nobody defined `name`.
  [[nodiscard]] Result<std::unique_ptr<Parser>> make(std::string_view name) const;

  [[nodiscard]] bool contains(std::string_view name) const;
  // All names, sorted: for suggestions.
  [[nodiscard]] std::vector<std::string> names() const;

  [[nodiscard]] MultilineRegistry& multiline() { return multiline_; }
  [[nodiscard]] const MultilineRegistry& multiline() const { return multiline_; }

  // The options of a [PARSER] section, for docs.
  static const OptionTableBase& option_table();

 private:
  struct Definition {
    ParserOptions options = {};
    bool user_defined = false;
    SourceLocation where = {};
  };
  const Clock& clock_;
  MultilineRegistry multiline_;
  std::map<std::string, Definition, std::less<>> definitions_;
};

}  // namespace noroshi

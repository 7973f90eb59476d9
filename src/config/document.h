// Document: a configuration as sections of located properties, whatever text format it came from.
// The classic parser (classic.h) makes it, option tables (option_table.h) read it. A plain value:
// copy and move it freely; locations stay valid by themselves.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/source.h"

namespace noroshi {

enum class SectionKind {
  Service,
  Input,
  Filter,
  Output,
  Parser,
  MultilineParser,
  Plugins,
  StreamTask,
  Upstream,
  Node,
  Custom,
  Group,  // a "[name]" inside a section of the classic format, a nested map of another
};

// "input", "output", "multiline_parser" …: as messages name it.
[[nodiscard]] std::string_view to_string(SectionKind kind);

struct PropertyValue {
  std::string text = {};      // variables expanded
  SourceLocation where = {};  // of the text as written
  bool expanded = false;      // a variable was replaced: `text` is not what stands at `where`
};

struct Property {
  std::string key = {};           // as written
  std::string name = {};          // lower case: what find() compares
  SourceLocation key_where = {};  // of the key
  // At least one. The classic format always gives exactly one; a list in another format gives
  // several.
  std::vector<PropertyValue> values = {};

  [[nodiscard]] const std::string& value() const { return values.front().text; }
  [[nodiscard]] const SourceLocation& where() const { return values.front().where; }
};

struct Section {
  SectionKind kind = SectionKind::Group;
  std::string title = {};                 // as written: "INPUT"
  SourceLocation where = {};              // of the title
  std::vector<Property> properties = {};  // in the order written
  std::vector<Section> children = {};     // groups, nodes of an upstream

  // The last property of this lower-case name (the one that wins where repeats are legal), or null.
  [[nodiscard]] const Property* find(std::string_view name) const;
  [[nodiscard]] std::vector<const Property*> find_all(std::string_view name) const;
  // The value of that property; "" if there is none.
  [[nodiscard]] std::string_view value(std::string_view name) const;
  // Where to point when talking about the option `name`: its value if it is set, else the section's
  // title.
  [[nodiscard]] SourceLocation where_of(std::string_view name) const;
  // The `Name` property in lower case: which plugin; "" if it is missing.
  [[nodiscard]] std::string plugin() const;
};

struct Document {
  std::vector<Section> sections = {};
  std::map<std::string, std::string> environment = {};  // set by the text itself (@SET, env:)
  std::vector<std::shared_ptr<const SourceText>> files =
      {};  // the main text first, then in reading order
  // Of the main file, symbolic links resolved: where relative paths are looked for after the
  // working directory (find_config_file() in config_file.h). "" for text without a file.
  std::string main_directory = {};

  [[nodiscard]] std::vector<const Section*> find_all(SectionKind kind) const;
};

}  // namespace noroshi

// Two passes. The first reads lines (and included files, in place) into sections whose values are
// as written, and collects every @SET; the second expands the variables, because an @SET counts
// wherever it stands. What Fluent Bit would refuse but can only mean one thing is read and noticed
// (laxness.h).
#include "config/classic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "config/config_file.h"
#include "config/config_reader.h"
#include "config/laxness.h"
#include "config/nearest_name.h"
#include "config/values.h"

namespace noroshi {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct SectionName {
  std::string_view name;  // lower case, the longest spelling
  SectionKind kind;
};

// A title is any beginning of one of these, in any case; the first that fits, in Fluent Bit's
// order.
constexpr std::array<SectionName, 15> kSectionNames{{
    {"service", SectionKind::Service},
    {"parsers", SectionKind::Parser},
    {"multiline_parsers", SectionKind::MultilineParser},
    {"stream_processor", SectionKind::StreamTask},
    {"stream_task", SectionKind::StreamTask},
    {"plugins", SectionKind::Plugins},
    {"upstream_servers", SectionKind::Upstream},
    {"customs", SectionKind::Custom},
    {"inputs", SectionKind::Input},
    {"filters", SectionKind::Filter},
    {"outputs", SectionKind::Output},
    {"node", SectionKind::Node},
    {"services", SectionKind::Service},
    {"upstreams", SectionKind::Upstream},
    {"nodes", SectionKind::Node},
}};

std::optional<SectionKind> kind_of(std::string_view title) {
  const std::string name = to_lower(title);
  if (name.empty()) return std::nullopt;
  for (const SectionName& known : kSectionNames) {
    if (known.name.starts_with(name)) return known.kind;
  }
  return std::nullopt;
}

std::string nearest_section(std::string_view title) {
  static const std::vector<std::string> kNames = {
      "SERVICE",          "INPUT",   "FILTER",      "OUTPUT",   "PARSER",
      "MULTILINE_PARSER", "PLUGINS", "STREAM_TASK", "UPSTREAM", "NODE"};
  return nearest_name(title, kNames);
}

class ClassicParser final : public ConfigReader {
 public:
  using ConfigReader::ConfigReader;

 private:
  // One file being read.
  struct File {
    std::shared_ptr<const SourceText> source;
    std::string directory;
    size_t depth = 0;
    std::optional<std::string> indent = {};  // fixed by the first indented line
    LaxnessReport laxness = {};
    // Where keys go: the section (index into document_.sections) this file opened last. Unknown
    // sections swallow their keys.
    std::optional<size_t> section = {};
    bool in_unknown_section = false;
    std::optional<size_t> group = {};  // index into the section's children
    size_t group_indent = 0;
    bool reported_homeless = false;
  };

  struct Line {
    std::string_view text;
    uint32_t number = 0;
  };

  static SourceLocation at(const File& file, const Line& line, size_t begin, size_t length) {
    return {file.source, line.number, static_cast<uint32_t>(begin + 1),
            static_cast<uint32_t>(length)};
  }

  void read_text(std::string name, std::string text, std::string directory, size_t depth) override;
  void read_line(File& file, const Line& line);
  void read_directive(File& file, const Line& line, size_t begin);
  void read_include(const File& file, std::string_view path, const SourceLocation& where);
  void read_set(File& file, const Line& line, size_t begin);
  void open_section(File& file, const Line& line, size_t begin);
  void open_group(File& file, const Line& line, size_t begin);
  void add_property(File& file, const Line& line, size_t begin);
  void check_indent(File& file, const Line& line, size_t begin);
  Section* home_of_key(File& file, const Line& line, size_t begin);

  // What keys at the start of an included file belong to.
  std::optional<size_t> includer_section_;
  bool includer_in_unknown_section_ = false;
};

void ClassicParser::read_text(std::string name, std::string text, std::string directory,
                              size_t depth) {
  File file{.source = std::make_shared<const SourceText>(std::move(name), std::move(text)),
            .directory = std::move(directory),
            .depth = depth,
            .in_unknown_section = includer_in_unknown_section_};
  document_.files.push_back(file.source);
  std::string_view rest = file.source->text();
  if (const size_t nul = rest.find('\0'); nul != std::string_view::npos) {
    const auto line = static_cast<uint32_t>(1 + std::ranges::count(rest.substr(0, nul), '\n'));
    diagnostics_.error({file.source, line, 0, 0},
                       "there is a NUL byte: this is not a text in UTF-8");
    return;
  }
  for (uint32_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    Line line{rest.substr(0, end), number};
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    read_line(file, line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  file.laxness.report(diagnostics_);
}

void ClassicParser::read_line(File& file, const Line& line) {
  size_t begin = 0;
  if (line.number == 1 && line.text.starts_with(kByteOrderMark)) {
    file.laxness.notice(Laxness::ByteOrderMark, at(file, line, 0, 0));
    begin = kByteOrderMark.size();
  }
  const size_t line_begin = begin;
  if (begin == line.text.size()) return;
  begin = line.text.find_first_not_of(kBlanks, begin);
  const bool indented = begin != line_begin;

  if (begin ==
      std::string_view::npos) {  // blanks only: they may set the indentation, as in Fluent Bit
    const std::string_view blanks = line.text.substr(line_begin);
    if (!file.indent) file.indent = blanks;
    if (blanks != *file.indent && blanks != *file.indent + *file.indent) {
      file.laxness.notice(Laxness::BlankLine, at(file, line, 0, line.text.size()));
    }
    return;
  }
  const char first = line.text[begin];
  if (first == '#') {
    if (!indented) return;
    const std::string_view blanks = line.text.substr(line_begin, begin - line_begin);
    if (!file.indent) file.indent = blanks;
    if (blanks != *file.indent && blanks != *file.indent + *file.indent) {
      file.laxness.notice(Laxness::CommentIndentation,
                          at(file, line, begin, line.text.size() - begin));
    }
    return;
  }
  if (first == '@') {
    if (indented) file.laxness.notice(Laxness::IndentedDirective, at(file, line, begin, 1));
    return read_directive(file, line, begin);
  }
  if (first == '[') {
    if (!indented) return open_section(file, line, begin);
    return open_group(file, line, begin);
  }
  add_property(file, line, begin);
}

void ClassicParser::read_directive(File& file, const Line& line, size_t begin) {
  const std::string_view text = line.text.substr(begin);
  const size_t word_end = std::min(text.find_first_of(kBlanks), text.size());
  const std::string word = to_lower(text.substr(0, word_end));
  const SourceLocation word_where = at(file, line, begin, word_end);
  if (trim(text.substr(word_end)).empty()) {
    diagnostics_
        .error(word_where, fmt::format("{} needs something after it", text.substr(0, word_end)))
        .help("@INCLUDE PATH or @SET NAME=VALUE");
    return;
  }
  if (word == "@include") {
    const std::string_view after = text.substr(word_end + 1);
    const std::string_view path = trim(after);
    const size_t path_begin =
        begin + word_end + 1 + static_cast<size_t>(path.data() - after.data());
    const SourceLocation where = at(file, line, path_begin, path.size());
    if (path.size() != after.size() || text[word_end] != ' ')
      file.laxness.notice(Laxness::IncludeBlanks, where);
    read_include(file, path, where);
  } else if (word == "@set") {
    read_set(file, line, begin + word_end + 1);
  } else {
    diagnostics_
        .warning(word_where,
                 fmt::format("{} is no directive; the line is ignored", text.substr(0, word_end)))
        .help("@INCLUDE PATH or @SET NAME=VALUE");
  }
}

void ClassicParser::read_include(const File& file, std::string_view path,
                                 const SourceLocation& where) {
  const bool pattern = path.find('*') != std::string_view::npos;
  // Fluent Bit looks for plain paths in the working directory first, for patterns only beside the
  // main file.
  std::vector<std::string> directories = {options_.working_directory, main_directory_,
                                          file.directory};
  if (pattern) std::swap(directories[0], directories[1]);
  std::vector<std::string> paths;
  std::optional<Error> missing;
  if (pattern) {
    auto found = find_config_files(path, directories);
    if (found)
      paths = *std::move(found);
    else
      missing = std::move(found).error();
  } else {
    auto found = find_config_file(path, directories);
    if (found)
      paths.push_back(*std::move(found));
    else
      missing = std::move(found).error();
  }
  if (missing) {
    Diagnostic& diagnostic = diagnostics_.error(where, "@INCLUDE: " + missing->message);
    if (path.find("${") != std::string_view::npos)
      diagnostic.help("variables are not expanded in an @INCLUDE");
    const std::string lower = to_lower(path);
    if (lower.ends_with(".yaml") || lower.ends_with(".yml"))
      diagnostic.help("a classic file cannot include YAML");
    return;
  }
  // Keys at the start of the included file belong to our section, keys after the @INCLUDE go on
  // with it.
  const std::optional<size_t> outer = std::exchange(includer_section_, file.section);
  const bool outer_unknown = std::exchange(includer_in_unknown_section_, file.in_unknown_section);
  for (const std::string& found : paths) {
    const std::string lower = to_lower(found);
    if (lower.ends_with(".yaml") || lower.ends_with(".yml")) {
      diagnostics_.error(where,
                         fmt::format("@INCLUDE: {}: a classic file cannot include YAML", found));
      continue;
    }
    read_file(found, where, file.depth + 1);
  }
  includer_section_ = outer;
  includer_in_unknown_section_ = outer_unknown;
}

void ClassicParser::read_set(File& file, const Line& line, size_t begin) {
  const std::string_view text = line.text.substr(begin);
  const size_t equals = text.find('=');
  const std::string_view name = trim(text.substr(0, equals));
  if (equals == std::string_view::npos || name.empty()) {
    diagnostics_.error(at(file, line, begin, text.size()), "@SET needs NAME=VALUE");
    return;
  }
  set_[std::string(name)] = std::string(trim(text.substr(equals + 1)));
}

void ClassicParser::open_section(File& file, const Line& line, size_t begin) {
  file.group.reset();
  size_t end = line.text.find(']', begin);
  if (end == std::string_view::npos) {
    diagnostics_.error(at(file, line, begin, line.text.size() - begin),
                       "the closing \"]\" is missing");
    end = line.text.size();
  } else if (const std::string_view after = trim(line.text.substr(end + 1));
             !after.empty() && after[0] != '#') {
    diagnostics_
        .warning(at(file, line, static_cast<size_t>(after.data() - line.text.data()), after.size()),
                 "text after a section header is ignored")
        .help("keys and values go on lines of their own");
  }
  const std::string_view inside = line.text.substr(begin + 1, end - begin - 1);
  const std::string_view title = trim(inside);
  const SourceLocation where = at(file, line, begin, std::min(end + 1, line.text.size()) - begin);
  if (title.size() != inside.size()) file.laxness.notice(Laxness::TitleBlanks, where);
  const std::optional<SectionKind> kind = kind_of(title);
  file.in_unknown_section = !kind;
  if (!kind) {
    Diagnostic& diagnostic = diagnostics_.warning(
        where, fmt::format("unknown section \"{}\": it is ignored with all its keys", title));
    if (const std::string near = nearest_section(title); !near.empty()) {
      diagnostic.help(fmt::format("did you mean [{}]?", near));
    }
    return;
  }
  // [NODE]s of an upstream file belong to the [UPSTREAM] before them.
  Section section{.kind = *kind, .title = std::string(title), .where = where};
  if (*kind == SectionKind::Node && file.section &&
      document_.sections[*file.section].kind == SectionKind::Upstream) {
    Section& upstream = document_.sections[*file.section];
    file.group = upstream.children.size();
    file.group_indent = 0;
    upstream.children.push_back(std::move(section));
    return;
  }
  file.section = document_.sections.size();
  document_.sections.push_back(std::move(section));
}

// An indented "[name]": a group of the section, unless it is plainly a section itself.
void ClassicParser::open_group(File& file, const Line& line, size_t begin) {
  const size_t end = line.text.find(']', begin);
  if (end == std::string_view::npos) {
    diagnostics_.error(at(file, line, begin, line.text.size() - begin),
                       "the closing \"]\" is missing");
    return;
  }
  const std::string_view title = trim(line.text.substr(begin + 1, end - begin - 1));
  const std::string lower = to_lower(title);
  const bool is_section = std::ranges::any_of(kSectionNames, [&](const SectionName& known) {
    return known.name == lower || known.name == lower + "s";
  });
  if (is_section) {
    file.laxness.notice(Laxness::IndentedSection, at(file, line, begin, end + 1 - begin));
    return open_section(file, line, begin);
  }
  if (file.in_unknown_section) return;
  file.group.reset();
  Section* parent = home_of_key(file, line, begin);
  if (parent == nullptr) return;
  file.group = parent->children.size();
  file.group_indent = begin;
  parent->children.push_back({.kind = SectionKind::Group,
                              .title = std::string(title),
                              .where = at(file, line, begin, end + 1 - begin)});
  return;
}

void ClassicParser::check_indent(File& file, const Line& line, size_t begin) {
  const std::string_view blanks = line.text.substr(0, begin);
  const SourceLocation where = at(file, line, begin, 1);
  if (blanks.empty() || blanks == kByteOrderMark)
    return file.laxness.notice(Laxness::KeyInColumnOne, where);
  if (!file.indent) file.indent = blanks;
  const bool member = file.group && blanks == *file.indent + *file.indent;
  if (blanks != *file.indent && !member) file.laxness.notice(Laxness::Indentation, where);
}

// Where a key (or group) of this line goes; null after saying why it has no place.
Section* ClassicParser::home_of_key(File& file, const Line& line, size_t begin) {
  if (file.group && file.section) {
    Section& child = document_.sections[*file.section].children[*file.group];
    if (child.kind == SectionKind::Node || begin > file.group_indent) return &child;
    file.group.reset();
  }
  if (!file.section && includer_section_) {
    file.section = includer_section_;
    file.laxness.notice(Laxness::KeysOfIncluder, at(file, line, begin, 1));
  }
  if (file.section) return &document_.sections[*file.section];
  if (!std::exchange(file.reported_homeless, true)) {
    diagnostics_
        .error(at(file, line, begin, line.text.size() - begin),
               "this line stands before any section")
        .help("a section begins with a line such as [INPUT]");
  }
  return nullptr;
}

void ClassicParser::add_property(File& file, const Line& line, size_t begin) {
  if (file.in_unknown_section) return;
  check_indent(file, line, begin);
  Section* section = home_of_key(file, line, begin);
  if (section == nullptr) return;
  const size_t separator = std::min(line.text.find_first_of(kBlanks, begin), line.text.size());
  const std::string_view key = line.text.substr(begin, separator - begin);
  const std::string_view value = trim(line.text.substr(separator));
  const SourceLocation key_where = at(file, line, begin, key.size());
  if (value.empty()) {
    diagnostics_.error(key_where, fmt::format("\"{}\" has no value", key));
    return;
  }
  if (line.text[separator] == '\t')
    file.laxness.notice(Laxness::TabSeparator, at(file, line, separator, 1));
  const size_t value_begin = static_cast<size_t>(value.data() - line.text.data());
  section->properties.push_back({.key = std::string(key),
                                 .name = to_lower(key),
                                 .key_where = key_where,
                                 .values = {{.text = std::string(value),
                                             .where = at(file, line, value_begin, value.size()),
                                             .expanded = false}}});
}

}  // namespace

Document parse_classic_file(const std::string& path, Diagnostics& diagnostics,
                            const ClassicOptions& options) {
  return ClassicParser(options, diagnostics).parse_file(path);
}

Document parse_classic_text(std::string name, std::string text, Diagnostics& diagnostics,
                            const ClassicOptions& options) {
  return ClassicParser(options, diagnostics).parse_text(std::move(name), std::move(text));
}

}  // namespace noroshi

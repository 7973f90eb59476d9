#include "config/to_yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/values.h"

namespace noroshi {
namespace {

// What stands in the text at a value's place: with its variables.
std::string as_written(const PropertyValue& value) {
  if (value.where.source == nullptr || value.where.line == 0) return value.text;
  return std::string(value.where.source->line(value.where.line)
                         .substr(value.where.column - 1, value.where.length));
}

// The words of a multiline rule: "state" "/regex/" "next", quotes escaped with a backslash.
std::optional<std::array<std::string, 3>> rule_words(std::string_view line) {
  std::array<std::string, 3> words;
  size_t at = 0;
  for (std::string& word : words) {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
    if (at >= line.size() || line[at] != '"') return std::nullopt;
    for (++at; at < line.size() && line[at] != '"'; ++at) {
      if (line[at] == '\\' && at + 1 < line.size() && line[at + 1] == '"') ++at;
      word.push_back(line[at]);
    }
    if (at >= line.size()) return std::nullopt;
    ++at;
  }
  if (line.find_first_not_of(" \t", at) != std::string_view::npos) return std::nullopt;
  return words;
}

class YamlWriter {
 public:
  YamlWriter(const Document& document, const ToYamlOptions& options)
      : document_(document), options_(options) {
    find_comments();
  }

  std::string write() {
    write_environment();
    if (options_.includes_first) write_includes();
    write_service();
    write_list(SectionKind::Parser, "parsers", "");
    write_list(SectionKind::MultilineParser, "multiline_parsers", "");
    write_list(SectionKind::Upstream, "upstream_servers", "");
    write_list(SectionKind::StreamTask, "stream_processor", "");
    write_list(SectionKind::Custom, "customs", "");
    write_plugins();
    if (has(SectionKind::Input) || has(SectionKind::Filter) || has(SectionKind::Output)) {
      begin_block();
      out_ += "pipeline:\n";
      write_list(SectionKind::Input, "inputs", "  ");
      write_list(SectionKind::Filter, "filters", "  ");
      write_list(SectionKind::Output, "outputs", "  ");
    }
    if (!options_.includes_first) write_includes();
    write_last_comments();
    return std::move(out_);
  }

 private:
  using Line = std::pair<const SourceText*, uint32_t>;

  // Comment lines belong to the next line that is none, if something of the document stands there.
  void find_comments() {
    for (const auto& file : document_.files) {
      std::vector<std::string> open;
      std::string_view rest = file->text();
      for (uint32_t number = 1; !rest.empty(); ++number) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.starts_with('#')) {
          open.emplace_back(line);
        } else if (!line.empty() && !open.empty()) {
          comments_[{file.get(), number}] = std::move(open);
          open.clear();
        }
      }
      last_comments_.insert(last_comments_.end(), open.begin(), open.end());
    }
  }

  void write_comments(const SourceLocation& where, std::string_view indent) {
    const auto found = comments_.find({where.source.get(), where.line});
    if (found == comments_.end()) return;
    for (const std::string& line : found->second) out_ += fmt::format("{}{}\n", indent, line);
    comments_.erase(found);
  }

  // Of lines that became nothing (an @SET, an empty section) and of the ends of files.
  void write_last_comments() {
    if (comments_.empty() && last_comments_.empty()) return;
    begin_block();
    for (const auto& [line, texts] : comments_) {
      for (const std::string& text : texts) out_ += text + "\n";
    }
    for (const std::string& text : last_comments_) out_ += text + "\n";
  }

  [[nodiscard]] bool has(SectionKind kind) const { return !document_.find_all(kind).empty(); }

  void begin_block() {
    if (!out_.empty()) out_ += '\n';
  }

  void write_environment() {
    if (document_.environment.empty()) return;
    begin_block();
    out_ += "env:\n";
    for (const auto& [name, value] : document_.environment)
      out_ += fmt::format("  {}: {}\n", yaml_scalar(name), yaml_scalar(value));
  }

  void write_includes() {
    if (options_.includes.empty()) return;
    begin_block();
    out_ += "includes:\n";
    for (const std::string& path : options_.includes)
      out_ += fmt::format("  - {}\n", yaml_scalar(path));
  }

  // All [SERVICE] sections as one: where two set an option, the later one wins.
  void write_service() {
    const std::vector<const Section*> sections = document_.find_all(SectionKind::Service);
    if (sections.empty()) return;
    Section all = *sections.front();
    for (size_t i = 1; i < sections.size(); ++i) {
      std::erase_if(all.properties, [&](const Property& earlier) {
        return !options_.is_list(all, earlier.name) && sections[i]->find(earlier.name) != nullptr;
      });
      all.properties.insert(all.properties.end(), sections[i]->properties.begin(),
                            sections[i]->properties.end());
    }
    begin_block();
    for (const Section* section : sections) write_comments(section->where, "");
    out_ += "service:\n";
    write_properties(all, "  ", "  ");
  }

  void write_plugins() {
    if (!has(SectionKind::Plugins)) return;
    begin_block();
    out_ += "plugins:\n";
    for (const Section* section : document_.find_all(SectionKind::Plugins)) {
      write_comments(section->where, "  ");
      for (const Property& property : section->properties) {
        write_comments(property.key_where, "  ");
        out_ += fmt::format("  - {}\n", yaml_scalar(as_written(property.values.front())));
      }
    }
  }

  void write_list(SectionKind kind, std::string_view name, const std::string& indent) {
    const std::vector<const Section*> sections = document_.find_all(kind);
    if (sections.empty()) return;
    if (indent.empty()) begin_block();
    out_ += fmt::format("{}{}:\n", indent, name);
    for (size_t i = 0; i < sections.size(); ++i) {
      if (i != 0) out_ += '\n';
      write_comments(sections[i]->where, indent + "  ");
      write_item(*sections[i], indent + "  ");
    }
  }

  // "- name: …": the name first, the rest as it stood.
  void write_item(const Section& section, const std::string& indent) {
    Section ordered = section;
    std::ranges::stable_partition(ordered.properties,
                                  [](const Property& property) { return property.name == "name"; });
    if (ordered.properties.empty()) {
      out_ += indent + "- {}\n";
      return;
    }
    // Comments of the first key stand above the dash.
    write_comments(ordered.properties.front().key_where, indent);
    write_properties(ordered, indent + "- ", indent + "  ");
    write_children(ordered, indent + "  ");
  }

  void write_properties(const Section& section, const std::string& first,
                        const std::string& indent) {
    std::set<const Property*> written;
    const std::string* lead = &first;
    for (const Property& property : section.properties) {
      if (written.contains(&property)) continue;
      write_comments(property.key_where, indent);
      if (section.kind == SectionKind::MultilineParser && property.name == "rule" &&
          write_rules(section, indent, written)) {
        lead = &indent;
        continue;
      }
      std::vector<const Property*> same{&property};
      if (options_.is_list(section, property.name)) {
        same = section.find_all(property.name);
      }
      for (const Property* one : same) written.insert(one);
      const std::string key = yaml_scalar(property.name);
      if (same.size() == 1) {
        out_ +=
            fmt::format("{}{}: {}\n", *lead, key, yaml_scalar(as_written(property.values.front())));
      } else {
        out_ += fmt::format("{}{}:\n", *lead, key);
        for (const Property* one : same) {
          write_comments(one->key_where, indent + "  ");
          out_ += fmt::format("{}  - {}\n", indent, yaml_scalar(as_written(one->values.front())));
        }
      }
      lead = &indent;
    }
  }

  // False if a rule cannot be read as three words: then they stay as they are.
  bool write_rules(const Section& section, const std::string& indent,
                   std::set<const Property*>& written) {
    std::string rules = indent + "rules:\n";
    const std::vector<const Property*> lines = section.find_all("rule");
    for (const Property* line : lines) {
      const auto words = rule_words(as_written(line->values.front()));
      if (!words) return false;
      rules +=
          fmt::format("{0}  - state: {1}\n{0}    regex: {2}\n{0}    next_state: {3}\n", indent,
                      yaml_scalar((*words)[0]), yaml_scalar((*words)[1]), yaml_scalar((*words)[2]));
    }
    for (const Property* line : lines) written.insert(line);
    out_ += rules;
    return true;
  }

  void write_children(const Section& section, const std::string& indent) {
    bool nodes = false;
    for (const Section& child : section.children) {
      if (child.kind != SectionKind::Node) {
        out_ += fmt::format("{}# the group [{}] was here; nothing reads it\n", indent, child.title);
        continue;
      }
      if (!std::exchange(nodes, true)) out_ += indent + "nodes:\n";
      write_comments(child.where, indent + "  ");
      write_item(child, indent + "  ");
    }
  }

  const Document& document_;
  const ToYamlOptions& options_;
  std::map<Line, std::vector<std::string>> comments_;
  std::vector<std::string> last_comments_;
  std::string out_;
};

}  // namespace

std::string yaml_scalar(std::string_view text) {
  constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@`~=<";
  bool plain = !text.empty() && kIndicators.find(text.front()) == std::string_view::npos &&
               text.front() != ' ' && text.back() != ' ' && text.back() != ':' &&
               text.find(": ") == std::string_view::npos &&
               text.find(" #") == std::string_view::npos && !text.starts_with("...");
  // Behind a dash or colon only a blank makes an indicator of these.
  if (!plain && text.size() > 1 && (text[0] == '-' || text[0] == ':' || text[0] == '?'))
    plain = text[1] != ' ' && text.find_first_not_of("-0123456789.") == std::string_view::npos &&
            !text.starts_with("---") && text.back() != ':';
  bool control = false, high = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    control = control || byte < 0x20 || byte == 0x7f;
    high = high || byte >= 0x80;
  }
  if (plain && !control && !high) return std::string(text);
  if (!control) {
    std::string out = "'";
    for (const char c : text) {
      if (c == '\'') out.push_back('\'');
      out.push_back(c);
    }
    return out + "'";
  }
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out.append(1, '\\').push_back(c);
    else if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02X}", byte);
    else
      out.push_back(c);
  }
  return out + "\"";
}

std::string to_yaml(const Document& document, const ToYamlOptions& options) {
  return YamlWriter(document, options).write();
}

}  // namespace noroshi

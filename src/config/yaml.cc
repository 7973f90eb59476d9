// From a tree of located nodes (yaml_tree.h) to sections of located properties. Includes are read
// in place, so the order of sections is the order of the text; variables are expanded at the end,
// because `env` counts wherever it stands.
#include "config/yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "config/config_file.h"
#include "config/config_reader.h"
#include "config/nearest_name.h"
#include "config/parse_config.h"
#include "config/values.h"
#include "config/yaml_names.h"
#include "config/yaml_tree.h"

namespace noroshi {
namespace {

PropertyValue value_of(const YamlNode& node) { return {.text = node.text, .where = node.where}; }

const YamlNode* find_value(const YamlNode& mapping, std::string_view name) {
  const YamlNode* found = nullptr;
  for (const YamlPair& pair : mapping.pairs) {
    if (property_name(pair.key.text) == name) found = &pair.value;
  }
  return found;
}

class YamlParser final : public ConfigReader {
 public:
  using ConfigReader::ConfigReader;

 private:
  struct File {
    std::string directory;
    size_t depth;
  };

  void read_text(std::string name, std::string text, std::string directory, size_t depth) override {
    const auto source = std::make_shared<const SourceText>(std::move(name), std::move(text));
    document_.files.push_back(source);
    const std::optional<YamlNode> tree = parse_yaml_tree(source, diagnostics_);
    if (!tree) return;
    if (tree->is_scalar() && tree->empty_plain) return;
    if (!tree->is_mapping()) {
      diagnostics_.error(tree->where, "a configuration is a map: pipeline, service, env …");
      return;
    }
    const File file{std::move(directory), depth};
    for (const YamlPair& pair : tree->pairs) read_top(file, pair);
    if (depth == 0 && !tree->pairs.empty() && !known_top_) not_a_configuration(*tree);
  }

  void read_top(const File& file, const YamlPair& pair) {
    static const std::vector<std::string> kNames = {
        "env",     "includes",         "service",           "pipeline",
        "parsers", "plugins",          "multiline_parsers", "stream_processor",
        "customs", "upstream_servers", "extensions"};
    const std::string name = property_name(pair.key.text);
    if (std::ranges::find(kNames, name) == kNames.end()) return unknown_top(pair, kNames);
    known_top_ = true;
    if (pair.value.empty_plain) return;  // "parsers:" with nothing below it
    if (name == "env") return read_env(pair.value);
    if (name == "includes") return read_includes(file, pair.value);
    if (name == "service") return read_service(pair);
    if (name == "pipeline") return read_pipeline(pair.value);
    if (name == "plugins") return read_plugins(pair);
    if (name == "extensions") {
      diagnostics_.warning(pair.key.where, "\"extensions\" has no effect here");
      return;
    }
    SectionKind kind = SectionKind::Custom;
    if (name == "parsers") kind = SectionKind::Parser;
    if (name == "multiline_parsers") kind = SectionKind::MultilineParser;
    if (name == "stream_processor") kind = SectionKind::StreamTask;
    if (name == "upstream_servers") kind = SectionKind::Upstream;
    read_sections(pair, kind);
  }

  // Another kind of YAML, given by mistake: Fluent Bit would run and do nothing.
  void not_a_configuration(const YamlNode& tree) {
    Diagnostic& error =
        diagnostics_.error(tree.pairs.front().key.where,
                           "this is no configuration: it has neither pipeline nor service");
    if (find_value(tree, "kind") != nullptr)
      error.help("it is a Kubernetes manifest; the configuration is what a ConfigMap of it holds");
    else
      error.help("a configuration begins with \"pipeline:\"");
  }

  // Fluent Bit ignores an unknown map (people keep notes in one) and refuses an unknown list.
  void unknown_top(const YamlPair& pair, const std::vector<std::string>& names) {
    Diagnostic& diagnostic =
        pair.value.is_sequence()
            ? diagnostics_.error(pair.key.where,
                                 fmt::format("unknown section \"{}\"", pair.key.text))
            : diagnostics_.warning(
                  pair.key.where,
                  fmt::format("unknown section \"{}\": it is ignored with all it holds",
                              pair.key.text));
    const std::string name = property_name(pair.key.text);
    if (name == "inputs" || name == "filters" || name == "outputs")
      diagnostic.help(fmt::format("{} belong below \"pipeline:\", indented", name));
    else if (const std::string near = nearest_name(name, names); !near.empty())
      diagnostic.help(fmt::format("did you mean \"{}\"?", near));
    else
      diagnostic.help(fmt::format("sections are {}", fmt::join(names, ", ")));
  }

  void read_env(const YamlNode& env) {
    if (env.is_mapping()) {
      for (const YamlPair& pair : env.pairs) {
        if (text_wanted(pair.value, "a variable")) set_[pair.key.text] = pair.value.text;
      }
    } else if (env.is_sequence()) {
      for (const YamlNode& item : env.items) read_env_item(item);
    } else {
      diagnostics_.error(env.where, "env is a map of NAME: value, or a list of {name, value}");
    }
  }

  void read_env_item(const YamlNode& item) {
    const YamlNode* name = item.is_mapping() ? find_value(item, "name") : nullptr;
    if (name == nullptr || !text_wanted(*name, "name")) {
      diagnostics_.error(item.where, "this variable has no name")
          .help("write - name: NAME, and below it value: TEXT or uri: file:///PATH");
      return;
    }
    const YamlNode* value = find_value(item, "value");
    const YamlNode* uri = find_value(item, "uri");
    if (value != nullptr && text_wanted(*value, "value")) {
      set_[name->text] = value->text;
    } else if (uri != nullptr && text_wanted(*uri, "uri")) {
      if (!uri->text.starts_with("file:///")) {
        diagnostics_.error(uri->where, "a variable's uri must begin with file:///");
        return;
      }
      set_[name->text] = uri->text;
    } else if (value == nullptr && uri == nullptr) {
      diagnostics_.error(item.where,
                         fmt::format("variable {} has neither value nor uri", name->text));
    }
    for (const YamlPair& pair : item.pairs) {
      const std::string key = property_name(pair.key.text);
      if (key == "refresh_interval") {
        diagnostics_.warning(pair.key.where,
                             "refresh_interval has no effect: variables are read at start-up and "
                             "at a reload");
      } else if (key != "name" && key != "value" && key != "uri") {
        diagnostics_.error(pair.key.where,
                           fmt::format("a variable has no \"{}\": name, value or uri, and "
                                       "refresh_interval",
                                       pair.key.text));
      }
    }
  }

  void read_includes(const File& file, const YamlNode& includes) {
    if (!includes.is_sequence()) {
      diagnostics_.error(includes.where, "includes is a list of paths")
          .help("write each as \"  - path.yaml\"");
      return;
    }
    for (const YamlNode& item : includes.items) {
      if (text_wanted(item, "a path")) read_include(file, item);
    }
  }

  void read_include(const File& file, const YamlNode& path) {
    const std::vector<std::string> directories = {file.directory, main_directory_,
                                                  options_.working_directory};
    std::vector<std::string> paths;
    std::optional<Error> missing;
    if (path.text.find('*') != std::string::npos) {
      if (auto found = find_config_files(path.text, directories))
        paths = *std::move(found);
      else
        missing = std::move(found).error();
    } else if (auto found = find_config_file(path.text, directories)) {
      paths.push_back(*std::move(found));
    } else {
      missing = std::move(found).error();
    }
    if (missing) {
      Diagnostic& diagnostic = diagnostics_.error(path.where, "includes: " + missing->message);
      if (path.text.find("${") != std::string::npos)
        diagnostic.help("variables are not expanded in includes");
      return;
    }
    for (const std::string& found : paths) {
      if (is_yaml_path(found)) {
        read_file(found, path.where, file.depth + 1);
        continue;
      }
      diagnostics_
          .error(path.where,
                 fmt::format("includes: {}: a YAML file includes files named .yaml or .yml", found))
          .help(fmt::format("noroshi convert {} prints a classic file as YAML", found));
    }
  }

  void read_service(const YamlPair& pair) {
    if (!pair.value.is_mapping()) {
      diagnostics_.error(pair.value.where, "service is a map of options");
      return;
    }
    if (service_where_) {
      diagnostics_.warning(pair.key.where, "service is here a second time; Fluent Bit refuses that")
          .note("the first one; where both set an option, the later one wins", *service_where_);
    }
    service_where_ = pair.key.where;
    Section section{.kind = SectionKind::Service, .title = pair.key.text, .where = pair.key.where};
    for (const YamlPair& property : pair.value.pairs) add_property(section, property, {});
    document_.sections.push_back(std::move(section));
  }

  void read_pipeline(const YamlNode& pipeline) {
    static const std::vector<std::string> kNames = {"inputs", "filters", "outputs"};
    constexpr std::array kKinds = {SectionKind::Input, SectionKind::Filter, SectionKind::Output};
    if (!pipeline.is_mapping()) {
      diagnostics_.error(pipeline.where, "pipeline is a map of inputs, filters and outputs");
      return;
    }
    for (const YamlPair& pair : pipeline.pairs) {
      const std::string name = property_name(pair.key.text);
      const auto known = std::ranges::find(kNames, name);
      if (known != kNames.end()) {
        read_sections(pair, kKinds[static_cast<size_t>(known - kNames.begin())]);
        continue;
      }
      Diagnostic& diagnostic =
          diagnostics_.error(pair.key.where, fmt::format("pipeline has no \"{}\"", pair.key.text));
      if (const std::string near = nearest_name(name, kNames); !near.empty())
        diagnostic.help(fmt::format("did you mean \"{}\"?", near));
      else
        diagnostic.help("it holds inputs, filters and outputs");
    }
  }

  void read_plugins(const YamlPair& pair) {
    Section section{.kind = SectionKind::Plugins, .title = pair.key.text, .where = pair.key.where};
    if (!pair.value.is_sequence()) {
      diagnostics_.error(pair.value.where, "plugins is a list of paths");
      return;
    }
    for (const YamlNode& item : pair.value.items) {
      const YamlNode* path = item.is_mapping() ? find_value(item, "path") : &item;
      if (path == nullptr || !text_wanted(*path, "a path")) continue;
      section.properties.push_back(
          {.key = "path", .name = "path", .key_where = path->where, .values = {value_of(*path)}});
    }
    document_.sections.push_back(std::move(section));
  }

  // A list of maps: one section each.
  void read_sections(const YamlPair& pair, SectionKind kind) {
    if (pair.value.empty_plain) return;
    if (!pair.value.is_sequence()) {
      diagnostics_
          .error(pair.value.where, fmt::format("{} is a list: each {} begins with a dash",
                                               pair.key.text, to_string(kind)))
          .help(fmt::format("below \"{}:\" each begins with \"- name: …\"", pair.key.text));
      return;
    }
    for (const YamlNode& item : pair.value.items) {
      if (!map_wanted(item, to_string(kind))) continue;
      Section section{.kind = kind, .title = pair.key.text, .where = item.where};
      for (const YamlPair& property : item.pairs) read_member(section, property);
      document_.sections.push_back(std::move(section));
    }
  }

  // One key of a section: what has a shape of its own, else a property.
  void read_member(Section& section, const YamlPair& pair) {
    const std::string name = property_name(pair.key.text);
    const bool structured = !pair.value.is_scalar();
    const bool plugin = section.kind == SectionKind::Input || section.kind == SectionKind::Filter ||
                        section.kind == SectionKind::Output;
    if (plugin && name == "condition" && pair.value.is_mapping())
      return read_condition(section, pair);
    if (section.kind == SectionKind::Input && name == "routes") return read_routes(section, pair);
    if (plugin && name == "processors" && structured) {
      if (section.kind == SectionKind::Filter) {
        diagnostics_.error(pair.key.where, "a filter has no processors")
            .help("put them on the input or on the output");
        return;
      }
      return read_processors(section, pair);
    }
    if (section.kind == SectionKind::MultilineParser && name == "rules")
      return read_multiline_rules(section, pair.value);
    if (section.kind == SectionKind::Upstream && name == "nodes") return read_nodes(section, pair);
    add_property(section, pair, {});
  }

  // `prefix`: "storage." inside "storage: {path: …}".
  void add_property(Section& section, const YamlPair& pair, const std::string& prefix) {
    const std::string name = prefix + property_name(pair.key.text);
    if (pair.value.is_mapping()) {
      if (name == "telemetry") {
        diagnostics_.warning(pair.key.where,
                             "\"telemetry\" has no effect here: metrics are always kept");
        return;
      }
      const std::string example =
          pair.value.pairs.empty() ? "…" : property_name(pair.value.pairs.front().key.text);
      diagnostics_
          .warning(pair.key.where,
                   fmt::format("\"{}\" holds a map, which Fluent Bit refuses; it is read as {}.{} "
                               "and so on",
                               pair.key.text, name, example))
          .help(fmt::format("write \"{}.{}: value\"", name, example));
      for (const YamlPair& inner : pair.value.pairs) add_property(section, inner, name + ".");
      return;
    }
    Property property{
        .key = prefix + pair.key.text, .name = name, .key_where = pair.key.where, .values = {}};
    if (pair.value.is_scalar()) {
      if (pair.value.empty_plain) {
        diagnostics_.warning(
            pair.key.where,
            fmt::format("\"{}\" has no value: it counts as not set", pair.key.text));
      }
      property.values.push_back(value_of(pair.value));
    }
    for (const YamlNode& item : pair.value.items) {
      if (text_wanted(item, fmt::format("an item of {}", pair.key.text)))
        property.values.push_back(value_of(item));
    }
    if (!property.values.empty()) section.properties.push_back(std::move(property));
  }

  void read_processors(Section& section, const YamlPair& pair) {
    static const std::vector<std::string> kSignals = {"logs", "metrics", "traces", "profiles"};
    if (!pair.value.is_mapping()) {
      diagnostics_.error(pair.value.where, "processors is a map by signal")
          .help("below \"processors:\" comes \"logs:\", and below that the list");
      return;
    }
    for (const YamlPair& signal : pair.value.pairs) {
      const std::string name = property_name(signal.key.text);
      if (std::ranges::find(kSignals, name) == kSignals.end()) {
        diagnostics_
            .error(signal.key.where,
                   fmt::format("processors have no signal \"{}\"", signal.key.text))
            .help("signals are logs, metrics, traces and profiles");
        continue;
      }
      read_processor_list(section, signal.value, name);
    }
  }

  void read_processor_list(Section& section, const YamlNode& list, const std::string& signal) {
    if (list.empty_plain) return;
    if (!list.is_sequence()) {
      diagnostics_.error(list.where, "expected a list of processors")
          .help("each begins with \"- name: …\"");
      return;
    }
    for (const YamlNode& item : list.items) {
      if (!map_wanted(item, "processor")) continue;
      Section processor{.kind = SectionKind::Filter, .title = signal, .where = item.where};
      for (const YamlPair& property : item.pairs) read_member(processor, property);
      section.children.push_back(std::move(processor));
    }
  }

  void read_condition(Section& section, const YamlPair& pair) {
    Section condition{.kind = SectionKind::Group, .title = "condition", .where = pair.key.where};
    for (const YamlPair& member : pair.value.pairs) {
      const std::string name = property_name(member.key.text);
      if (name != "rules") {
        add_known(condition, member, {"op", "default"}, "a condition");
        continue;
      }
      if (!member.value.is_sequence()) {
        diagnostics_.error(member.value.where, "rules is a list of {field, op, value}");
        continue;
      }
      for (const YamlNode& item : member.value.items) {
        if (!map_wanted(item, "rule")) continue;
        Section rule{.kind = SectionKind::Group, .title = "rule", .where = item.where};
        for (const YamlPair& property : item.pairs)
          add_known(rule, property, {"field", "op", "value", "context"}, "a rule");
        condition.children.push_back(std::move(rule));
      }
    }
    section.children.push_back(std::move(condition));
  }

  void read_routes(Section& section, const YamlPair& pair) {
    if (!pair.value.is_mapping()) {
      diagnostics_.error(pair.value.where, "routes is a map by signal")
          .help("below \"routes:\" comes \"logs:\", and below that the list");
      return;
    }
    for (const YamlPair& signal : pair.value.pairs) {
      if (signal.value.is_mapping()) {
        read_route(section, signal.key, signal.value);
        continue;
      }
      if (!signal.value.is_sequence()) {
        diagnostics_.error(signal.value.where, "expected a list of routes")
            .help("each begins with \"- name: …\"");
        continue;
      }
      for (const YamlNode& item : signal.value.items) {
        if (map_wanted(item, "route")) read_route(section, signal.key, item);
      }
    }
  }

  void read_route(Section& section, const YamlNode& signal, const YamlNode& item) {
    Section route{.kind = SectionKind::Group, .title = "route", .where = item.where};
    route.properties.push_back({.key = "signal",
                                .name = "signal",
                                .key_where = signal.where,
                                .values = {value_of(signal)}});
    for (const YamlPair& pair : item.pairs) {
      const std::string name = property_name(pair.key.text);
      if (name == "condition" && pair.value.is_mapping()) {
        read_condition(route, pair);
      } else if (name == "processors") {
        // Here a list; Fluent Bit's documentation also shows the map by signal.
        if (pair.value.is_mapping())
          read_processors(route, pair);
        else
          read_processor_list(route, pair.value, "logs");
      } else if (name == "to") {
        read_destinations(route, pair.value);
      } else {
        add_known(route, pair, {"name", "per_record_routing"}, "a route");
      }
    }
    section.children.push_back(std::move(route));
  }

  // "to: s3", "to: [s3, logs]", "to: {outputs: [{name: s3, fallback: file}]}".
  void read_destinations(Section& route, const YamlNode& node) {
    if (node.is_sequence()) {
      for (const YamlNode& item : node.items) read_destinations(route, item);
      return;
    }
    if (const YamlNode* outputs = node.is_mapping() ? find_value(node, "outputs") : nullptr)
      return read_destinations(route, *outputs);
    Section to{.kind = SectionKind::Group, .title = "to", .where = node.where};
    if (node.is_scalar()) {
      if (node.empty_plain) return;
      to.properties.push_back(
          {.key = "name", .name = "name", .key_where = node.where, .values = {value_of(node)}});
    }
    for (const YamlPair& pair : node.pairs)
      add_known(to, pair, {"name", "fallback"}, "a destination");
    route.children.push_back(std::move(to));
  }

  void read_multiline_rules(Section& section, const YamlNode& rules) {
    if (!rules.is_sequence()) {
      diagnostics_.error(rules.where, "rules is a list of {state, regex, next_state}");
      return;
    }
    for (const YamlNode& item : rules.items) {
      if (!map_wanted(item, "rule")) continue;
      Section read{.kind = SectionKind::Group, .title = "rule", .where = item.where};
      for (const YamlPair& pair : item.pairs)
        add_known(read, pair, {"state", "regex", "next_state"}, "a rule of a multiline parser");
      bool complete = true;
      for (const char* needed : {"state", "regex", "next_state"}) {
        if (!read.value(needed).empty()) continue;
        complete = false;
        diagnostics_.error(item.where, fmt::format("this rule has no {}", needed))
            .help("a rule is {state: start_state, regex: '/^…/', next_state: cont}");
      }
      if (!complete) continue;
      PropertyValue line{.text = fmt::format("{} {} {}", quoted_word(read.value("state")),
                                             quoted_word(read.value("regex")),
                                             quoted_word(read.value("next_state"))),
                         .where = read.where_of("regex")};
      section.properties.push_back(
          {.key = "rule", .name = "rule", .key_where = item.where, .values = {std::move(line)}});
    }
  }

  void read_nodes(Section& upstream, const YamlPair& pair) {
    if (!pair.value.is_sequence()) {
      diagnostics_.error(pair.value.where, "nodes is a list of {name, host, port}");
      return;
    }
    for (const YamlNode& item : pair.value.items) {
      if (!map_wanted(item, "node")) continue;
      Section node{.kind = SectionKind::Node, .title = pair.key.text, .where = item.where};
      for (const YamlPair& property : item.pairs) add_property(node, property, {});
      upstream.children.push_back(std::move(node));
    }
  }

  // A property of a map that no option table reads, so its names are checked here.
  void add_known(Section& section, const YamlPair& pair, const std::vector<std::string>& names,
                 std::string_view owner) {
    if (std::ranges::find(names, property_name(pair.key.text)) != names.end())
      return add_property(section, pair, {});
    Diagnostic& diagnostic =
        diagnostics_.error(pair.key.where, fmt::format("{} has no \"{}\"", owner, pair.key.text));
    if (const std::string near = nearest_name(property_name(pair.key.text), names); !near.empty())
      diagnostic.help(fmt::format("did you mean \"{}\"?", near));
    else
      diagnostic.help(fmt::format("it has {}", fmt::join(names, ", ")));
  }

  bool text_wanted(const YamlNode& node, std::string_view what) {
    if (node.is_scalar()) return true;
    diagnostics_.error(node.where, fmt::format("{} must be a text, not a {}", what,
                                               node.is_mapping() ? "map" : "list"));
    return false;
  }
  bool map_wanted(const YamlNode& node, std::string_view what) {
    if (node.is_mapping()) return true;
    diagnostics_.error(node.where, fmt::format("expected a map: {} is \"key: value\" lines", what));
    return false;
  }

  std::optional<SourceLocation> service_where_;
  bool known_top_ = false;
};

}  // namespace

Document parse_yaml_file(const std::string& path, Diagnostics& diagnostics,
                         const ClassicOptions& options) {
  return YamlParser(options, diagnostics).parse_file(path);
}

Document parse_yaml_text(std::string name, std::string text, Diagnostics& diagnostics,
                         const ClassicOptions& options) {
  return YamlParser(options, diagnostics).parse_text(std::move(name), std::move(text));
}

}  // namespace noroshi

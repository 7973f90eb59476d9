#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "app/cli/verbs.h"
#include "app/plugins.h"
#include "config/common_options.h"
#include "config/config_file.h"
#include "config/config_files.h"
#include "config/parse_config.h"
#include "config/service.h"
#include "config/to_yaml.h"
#include "config/values.h"
#include "config/yaml.h"

namespace noroshi {
namespace {

template <typename Plugin>
const OptionInfo* find_option(const std::vector<const Plugin*>& plugins, const std::string& plugin,
                              std::string_view option, std::vector<OptionInfo>& kept) {
  for (const Plugin* candidate : plugins) {
    if (candidate->name != plugin) continue;
    kept = candidate->options();
    for (const OptionInfo& info : kept) {
      if (info.name == option ||
          std::find(info.aliases.begin(), info.aliases.end(), option) != info.aliases.end())
        return &info;
    }
  }
  return nullptr;
}

// Options whose places among each other mean something stay where they are.
bool is_list(const Section& section, std::string_view option) {
  if (section.plugin() == "modify" || section.plugin() == "grep") return false;
  if (section.kind == SectionKind::Service) {
    const OptionInfo* info = service_option_table().find(option);
    return info != nullptr && info->repeatable;
  }
  if (const OptionTableBase* common = common_option_table(section.kind)) {
    if (const OptionInfo* info = common->find(option)) return info->repeatable;
  }
  const PluginSet& plugins = all_plugins();
  std::vector<OptionInfo> kept;
  const OptionInfo* info = nullptr;
  if (section.kind == SectionKind::Input)
    info = find_option(plugins.inputs, section.plugin(), option, kept);
  if (section.kind == SectionKind::Filter)
    info = find_option(plugins.filters, section.plugin(), option, kept);
  if (section.kind == SectionKind::Output)
    info = find_option(plugins.outputs, section.plugin(), option, kept);
  return info == nullptr || info->repeatable;
}

// Takes the @INCLUDE lines out of a text, keeping every line's number.
std::vector<std::string> take_includes(std::string& text, bool& first) {
  std::vector<std::string> includes;
  std::string kept;
  bool filters_before = false, filters_behind = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trim(std::string_view(text).substr(at, end - at));
    if (to_lower(line).starts_with("@include ")) {
      includes.emplace_back(trim(line.substr(9)));
      filters_behind = false;
    } else {
      if (to_lower(line).starts_with("[filter"))
        (includes.empty() ? filters_before : filters_behind) = true;
      kept.append(text, at, end - at);
    }
    if (end < text.size()) kept.push_back('\n');
    at = end + 1;
  }
  first = !filters_before;
  if (!includes.empty() && filters_before && filters_behind) {
    std::fprintf(stderr,
                 "noroshi convert: filters stand before and behind an @INCLUDE; in YAML what is "
                 "included comes behind all of them: check the order of filters\n");
  }
  text = std::move(kept);
  return includes;
}

bool same_sections(const std::vector<Section>& left, const std::vector<Section>& right,
                   SectionKind kind) {
  const auto of_kind = [&](const std::vector<Section>& sections) {
    std::vector<const Section*> found;
    for (const Section& section : sections) {
      if (section.kind == kind) found.push_back(&section);
    }
    return found;
  };
  const std::vector<const Section*> a = of_kind(left), b = of_kind(right);
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    for (const Property& property : a[i]->properties) {
      std::vector<std::string> values_a, values_b;
      for (const Property* one : a[i]->find_all(property.name)) {
        for (const PropertyValue& value : one->values) values_a.push_back(value.text);
      }
      for (const Property* one : b[i]->find_all(property.name)) {
        for (const PropertyValue& value : one->values) values_b.push_back(value.text);
      }
      if (values_a != values_b && property.name != "rule") return false;
    }
  }
  return true;
}

// What is printed must mean what was read: it is read again and compared.
bool means_the_same(const Document& classic, const std::string& yaml, Diagnostics& diagnostics) {
  const Document again = parse_yaml_text("converted", yaml, diagnostics);
  bool same = !diagnostics.has_errors() && classic.environment == again.environment;
  for (const SectionKind kind :
       {SectionKind::Input, SectionKind::Filter, SectionKind::Output, SectionKind::Parser,
        SectionKind::MultilineParser, SectionKind::StreamTask, SectionKind::Upstream}) {
    same = same && same_sections(classic.sections, again.sections, kind);
  }
  return same;
}

}  // namespace

std::string classic_as_yaml(const Document& classic) {
  return to_yaml(classic, {.is_list = is_list});
}

int convert(const std::string& path, bool keep_includes) {
  Diagnostics diagnostics;
  ToYamlOptions options{.is_list = is_list};
  Document document;
  if (is_yaml_path(path)) {
    std::fprintf(stderr, "noroshi convert: %s is YAML already\n", path.c_str());
    return 1;
  }
  if (keep_includes) {
    Result<std::string> text = read_config_file(path, kConfigFileBytesMax);
    if (!text) {
      std::fprintf(stderr, "noroshi convert: %s\n", text.error().message.c_str());
      return 1;
    }
    for (const std::string& include : take_includes(*text, options.includes_first)) {
      const size_t dot = include.rfind('.');
      const size_t slash = include.rfind('/');
      const bool has_suffix =
          dot != std::string::npos && (slash == std::string::npos || dot > slash);
      options.includes.push_back(include.substr(0, has_suffix ? dot : std::string::npos) + ".yaml");
    }
    document = parse_classic_text(path, *std::move(text), diagnostics);
  } else {
    document = parse_classic_file(path, diagnostics);
  }
  diagnostics.print(stderr);
  if (diagnostics.has_errors()) {
    std::fprintf(stderr, "noroshi convert: correct these mistakes first; nothing was converted\n");
    return 1;
  }
  const std::string yaml = to_yaml(document, options);
  if (!keep_includes) {
    Diagnostics of_yaml;
    if (!means_the_same(document, yaml, of_yaml)) {
      of_yaml.print(stderr);
      std::fprintf(stderr,
                   "noroshi convert: what came out does not mean the same; nothing was printed\n");
      return 1;
    }
  }
  std::fputs(yaml.c_str(), stdout);
  return 0;
}

}  // namespace noroshi

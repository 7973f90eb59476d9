// What a team that comes from Fluent Bit finds here, from the tables themselves: the generated part
// of docs/migrate-from-fluent-bit.md.
#include <fmt/format.h>

#include <cstdio>
#include <iterator>

#include "app/cli/verbs.h"
#include "app/plugins.h"
#include "config/common_options.h"
#include "config/service.h"
#include "pipeline/missing_plugins.h"

namespace noroshi {
namespace {

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// One paragraph of what works, one of what is read without effect, with why.
std::string describe(const std::vector<OptionInfo>& options) {
  std::string works, without_effect;
  for (const OptionInfo& info : options) {
    if (info.ignored) {
      const std::string& why = info.warning.empty() ? info.help : info.warning;
      fmt::format_to(std::back_inserter(without_effect), "- `{}`: {}\n", info.name, cell(why));
      continue;
    }
    works += fmt::format("{}`{}`", works.empty() ? "" : ", ", info.name);
    for (const std::string& alias : info.aliases) works += fmt::format(" (also `{}`)", alias);
  }
  std::string out = "Works: " + (works.empty() ? "it has no options of its own" : works) + ".\n";
  if (!without_effect.empty()) out += "\nRead without effect:\n\n" + without_effect;
  return out;
}

template <typename Plugin>
void print_kind(const std::vector<const Plugin*>& plugins, std::string_view kind) {
  for (const Plugin* plugin : plugins) {
    std::string title = fmt::format("#### {} {}\n\n", kind, plugin->name);
    if constexpr (requires { plugin->aliases; }) {
      std::string aliases;
      for (const std::string_view alias : plugin->aliases)
        aliases += fmt::format("{}`{}`", aliases.empty() ? "" : ", ", alias);
      if (!aliases.empty()) title += fmt::format("Also by the name {}. ", aliases);
    }
    std::printf("%s%s\n", title.c_str(), describe(plugin->options()).c_str());
  }
}

template <typename Plugin>
bool exists(const std::vector<const Plugin*>& plugins, std::string_view name) {
  for (const Plugin* plugin : plugins) {
    if (plugin->name == name) return true;
    if constexpr (requires { plugin->aliases; }) {
      for (const std::string_view alias : plugin->aliases) {
        if (alias == name) return true;
      }
    }
  }
  return false;
}

}  // namespace

int print_migration() {
  const PluginSet& all = all_plugins();
  std::printf(
      "### Plugins of Fluent Bit that do not exist here\n\n"
      "`noroshi check` names the line and says the same.\n\n"
      "| Plugin | Instead |\n|---|---|\n");
  for (const MissingPlugin& missing : missing_plugins()) {
    const bool here =
        (missing.kind == "input" && exists(all.inputs, missing.name)) ||
        (missing.kind == "output" && exists(all.outputs, missing.name)) ||
        (missing.kind != "input" && missing.kind != "output" && exists(all.filters, missing.name));
    if (here) continue;
    std::printf("%s",
                fmt::format("| {} `{}` | {} |\n", missing.kind, missing.name, cell(missing.advice))
                    .c_str());
  }
  std::printf("\n### Option by option\n\n#### service\n\n%s\n",
              describe(service_option_table().options()).c_str());
  for (const SectionKind kind : {SectionKind::Input, SectionKind::Filter, SectionKind::Output}) {
    std::printf("#### every %s\n\n%s\n", std::string(to_string(kind)).c_str(),
                describe(common_option_table(kind)->options()).c_str());
  }
  print_kind(all.inputs, "input");
  print_kind(all.filters, "filter");
  print_kind(all.outputs, "output");
  return 0;
}

}  // namespace noroshi

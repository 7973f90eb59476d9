#include <cstdio>

#include "app/cli/verbs.h"
#include "app/plugins.h"
#include "config/option_info.h"

namespace noroshi {
namespace {

template <typename Plugin>
bool print_from(const std::vector<const Plugin*>& plugins, std::string_view kind,
                const std::string& name, bool markdown) {
  for (const Plugin* plugin : plugins) {
    if (name.empty()) {
      std::printf("%-8.*s %-18.*s %.*s\n", static_cast<int>(kind.size()), kind.data(),
                  static_cast<int>(plugin->name.size()), plugin->name.data(),
                  static_cast<int>(plugin->summary.size()), plugin->summary.data());
    } else if (plugin->name == name ||
               std::string(kind) + "/" + std::string(plugin->name) == name) {
      const std::vector<OptionInfo> options = plugin->options();
      std::fputs((markdown ? render_markdown_table(options)
                           : render_help(plugin->name, plugin->summary, options))
                     .c_str(),
                 stdout);
      return true;
    }
  }
  return false;
}

}  // namespace

int print_options(const std::string& plugin, bool markdown) {
  const PluginSet& all = all_plugins();
  const bool found = print_from(all.inputs, "input", plugin, markdown) ||
                     print_from(all.filters, "filter", plugin, markdown) ||
                     print_from(all.outputs, "output", plugin, markdown);
  if (found || plugin.empty()) return 0;
  std::fprintf(stderr,
               "noroshi options: there is no plugin named \"%s\"; `noroshi options` lists them\n",
               plugin.c_str());
  return 1;
}

}  // namespace noroshi

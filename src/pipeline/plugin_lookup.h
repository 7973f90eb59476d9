// Finding the plugin a section names, among those of its kind.
#pragma once

#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

// The error of a section whose plugin is none of `names`, with what to do: the nearest name, or
// what stands in for a plugin that only Fluent Bit has.
void report_unknown_plugin(const Section& section, const std::vector<std::string>& names,
                           Diagnostics& diagnostics);

// By name or alias; a null pointer and an error if there is none.
template <typename Plugin>
const Plugin* find_plugin(const std::vector<const Plugin*>& plugins, const Section& section,
                          Diagnostics& diagnostics) {
  const std::string name = section.plugin();
  std::vector<std::string> names;
  for (const Plugin* plugin : plugins) {
    names.emplace_back(plugin->name);
    if (plugin->name == name) return plugin;
    if constexpr (requires { plugin->aliases; }) {
      for (const std::string_view alias : plugin->aliases) {
        names.emplace_back(alias);
        if (alias == name) return plugin;
      }
    }
  }
  report_unknown_plugin(section, names, diagnostics);
  return nullptr;
}

}  // namespace noroshi

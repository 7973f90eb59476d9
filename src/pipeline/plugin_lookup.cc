#include "pipeline/plugin_lookup.h"

#include <fmt/format.h>

#include "config/nearest_name.h"
#include "pipeline/missing_plugins.h"

namespace noroshi {

void report_unknown_plugin(const Section& section, const std::vector<std::string>& names,
                           Diagnostics& diagnostics) {
  const std::string_view kind = to_string(section.kind);
  const std::string name = section.plugin();
  if (name.empty()) {
    diagnostics.error(section.where, fmt::format("this {} section has no Name", kind))
        .help("add a line such as \"    Name  forward\" that says which plugin it is");
    return;
  }
  Diagnostic& error = diagnostics.error(section.where_of("name"),
                                        fmt::format("there is no {} named \"{}\"", kind, name));
  std::string_view advice = advice_for_missing(kind, name);
  if (advice.empty() && section.kind == SectionKind::Filter)
    advice = advice_for_missing("processor", name);
  if (!advice.empty()) {
    error.help(fmt::format("Fluent Bit's {} does not exist here: {}", name, advice));
    return;
  }
  if (const std::string nearest = nearest_name(name, names); !nearest.empty())
    error.help(fmt::format("did you mean \"{}\"?", nearest));
  error.help(fmt::format("{}s are: {}", kind, fmt::join(names, ", ")));
}

}  // namespace noroshi

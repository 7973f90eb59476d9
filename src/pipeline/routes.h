// What YAML says beside options, from located sections to what the router and the chain use:
// conditions, routes of inputs, processors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/document.h"
#include "filter/filter.h"
#include "record/record_rules.h"

namespace noroshi {

// The child "condition" of a section, or null.
[[nodiscard]] const Section* find_condition(const Section& section);

// The rules of a condition; nullopt exactly if an error was reported.
[[nodiscard]] std::optional<RecordRules> compile_rules(const Section& condition,
                                                       Diagnostics& diagnostics);

// A filter that only sees the records for which the rules hold; the others keep their places.
[[nodiscard]] std::unique_ptr<Filter> make_conditional(RecordRules rules,
                                                       std::unique_ptr<Filter> filter);

// One entry of an input's `routes`, before outputs exist.
struct PlannedRoute {
  struct Destination {
    std::string output = {};
    SourceLocation where = {};
    std::string fallback = {};
  };
  std::string name = {};
  bool is_default = false;
  RecordRules rules = RecordRules();
  std::vector<Destination> to = {};
};

// Reports what is wrong and leaves that route out. Empty: the input is routed by tag.
[[nodiscard]] std::vector<PlannedRoute> read_routes(const Section& input, std::string_view name,
                                                    Diagnostics& diagnostics);

// The processors of an input or output that this program runs: those for logs. Says what it leaves
// out.
[[nodiscard]] std::vector<const Section*> find_processors(const Section& section,
                                                          Diagnostics& diagnostics);

}  // namespace noroshi

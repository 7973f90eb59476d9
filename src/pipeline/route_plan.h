// RoutePlan: the routes of all inputs while a pipeline is built: which outputs they name, before
// those exist, and where they lead once they do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "pipeline/router.h"
#include "pipeline/routes.h"

namespace noroshi {

class RoutePlan {
 public:
  // All inputs first, in the pipeline's order; most have no routes.
  void add_input(std::string identity, std::vector<PlannedRoute> routes) {
    inputs_.push_back({std::move(identity), std::move(routes)});
  }
  // An output by the names a route may call it. True if a route does: it needs no Match then.
  [[nodiscard]] bool add_output(std::string alias, std::string instance, std::string plugin);
  // The output added last has this number in the route table. One that is left out has none.
  void output_is(size_t number) { outputs_.back().number = number; }

  // One entry per input. `descriptions` gets a line for people per route. A destination that does
  // not exist is replaced by its fallback, as in Fluent Bit, or is an error.
  [[nodiscard]] std::vector<InputRouting> resolve(std::vector<std::string>& descriptions,
                                                  Diagnostics& diagnostics);

 private:
  struct InputPlan {
    std::string identity;
    std::vector<PlannedRoute> routes;
  };
  struct OutputNames {
    std::string alias, instance, plugin;
    std::optional<size_t> number = {};
    [[nodiscard]] bool is_called(std::string_view name) const;
  };
  [[nodiscard]] const OutputNames* find(std::string_view name) const;
  const OutputNames* resolve(const PlannedRoute& route, const PlannedRoute::Destination& to,
                             Diagnostics& diagnostics) const;

  std::vector<InputPlan> inputs_;
  std::vector<OutputNames> outputs_;
};

}  // namespace noroshi

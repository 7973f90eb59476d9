#include "pipeline/route_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/nearest_name.h"

namespace noroshi {

bool RoutePlan::OutputNames::is_called(std::string_view name) const {
  return !name.empty() && (name == alias || name == instance || name == plugin);
}

bool RoutePlan::add_output(std::string alias, std::string instance, std::string plugin) {
  outputs_.push_back({std::move(alias), std::move(instance), std::move(plugin)});
  const OutputNames& output = outputs_.back();
  for (const InputPlan& input : inputs_) {
    for (const PlannedRoute& route : input.routes) {
      for (const PlannedRoute::Destination& to : route.to) {
        if (output.is_called(to.output) || output.is_called(to.fallback)) return true;
      }
    }
  }
  return false;
}

const RoutePlan::OutputNames* RoutePlan::find(std::string_view name) const {
  const auto found = std::ranges::find_if(
      outputs_, [&](const OutputNames& output) { return output.is_called(name); });
  return found == outputs_.end() ? nullptr : &*found;
}

const RoutePlan::OutputNames* RoutePlan::resolve(const PlannedRoute& route,
                                                 const PlannedRoute::Destination& to,
                                                 Diagnostics& diagnostics) const {
  if (const OutputNames* output = find(to.output)) return output;
  if (const OutputNames* fallback = find(to.fallback)) {
    diagnostics.warning(
        to.where, fmt::format("there is no output named \"{}\": route {} uses its fallback {}",
                              to.output, route.name, to.fallback));
    return fallback;
  }
  std::vector<std::string> names;
  for (const OutputNames& output : outputs_)
    names.push_back(output.alias.empty() ? output.plugin : output.alias);
  Diagnostic& error = diagnostics.error(
      to.where, fmt::format("there is no output named \"{}\": route {} would lose its records",
                            to.output, route.name));
  if (const std::string near = nearest_name(to.output, names); !near.empty())
    error.help(fmt::format("did you mean \"{}\"?", near));
  else
    error.help(fmt::format("outputs are: {}", fmt::join(names, ", ")));
  return nullptr;
}

std::vector<InputRouting> RoutePlan::resolve(std::vector<std::string>& descriptions,
                                             Diagnostics& diagnostics) {
  std::vector<InputRouting> resolved;
  for (InputPlan& input : inputs_) {
    InputRouting routing{.identity = input.identity, .routes = {}};
    for (PlannedRoute& planned : input.routes) {
      InputRoute route{.name = planned.name, .is_default = planned.is_default};
      std::string names;
      for (const PlannedRoute::Destination& to : planned.to) {
        const OutputNames* output = resolve(planned, to, diagnostics);
        if (output == nullptr || !output->number) continue;
        route.outputs.push_back(*output->number);
        names += (names.empty() ? "" : ", ") +
                 (output->alias.empty() ? output->instance : output->alias);
      }
      route.rules = std::move(planned.rules);
      const std::string rule = route.is_default      ? "what no other route takes"
                               : route.rules.empty() ? "all records"
                                                     : route.rules.text();
      descriptions.push_back(fmt::format("{}/{}: {} goes to {}", input.identity, planned.name, rule,
                                         names.empty() ? "nobody" : names));
      routing.routes.push_back(std::move(route));
    }
    resolved.push_back(std::move(routing));
  }
  return resolved;
}

}  // namespace noroshi

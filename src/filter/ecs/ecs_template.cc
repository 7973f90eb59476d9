#include "filter/ecs/ecs_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "aws/task_metadata.h"
#include "config/nearest_name.h"
#include "config/place_in.h"
#include "filter/words.h"

namespace noroshi {
namespace {

struct Name {
  std::string_view text;
  EcsVariable variable;
};
constexpr std::array kNames = std::to_array<Name>({
    {"ClusterName", EcsVariable::ClusterName},
    {"ContainerInstanceArn", EcsVariable::ContainerInstanceArn},
    {"ContainerInstanceID", EcsVariable::ContainerInstanceId},
    {"ECSAgentVersion", EcsVariable::EcsAgentVersion},
    {"TaskARN", EcsVariable::TaskArn},
    {"TaskID", EcsVariable::TaskId},
    {"TaskDefinitionFamily", EcsVariable::TaskDefinitionFamily},
    {"TaskDefinitionVersion", EcsVariable::TaskDefinitionVersion},
    {"ContainerID", EcsVariable::ContainerId},
    {"DockerContainerName", EcsVariable::DockerContainerName},
    {"ECSContainerName", EcsVariable::EcsContainerName},
});

bool is_name_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// The task's metadata says nothing about the instance it runs on.
bool is_of_the_instance(EcsVariable variable) {
  return variable == EcsVariable::ContainerInstanceArn ||
         variable == EcsVariable::ContainerInstanceId || variable == EcsVariable::EcsAgentVersion;
}

std::optional<EcsVariable> find_variable(const LocatedText& line, size_t at, std::string_view name,
                                         Diagnostics& diagnostics) {
  const auto known = std::ranges::find(kNames, name, &Name::text);
  const SourceLocation where = place_in(line, at, name.size() + 1);
  if (known == kNames.end()) {
    std::vector<std::string> names;
    for (const Name& each : kNames) names.emplace_back(each.text);
    const std::string nearest = nearest_name(name, names);
    diagnostics.error(where, fmt::format("there is no variable ${}", name))
        .help(nearest.empty() ? fmt::format("variables are ${}", fmt::join(names, ", $"))
                              : fmt::format("did you mean ${}?", nearest));
    return std::nullopt;
  }
  if (is_of_the_instance(known->variable)) {
    diagnostics.warning(where, fmt::format("the task's metadata does not know ${}: it stands for "
                                           "nothing",
                                           name));
  }
  return known->variable;
}

std::string_view task_value(EcsVariable variable, const TaskMetadata& task) {
  switch (variable) {
    case EcsVariable::TaskArn:
      return task.arn;
    case EcsVariable::TaskId:
      return task.id;
    case EcsVariable::TaskDefinitionFamily:
      return task.family;
    case EcsVariable::TaskDefinitionVersion:
      return task.revision;
    default:
      return {};
  }
}

}  // namespace

std::optional<EcsField> parse_ecs_field(const LocatedText& line, Diagnostics& diagnostics) {
  const auto words = split_words(line, "", 2, diagnostics);
  if (!words) return std::nullopt;
  if (words->size() != 2) {
    diagnostics.error(line.where, "add takes KEY TEMPLATE").help("Add task $TaskID");
    return std::nullopt;
  }
  const Word& shape = (*words)[1];
  EcsField field{.key = (*words)[0].text};
  const std::string_view text = shape.text;
  for (size_t at = 0; at < text.size();) {
    const size_t dollar = std::min(text.find('$', at), text.size());
    EcsField::Part part{.text = std::string(text.substr(at, dollar - at))};
    at = dollar;
    if (dollar < text.size()) {
      size_t end = dollar + 1;
      while (end < text.size() && is_name_letter(text[end])) ++end;
      const auto variable = find_variable(line, shape.index + dollar,
                                          text.substr(dollar + 1, end - dollar - 1), diagnostics);
      if (!variable) return std::nullopt;
      part.variable = *variable;
      at = end;
    }
    field.parts.push_back(std::move(part));
  }
  return field;
}

std::string EcsField::value(const TaskMetadata& task, const TaskContainer* container,
                            std::string_view container_name, bool cluster_only) const {
  std::string value;
  for (const Part& part : parts) {
    value += part.text;
    if (part.variable == EcsVariable::ClusterName) value += task.cluster;
    if (cluster_only) continue;
    if (part.variable == EcsVariable::EcsContainerName) {
      value += container != nullptr ? container->name : container_name;
    } else if (part.variable == EcsVariable::ContainerId) {
      if (container != nullptr) value += container->id;
    } else if (part.variable == EcsVariable::DockerContainerName) {
      if (container != nullptr) value += container->docker_name;
    } else {
      value += task_value(part.variable, task);
    }
  }
  return value;
}

}  // namespace noroshi

// The templates of filter `ecs`: "$ClusterName.$TaskID", with the names Fluent Bit has.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/option_table_base.h"

namespace noroshi {

struct TaskContainer;  // aws/task_metadata.h
struct TaskMetadata;

enum class EcsVariable {
  None,  // only the text counts
  ClusterName,
  ContainerInstanceArn,
  ContainerInstanceId,
  EcsAgentVersion,
  TaskArn,
  TaskId,
  TaskDefinitionFamily,
  TaskDefinitionVersion,
  ContainerId,
  DockerContainerName,
  EcsContainerName,
};

// One line: a field and what it holds.
struct EcsField {
  struct Part {
    std::string text = {};
    EcsVariable variable = EcsVariable::None;
  };
  std::string key = {};
  std::vector<Part> parts = {};

  // `container`: null where it is not known. `container_name` is what the tag says, if anything.
  // With `cluster_only` everything but the cluster's name stands for nothing.
  [[nodiscard]] std::string value(const TaskMetadata& task, const TaskContainer* container,
                                  std::string_view container_name, bool cluster_only) const;
};

// Of `Add KEY TEMPLATE`. nullopt and an error for an unknown variable; a warning for one that the
// task's metadata does not know.
[[nodiscard]] std::optional<EcsField> parse_ecs_field(const LocatedText& line,
                                                      Diagnostics& diagnostics);

}  // namespace noroshi

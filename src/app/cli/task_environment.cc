#include "app/cli/task_environment.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/log.h"

namespace noroshi {
namespace {

// The keys of TaskMetadata::variables().
constexpr std::array<std::string_view, 9> kTaskVariables = {
    "AWS_AVAILABILITY_ZONE", "AWS_REGION",   "ECS_CLUSTER",         "ECS_FAMILY", "ECS_LAUNCH_TYPE",
    "ECS_REVISION",          "ECS_TASK_ARN", "ECS_TASK_DEFINITION", "ECS_TASK_ID"};

}  // namespace

TaskEnvironment& TaskEnvironment::of_process() {
  static TaskEnvironment environment(aws_process_environment());
  return environment;
}

const TaskMetadata* TaskEnvironment::metadata() {
  if (metadata_) return &*metadata_;
  if (failed_ || !in_ecs_task(aws_)) return nullptr;
  about_to_use_network();
  Result<TaskMetadata> read =
      read_task_metadata(aws_, system_clock().monotonic() + kMetadataPatience);
  if (!read) {
    failed_ = true;
    log_error("config", "the ECS task's metadata cannot be read: {}", read.error().message);
    return nullptr;
  }
  metadata_ = *std::move(read);
  return &*metadata_;
}

EnvironmentLookup TaskEnvironment::lookup() {
  return [this,
          process = process_environment()](const std::string& name) -> std::optional<std::string> {
    auto value = process(name);
    if (value && !value->empty()) return value;
    if (std::ranges::find(kTaskVariables, name) == kTaskVariables.end()) return value;
    const TaskMetadata* task = metadata();
    if (task == nullptr) return value;
    const auto variables = task->variables();
    const auto found = variables.find(name);
    return found == variables.end() ? value : std::optional(found->second);
  };
}

std::vector<std::string> TaskEnvironment::container_names() {
  const TaskMetadata* task = metadata();
  std::vector<std::string> names;
  if (task == nullptr) return names;
  for (const TaskContainer& container : task->containers) names.push_back(container.name);
  return names;
}

void TaskEnvironment::export_variables() {
  const TaskMetadata* task = metadata();
  if (task == nullptr) return;
  for (const auto& [name, value] : task->variables()) {
    if (aws_.get(name).empty()) setenv(name.c_str(), value.c_str(), 1);
  }
}

void TaskEnvironment::about_to_use_network() {
  if (auto call = std::exchange(before_network_, {})) call();
}

}  // namespace noroshi

// The variables of the process, and behind them those of its ECS task: what the init image of
// aws-for-fluent-bit exports (ECS_TASK_ID, ECS_CLUSTER, AWS_AVAILABILITY_ZONE … see
// aws/task_metadata.h), so that ${ECS_TASK_ID} works in any configuration and without that image.
//
// The task's metadata is asked for once, when the first of these names is looked up that the
// process does not have. Main thread only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "aws/task_metadata.h"
#include "config/variables.h"

namespace noroshi {

class TaskEnvironment {
 public:
  // One for the process, as its environment is. Metadata that was read is kept.
  [[nodiscard]] static TaskEnvironment& of_process();
  explicit TaskEnvironment(const AwsEnvironment& aws) : aws_(aws) {}

  // Refers to this object.
  [[nodiscard]] EnvironmentLookup lookup();
  // Empty outside of ECS, and where the metadata cannot be read (said in the log).
  [[nodiscard]] std::vector<std::string> container_names();
  // setenv() of what the process does not have: for what reads the environment itself (Lua, exec).
  void export_variables();

  // Called before the first request leaves: the last moment to open sockets.
  void before_network(std::function<void()> call) { before_network_ = std::move(call); }
  void about_to_use_network();

 private:
  // Null if it cannot be had. Blocks for kMetadataPatience at most, once.
  const TaskMetadata* metadata();

  const AwsEnvironment& aws_;
  std::function<void()> before_network_;
  std::optional<TaskMetadata> metadata_;
  bool failed_ = false;
};

inline constexpr Nanoseconds kMetadataPatience = Seconds(5);

}  // namespace noroshi

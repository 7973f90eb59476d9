// What the ECS task metadata endpoint (v4) says of our own task: for the Go plugin's
// $(ecs_task_id),
// $(ecs_task_arn) and $(ecs_cluster) in names.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html
#pragma once

#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/result.h"

namespace noroshi {

struct EcsTask {
  std::string arn =
      {};  // arn:aws:ecs:eu-west-1:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c
  std::string id = {};       // 158d1c8083dd49d6b527399fd6414f5c
  std::string cluster = {};  // default
};

// Blocks for two seconds at most. Errors: NotFound (not in ECS), Unavailable, Timeout, Corrupt.
[[nodiscard]] Result<EcsTask> read_ecs_task(const AwsEnvironment& environment);

// The body of the endpoint's /task. Corrupt if it has no TaskARN.
[[nodiscard]] Result<EcsTask> parse_ecs_task(std::string_view json);

}  // namespace noroshi

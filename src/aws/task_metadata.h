// The ECS task metadata endpoint, version 4: what our own task is. The agent (or Fargate) answers
// on a link-local address within milliseconds; the answer does not change while the task lives.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/credentials.h"
#include "base/clock.h"
#include "base/result.h"

namespace noroshi {

struct TaskContainer {
  std::string id = {};           // Docker's, 64 hex digits; on Fargate the task's id and a number
  std::string name = {};         // as the task definition has it
  std::string docker_name = {};  // ecs-family-1-name-d0c8…
};

struct TaskMetadata {
  std::string arn = {};      // arn:aws:ecs:eu-west-1:111122223333:task/default/158d1c8083dd49d6b527
  std::string id = {};       // 158d1c8083dd49d6b527
  std::string cluster = {};  // name: default
  std::string family = {};
  std::string revision = {};
  std::string launch_type = {};                // EC2 or FARGATE
  std::string availability_zone = {};          // eu-west-1a
  std::string region = {};                     // of the ARN: eu-west-1
  std::string account_id = {};                 // of the ARN: 111122223333
  std::vector<TaskContainer> containers = {};  // all that exist by now

  // What the init process of aws-for-fluent-bit exports (fluent_bit_init_process.go): AWS_REGION,
  // AWS_AVAILABILITY_ZONE, ECS_CLUSTER, ECS_TASK_ARN, ECS_TASK_ID, ECS_FAMILY, ECS_LAUNCH_TYPE,
  // ECS_REVISION and ECS_TASK_DEFINITION (family:revision). What the task does not have is left
  // out.
  [[nodiscard]] std::map<std::string, std::string> variables() const;
};

// True where ECS_CONTAINER_METADATA_URI_V4 is set: this is a container of an ECS task.
[[nodiscard]] bool in_ecs_task(const AwsEnvironment& environment);

// Asks again every 200 ms, until `deadline`, while the endpoint does not answer or is overloaded.
// Blocks. Errors: NotFound (not in an ECS task), Unavailable, Timeout, Corrupt.
[[nodiscard]] Result<TaskMetadata> read_task_metadata(const AwsEnvironment& environment,
                                                      Monotonic deadline);

// The body of the endpoint's /task. Corrupt if it has no TaskARN.
[[nodiscard]] Result<TaskMetadata> parse_task_metadata(std::string_view json);

}  // namespace noroshi

#include "aws/task_metadata.h"

#include <simdjson.h>

#include <algorithm>
#include <thread>

#include "aws/imds.h"
#include "aws/region.h"

namespace noroshi {
namespace {

constexpr Nanoseconds kAttemptTimeout = Seconds(2);
constexpr Nanoseconds kRetryInterval = Milliseconds(200);
constexpr size_t kAnswerBytesMax = 1 << 20;
// ECS allows 10 containers in a task.
constexpr size_t kContainersMax = 100;

// "arn:…:cluster/default" and "default" are both "default".
std::string last_segment(std::string_view text) {
  const size_t slash = text.rfind('/');
  return std::string(slash == std::string_view::npos ? text : text.substr(slash + 1));
}

// arn:aws:ecs:eu-west-1:111122223333:task/…
std::string account_of_arn(std::string_view arn) {
  for (int colons = 0; colons < 4; ++colons) {
    const size_t colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    arn.remove_prefix(colon + 1);
  }
  return std::string(arn.substr(0, arn.find(':')));
}

std::string text_of(const simdjson::dom::element& object, std::string_view key) {
  std::string_view text;
  if (object[key].get(text) == simdjson::SUCCESS) return std::string(text);
  int64_t number = 0;  // an agent may send Revision as a number
  return object[key].get(number) == simdjson::SUCCESS ? std::to_string(number) : "";
}

Result<TaskMetadata> ask(HttpTransport& transport, const std::string& url, Monotonic deadline) {
  HttpRequest request;
  request.url = url;
  request.response_bytes_max = kAnswerBytesMax;
  NOROSHI_ASSIGN(
      const HttpResponse answer,
      transport.send(request, std::min(deadline, system_clock().monotonic() + kAttemptTimeout)));
  if (answer.status == 404 || answer.status == 400)
    return fail(ErrorCode::NotFound, "task metadata: HTTP " + std::to_string(answer.status));
  if (!answer.ok())
    return fail(ErrorCode::Unavailable, "task metadata: HTTP " + std::to_string(answer.status));
  return parse_task_metadata(answer.body);
}

}  // namespace

std::map<std::string, std::string> TaskMetadata::variables() const {
  std::map<std::string, std::string> all{
      {"AWS_REGION", region},
      {"AWS_AVAILABILITY_ZONE", availability_zone},
      {"ECS_CLUSTER", cluster},
      {"ECS_TASK_ARN", arn},
      {"ECS_TASK_ID", id},
      {"ECS_FAMILY", family},
      {"ECS_LAUNCH_TYPE", launch_type},
      {"ECS_REVISION", revision},
      {"ECS_TASK_DEFINITION", family.empty() || revision.empty() ? "" : family + ":" + revision}};
  std::erase_if(all, [](const auto& variable) { return variable.second.empty(); });
  return all;
}

bool in_ecs_task(const AwsEnvironment& environment) {
  return !environment.get("ECS_CONTAINER_METADATA_URI_V4").empty();
}

Result<TaskMetadata> parse_task_metadata(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element answer;
  if (parser.parse(json.data(), json.size()).get(answer) != simdjson::SUCCESS ||
      !answer.is_object())
    return fail(ErrorCode::Corrupt, "the task metadata is no JSON object");
  TaskMetadata task{.arn = text_of(answer, "TaskARN"),
                    .cluster = last_segment(text_of(answer, "Cluster")),
                    .family = text_of(answer, "Family"),
                    .revision = text_of(answer, "Revision"),
                    .launch_type = text_of(answer, "LaunchType"),
                    .availability_zone = text_of(answer, "AvailabilityZone")};
  if (task.arn.find('/') == std::string::npos)
    return fail(ErrorCode::Corrupt, "the task metadata has no TaskARN");
  task.id = last_segment(task.arn);
  task.region = region_of_arn(task.arn);
  task.account_id = account_of_arn(task.arn);
  simdjson::dom::array containers;
  if (answer["Containers"].get(containers) == simdjson::SUCCESS) {
    for (const simdjson::dom::element container : containers) {
      if (task.containers.size() == kContainersMax) break;
      TaskContainer found{.id = text_of(container, "DockerId"),
                          .name = text_of(container, "Name"),
                          .docker_name = text_of(container, "DockerName")};
      if (!found.name.empty()) task.containers.push_back(std::move(found));
    }
  }
  return task;
}

Result<TaskMetadata> read_task_metadata(const AwsEnvironment& environment, Monotonic deadline) {
  const std::string base = environment.get("ECS_CONTAINER_METADATA_URI_V4");
  if (base.empty()) {
    return fail(ErrorCode::NotFound,
                "ECS_CONTAINER_METADATA_URI_V4 is not set: this is no ECS task");
  }
  const auto transport = environment.make_transport(metadata_transport_options());
  while (true) {
    Result<TaskMetadata> task = ask(*transport, base + "/task", deadline);
    if (task || task.error().code == ErrorCode::NotFound ||
        system_clock().monotonic() + kRetryInterval >= deadline)
      return task;
    std::this_thread::sleep_for(kRetryInterval);
  }
}

}  // namespace noroshi

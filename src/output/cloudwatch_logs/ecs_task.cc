#include "output/cloudwatch_logs/ecs_task.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "aws/imds.h"

namespace noroshi {
namespace {

constexpr Nanoseconds kTimeout = Seconds(2);

// "arn:…:cluster/default" and "default" are both "default".
std::string last_segment(std::string_view text) {
  const size_t slash = text.rfind('/');
  return std::string(slash == std::string_view::npos ? text : text.substr(slash + 1));
}

}  // namespace

Result<EcsTask> parse_ecs_task(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element answer;
  std::string_view arn;
  if (parser.parse(json.data(), json.size()).get(answer) != simdjson::SUCCESS ||
      answer["TaskARN"].get(arn) != simdjson::SUCCESS || arn.find('/') == std::string_view::npos) {
    return fail(ErrorCode::Corrupt, "the task metadata has no TaskARN");
  }
  EcsTask task{.arn = std::string(arn), .id = last_segment(arn)};
  std::string_view cluster;
  if (answer["Cluster"].get(cluster) == simdjson::SUCCESS) task.cluster = last_segment(cluster);
  return task;
}

Result<EcsTask> read_ecs_task(const AwsEnvironment& environment) {
  const std::string base = environment.get("ECS_CONTAINER_METADATA_URI_V4");
  if (base.empty()) {
    return fail(ErrorCode::NotFound,
                "ECS_CONTAINER_METADATA_URI_V4 is not set: this is no ECS task");
  }
  HttpRequest request;
  request.url = base + "/task";
  const auto transport = environment.make_transport(metadata_transport_options());
  NOROSHI_ASSIGN(const HttpResponse answer,
                 transport->send(request, system_clock().monotonic() + kTimeout));
  if (!answer.ok()) {
    return fail(ErrorCode::Unavailable, fmt::format("task metadata: HTTP {}", answer.status));
  }
  return parse_ecs_task(answer.body);
}

}  // namespace noroshi

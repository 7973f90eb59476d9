#include "aws/region.h"

#include "aws/imds.h"
#include "aws/profile.h"
#include "aws/task_metadata.h"

namespace noroshi {
namespace {

constexpr Nanoseconds kSourceTimeout = Seconds(2);

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The task's own ARN names its region. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/
// task-metadata-endpoint-v4.html
Result<std::string> region_of_task(const AwsEnvironment& environment) {
  const std::string base = environment.get("ECS_CONTAINER_METADATA_URI_V4");
  if (base.empty()) return fail(ErrorCode::NotFound, "ECS_CONTAINER_METADATA_URI_V4 is not set");
  const auto transport = environment.make_transport(metadata_transport_options());
  HttpRequest request;
  request.url = base + "/task";
  NOROSHI_ASSIGN(const HttpResponse answer,
                 transport->send(request, system_clock().monotonic() + kSourceTimeout));
  if (answer.status != 200) {
    return fail(ErrorCode::Unavailable, "task metadata: HTTP " + std::to_string(answer.status));
  }
  NOROSHI_ASSIGN(TaskMetadata task, parse_task_metadata(answer.body));
  if (task.region.empty())
    return fail(ErrorCode::Corrupt, "task metadata has no region in its TaskARN");
  return std::move(task.region);
}

}  // namespace

bool is_region_name(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  for (const char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

std::string_view region_of_arn(std::string_view arn) {
  if (!arn.starts_with("arn:")) return {};
  for (int part = 0; part < 3; ++part) {
    const size_t colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    arn = arn.substr(colon + 1);
  }
  const std::string_view region = arn.substr(0, arn.find(':'));
  return is_region_name(region) ? region : std::string_view();
}

std::string configured_region(std::string_view option, std::string_view profile,
                              const AwsEnvironment& environment) {
  std::string region(option);
  if (region.empty()) region = environment.get("AWS_REGION");
  if (region.empty()) region = environment.get("AWS_DEFAULT_REGION");
  if (region.empty()) region = AwsProfiles::load(environment).chosen(profile).get("region");
  return region;
}

Result<std::string> resolve_region(std::string_view option, std::string_view profile,
                                   const AwsEnvironment& environment) {
  if (std::string region = configured_region(option, profile, environment); !region.empty()) {
    return region;
  }
  Result<std::string> region = region_of_task(environment);
  if (region) return region;
  std::string tried = region.error().message;
  region =
      InstanceMetadata(environment)
          .get("/latest/meta-data/placement/region", system_clock().monotonic() + kSourceTimeout);
  if (region && is_region_name(trim(*region))) return std::string(trim(*region));
  tried +=
      "; " + (region ? std::string("instance metadata names no region") : region.error().message);
  return fail(ErrorCode::NotFound,
              "no region: set the option `region` or AWS_REGION (neither AWS_REGION nor "
              "AWS_DEFAULT_REGION nor the profile has one; " +
                  tried + ")");
}

}  // namespace noroshi

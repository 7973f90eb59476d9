#include "aws/imds.h"

#include <algorithm>

namespace noroshi {
namespace {

// botocore: metadata_service_timeout 1 s, one attempt; token life 6 h.
constexpr Nanoseconds kRequestTimeout = Seconds(1);
constexpr std::string_view kTokenSeconds = "21600";
constexpr size_t kAnswerBytesMax = 64 << 10;

}  // namespace

HttpTransportOptions metadata_transport_options() {
  HttpTransportOptions options;
  options.connect_timeout = Seconds(2);
  options.use_proxy_environment = false;
  return options;
}

InstanceMetadata::InstanceMetadata(const AwsEnvironment& environment)
    : environment_(&environment),
      transport_(environment.make_transport(metadata_transport_options())),
      base_(environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT")) {
  if (base_.empty()) {
    const bool ipv6 =
        equal_ignoring_case(environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6");
    base_ = ipv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
  }
  while (base_.ends_with('/')) base_.pop_back();
}

Result<HttpResponse> InstanceMetadata::ask(HttpRequest request, Monotonic deadline) {
  request.response_bytes_max = kAnswerBytesMax;
  return transport_->send(request,
                          std::min(deadline, system_clock().monotonic() + kRequestTimeout));
}

Result<std::string> InstanceMetadata::get(std::string_view path, Monotonic deadline) {
  if (equal_ignoring_case(environment_->get("AWS_EC2_METADATA_DISABLED"), "true")) {
    return fail(ErrorCode::NotFound,
                "instance metadata is switched off (AWS_EC2_METADATA_DISABLED)");
  }
  const bool v1_allowed =
      !equal_ignoring_case(environment_->get("AWS_EC2_METADATA_V1_DISABLED"), "true");
  for (int attempt = 0;; ++attempt) {
    if (token_.empty()) {
      HttpRequest request;
      request.method = "PUT";
      request.url = base_ + "/latest/api/token";
      request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", std::string(kTokenSeconds)}};
      const Result<HttpResponse> answer = ask(std::move(request), deadline);
      if (answer && answer->status == 200) {
        token_ = answer->body;
      } else if (!answer && answer.error().code != ErrorCode::Timeout) {
        return std::unexpected(answer.error());  // nobody listens there: version 1 would not either
      } else if (!v1_allowed) {
        return fail(ErrorCode::Unavailable,
                    "instance metadata gives no session token, and version 1 "
                    "is switched off (AWS_EC2_METADATA_V1_DISABLED)");
      }
    }
    HttpRequest request;
    request.url = base_ + std::string(path);
    if (!token_.empty()) request.headers = {{"X-aws-ec2-metadata-token", token_}};
    NOROSHI_ASSIGN(HttpResponse answer, ask(std::move(request), deadline));
    if (answer.status == 200 && !answer.body_cut) return std::move(answer.body);
    if (answer.status == 401 && !token_.empty() && attempt == 0) {
      token_.clear();  // it has expired
      continue;
    }
    return fail(
        answer.status == 404 ? ErrorCode::NotFound : ErrorCode::Unavailable,
        "instance metadata " + std::string(path) + ": HTTP " + std::to_string(answer.status));
  }
}

}  // namespace noroshi

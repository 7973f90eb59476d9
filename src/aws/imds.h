// The EC2 instance metadata service: version 2 with a session token, version 1 where only that
// exists.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/result.h"

namespace noroshi {

class InstanceMetadata {
 public:
  explicit InstanceMetadata(const AwsEnvironment& environment);

  // GET of a path such as "/latest/meta-data/placement/region". The token is asked for first:
  // refused (403, 404, 405) or unanswered means version 1, unless AWS_EC2_METADATA_V1_DISABLED. One
  // second for each of the requests, by `deadline` in all. Errors: NotFound (switched off by
  // AWS_EC2_METADATA_DISABLED, or no such path), Unavailable or Timeout (this is no EC2 instance).
  [[nodiscard]] Result<std::string> get(std::string_view path, Monotonic deadline);

 private:
  [[nodiscard]] Result<HttpResponse> ask(HttpRequest request, Monotonic deadline);

  const AwsEnvironment* environment_;
  std::unique_ptr<HttpTransport> transport_;
  std::string base_;
  std::string token_;
};

// For endpoints inside the task or instance: never through a proxy, two seconds to connect.
[[nodiscard]] HttpTransportOptions metadata_transport_options();

}  // namespace noroshi

// Where an output to an AWS service sends: the settings of its client, from its own options and
// those that all outputs take, and what the effective pipeline shows of it.
#pragma once

#include <optional>
#include <string>

#include "aws/aws_client.h"
#include "aws/endpoint.h"

namespace noroshi {

class Diagnostics;
struct Section;

struct AwsDestination {
  AwsSettings settings = {};
  std::string region = {};  // as configured; empty: the task's or instance's metadata will say
  std::optional<Endpoint> endpoint = {};  // nullopt: an error was added

  // "ap-northeast-1", "region from the task's metadata"
  [[nodiscard]] std::string region_text() const;
  // "ap-northeast-1, https://logs.ap-northeast-1.amazonaws.com"; needs `endpoint`
  [[nodiscard]] std::string to_string() const;
};

// What the options of all these plugins have by the same names.
template <typename Options>
[[nodiscard]] AwsSettings aws_settings_of(const Options& options) {
  return {.region = options.region,
          .endpoint = options.endpoint,
          .profile = options.profile,
          .role_arn = options.role_arn,
          .external_id = options.external_id,
          .sts_endpoint = options.sts_endpoint};
}

// Adds the port, TLS and time-out of `section` to `settings` and looks for the endpoint, without
// asking the network. An endpoint that cannot be is an error.
[[nodiscard]] AwsDestination resolve_aws_destination(const AwsService& service,
                                                     AwsSettings settings, const Section& section,
                                                     const AwsEnvironment& environment,
                                                     Diagnostics& diagnostics);

}  // namespace noroshi

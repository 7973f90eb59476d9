// The two calls of the Security Token Service that the chain needs.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#pragma once

#include <string>

#include "aws/credentials.h"
#include "base/result.h"

namespace noroshi {

struct RoleToAssume {
  std::string role_arn = {};
  std::string session_name = {};      // empty: "noroshi"
  std::string external_id = {};       // AssumeRole only
  std::string duration_seconds = {};  // empty: the service's own, 3600
  std::string region = {};            // empty: the global endpoint, signed for us-east-1
  std::string sts_endpoint = {};      // as an option gave it
};

// Both: one attempt, 5 s at most. Errors: Denied (refused by STS), Unavailable, Timeout,
// InvalidArgument.
[[nodiscard]] Result<Credentials> assume_role(const RoleToAssume& role, const Credentials& caller,
                                              const AwsEnvironment& environment,
                                              Monotonic deadline);
[[nodiscard]] Result<Credentials> assume_role_with_web_identity(const RoleToAssume& role,
                                                                const std::string& token,
                                                                const AwsEnvironment& environment,
                                                                Monotonic deadline);

}  // namespace noroshi

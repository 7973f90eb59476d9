// Which region to talk to.
#pragma once

#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/result.h"

namespace noroshi {

// option → AWS_REGION → AWS_DEFAULT_REGION → profile → ECS task metadata v4 (task ARN) → EC2
// metadata. The last two ask the network, two seconds each at most, and only when nothing before
// answered. Errors: NotFound, naming what was tried.
[[nodiscard]] Result<std::string> resolve_region(
    std::string_view option, std::string_view profile,
    const AwsEnvironment& environment = aws_process_environment());

// The part of resolve_region() that needs no network; empty if it found none.
[[nodiscard]] std::string configured_region(
    std::string_view option, std::string_view profile,
    const AwsEnvironment& environment = aws_process_environment());

// "arn:aws:ecs:eu-west-1:…" → "eu-west-1"; empty if it is no ARN.
[[nodiscard]] std::string_view region_of_arn(std::string_view arn);

// Labels of lower-case letters and digits joined by '-': "eu-west-1", "us-gov-east-1", "local".
[[nodiscard]] bool is_region_name(std::string_view text);

}  // namespace noroshi

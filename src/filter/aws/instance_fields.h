// The fields that filter `aws` adds, asked of the instance metadata service.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "aws/credentials.h"
#include "base/clock.h"
#include "base/result.h"
#include "filter/aws/aws.h"

namespace noroshi {

using InstanceFields = std::vector<std::pair<std::string, std::string>>;

// The fields `options` asks for, in Fluent Bit's order, then the tags. What the instance does not
// have (no public tags, say) is left out, and named in one warning of `component`. Where there is
// no instance metadata but a task's (Fargate), az and account_id are the task's. Blocks. Errors:
// NotFound, Unavailable, Timeout: there is neither, or not yet.
[[nodiscard]] Result<InstanceFields> read_instance_fields(const AwsFilterOptions& options,
                                                          const AwsEnvironment& environment,
                                                          std::string_view component,
                                                          Monotonic deadline);

}  // namespace noroshi

// One object of S3, read whole: configuration files. (Delivery to S3 is output/s3's.)
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "aws/aws_client.h"

namespace noroshi {

struct S3Address {
  std::string bucket = {};
  std::string key = {};
  // "s3://bucket/key", for messages.
  [[nodiscard]] std::string to_string() const { return "s3://" + bucket + "/" + key; }
};

// "arn:aws:s3:::bucket/key" (any partition) or "s3://bucket/key". InvalidArgument for anything
// else.
[[nodiscard]] Result<S3Address> parse_s3_address(std::string_view text);

// GetObject, with the credentials of the chain; follows the bucket into its region. What may pass
// is tried again until `deadline`: no answer, 5xx, throttling. Needs s3:GetObject only. Errors:
// NotFound (no such bucket or key), Denied, Exhausted (larger than `bytes_max`), Unavailable,
// Timeout.
[[nodiscard]] Result<std::string> read_s3_object(const S3Address& address, size_t bytes_max,
                                                 const AwsEnvironment& environment,
                                                 Monotonic deadline);

}  // namespace noroshi

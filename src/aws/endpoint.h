// Where a service lives: resolution of endpoints and of S3 bucket addresses.
#pragma once

#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/result.h"
#include "http/url.h"

namespace noroshi {

// As AWS_ENDPOINT_URL_<ID> spells it, with the signing name.
struct AwsService {
  std::string_view id;            // "S3", "CLOUDWATCH_LOGS", "STS"
  std::string_view signing_name;  // "s3", "logs", "sts"; also the first label of the host
};
inline constexpr AwsService kS3{"S3", "s3"};
inline constexpr AwsService kCloudWatchLogs{"CLOUDWATCH_LOGS", "logs"};
inline constexpr AwsService kSts{"STS", "sts"};

struct Endpoint {
  Url url = {};         // scheme, host, port, and a path prefix if the user gave one
  bool custom = false;  // from an option or the environment, not computed from the region
};

struct EndpointOptions {
  std::string endpoint =
      {};             // "https://vpce-….amazonaws.com", "localhost:9000", "http://127.0.0.1"
  uint16_t port = 0;  // option `port`, where the endpoint names none
  std::string region = {};
  std::string profile = {};
  bool tls = true;  // scheme of an endpoint given without one
};

// option → AWS_ENDPOINT_URL_<SERVICE> → AWS_ENDPOINT_URL → the profile's endpoint_url → computed
// from the region, with AWS_USE_DUALSTACK_ENDPOINT, AWS_USE_FIPS_ENDPOINT and the partition's
// suffix. AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true skips the variables and the profile. Errors:
// InvalidArgument (malformed endpoint; or no endpoint and no region).
[[nodiscard]] Result<Endpoint> resolve_endpoint(
    const AwsService& service, const EndpointOptions& options,
    const AwsEnvironment& environment = aws_process_environment());

// The partition's DNS suffix: "amazonaws.com", "amazonaws.com.cn", …; the dual-stack one is
// "api.aws" ….
[[nodiscard]] std::string_view dns_suffix(std::string_view region, bool dual_stack = false);

// Host and path prefix of a bucket. Virtual-hosted ("bucket.s3.eu-west-1.amazonaws.com") by
// default; path-style for custom endpoints (MinIO, LocalStack, IP addresses, VPC interface
// endpoints: they take it without wildcard DNS) unless they are S3's own public hosts, and for
// bucket names that are no single DNS label under TLS.
struct BucketAddress {
  Url url = {};             // without the key
  std::string prefix = {};  // raw: "/bucket" for path-style, else empty
};
[[nodiscard]] BucketAddress bucket_address(const Endpoint& endpoint, std::string_view bucket);

}  // namespace noroshi

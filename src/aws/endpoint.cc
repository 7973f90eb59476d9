#include "aws/endpoint.h"

#include <fmt/format.h>

#include <algorithm>

#include "aws/profile.h"
#include "aws/region.h"

namespace noroshi {
namespace {

struct Partition {
  std::string_view region_prefix;
  std::string_view suffix;
  std::string_view dual_stack_suffix;
};
// Longest prefix first. Suffixes: fluent-bit src/aws/flb_aws_util.c; dual-stack: botocore
// partitions.json.
constexpr Partition kPartitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
};
constexpr Partition kCommercial = {"", "amazonaws.com", "api.aws"};

const Partition& partition_of(std::string_view region) {
  for (const Partition& partition : kPartitions) {
    if (region.starts_with(partition.region_prefix)) return partition;
  }
  return kCommercial;
}

bool is_true(const std::string& value) { return equal_ignoring_case(value, "true"); }

// A switch that the environment or the profile may set, in this order.
bool setting(const AwsEnvironment& environment, const AwsProfile& profile, const char* variable,
             std::string_view key) {
  const std::string value = environment.get(variable);
  return is_true(value.empty() ? profile.get(key) : value);
}

std::string regional_host(const AwsService& service, const std::string& region, bool dual_stack,
                          bool fips) {
  const std::string label = std::string(service.signing_name) + (fips ? "-fips" : "");
  if (service.id == kS3.id) {
    // S3 has dual-stack names of its own under the usual suffix.
    return fmt::format("{}{}.{}.{}", label, dual_stack ? ".dualstack" : "", region,
                       dns_suffix(region));
  }
  return fmt::format("{}.{}.{}", label, region, dns_suffix(region, dual_stack));
}

Result<Endpoint> custom_endpoint(std::string text, const EndpointOptions& options) {
  if (text.find("://") == std::string::npos) text = (options.tls ? "https://" : "http://") + text;
  Result<Url> url = parse_url(text);
  if (!url) return std::unexpected(std::move(url.error()).with_context("endpoint"));
  if (!url->query.empty()) {
    return fail(ErrorCode::InvalidArgument, "endpoint: '" + text + "' has a query");
  }
  while (url->path.ends_with('/')) url->path.pop_back();
  if (url->port == 0) url->port = options.port;
  return Endpoint{std::move(*url), true};
}

bool is_dns_label(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// Dotted names are labels joined by dots: fine over plain http, but no certificate covers them.
bool is_host_name(std::string_view name) {
  while (true) {
    const size_t dot = name.find('.');
    if (!is_dns_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name = name.substr(dot + 1);
  }
}

bool is_public_s3_host(std::string_view host) {
  if (host.find(".vpce.") != std::string_view::npos) return false;
  const bool s3 = host.starts_with("s3.") || host.starts_with("s3-") ||
                  host.find(".s3.") != std::string_view::npos ||
                  host.find(".s3-") != std::string_view::npos;
  const auto ends = [host](const Partition& partition) {
    return host.ends_with("." + std::string(partition.suffix));
  };
  return s3 &&
         (ends(kCommercial) || std::any_of(std::begin(kPartitions), std::end(kPartitions), ends));
}

}  // namespace

std::string_view dns_suffix(std::string_view region, bool dual_stack) {
  const Partition& partition = partition_of(region);
  return dual_stack ? partition.dual_stack_suffix : partition.suffix;
}

Result<Endpoint> resolve_endpoint(const AwsService& service, const EndpointOptions& options,
                                  const AwsEnvironment& environment) {
  const AwsProfiles profiles = AwsProfiles::load(environment);
  const AwsProfile profile = profiles.chosen(options.profile);
  std::string configured = options.endpoint;
  if (configured.empty() && !setting(environment, profile, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                                     "ignore_configured_endpoint_urls")) {
    configured = environment.get("AWS_ENDPOINT_URL_" + std::string(service.id));
    if (configured.empty()) configured = environment.get("AWS_ENDPOINT_URL");
    if (configured.empty()) configured = profiles.endpoint_url(profile, service.id);
  }
  if (!configured.empty()) return custom_endpoint(std::move(configured), options);
  if (!is_region_name(options.region)) {
    return fail(ErrorCode::InvalidArgument,
                options.region.empty()
                    ? fmt::format("{}: neither an endpoint nor a region is known", service.id)
                    : fmt::format("{}: '{}' is no region name", service.id, options.region));
  }
  Endpoint endpoint;
  endpoint.url.scheme = options.tls ? "https" : "http";
  endpoint.url.port = options.port;
  endpoint.url.host = regional_host(
      service, options.region,
      setting(environment, profile, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
      setting(environment, profile, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
  return endpoint;
}

BucketAddress bucket_address(const Endpoint& endpoint, std::string_view bucket) {
  BucketAddress address{endpoint.url, {}};
  const bool may_be_label =
      endpoint.url.scheme == "https" ? is_dns_label(bucket) : is_host_name(bucket);
  if ((!endpoint.custom || is_public_s3_host(endpoint.url.host)) && may_be_label) {
    // The user may have given the bucket's own host.
    const std::string prefix = std::string(bucket) + ".";
    if (!address.url.host.starts_with(prefix)) address.url.host.insert(0, prefix);
  } else {
    address.prefix = "/" + std::string(bucket);
  }
  return address;
}

}  // namespace noroshi

#include "output/aws_destination.h"

#include <algorithm>

#include "aws/region.h"
#include "config/common_options.h"
#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

std::string AwsDestination::region_text() const {
  return region.empty() ? "region from the task's metadata" : region;
}

std::string AwsDestination::to_string() const {
  if (region.empty() && !endpoint->custom) return region_text();
  return region_text() + ", " + endpoint->url.to_string();
}

AwsDestination resolve_aws_destination(const AwsService& service, AwsSettings settings,
                                       const Section& section, const AwsEnvironment& environment,
                                       Diagnostics& diagnostics) {
  // Problems of the common options are told by who reads them for every output.
  Diagnostics told_elsewhere;
  const OutputCommon common = parse_output_common(section, told_elsewhere);
  settings.port = static_cast<uint16_t>(std::clamp<int64_t>(common.port, 0, UINT16_MAX));
  settings.tls = common.tls.value_or(true);
  settings.transport.connect_timeout = common.net_connect_timeout;
  settings.transport.verify_tls = common.tls_verify;
  settings.transport.ca_file = common.tls_ca_file;

  AwsDestination destination;
  destination.region = configured_region(settings.region, settings.profile, environment);
  auto endpoint =
      resolve_endpoint(service,
                       {.endpoint = settings.endpoint,
                        .port = settings.port,
                        .region = destination.region.empty() ? "us-east-1" : destination.region,
                        .profile = settings.profile,
                        .tls = settings.tls},
                       environment);
  if (endpoint) {
    destination.endpoint = *std::move(endpoint);
  } else {
    diagnostics.error(section.where_of("endpoint"), endpoint.error().message);
  }
  destination.settings = std::move(settings);
  return destination;
}

}  // namespace noroshi

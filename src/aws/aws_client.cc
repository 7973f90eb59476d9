#include "aws/aws_client.h"

#include <cstdlib>

#include "aws/region.h"
#include "base/check.h"
#include "base/log.h"

namespace noroshi {
namespace {

// Below this the signature is not refused for the clock's sake: AWS allows 5 minutes, S3 15.
constexpr Nanoseconds kSkewWorthCorrecting = std::chrono::minutes(4);
// What refuses may also be a proxy with a wild clock.
constexpr Nanoseconds kSkewBelievable = std::chrono::hours(24 * 366);

}  // namespace

AwsClient::AwsClient(const AwsService& service, std::string region, Endpoint endpoint,
                     std::shared_ptr<CredentialsProvider> credentials,
                     std::unique_ptr<HttpTransport> transport, const Clock& clock,
                     std::shared_ptr<ClockSkew> skew)
    : signer_(std::string(service.signing_name), std::move(region)),
      endpoint_(std::move(endpoint)),
      credentials_(std::move(credentials)),
      transport_(std::move(transport)),
      clock_(&clock),
      skew_(std::move(skew)) {}

void AwsClient::move_to(std::string region, Endpoint endpoint) {
  signer_ = SigV4Signer(signer_.service(), std::move(region));
  endpoint_ = std::move(endpoint);
}

Result<AwsAnswer> AwsClient::attempt(HttpRequest& http, const Credentials& credentials,
                                     std::string_view payload_hash, Monotonic deadline) {
  const Timestamp now = clock_->wall() + (skew_ ? skew_->offset() : Nanoseconds::zero());
  NOROSHI_TRY(signer_.sign(http, credentials, now, payload_hash));
  ++requests_;
  NOROSHI_ASSIGN(HttpResponse response, transport_->send(http, deadline));
  AwsAnswer answer{std::move(response), {}};
  answer.fault = aws_fault(answer.response);
  return answer;
}

bool AwsClient::correct_skew(const AwsAnswer& answer) {
  if (!skew_) return false;
  const auto server = parse_http_date(answer.response.headers.get("date"));
  if (!server) return false;
  const Nanoseconds offset = *server - clock_->wall();
  // Compared with what we used: an offset already in use has not helped.
  const Nanoseconds change = offset - skew_->offset();
  if (std::chrono::abs(change) < kSkewWorthCorrecting ||
      std::chrono::abs(offset) > kSkewBelievable) {
    return false;
  }
  skew_->set(offset);
  log_warn("aws",
           "the clock of this host is {} s {} AWS's; requests are signed with the corrected time",
           std::abs(std::chrono::duration_cast<Seconds>(offset).count()),
           offset > Nanoseconds::zero() ? "behind" : "ahead of");
  return true;
}

Result<AwsAnswer> AwsClient::call(const AwsRequest& request, Monotonic deadline) {
  CHECK(!request.file || !request.payload_hash.empty(), "a file body needs its payload hash");
  NOROSHI_ASSIGN(Credentials credentials, credentials_->get(deadline));

  Url url = endpoint_.url;
  url.path += percent_encode(request.path, true);
  if (url.path.empty()) url.path = "/";
  url.query = encode_query(request.query);
  HttpRequest http;
  http.method = request.method;
  http.url = url.to_string();
  http.headers = request.headers;
  http.body = request.body;
  http.file = request.file;
  http.expect_continue = request.expect_continue;
  http.response_bytes_max = request.response_bytes_max;
  const std::string payload_hash =
      request.payload_hash.empty() ? sha256_hex(request.body) : request.payload_hash;

  NOROSHI_ASSIGN(AwsAnswer answer, attempt(http, credentials, payload_hash, deadline));
  if (answer.ok()) return answer;
  bool again = false;
  if (answer.fault->kind == AwsFaultKind::ClockSkew) {
    again = correct_skew(answer);
  } else if (answer.fault->kind == AwsFaultKind::Expired) {
    again = credentials_->refresh(credentials, deadline);
    if (again) {
      NOROSHI_ASSIGN(credentials, credentials_->get(deadline));
    }
  }
  if (again) {
    NOROSHI_ASSIGN(answer, attempt(http, credentials, payload_hash, deadline));
  }
  // The clock is right and the signature still is not: the secret must be wrong.
  if (answer.fault && answer.fault->kind == AwsFaultKind::ClockSkew) {
    answer.fault->kind = AwsFaultKind::Auth;
  }
  return answer;
}

Result<std::unique_ptr<AwsClient>> make_aws_client(const AwsService& service,
                                                   const AwsSettings& settings,
                                                   const AwsEnvironment& environment) {
  NOROSHI_ASSIGN(std::string region,
                 resolve_region(settings.region, settings.profile, environment));
  NOROSHI_ASSIGN(Endpoint endpoint, resolve_endpoint(service,
                                                     {.endpoint = settings.endpoint,
                                                      .port = settings.port,
                                                      .region = region,
                                                      .profile = settings.profile,
                                                      .tls = settings.tls},
                                                     environment));
  const CredentialsOptions who{.profile = settings.profile,
                               .role_arn = settings.role_arn,
                               .external_id = settings.external_id,
                               .sts_endpoint = settings.sts_endpoint,
                               .region = region};
  auto credentials = &environment == &aws_process_environment()
                         ? shared_credentials_chain(who)
                         : make_credentials_chain(who, environment);
  return std::make_unique<AwsClient>(
      service, std::move(region), std::move(endpoint), std::move(credentials),
      environment.make_transport(settings.transport), *environment.clock, environment.clock_skew);
}

}  // namespace noroshi

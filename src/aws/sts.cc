#include "aws/sts.h"

#include <algorithm>

#include "aws/aws_client.h"
#include "aws/xml.h"

namespace noroshi {
namespace {

constexpr Nanoseconds kCallTimeout = Seconds(5);

Result<Endpoint> sts_endpoint(const RoleToAssume& role, const AwsEnvironment& environment) {
  if (role.region.empty() && role.sts_endpoint.empty()) {
    // The global endpoint, as the SDKs use it without a region; a configured one goes first.
    Result<Endpoint> configured =
        resolve_endpoint(kSts, {.endpoint = {}, .port = 0, .region = "us-east-1"}, environment);
    if (configured && !configured->custom) configured->url.host = "sts.amazonaws.com";
    return configured;
  }
  return resolve_endpoint(kSts, {.endpoint = role.sts_endpoint, .port = 0, .region = role.region},
                          environment);
}

QueryParameters parameters_of(const RoleToAssume& role, std::string action) {
  QueryParameters parameters{
      {"Action", std::move(action)},
      {"Version", "2011-06-15"},
      {"RoleArn", role.role_arn},
      {"RoleSessionName", role.session_name.empty() ? "noroshi" : role.session_name}};
  if (!role.duration_seconds.empty())
    parameters.emplace_back("DurationSeconds", role.duration_seconds);
  return parameters;
}

Result<Credentials> read_answer(const RoleToAssume& role, const HttpResponse& response,
                                const std::string& action) {
  if (const auto fault = aws_fault(response)) {
    const bool later =
        fault->kind == AwsFaultKind::Transient || fault->kind == AwsFaultKind::Throttled;
    return fail(later ? ErrorCode::Unavailable : ErrorCode::Denied,
                action + " " + role.role_arn + ": " + fault->describe());
  }
  NOROSHI_ASSIGN(const XmlDocument document, XmlDocument::parse(response.body));
  const std::string base = action + "Response/" + action + "Result/Credentials/";
  Credentials credentials;
  credentials.access_key_id = document.get(base + "AccessKeyId");
  credentials.secret_access_key = document.get(base + "SecretAccessKey");
  credentials.session_token = document.get(base + "SessionToken");
  credentials.expiration = parse_iso8601(document.get(base + "Expiration"));
  credentials.source = "role " + role.role_arn;
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() ||
      !credentials.expiration) {
    return fail(ErrorCode::Corrupt, action + ": the answer has no credentials");
  }
  return credentials;
}

HttpHeaders form_headers() {
  return {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
}

}  // namespace

Result<Credentials> assume_role(const RoleToAssume& role, const Credentials& caller,
                                const AwsEnvironment& environment, Monotonic deadline) {
  NOROSHI_ASSIGN(Endpoint endpoint, sts_endpoint(role, environment));
  AwsClient client(kSts, role.region.empty() ? "us-east-1" : role.region, std::move(endpoint),
                   make_static_credentials(caller), environment.make_transport({}),
                   *environment.clock, environment.clock_skew);
  QueryParameters parameters = parameters_of(role, "AssumeRole");
  if (!role.external_id.empty()) parameters.emplace_back("ExternalId", role.external_id);
  const std::string body = encode_query(parameters);
  AwsRequest request;
  request.headers = form_headers();
  request.body = body;
  NOROSHI_ASSIGN(
      const AwsAnswer answer,
      client.call(request, std::min(deadline, system_clock().monotonic() + kCallTimeout)));
  return read_answer(role, answer.response, "AssumeRole");
}

Result<Credentials> assume_role_with_web_identity(const RoleToAssume& role,
                                                  const std::string& token,
                                                  const AwsEnvironment& environment,
                                                  Monotonic deadline) {
  NOROSHI_ASSIGN(Endpoint endpoint, sts_endpoint(role, environment));
  QueryParameters parameters = parameters_of(role, "AssumeRoleWithWebIdentity");
  parameters.emplace_back("WebIdentityToken", token);
  const std::string body = encode_query(parameters);
  if (endpoint.url.path.empty()) endpoint.url.path = "/";
  HttpRequest request;  // unsigned: the token is the proof
  request.method = "POST";
  request.url = endpoint.url.to_string();
  request.headers = form_headers();
  request.body = body;
  const auto transport = environment.make_transport({});
  NOROSHI_ASSIGN(
      const HttpResponse response,
      transport->send(request, std::min(deadline, system_clock().monotonic() + kCallTimeout)));
  return read_answer(role, response, "AssumeRoleWithWebIdentity");
}

}  // namespace noroshi

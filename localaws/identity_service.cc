#include "localaws/identity_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "localaws/hashes.h"
#include "localaws/json_text.h"
#include "localaws/time_text.h"
#include "localaws/xml.h"

namespace noroshi::localaws {
namespace {

constexpr int64_t kContainerLifetime = 6 * 3600;  // seconds; what ECS gives
constexpr int64_t kRoleLifetimeMin = 900;
constexpr int64_t kRoleLifetimeMax = 43'200;
constexpr int64_t kRoleLifetimeDefault = 3600;
constexpr std::string_view kXmlns = "https://sts.amazonaws.com/doc/2011-06-15/";

ServerResponse json_response(int status, std::string body) {
  return {
      .status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

Timestamp expiry(const IdentityContext& context, int64_t seconds) {
  const int64_t replaced = context.lifetime_override.load(std::memory_order_relaxed);
  return context.clock.wall() + Seconds(replaced > 0 ? replaced : seconds);
}

std::unexpected<AwsError> validation_error(std::string message) {
  return refuse(400, "ValidationError", std::move(message));
}

std::string parameter(const Parameters& form, std::string_view name) {
  const std::string* value = find_parameter(form, name);
  return value ? *value : std::string();
}

std::string document(std::string_view operation, std::string_view result,
                     std::string_view request_id) {
  return fmt::format(
      "<{0}Response xmlns=\"{1}\"><{0}Result>{2}</{0}Result><ResponseMetadata><RequestId>{3}"
      "</RequestId></ResponseMetadata></{0}Response>",
      operation, kXmlns, result, request_id);
}

struct RoleSession {
  std::string role_arn, session_name, assumed_arn, assumed_id;
  Timestamp expiration;
};

Answer<RoleSession> role_session(const IdentityContext& context, const Parameters& form) {
  RoleSession session;
  session.role_arn = parameter(form, "RoleArn");
  session.session_name = parameter(form, "RoleSessionName");
  // arn:aws:iam::123456789012:role/path/name
  const size_t role = session.role_arn.find(":role/");
  if (!session.role_arn.starts_with("arn:") || role == std::string::npos ||
      session.role_arn.size() < 20) {
    return validation_error(fmt::format("{} is invalid", session.role_arn));
  }
  const bool allowed = std::ranges::all_of(session.session_name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_+=,.@-").find(c) != std::string_view::npos;
  });
  if (session.session_name.size() < 2 || session.session_name.size() > 64 || !allowed) {
    return validation_error("RoleSessionName must be 2 to 64 characters of [\\w+=,.@-]");
  }
  int64_t seconds = kRoleLifetimeDefault;
  if (const std::string* text = find_parameter(form, "DurationSeconds")) {
    const char* const last = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), last, seconds);
    if (error != std::errc() || stop != last || seconds < kRoleLifetimeMin ||
        seconds > kRoleLifetimeMax) {
      return validation_error("DurationSeconds must be between 900 and 43200");
    }
  }
  const std::string name = session.role_arn.substr(session.role_arn.rfind('/') + 1);
  session.assumed_arn = fmt::format("arn:aws:sts::{}:assumed-role/{}/{}",
                                    context.issuer.account_id(), name, session.session_name);
  session.assumed_id = fmt::format("AROALOCALAWS:{}", session.session_name);
  session.expiration = expiry(context, seconds);
  return session;
}

std::string credentials_xml(const TemporaryCredentials& credentials) {
  std::string out = "<Credentials>";
  append_element(out, "AccessKeyId", credentials.access_key_id);
  append_element(out, "SecretAccessKey", credentials.secret_access_key);
  append_element(out, "SessionToken", credentials.session_token);
  append_element(out, "Expiration", iso_time(credentials.expiration));
  return out + "</Credentials>";
}

std::string assumed_xml(const IdentityContext& context, const RoleSession& session) {
  std::string out = credentials_xml(context.issuer.issue(session.assumed_arn, session.expiration));
  out += "<AssumedRoleUser>";
  append_element(out, "AssumedRoleId", session.assumed_id);
  append_element(out, "Arn", session.assumed_arn);
  return out + "</AssumedRoleUser>";
}

Answer<std::string> sts_result(const IdentityContext& context, const ServerRequest& head,
                               const Parameters& query, const Parameters& form,
                               std::string_view body) {
  const std::string operation = parameter(form, "Action");
  if (operation == "AssumeRoleWithWebIdentity") {
    if (parameter(form, "WebIdentityToken").empty()) {
      return refuse(400, "InvalidIdentityToken", "No WebIdentityToken was given");
    }
    NOROSHI_ASSIGN(const RoleSession session, role_session(context, form));
    std::string out = assumed_xml(context, session);
    append_element(out, "SubjectFromWebIdentityToken", "localaws");
    append_element(out, "Provider", "localaws");
    return out;
  }
  NOROSHI_ASSIGN(const ClaimedSignature claimed, claimed_signature(head, query, Service::Sts));
  NOROSHI_ASSIGN(
      const VerifiedSignature verified,
      verify_signature(head, query, claimed, Service::Sts, hex(hash(HashAlgorithm::Sha256, body)),
                       context.policy, context.clock.wall()));
  if (operation == "AssumeRole") {
    NOROSHI_ASSIGN(const RoleSession session, role_session(context, form));
    return assumed_xml(context, session);
  }
  if (operation == "GetCallerIdentity") {
    std::string out;
    append_element(out, "Arn", verified.principal.arn);
    append_element(out, "UserId", claimed.access_key_id);
    append_element(out, "Account", context.issuer.account_id());
    return out;
  }
  return refuse(400, "InvalidAction",
                fmt::format("Could not find operation {} for version 2011-06-15", operation));
}

}  // namespace

// Bucket names have at least three characters, so these paths belong to no bucket.
bool is_container_path(std::string_view path) {
  return path.starts_with("/v1/credentials") || path.starts_with("/v2/credentials") ||
         path.starts_with("/v4/");
}

std::string_view container_operation(std::string_view path) {
  return path.starts_with("/v4/") ? "TaskMetadata" : "GetCredentials";
}

ServerResponse run_container_request(const IdentityContext& context, const ServerRequest& head) {
  if (head.method != "GET") return json_response(405, "{\"code\":\"MethodNotAllowed\"}\n");
  const std::string_view path = head.path();
  const std::string& account = context.issuer.account_id();
  if (path.starts_with("/v4/")) {
    const std::string task_arn =
        fmt::format("arn:aws:ecs:{}:{}:task/localaws/0123456789abcdef0123456789abcdef",
                    context.region, account);
    if (path.ends_with("/task")) {
      return json_response(
          200, fmt::format("{{\"Cluster\":\"localaws\",\"TaskARN\":{},\"Family\":\"localaws\","
                           "\"Revision\":\"1\",\"DesiredStatus\":\"RUNNING\",\"KnownStatus\":"
                           "\"RUNNING\",\"LaunchType\":\"FARGATE\",\"AvailabilityZone\":{},"
                           "\"Containers\":[]}}\n",
                           json_text(task_arn), json_text(context.region + "a")));
    }
    return json_response(
        200, fmt::format("{{\"DockerId\":\"0123456789ab\",\"Name\":\"log_router\",\"DockerName\":"
                         "\"log_router\",\"Labels\":{{\"com.amazonaws.ecs.task-arn\":{}}}}}\n",
                         json_text(task_arn)));
  }
  if (!context.container_token.empty() && head.header("authorization") != context.container_token) {
    return json_response(401, "{\"code\":\"NotAuthorized\",\"message\":\"wrong Authorization\"}\n");
  }
  const std::string role = fmt::format("arn:aws:iam::{}:role/localaws-task", account);
  const std::string assumed =
      fmt::format("arn:aws:sts::{}:assumed-role/localaws-task/container", account);
  // New ones for every call: clients must cope with rotation.
  const TemporaryCredentials credentials =
      context.issuer.issue(assumed, expiry(context, kContainerLifetime));
  return json_response(
      200,
      fmt::format("{{\"RoleArn\":{},\"AccessKeyId\":{},\"SecretAccessKey\":{},\"Token\":{},"
                  "\"Expiration\":{},\"AccountId\":{}}}\n",
                  json_text(role), json_text(credentials.access_key_id),
                  json_text(credentials.secret_access_key), json_text(credentials.session_token),
                  json_text(iso_time(credentials.expiration)), json_text(account)));
}

ServerResponse run_sts_operation(const IdentityContext& context, const ServerRequest& head,
                                 const Parameters& query, const Parameters& form,
                                 std::string_view body, std::string_view request_id) {
  const auto result = sts_result(context, head, query, form, body);
  if (!result) return sts_error(result.error(), request_id);
  return {.headers = {{"Content-Type", "text/xml"}, {"x-amzn-RequestId", std::string(request_id)}},
          .body = document(parameter(form, "Action"), *result, request_id)};
}

ServerResponse sts_error(const AwsError& error, std::string_view request_id) {
  std::string body = fmt::format("<ErrorResponse xmlns=\"{}\"><Error>", kXmlns);
  append_element(body, "Type", error.status >= 500 ? "Receiver" : "Sender");
  append_element(body, "Code", error.code);
  append_element(body, "Message", error.message);
  body += "</Error>";
  append_element(body, "RequestId", request_id);
  body += "</ErrorResponse>";
  return {.status = error.status,
          .headers = {{"Content-Type", "text/xml"}, {"x-amzn-RequestId", std::string(request_id)}},
          .body = std::move(body)};
}

}  // namespace noroshi::localaws

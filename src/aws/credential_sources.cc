#include "aws/credential_sources.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <random>
#include <thread>

#include "aws/error.h"
#include "aws/imds.h"
#include "aws/profile.h"
#include "aws/sts.h"
#include "http/url.h"

namespace noroshi {
namespace {

// botocore/utils.py ContainerMetadataFetcher: 2 s timeout, 3 attempts, 1 s between them.
constexpr Nanoseconds kContainerTimeout = Seconds(2);
constexpr int kContainerAttempts = 3;
constexpr Nanoseconds kContainerPause = Seconds(1);
constexpr int kProfileDepthMax = 5;
constexpr std::string_view kTaskHost = "169.254.170.2";

std::unexpected<Error> not_configured(std::string why) {
  return fail(ErrorCode::NotFound, std::move(why));
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// AccessKeyId, SecretAccessKey, Token, Expiration: the answer of containers and instances alike.
Result<Credentials> read_json_credentials(std::string_view body, const std::string& source) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body.data(), body.size()).get(object) != simdjson::SUCCESS) {
    return fail(ErrorCode::Corrupt, source + " credentials: the answer is no JSON object");
  }
  const auto text = [&object](const char* name) {
    std::string_view value;
    return object[name].get_string().get(value) == simdjson::SUCCESS ? std::string(value)
                                                                     : std::string();
  };
  Credentials credentials{text("AccessKeyId"), text("SecretAccessKey"), text("Token"), {}, source};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    const std::string message = text("Message");
    return fail(ErrorCode::Denied, source + " credentials: the answer has none" +
                                       (message.empty() ? "" : ": " + message));
  }
  if (const std::string expiration = text("Expiration"); !expiration.empty()) {
    credentials.expiration = parse_iso8601(expiration);
    if (!credentials.expiration) {
      return fail(ErrorCode::Corrupt,
                  source + " credentials: Expiration '" + expiration + "' is no time");
    }
  }
  return credentials;
}

// https, or addresses that never leave the machine: loopback, the ECS agent, EKS Pod Identity.
bool is_allowed_container_host(const Url& url) {
  if (url.scheme == "https") return true;
  static constexpr std::string_view kAllowed[] = {"localhost", "[::1]", kTaskHost, "169.254.170.23",
                                                  "[fd00:ec2::23]"};
  if (std::find(std::begin(kAllowed), std::end(kAllowed), url.host) != std::end(kAllowed))
    return true;
  // 127.0.0.0/8, and not a name such as 127.example.com.
  return url.host.starts_with("127.") &&
         url.host.find_first_not_of("0123456789.") == std::string::npos;
}

class Chain final : public CredentialSource {
 public:
  Chain(CredentialsOptions options, AwsEnvironment environment)
      : options_(std::move(options)), environment_(std::move(environment)) {}

  Result<Credentials> fetch(Monotonic deadline) override {
    NOROSHI_ASSIGN(Credentials credentials, fetch_base(deadline));
    if (options_.role_arn.empty()) return credentials;
    RoleToAssume role;
    role.role_arn = options_.role_arn;
    role.session_name = environment_.get("AWS_ROLE_SESSION_NAME");
    role.external_id = options_.external_id;
    return assume(std::move(role), credentials, deadline);
  }

 private:
  using Step = Result<Credentials> (Chain::*)(Monotonic);

  Result<Credentials> fetch_base(Monotonic deadline) {
    profiles_ = AwsProfiles::load(environment_);  // anew: keys in files rotate too
    static constexpr Step kSteps[] = {&Chain::from_environment,  &Chain::from_profile_role,
                                      &Chain::from_web_identity, &Chain::from_profile_keys,
                                      &Chain::from_container,    &Chain::from_instance};
    std::string tried;
    for (const Step step : kSteps) {
      Result<Credentials> credentials = (this->*step)(deadline);
      if (credentials || credentials.error().code != ErrorCode::NotFound) return credentials;
      tried += (tried.empty() ? "" : "; ") + credentials.error().message;
    }
    return fail(ErrorCode::Denied, "no AWS credentials: " + tried);
  }

  Result<Credentials> assume(RoleToAssume role, const Credentials& caller, Monotonic deadline) {
    if (role.region.empty()) role.region = options_.region;
    role.sts_endpoint = options_.sts_endpoint;
    return assume_role(role, caller, environment_, deadline);
  }

  Result<Credentials> environment_keys() {
    Credentials credentials;
    credentials.access_key_id = environment_.get("AWS_ACCESS_KEY_ID");
    credentials.secret_access_key = environment_.get("AWS_SECRET_ACCESS_KEY");
    credentials.session_token = environment_.get("AWS_SESSION_TOKEN");
    credentials.source = "environment";
    if (credentials.access_key_id.empty()) return not_configured("AWS_ACCESS_KEY_ID is not set");
    if (credentials.secret_access_key.empty()) {
      return fail(ErrorCode::Denied, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
    }
    return credentials;
  }

  Result<Credentials> from_environment(Monotonic) {
    if (!options_.profile.empty())
      return not_configured("environment keys give way to the profile");
    return environment_keys();
  }

  Result<Credentials> from_profile_role(Monotonic deadline) {
    const AwsProfile profile = profiles_.chosen(options_.profile);
    const bool named = !options_.profile.empty() || !environment_.get("AWS_PROFILE").empty();
    if (!profile.exists() && named) {
      return fail(ErrorCode::Denied, "profile '" + profile.name() + "' does not exist");
    }
    if (profile.get("role_arn").empty()) return not_configured("no profile with a role");
    return profile_role(profile, 0, deadline);
  }

  Result<Credentials> profile_role(const AwsProfile& profile, int depth, Monotonic deadline) {
    const auto bad = [&profile](const std::string& why) {
      return fail(ErrorCode::Denied, "profile '" + profile.name() + "': " + why);
    };
    if (depth >= kProfileDepthMax) return bad("source_profile goes round in circles");
    RoleToAssume role;
    role.role_arn = profile.get("role_arn");
    role.session_name = profile.get("role_session_name");
    role.external_id = profile.get("external_id");
    role.duration_seconds = profile.get("duration_seconds");
    role.region = profile.get("region");
    if (const std::string file = profile.get("web_identity_token_file"); !file.empty()) {
      return web_identity(std::move(role), file, deadline);
    }
    if (!profile.get("mfa_serial").empty()) return bad("mfa_serial needs somebody to type a code");
    if (const std::string where = profile.get("credential_source"); !where.empty()) {
      Result<Credentials> caller = where == "Environment"    ? environment_keys()
                                   : where == "EcsContainer" ? from_container(deadline)
                                   : where == "Ec2InstanceMetadata"
                                       ? from_instance(deadline)
                                       : bad("unknown credential_source");
      if (!caller) return bad(caller.error().message);
      return assume(std::move(role), *caller, deadline);
    }
    const std::string source_name = profile.get("source_profile");
    if (source_name.empty()) return bad("role_arn needs source_profile or credential_source");
    const AwsProfile source = profiles_.profile(source_name);
    if (!source.exists()) return bad("source_profile '" + source_name + "' does not exist");
    // A profile may name itself as its source: then its own keys are meant.
    Result<Credentials> caller = !source.get("role_arn").empty() && source_name != profile.name()
                                     ? profile_role(source, depth + 1, deadline)
                                     : profile_keys(source);
    if (!caller) return bad(caller.error().message);
    return assume(std::move(role), *caller, deadline);
  }

  Result<Credentials> from_profile_keys(Monotonic) {
    return profile_keys(profiles_.chosen(options_.profile));
  }

  static Result<Credentials> profile_keys(const AwsProfile& profile) {
    Credentials credentials;
    credentials.access_key_id = profile.get("aws_access_key_id");
    credentials.secret_access_key = profile.get("aws_secret_access_key");
    credentials.session_token = profile.get("aws_session_token");
    credentials.source = "profile " + profile.name();
    if (!credentials.access_key_id.empty() && !credentials.secret_access_key.empty()) {
      return credentials;
    }
    for (const char* key :
         {"credential_process", "sso_session", "sso_start_url", "login_session"}) {
      if (!profile.get(key).empty()) {
        return not_configured(fmt::format(
            "profile '{}' has only {}, which noroshi does not execute", profile.name(), key));
      }
    }
    return not_configured("profile '" + profile.name() + "' has no keys");
  }

  Result<Credentials> from_web_identity(Monotonic deadline) {
    const std::string file = environment_.get("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (file.empty()) return not_configured("AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    RoleToAssume role;
    role.role_arn = environment_.get("AWS_ROLE_ARN");
    role.session_name = environment_.get("AWS_ROLE_SESSION_NAME");
    if (role.role_arn.empty()) {
      return fail(ErrorCode::Denied, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
    }
    return web_identity(std::move(role), file, deadline);
  }

  Result<Credentials> web_identity(RoleToAssume role, const std::string& file, Monotonic deadline) {
    const Result<std::string> token = environment_.read_file(file);
    if (!token) return fail(ErrorCode::Denied, "web identity: " + token.error().message);
    if (role.region.empty()) role.region = options_.region;
    role.sts_endpoint = options_.sts_endpoint;
    return assume_role_with_web_identity(role, std::string(trim(*token)), environment_, deadline);
  }

  // What to ask, with the Authorization header; NotFound if there is no container endpoint.
  Result<HttpRequest> container_request() {
    HttpRequest request;
    if (const std::string path = environment_.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        !path.empty()) {
      request.url = "http://" + std::string(kTaskHost) + path;
    } else {
      request.url = environment_.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
      if (request.url.empty()) {
        return not_configured(
            "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor _FULL_URI is set");
      }
    }
    const Result<Url> url = parse_url(request.url);
    if (!url) return fail(ErrorCode::Denied, "container credentials: " + url.error().message);
    if (!is_allowed_container_host(*url)) {
      return fail(ErrorCode::Denied, "container credentials: " + url->host +
                                         " is neither https nor a link-local or loopback address");
    }
    std::string token = environment_.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (const std::string file = environment_.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        !file.empty()) {
      Result<std::string> text = environment_.read_file(file);  // every time: EKS rotates it
      if (!text) return fail(ErrorCode::Denied, "container credentials: " + text.error().message);
      token = trim(*text);
    }
    if (token.find_first_of("\r\n") != std::string::npos) {
      return fail(ErrorCode::Denied, "container credentials: the token has a line break");
    }
    if (!token.empty()) request.headers = {{"Authorization", token}};
    return request;
  }

  Result<Credentials> from_container(Monotonic deadline) {
    NOROSHI_ASSIGN(HttpRequest request, container_request());
    request.headers.add("Accept", "application/json");
    request.response_bytes_max = 64 << 10;
    if (!local_) local_ = environment_.make_transport(metadata_transport_options());
    Error last;
    for (int attempt = 0; attempt < kContainerAttempts; ++attempt) {
      const Monotonic now = system_clock().monotonic();
      if (attempt > 0) {
        if (now + kContainerPause >= deadline) break;
        std::this_thread::sleep_for(kContainerPause);
      }
      Result<HttpResponse> answer =
          local_->send(request, std::min(deadline, system_clock().monotonic() + kContainerTimeout));
      if (!answer) {
        last = std::move(answer.error()).with_context("container credentials");
        if (last.code == ErrorCode::InvalidArgument) break;
      } else if (answer->status == 200) {
        return read_json_credentials(answer->body, "container");
      } else {
        const bool refused = answer->status >= 400 && answer->status < 500 && answer->status != 429;
        last = {refused ? ErrorCode::Denied : ErrorCode::Unavailable,
                fmt::format("container credentials: HTTP {}", answer->status)};
        if (refused) break;
      }
    }
    return std::unexpected(std::move(last));
  }

  Result<Credentials> from_instance(Monotonic deadline) {
    constexpr std::string_view kPath = "/latest/meta-data/iam/security-credentials/";
    if (!instance_) instance_ = std::make_unique<InstanceMetadata>(environment_);
    Result<std::string> roles = instance_->get(kPath, deadline);
    if (!roles) return not_configured("instance: " + roles.error().message);
    const std::string role(trim(roles->substr(0, roles->find('\n'))));
    if (role.empty()) return not_configured("instance: no role is attached");
    NOROSHI_ASSIGN(const std::string body, instance_->get(std::string(kPath) + role, deadline));
    NOROSHI_ASSIGN(Credentials credentials, read_json_credentials(body, "instance role " + role));
    // Static stability: while the metadata service cannot renew them, expired credentials usually
    // still work. Ask again in a while (botocore: 10 minutes and 2 to 10 more).
    const Timestamp now = environment_.clock->wall();
    if (credentials.expiration && *credentials.expiration <= now) {
      credentials.expiration = now + Seconds(720 + std::random_device{}() % 480);
    }
    return credentials;
  }

  CredentialsOptions options_;
  AwsEnvironment environment_;
  AwsProfiles profiles_;
  std::unique_ptr<HttpTransport> local_;
  std::unique_ptr<InstanceMetadata> instance_;
};

}  // namespace

std::unique_ptr<CredentialSource> make_credential_source(const CredentialsOptions& options,
                                                         const AwsEnvironment& environment) {
  return std::make_unique<Chain>(options, environment);
}

}  // namespace noroshi

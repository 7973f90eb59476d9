// Credentials and the chain that finds them, in the order of the AWS SDKs:
//
//   1 environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (not if the option
//     `profile` is set)
//   2 profile that assumes a role (role_arn with source_profile, credential_source or a web
//   identity) 3 web identity: AWS_WEB_IDENTITY_TOKEN_FILE + AWS_ROLE_ARN 4 profile with keys 5
//   container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (ECS, Fargate, EKS Pod Identity)
//   6 EC2 instance metadata (IMDSv2, then v1)
//
// and, where `role_arn` is set, an assumed role on top. `credential_process`, SSO and login are not
// executed: a profile that has only those is named in the error.
//
// A provider refreshes before expiry on a thread of its own; get() hands out what is there. Secrets
// are never logged: Credentials has no printer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "http/http_client.h"

namespace noroshi {

struct Credentials {
  std::string access_key_id = {};
  std::string secret_access_key = {};
  std::string session_token = {};  // empty: long-term keys
  std::optional<Timestamp> expiration = {};
  std::string source = {};  // "environment", "profile x", "container" …: for the operator
};

// Thread-safe.
class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  // The current credentials. Waits until `deadline` only while there are none yet or they have
  // expired. Errors: Denied (no source has any; every source named, and why), Timeout, Unavailable.
  [[nodiscard]] virtual Result<Credentials> get(Monotonic deadline) = 0;
  // The service refused these credentials (expired, unknown): fetch new ones now, at most once a
  // minute. True if others than `refused` are there by `deadline`.
  [[nodiscard]] virtual bool refresh(const Credentials& refused, Monotonic deadline) = 0;
};

[[nodiscard]] std::shared_ptr<CredentialsProvider> make_static_credentials(Credentials credentials);

class ClockSkew;

// What the process is surrounded by; tests pass their own.
struct AwsEnvironment {
  std::function<std::optional<std::string>(std::string_view name)> variable = {};
  std::function<Result<std::string>(const std::string& path)> read_file = {};
  std::function<std::unique_ptr<HttpTransport>(const HttpTransportOptions&)> make_transport = {};
  const Clock* clock = nullptr;
  std::shared_ptr<ClockSkew> clock_skew = {};

  // Empty variables count as unset, as in the SDKs.
  [[nodiscard]] std::string get(std::string_view name) const;
};
// getenv, the file system, the HTTP client, the system clock. One skew for the whole process.
[[nodiscard]] const AwsEnvironment& aws_process_environment();

struct CredentialsOptions {
  std::string profile = {};   // option; else AWS_PROFILE, else "default"
  std::string role_arn = {};  // assumed on top of the chain
  std::string external_id = {};
  std::string sts_endpoint = {};  // host or URL; else AWS_ENDPOINT_URL_STS …, else the region's
  std::string region = {};        // for STS
  bool operator==(const CredentialsOptions&) const = default;
};

// The chain. No network here: the first fetch starts in the background at once.
[[nodiscard]] std::shared_ptr<CredentialsProvider> make_credentials_chain(
    const CredentialsOptions& options,
    const AwsEnvironment& environment = aws_process_environment());
// The same, one provider per distinct options in this process while somebody holds it.
[[nodiscard]] std::shared_ptr<CredentialsProvider> shared_credentials_chain(
    const CredentialsOptions& options);

}  // namespace noroshi

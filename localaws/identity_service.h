// Where credentials come from: STS (AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity), and
// the endpoints that ECS and EKS put beside a container (credentials, task metadata v4).
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "localaws/aws_error.h"
#include "localaws/credentials.h"
#include "localaws/signature.h"
#include "localaws/uri.h"
#include "net/http_server.h"

namespace noroshi::localaws {

struct IdentityContext {
  const CredentialIssuer& issuer;
  const SignaturePolicy& policy;
  const Clock& clock;
  std::string region = {};  // for ARNs
  std::string container_token =
      {};  // what Authorization must be at the container endpoint; empty: anything
  // Replaces every lifetime, so that tests see expiry in seconds; 0: as requested. Set by
  // /_localaws/credentials.
  std::atomic<int64_t> lifetime_override{0};
};

[[nodiscard]] bool is_container_path(std::string_view path);
[[nodiscard]] std::string_view container_operation(std::string_view path);
[[nodiscard]] ServerResponse run_container_request(const IdentityContext& context,
                                                   const ServerRequest& head);

// `form`: of the body or the query. The signature is verified here: AssumeRoleWithWebIdentity has
// none.
[[nodiscard]] ServerResponse run_sts_operation(const IdentityContext& context,
                                               const ServerRequest& head, const Parameters& query,
                                               const Parameters& form, std::string_view body,
                                               std::string_view request_id);
[[nodiscard]] ServerResponse sts_error(const AwsError& error, std::string_view request_id);

}  // namespace noroshi::localaws

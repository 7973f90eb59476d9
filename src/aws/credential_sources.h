// Where credentials come from: one fetch through the chain. Caching and refreshing are
// credentials.cc's.
#pragma once

#include <memory>

#include "aws/credentials.h"
#include "base/result.h"

namespace noroshi {

class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  // One attempt, with the network where the source needs it. Errors: Denied (no source is
  // configured, or the configured one refused), Unavailable, Timeout. Messages never hold a secret.
  [[nodiscard]] virtual Result<Credentials> fetch(Monotonic deadline) = 0;
};

// The order of credentials.h. The first source that is configured decides: if it fails, the chain
// fails, for going on would use another identity than the one the user set up.
[[nodiscard]] std::unique_ptr<CredentialSource> make_credential_source(
    const CredentialsOptions& options, const AwsEnvironment& environment);

// A provider around any source: what make_credentials_chain() returns around the chain.
[[nodiscard]] std::shared_ptr<CredentialsProvider> make_refreshing_credentials(
    std::unique_ptr<CredentialSource> source, const AwsEnvironment& environment);

// When to fetch again what was fetched at `fetched`: 15 minutes before expiry, or after half of a
// shorter life.
[[nodiscard]] Timestamp refresh_time(Timestamp fetched, Timestamp expiration);

}  // namespace noroshi

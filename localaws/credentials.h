// Who may sign: one long-lived key pair, and temporary credentials without any state. A session
// token names its key, principal and expiry under a MAC of the long-lived secret, and the temporary
// secret is derived from it, so issued credentials cost no memory and survive a restart.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace noroshi::localaws {

struct TemporaryCredentials {
  std::string access_key_id = {};  // ASIA…
  std::string secret_access_key = {};
  std::string session_token = {};
  Timestamp expiration = {};
};

struct Principal {
  std::string arn = {};
  std::string secret_access_key = {};
};

enum class CredentialProblem { UnknownKey, InvalidToken, Expired };

// Thread-safe: immutable.
class CredentialIssuer {
 public:
  CredentialIssuer(std::string access_key_id, std::string secret_access_key,
                   std::string account_id);

  [[nodiscard]] const std::string& account_id() const { return account_id_; }
  [[nodiscard]] TemporaryCredentials issue(std::string_view principal_arn,
                                           Timestamp expiration) const;
  // `session_token` is empty for a request without one.
  [[nodiscard]] std::expected<Principal, CredentialProblem> find(std::string_view access_key_id,
                                                                 std::string_view session_token,
                                                                 Timestamp now) const;

 private:
  std::string derive(std::string_view purpose, std::string_view text) const;

  const std::string access_key_id_, secret_access_key_, account_id_;
};

}  // namespace noroshi::localaws

#include "localaws/credentials.h"

#include <fmt/format.h>

#include <charconv>

#include "localaws/hashes.h"

namespace noroshi::localaws {
namespace {

// Token: base64("<key>|<expiry, Unix seconds>|<principal arn>|<mac, hex>").
constexpr char kSeparator = '|';

std::string key_id() {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out = "ASIA";
  for (const char c : random_bytes(16)) out.push_back(kAlphabet[static_cast<uint8_t>(c) & 31]);
  return out;
}

}  // namespace

CredentialIssuer::CredentialIssuer(std::string access_key_id, std::string secret_access_key,
                                   std::string account_id)
    : access_key_id_(std::move(access_key_id)),
      secret_access_key_(std::move(secret_access_key)),
      account_id_(std::move(account_id)) {}

std::string CredentialIssuer::derive(std::string_view purpose, std::string_view text) const {
  return hmac(secret_access_key_, fmt::format("noroshi-localaws {}\n{}", purpose, text));
}

TemporaryCredentials CredentialIssuer::issue(std::string_view principal_arn,
                                             Timestamp expiration) const {
  const auto seconds = std::chrono::duration_cast<Seconds>(expiration.time_since_epoch()).count();
  TemporaryCredentials out{.access_key_id = key_id(), .expiration = expiration};
  const std::string claim =
      fmt::format("{}{}{}{}{}", out.access_key_id, kSeparator, seconds, kSeparator, principal_arn);
  out.session_token = base64(fmt::format("{}{}{}", claim, kSeparator, hex(derive("token", claim))));
  out.secret_access_key = base64(derive("secret", claim)).substr(0, 40);
  return out;
}

std::expected<Principal, CredentialProblem> CredentialIssuer::find(std::string_view access_key_id,
                                                                   std::string_view session_token,
                                                                   Timestamp now) const {
  if (session_token.empty()) {
    if (access_key_id != access_key_id_) return std::unexpected(CredentialProblem::UnknownKey);
    return Principal{fmt::format("arn:aws:iam::{}:root", account_id_), secret_access_key_};
  }
  const auto text = base64_decode(session_token);
  if (!text) return std::unexpected(CredentialProblem::InvalidToken);
  const size_t mac_at = text->rfind(kSeparator);
  if (mac_at == std::string::npos) return std::unexpected(CredentialProblem::InvalidToken);
  const std::string_view claim = std::string_view(*text).substr(0, mac_at);
  if (!equal_in_constant_time(std::string_view(*text).substr(mac_at + 1),
                              hex(derive("token", claim)))) {
    return std::unexpected(CredentialProblem::InvalidToken);
  }
  const size_t key_end = claim.find(kSeparator);
  const size_t time_end = claim.find(kSeparator, key_end + 1);
  int64_t seconds = 0;
  std::from_chars(claim.data() + key_end + 1, claim.data() + time_end, seconds);
  if (claim.substr(0, key_end) != access_key_id) {
    return std::unexpected(CredentialProblem::UnknownKey);
  }
  if (now >= Timestamp(Seconds(seconds))) return std::unexpected(CredentialProblem::Expired);
  return Principal{std::string(claim.substr(time_end + 1)),
                   base64(derive("secret", claim)).substr(0, 40)};
}

}  // namespace noroshi::localaws

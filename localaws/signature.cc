#include "localaws/signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>

#include "localaws/hashes.h"
#include "localaws/time_text.h"

namespace noroshi::localaws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr Seconds kSkewS3{15 * 60};
constexpr Seconds kSkewOthers{5 * 60};
constexpr int64_t kPresignedSecondsMax = 604'800;

enum class Problem {
  Missing,     // no signature
  Incomplete,  // a part of it is missing or malformed
  OtherAlgorithm,
  WrongScope,  // region, service or day
  Skewed,
  PresignedExpired,
  HeaderNotSigned,
  UnknownKey,
  InvalidToken,
  ExpiredToken,
  Mismatch,
};

std::unexpected<AwsError> refusal(Service service, Problem problem, std::string detail = {}) {
  const bool s3 = service == Service::S3;
  const int json_status = service == Service::Sts ? 403 : 400;
  const auto answer = [&](int s3_status, std::string_view s3_code, std::string_view s3_message,
                          std::string_view other_code, std::string_view other_message) {
    const std::string_view message = s3 ? s3_message : other_message;
    return refuse(s3 ? s3_status : json_status, std::string(s3 ? s3_code : other_code),
                  detail.empty() ? std::string(message) : fmt::format("{} {}", message, detail));
  };
  switch (problem) {
    case Problem::Missing:
      return answer(403, "AccessDenied", "Access Denied.", "MissingAuthenticationTokenException",
                    "Request is missing Authentication Token");
    case Problem::Incomplete:
      return answer(400, "AuthorizationHeaderMalformed", "The authorization header is malformed.",
                    "IncompleteSignatureException", "Authorization header is incomplete.");
    case Problem::OtherAlgorithm:
      return answer(400, "InvalidRequest",
                    "The authorization mechanism you have provided is not supported. Please use "
                    "AWS4-HMAC-SHA256.",
                    "IncompleteSignatureException", "Unsupported algorithm.");
    case Problem::WrongScope:
      return answer(400, "AuthorizationHeaderMalformed", "The authorization header is malformed;",
                    "InvalidSignatureException", "Credential should be scoped to a valid region;");
    case Problem::Skewed:
      return answer(403, "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large.",
                    service == Service::Sts ? "SignatureDoesNotMatch" : "InvalidSignatureException",
                    "Signature expired or not yet current:");
    case Problem::PresignedExpired:
      return answer(403, "AccessDenied", "Request has expired", "InvalidSignatureException",
                    "Signature expired:");
    case Problem::HeaderNotSigned:
      return answer(403, "AccessDenied",
                    "There were headers present in the request which were not signed",
                    "InvalidSignatureException", "A header must be signed:");
    case Problem::UnknownKey:
      return answer(
          403, "InvalidAccessKeyId",
          "The AWS Access Key Id you provided does not exist in our records.",
          service == Service::Sts ? "InvalidClientTokenId" : "UnrecognizedClientException",
          "The security token included in the request is invalid.");
    case Problem::InvalidToken:
      return answer(
          400, "InvalidToken", "The provided token is malformed or otherwise invalid.",
          service == Service::Sts ? "InvalidClientTokenId" : "UnrecognizedClientException",
          "The security token included in the request is invalid.");
    case Problem::ExpiredToken:
      return answer(400, "ExpiredToken", "The provided token has expired.",
                    service == Service::Sts ? "ExpiredToken" : "ExpiredTokenException",
                    "The security token included in the request is expired");
    case Problem::Mismatch:
      break;
  }
  return answer(403, "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method.",
                service == Service::Sts ? "SignatureDoesNotMatch" : "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method. Consult the service "
                "documentation for details.");
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (;;) {
    const size_t end = text.find(separator);
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "20261123T025300Z"
std::optional<Timestamp> parse_amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto number = [&](size_t at, size_t size) {
    int value = -1;
    const char* const last = text.data() + at + size;
    const auto [stop, error] = std::from_chars(text.data() + at, last, value);
    return error == std::errc() && stop == last ? value : -1;
  };
  std::tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(4, 2) - 1;
  parts.tm_mday = number(6, 2);
  parts.tm_hour = number(9, 2);
  parts.tm_min = number(11, 2);
  parts.tm_sec = number(13, 2);
  if (parts.tm_year < 70 || parts.tm_year > kYearMax - 1900 || parts.tm_mon < 0 ||
      parts.tm_mon > 11 || parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour < 0 ||
      parts.tm_hour > 23 || parts.tm_min < 0 || parts.tm_min > 59 || parts.tm_sec < 0 ||
      parts.tm_sec > 60) {
    return std::nullopt;
  }
  return Timestamp(Seconds(::timegm(&parts)));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

// Trimmed, inner runs of spaces to one.
std::string canonical_value(std::string_view value) {
  std::string out;
  bool space = false;
  for (const char c : trim(value)) {
    if (c == ' ' || c == '\t') {
      space = true;
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    out.push_back(c);
  }
  return out;
}

// Decoded and encoded again: whatever the client left unencoded, the server's form is one.
std::string canonical_path(std::string_view path, Service service) {
  const auto decoded = percent_decode(path, false);
  const std::string once = percent_encode(decoded ? *decoded : std::string(path), true);
  // Every service but S3 encodes a second time; their paths here are "/" anyway.
  return service == Service::S3 ? once : percent_encode(once, true);
}

std::string canonical_query(const Parameters& query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, value] : query) {
    if (name == "X-Amz-Signature") continue;
    pairs.emplace_back(percent_encode(name, false), percent_encode(value, false));
  }
  std::ranges::sort(pairs);
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out.push_back('&');
    out += name + "=" + value;
  }
  return out;
}

Answer<ClaimedSignature> with_scope(ClaimedSignature claimed, std::string_view credential,
                                    std::string_view signed_headers, Service service) {
  // An access key may contain '/' in theory; the scope never does, so count from the end.
  std::vector<std::string> parts = split(credential, '/');
  if (parts.size() < 5 || parts.back() != "aws4_request") {
    return refusal(service, Problem::Incomplete,
                   "Credential must be KEY/yyyymmdd/region/service/aws4_request");
  }
  const size_t count = parts.size();
  claimed.day = parts[count - 4];
  claimed.region = parts[count - 3];
  claimed.service = parts[count - 2];
  claimed.scope =
      fmt::format("{}/{}/{}/aws4_request", claimed.day, claimed.region, claimed.service);
  claimed.access_key_id =
      std::string(credential.substr(0, credential.size() - claimed.scope.size() - 1));
  claimed.signed_headers = split(signed_headers, ';');
  return claimed;
}

bool is_signed(const ClaimedSignature& claimed, std::string_view name) {
  return std::ranges::find(claimed.signed_headers, name) != claimed.signed_headers.end();
}

}  // namespace

std::string_view to_string(Service service) {
  switch (service) {
    case Service::S3:
      return "s3";
    case Service::Logs:
      return "logs";
    case Service::Firehose:
      return "firehose";
    case Service::Kinesis:
      return "kinesis";
    case Service::Sts:
      break;
  }
  return "sts";
}

Answer<ClaimedSignature> claimed_signature(const ServerRequest& head, const Parameters& query,
                                           Service service) {
  ClaimedSignature claimed;
  const std::string* header = head.find_header("authorization");
  if (header == nullptr) {
    const std::string* algorithm = find_parameter(query, "X-Amz-Algorithm");
    if (algorithm == nullptr) {
      // Signature version 2 in a query: recognised to be refused by its name.
      const bool version_2 = find_parameter(query, "Signature") != nullptr;
      return refusal(service, version_2 ? Problem::OtherAlgorithm : Problem::Missing);
    }
    if (*algorithm != kAlgorithm) return refusal(service, Problem::OtherAlgorithm);
    const auto value = [&](std::string_view name) {
      const std::string* found = find_parameter(query, name);
      return found ? *found : std::string();
    };
    claimed.presigned = true;
    claimed.signature = value("X-Amz-Signature");
    claimed.date = value("X-Amz-Date");
    claimed.session_token = value("X-Amz-Security-Token");
    const std::string lifetime = value("X-Amz-Expires");
    int64_t seconds = 0;
    const char* const last = lifetime.data() + lifetime.size();
    const auto [stop, error] = std::from_chars(lifetime.data(), last, seconds);
    if (error != std::errc() || stop != last || seconds < 1 || seconds > kPresignedSecondsMax) {
      return refuse(400, "AuthorizationQueryParametersError",
                    "X-Amz-Expires must be a number between 1 and 604800 seconds");
    }
    claimed.lifetime = Seconds(seconds);
    return with_scope(std::move(claimed), value("X-Amz-Credential"), value("X-Amz-SignedHeaders"),
                      service);
  }
  if (!header->starts_with(kAlgorithm)) return refusal(service, Problem::OtherAlgorithm);
  std::string credential;
  std::string signed_headers;
  for (const std::string& part : split(std::string_view(*header).substr(kAlgorithm.size()), ',')) {
    const std::string_view text = trim(part);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    const std::string_view value = text.substr(equals + 1);
    if (name == "Credential") credential = value;
    if (name == "SignedHeaders") signed_headers = value;
    if (name == "Signature") claimed.signature = value;
  }
  if (credential.empty() || signed_headers.empty() || claimed.signature.empty()) {
    return refusal(service, Problem::Incomplete,
                   "Authorization needs Credential, SignedHeaders and Signature");
  }
  claimed.date = std::string(head.header("x-amz-date"));
  claimed.session_token = std::string(head.header("x-amz-security-token"));
  return with_scope(std::move(claimed), credential, signed_headers, service);
}

Answer<VerifiedSignature> verify_signature(const ServerRequest& head, const Parameters& query,
                                           const ClaimedSignature& claimed, Service service,
                                           std::string_view payload_hash,
                                           const SignaturePolicy& policy, Timestamp now) {
  const auto date = parse_amz_date(claimed.date);
  if (!date) {
    return refusal(service, Problem::Incomplete, "X-Amz-Date must be like 20261123T025300Z");
  }
  if (claimed.service != to_string(service)) {
    return refusal(service, Problem::WrongScope,
                   fmt::format("incorrect service \"{}\". This endpoint belongs to \"{}\".",
                               claimed.service, to_string(service)));
  }
  if (!policy.region.empty() && claimed.region != policy.region) {
    auto error = refusal(
        service, Problem::WrongScope,
        fmt::format("the region '{}' is wrong; expecting '{}'", claimed.region, policy.region));
    if (service == Service::S3) error.error().details = {{"Region", policy.region}};
    return error;
  }
  if (claimed.day != claimed.date.substr(0, 8)) {
    return refusal(service, Problem::WrongScope, "the date of the scope is not X-Amz-Date's");
  }
  if (!is_signed(claimed, "host")) return refusal(service, Problem::HeaderNotSigned, "host");
  for (const ServerHeader& header : head.headers) {
    const std::string name = to_lower(header.name);
    if (name.starts_with("x-amz-") && !is_signed(claimed, name) && !claimed.presigned) {
      return refusal(service, Problem::HeaderNotSigned, name);
    }
  }

  const auto principal = policy.issuer.find(claimed.access_key_id, claimed.session_token, now);
  if (!principal) {
    switch (principal.error()) {
      case CredentialProblem::UnknownKey:
        return refusal(service, Problem::UnknownKey);
      case CredentialProblem::InvalidToken:
        return refusal(service, Problem::InvalidToken);
      case CredentialProblem::Expired:
        return refusal(service, Problem::ExpiredToken);
    }
  }

  std::string canonical = fmt::format("{}\n{}\n{}\n", head.method,
                                      canonical_path(head.path(), service), canonical_query(query));
  for (const std::string& name : claimed.signed_headers) {
    std::string values;
    bool found = false;
    for (const ServerHeader& header : head.headers) {
      if (to_lower(header.name) != name) continue;
      if (found) values.push_back(',');
      found = true;
      values += canonical_value(header.value);
    }
    canonical += fmt::format("{}:{}\n", name, values);
  }
  canonical += "\n";
  for (size_t i = 0; i < claimed.signed_headers.size(); ++i) {
    if (i > 0) canonical.push_back(';');
    canonical += claimed.signed_headers[i];
  }
  canonical += fmt::format("\n{}", payload_hash);
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, claimed.date, claimed.scope,
                                          hex(hash(HashAlgorithm::Sha256, canonical)));
  VerifiedSignature verified{.principal = *principal, .region = claimed.region};
  verified.signing_key = hmac("AWS4" + principal->secret_access_key, claimed.day);
  verified.signing_key = hmac(verified.signing_key, claimed.region);
  verified.signing_key = hmac(verified.signing_key, claimed.service);
  verified.signing_key = hmac(verified.signing_key, "aws4_request");
  if (!equal_in_constant_time(hex(hmac(verified.signing_key, to_sign)), claimed.signature)) {
    auto error = refusal(service, Problem::Mismatch);
    if (service == Service::S3) {
      error.error().details = {{"AWSAccessKeyId", claimed.access_key_id},
                               {"StringToSign", to_sign},
                               {"SignatureProvided", claimed.signature},
                               {"CanonicalRequest", canonical}};
    } else {
      error.error().message += fmt::format(
          "\n\nThe Canonical String for this request should have been\n'{}'\n\nThe "
          "String-to-Sign should have been\n'{}'\n",
          canonical, to_sign);
    }
    return error;
  }

  // Time last: a stranger must not learn our clock, and a wrong secret is the better answer.
  const std::string stated = fmt::format("{} against {}", claimed.date, iso_time(now));
  if (claimed.presigned) {
    if (*date > now + kSkewS3) return refusal(service, Problem::Skewed, stated);
    if (now > *date + claimed.lifetime) return refusal(service, Problem::PresignedExpired);
    return verified;
  }
  const Seconds skew = service == Service::S3 ? kSkewS3 : kSkewOthers;
  if (*date > now + skew || *date < now - skew) return refusal(service, Problem::Skewed, stated);
  return verified;
}

}  // namespace noroshi::localaws

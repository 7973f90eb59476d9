#include "aws/sigv4.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <ctime>

#include "base/check.h"
#include "http/url.h"

namespace noroshi {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string_view as_text(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Trims, and makes every run of blanks one space.
void append_canonical_value(std::string& out, std::string_view value) {
  bool gap = false;
  bool begun = false;
  for (const char c : value) {
    if (is_blank(c)) {
      gap = true;
      continue;
    }
    if (gap && begun) out += ' ';
    gap = false;
    begun = true;
    out += c;
  }
}

// Headers that proxies, servers or the HTTP client may change or drop on the way.
bool is_signed_header(std::string_view lower_name) {
  static constexpr std::string_view kNever[] = {
      "authorization", "connection",        "content-length", "expect",     "keep-alive",     "te",
      "trailer",       "transfer-encoding", "upgrade",        "user-agent", "x-amzn-trace-id"};
  return std::find(std::begin(kNever), std::end(kNever), lower_name) == std::end(kNever) &&
         !lower_name.starts_with("proxy-");
}

// RFC 3986 §5.2.4, and AWS also joins consecutive slashes.
std::string remove_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  size_t from = 0;
  while (from <= path.size()) {
    const size_t slash = std::min(path.find('/', from), path.size());
    const std::string_view segment = path.substr(from, slash - from);
    from = slash + 1;
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(segment);
    }
  }
  std::string result;
  for (const std::string_view segment : kept) (result += '/') += segment;
  if (result.empty() || path.ends_with('/')) result += '/';
  return result;
}

std::string canonical_path(std::string_view wire_path, PathRule rule) {
  if (wire_path.empty()) return "/";
  // S3 decodes what came and encodes it its own way; other services encode what came once more.
  if (rule == PathRule::S3) return percent_encode(percent_decode(wire_path), true);
  return percent_encode(remove_dot_segments(wire_path), true);
}

std::string canonical_query(std::string_view wire_query) {
  QueryParameters parameters = parse_query(wire_query);
  for (auto& [name, value] : parameters) {
    name = percent_encode(name);
    value = percent_encode(value);
  }
  std::erase_if(parameters, [](const auto& pair) { return pair.first == "X-Amz-Signature"; });
  std::sort(parameters.begin(), parameters.end());
  std::string result;
  for (const auto& [name, value] : parameters) {
    if (!result.empty()) result += '&';
    ((result += name) += '=') += value;
  }
  return result;
}

std::string signing_key(std::string_view secret, std::string_view day, std::string_view region,
                        std::string_view service) {
  std::string first = "AWS4" + std::string(secret);
  Sha256 key = hmac_sha256(first, day);
  OPENSSL_cleanse(first.data(), first.size());
  key = hmac_sha256(as_text(key), region);
  key = hmac_sha256(as_text(key), service);
  key = hmac_sha256(as_text(key), "aws4_request");
  return std::string(as_text(key));
}

std::string signature_of(std::string_view canonical, std::string_view date, std::string_view day,
                         std::string_view region, std::string_view service, std::string_view key) {
  const std::string to_sign = fmt::format("{}\n{}\n{}/{}/{}/aws4_request\n{}", kAlgorithm, date,
                                          day, region, service, sha256_hex(canonical));
  return to_hex(as_text(hmac_sha256(key, to_sign)));
}

PathRule path_rule(std::string_view service) {
  return service == "s3" || service == "s3express" ? PathRule::S3 : PathRule::Normalise;
}

std::string join(const std::vector<std::string>& names) {
  std::string result;
  for (const std::string& name : names) {
    if (!result.empty()) result += ';';
    result += name;
  }
  return result;
}

}  // namespace

Sha256 sha256(std::string_view data) {
  Sha256 digest{};
  unsigned size = 0;
  const int done =
      EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr);
  CHECK(done == 1 && size == digest.size(), "OpenSSL has no SHA-256");
  return digest;
}

Sha256 hmac_sha256(std::string_view key, std::string_view data) {
  Sha256 digest{};
  unsigned size = 0;
  const unsigned char* done =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data(), &size);
  CHECK(done != nullptr && size == digest.size(), "OpenSSL has no HMAC-SHA-256");
  return digest;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string result;
  result.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    result += kHex[static_cast<unsigned char>(c) >> 4];
    result += kHex[static_cast<unsigned char>(c) & 15];
  }
  return result;
}

std::string sha256_hex(std::string_view data) { return to_hex(as_text(sha256(data))); }

std::string amz_date(Timestamp time) {
  const time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

SigV4Signer::SigV4Signer(std::string service, std::string region)
    : service_(std::move(service)), region_(std::move(region)) {}

Status SigV4Signer::sign(HttpRequest& request, const Credentials& credentials, Timestamp time,
                         std::string_view payload_hash) {
  NOROSHI_ASSIGN(const Url url, parse_url(request.url));
  const std::string date = amz_date(time);
  const std::string day = date.substr(0, 8);
  request.headers.set("Host", url.authority());
  request.headers.set("X-Amz-Date", date);
  request.headers.erase("Authorization");
  request.headers.erase("X-Amz-Security-Token");
  if (!credentials.session_token.empty()) {
    request.headers.set("X-Amz-Security-Token", credentials.session_token);
  }
  if (path_rule(service_) == PathRule::S3)
    request.headers.set("X-Amz-Content-Sha256", payload_hash);

  std::vector<std::string> signed_headers;
  for (const auto& [name, value] : request.headers) {
    std::string lower = to_lower(name);
    if (is_signed_header(lower)) signed_headers.push_back(std::move(lower));
  }
  std::sort(signed_headers.begin(), signed_headers.end());
  signed_headers.erase(std::unique(signed_headers.begin(), signed_headers.end()),
                       signed_headers.end());

  if (cached_day_ != day || cached_secret_ != credentials.secret_access_key) {
    key_ = signing_key(credentials.secret_access_key, day, region_, service_);
    cached_day_ = day;
    cached_secret_ = credentials.secret_access_key;
  }
  const std::string canonical =
      canonical_request({request.method, url.path, url.query, request.headers, payload_hash},
                        signed_headers, path_rule(service_));
  request.headers.set(
      "Authorization",
      fmt::format("{} Credential={}/{}/{}/{}/aws4_request, SignedHeaders={}, Signature={}",
                  kAlgorithm, credentials.access_key_id, day, region_, service_,
                  join(signed_headers),
                  signature_of(canonical, date, day, region_, service_, key_)));
  return {};
}

Result<SigV4Authorization> parse_authorization(std::string_view header) {
  const auto bad = [](std::string_view why) {
    return fail(ErrorCode::InvalidArgument, "Authorization header: " + std::string(why));
  };
  if (!header.starts_with(kAlgorithm)) return bad("not AWS4-HMAC-SHA256");
  header.remove_prefix(kAlgorithm.size());
  SigV4Authorization result;
  std::string_view credential;
  while (!header.empty()) {
    const size_t comma = header.find(',');
    std::string_view part = header.substr(0, comma);
    header = comma == std::string_view::npos ? std::string_view() : header.substr(comma + 1);
    while (!part.empty() && is_blank(part.front())) part.remove_prefix(1);
    while (!part.empty() && is_blank(part.back())) part.remove_suffix(1);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) return bad("a part without '='");
    const std::string_view name = part.substr(0, equals);
    std::string_view value = part.substr(equals + 1);
    if (name == "Credential") {
      credential = value;
    } else if (name == "Signature") {
      result.signature = value;
    } else if (name == "SignedHeaders") {
      while (!value.empty()) {
        const size_t semicolon = value.find(';');
        result.signed_headers.emplace_back(value.substr(0, semicolon));
        value =
            semicolon == std::string_view::npos ? std::string_view() : value.substr(semicolon + 1);
      }
    }
  }
  // The access key may itself hold slashes in theory; the scope is always the last four parts.
  std::array<std::string_view, 4> scope;
  for (size_t i = scope.size(); i-- > 0;) {
    const size_t slash = credential.rfind('/');
    if (slash == std::string_view::npos)
      return bad("Credential is not key/date/region/service/aws4_request");
    scope[i] = credential.substr(slash + 1);
    credential = credential.substr(0, slash);
  }
  if (scope[3] != "aws4_request") return bad("the scope does not end with aws4_request");
  if (credential.empty() || scope[0].size() != 8)
    return bad("no access key or no date in Credential");
  if (result.signed_headers.empty()) return bad("no SignedHeaders");
  if (result.signature.empty()) return bad("no Signature");
  result.access_key_id = credential;
  result.date = scope[0];
  result.region = scope[1];
  result.service = scope[2];
  return result;
}

std::string canonical_request(const ReceivedRequest& request,
                              const std::vector<std::string>& signed_headers, PathRule rule) {
  std::string result =
      fmt::format("{}\n{}\n{}\n", request.method, canonical_path(request.path, rule),
                  canonical_query(request.query));
  for (const std::string& name : signed_headers) {
    (result += name) += ':';
    bool first = true;
    for (const auto& [header, value] : request.headers) {
      if (!equal_ignoring_case(header, name)) continue;
      if (!first) result += ',';
      first = false;
      append_canonical_value(result, value);
    }
    result += '\n';
  }
  ((((result += '\n') += join(signed_headers)) += '\n') += request.payload_hash);
  return result;
}

std::string expected_signature(const ReceivedRequest& request,
                               const SigV4Authorization& authorization, std::string_view date,
                               std::string_view secret_access_key) {
  const std::string canonical =
      canonical_request(request, authorization.signed_headers, path_rule(authorization.service));
  const std::string key = signing_key(secret_access_key, authorization.date, authorization.region,
                                      authorization.service);
  return signature_of(canonical, date, authorization.date, authorization.region,
                      authorization.service, key);
}

bool same_signature(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace noroshi

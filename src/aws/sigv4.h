// AWS Signature Version 4 in headers: signing, and the pieces a server needs to verify.
//
// What was signed is what is sent: the URL is used encoded as it stands. Source of every rule:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html;
// checked against botocore's signer (sigv4_test.cc, sigv4_vectors.py).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "aws/credentials.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/http_client.h"

namespace noroshi {

using Sha256 = std::array<unsigned char, 32>;
[[nodiscard]] Sha256 sha256(std::string_view data);
[[nodiscard]] Sha256 hmac_sha256(std::string_view key, std::string_view data);
[[nodiscard]] std::string to_hex(std::string_view bytes);
[[nodiscard]] std::string sha256_hex(std::string_view data);

// Payload "hash" of a body that is not part of the signature; S3 only, and only wise over TLS.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

enum class PathRule {
  Normalise,  // every service but S3: dot segments removed, encoded a second time
  S3,         // the path as sent: "//", "." and ".." are legal in keys
};

// "20261123T025300Z"
[[nodiscard]] std::string amz_date(Timestamp time);

// Signs requests of one service and region. Not thread-safe (caches the day's key).
class SigV4Signer {
 public:
  SigV4Signer(std::string service, std::string region);
  [[nodiscard]] const std::string& service() const { return service_; }
  [[nodiscard]] const std::string& region() const { return region_; }

  // Sets Host, X-Amz-Date, X-Amz-Security-Token, Authorization, and for S3 X-Amz-Content-Sha256;
  // replaces those of an earlier attempt. `payload_hash`: sha256_hex(body) or kUnsignedPayload.
  // Signs every other header except those that proxies and the HTTP client may change. Errors:
  // InvalidArgument (the URL).
  [[nodiscard]] Status sign(HttpRequest& request, const Credentials& credentials, Timestamp time,
                            std::string_view payload_hash);

 private:
  std::string service_, region_;
  std::string cached_day_, cached_secret_;
  std::string key_;
};

// ---- the verifying side -------------------------------------------------------------------------

struct SigV4Authorization {
  std::string access_key_id = {};
  std::string date = {};  // yyyymmdd
  std::string region = {};
  std::string service = {};
  std::vector<std::string> signed_headers = {};  // lower case, as listed
  std::string signature = {};                    // hex
};
// "AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/logs/aws4_request, SignedHeaders=…,
// Signature=…". Errors: InvalidArgument, saying what is missing.
[[nodiscard]] Result<SigV4Authorization> parse_authorization(std::string_view header);

// A request as a server sees it: path and query as they came on the wire.
struct ReceivedRequest {
  std::string_view method = {};
  std::string_view path = {};
  std::string_view query = {};
  const HttpHeaders& headers;
  std::string_view payload_hash = {};
};
// Path and query are brought to canonical form whatever encoding the client chose, as AWS does. A
// query parameter X-Amz-Signature is left out, so presigned URLs verify too.
[[nodiscard]] std::string canonical_request(const ReceivedRequest& request,
                                            const std::vector<std::string>& signed_headers,
                                            PathRule rule);
// The signature the request should have; compare with same_signature(). `date` is the X-Amz-Date
// header (or query parameter).
[[nodiscard]] std::string expected_signature(const ReceivedRequest& request,
                                             const SigV4Authorization& authorization,
                                             std::string_view date,
                                             std::string_view secret_access_key);
// Constant time.
[[nodiscard]] bool same_signature(std::string_view a, std::string_view b);

}  // namespace noroshi

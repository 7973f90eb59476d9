// Verifies AWS Signature Version 4, in the Authorization header or in the query of a presigned URL.
// An independent implementation from the specification, not src/aws/sigv4.h: a mistake in the
// signer must not be excused by the same mistake here.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "localaws/aws_error.h"
#include "localaws/credentials.h"
#include "localaws/uri.h"
#include "net/http_server.h"

namespace noroshi::localaws {

enum class Service { S3, Logs, Sts, Firehose, Kinesis };
[[nodiscard]] std::string_view to_string(Service service);

// What a request says about its own signature; nothing of it is trusted yet.
struct ClaimedSignature {
  std::string access_key_id = {};
  std::string scope = {};  // "20261123/eu-west-1/s3/aws4_request"
  std::string day = {}, region = {}, service = {};
  std::vector<std::string> signed_headers = {};
  std::string signature = {};
  std::string date = {};  // "20261123T025300Z"
  std::string session_token = {};
  bool presigned = false;
  Seconds lifetime{0};  // of a presigned URL
};
// Errors as `service` words them: no signature at all, another algorithm, missing parts.
[[nodiscard]] Answer<ClaimedSignature> claimed_signature(const ServerRequest& head,
                                                         const Parameters& query, Service service);

struct VerifiedSignature {
  Principal principal = {};
  std::string signing_key = {};  // for the chunks of a STREAMING- payload
  std::string region = {};
};

struct SignaturePolicy {
  const CredentialIssuer& issuer;
  std::string region = {};  // empty: any
};
// `payload_hash`: hex SHA-256 of the body, or for S3 what x-amz-content-sha256 says (the caller
// verifies that).
[[nodiscard]] Answer<VerifiedSignature> verify_signature(
    const ServerRequest& head, const Parameters& query, const ClaimedSignature& claimed,
    Service service, std::string_view payload_hash, const SignaturePolicy& policy, Timestamp now);

}  // namespace noroshi::localaws

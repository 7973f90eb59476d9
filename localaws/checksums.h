// Integrity headers of S3: Content-MD5, x-amz-checksum-<algorithm>, the trailer form,
// x-amz-content-sha256.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "localaws/aws_error.h"
#include "localaws/hashes.h"
#include "localaws/uri.h"
#include "net/http_server.h"

namespace noroshi::localaws {

// "CRC32", "crc32c", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", any case; nullopt for others.
[[nodiscard]] std::optional<HashAlgorithm> checksum_algorithm(std::string_view name);
// "CRC32": as x-amz-checksum-algorithm and the XML elements (ChecksumCRC32) spell it.
[[nodiscard]] std::string_view checksum_name(HashAlgorithm algorithm);
[[nodiscard]] std::string from_hex(std::string_view text);

// Computes what a body's headers state, and compares. One body, one thread.
class BodyChecks {
 public:
  // Errors: InvalidDigest, InvalidRequest (two checksums, malformed, unknown algorithm).
  [[nodiscard]] static Answer<BodyChecks> make(const ServerRequest& head,
                                               bool sha256_is_payload_hash);
  // For parts of an upload that was created with an algorithm: computed though not stated.
  void also_compute(HashAlgorithm algorithm);

  void update(std::string_view bytes);
  // After the last byte. `trailers`: of an aws-chunked body. Errors: BadDigest,
  // XAmzContentSHA256Mismatch, and a trailer that was announced and did not come.
  [[nodiscard]] Answer<void> finish(const Parameters& trailers);

  [[nodiscard]] const std::string& md5_hex() const { return md5_hex_; }     // after finish()
  [[nodiscard]] const Parameters& checksums() const { return checksums_; }  // "CRC32" → base64
  [[nodiscard]] bool stated() const { return !content_md5_.empty() || stated_.has_value(); }

 private:
  BodyChecks() : md5_(HashAlgorithm::Md5) {}

  Hasher md5_;
  std::optional<Hasher> sha256_;
  std::string payload_sha256_;  // hex, as x-amz-content-sha256 says
  std::string content_md5_;     // bytes
  std::optional<HashAlgorithm> stated_;
  std::string stated_value_;  // base64; empty: comes as a trailer
  std::optional<Hasher> checksum_;
  std::optional<HashAlgorithm> computed_;
  std::string md5_hex_;
  Parameters checksums_;
};

}  // namespace noroshi::localaws

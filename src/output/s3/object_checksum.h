// What proves to S3 that the bytes it got are the bytes of the spool.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace noroshi {

enum class ChecksumAlgorithm {
  Auto,  // crc32c on AWS; none elsewhere, where the signed SHA-256 of the body does the same
  None,
  Crc32,
  Crc32c,
  Sha256Digest,
};

// "crc32c": the suffix of the x-amz-checksum-… header; "" for None.
[[nodiscard]] std::string_view checksum_name(ChecksumAlgorithm algorithm);

struct RangeDigests {
  std::string checksum = {};    // base64, as the header wants it; empty for None
  std::string sha256_hex = {};  // if asked for: the payload hash of the signature
  std::string md5 = {};         // if asked for: base64, Content-MD5
};

// One pass over a range of a file, in pieces of 64 KiB. Errors: Io.
[[nodiscard]] Result<RangeDigests> digest_range(int fd, uint64_t position, uint64_t size,
                                                ChecksumAlgorithm algorithm, bool payload_hash,
                                                bool md5);

// False in FIPS mode.
[[nodiscard]] bool md5_available();

[[nodiscard]] std::string base64_encode(std::string_view bytes);

}  // namespace noroshi

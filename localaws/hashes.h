// Hashes and checksums that S3 and SigV4 use, piece by piece, and their text forms. This is the
// verifying side's own implementation, on OpenSSL, zlib and ISA-L; it shares nothing with src/aws
// on purpose.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace noroshi::localaws {

enum class HashAlgorithm { Md5, Sha1, Sha256, Sha512, Crc32, Crc32c, Crc64Nvme };

class Hasher {
 public:
  explicit Hasher(HashAlgorithm algorithm);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::string_view bytes);
  // The value as bytes (checksums big-endian); the hasher is used up.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string hash(HashAlgorithm algorithm, std::string_view bytes);
[[nodiscard]] std::string hmac(std::string_view key, std::string_view bytes);  // SHA-256
[[nodiscard]] std::string random_bytes(size_t count);  // from the system; fit for secrets

[[nodiscard]] std::string hex(std::string_view bytes);
[[nodiscard]] std::string base64(std::string_view bytes);
// Strict (RFC 4648 §3.5): padding required, nothing but the alphabet, unused bits zero; nullopt
// otherwise.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);
// Takes the same time whatever the difference is.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace noroshi::localaws

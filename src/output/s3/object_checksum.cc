#include "output/s3/object_checksum.h"

#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "aws/sigv4.h"
#include "base/check.h"

namespace noroshi {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

// An OpenSSL digest that does nothing unless it is wanted.
class Digest {
 public:
  Digest(const EVP_MD* algorithm, bool wanted) {
    if (!wanted) return;
    context_.reset(EVP_MD_CTX_new());
    CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), algorithm, nullptr) == 1,
          "OpenSSL does not have the digest");
  }
  void add(std::string_view bytes) {
    if (context_)
      CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "OpenSSL digest");
  }
  // Empty unless wanted.
  std::string finish() {
    if (!context_) return {};
    unsigned char buffer[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), buffer, &size) == 1, "OpenSSL digest");
    return {reinterpret_cast<const char*>(buffer), size};
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_{nullptr, EVP_MD_CTX_free};
};

std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

}  // namespace

std::string_view checksum_name(ChecksumAlgorithm algorithm) {
  switch (algorithm) {
    case ChecksumAlgorithm::Auto:
    case ChecksumAlgorithm::None:
      return "";
    case ChecksumAlgorithm::Crc32:
      return "crc32";
    case ChecksumAlgorithm::Crc32c:
      return "crc32c";
    case ChecksumAlgorithm::Sha256Digest:
      return "sha256";
  }
  return "";
}

bool md5_available() {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  return context && EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) == 1;
}

std::string base64_encode(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

Result<RangeDigests> digest_range(int fd, uint64_t position, uint64_t size,
                                  ChecksumAlgorithm algorithm, bool payload_hash, bool md5) {
  const bool sha256_wanted = payload_hash || algorithm == ChecksumAlgorithm::Sha256Digest;
  Digest sha256_digest(EVP_sha256(), sha256_wanted);
  Digest md5_digest(EVP_md5(), md5);
  uint32_t crc32 = 0;
  uint32_t crc32c = 0xffffffff;  // ISA-L's crc32_iscsi wants it inverted at both ends
  std::vector<char> buffer(std::min<uint64_t>(size, kPieceBytes));
  while (size > 0) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(size, buffer.size()));
    const ssize_t got = ::pread(fd, buffer.data(), wanted, static_cast<off_t>(position));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "cannot read the spool");
    if (got == 0) return fail(ErrorCode::Io, "the spool is shorter than it was");
    const std::string_view piece(buffer.data(), static_cast<size_t>(got));
    auto* bytes = reinterpret_cast<unsigned char*>(buffer.data());
    if (algorithm == ChecksumAlgorithm::Crc32) crc32 = crc32_gzip_refl(crc32, bytes, piece.size());
    if (algorithm == ChecksumAlgorithm::Crc32c) {
      crc32c = crc32_iscsi(bytes, static_cast<int>(piece.size()), crc32c);
    }
    sha256_digest.add(piece);
    md5_digest.add(piece);
    position += piece.size();
    size -= piece.size();
  }
  RangeDigests digests;
  const std::string sha256_bytes = sha256_digest.finish();
  if (payload_hash) digests.sha256_hex = to_hex(sha256_bytes);
  if (md5) digests.md5 = base64_encode(md5_digest.finish());
  if (algorithm == ChecksumAlgorithm::Crc32) digests.checksum = base64_encode(big_endian(crc32));
  if (algorithm == ChecksumAlgorithm::Crc32c) digests.checksum = base64_encode(big_endian(~crc32c));
  if (algorithm == ChecksumAlgorithm::Sha256Digest) digests.checksum = base64_encode(sha256_bytes);
  return digests;
}

}  // namespace noroshi

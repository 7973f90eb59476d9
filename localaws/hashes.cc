#include "localaws/hashes.h"

#include <isa-l/crc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <zlib.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace noroshi::localaws {
namespace {

// CRC-64/NVME, reflected: https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme
constexpr uint64_t kCrc64NvmePolynomial = 0x9A6C9329AC4BC9B5;

constexpr std::array<uint64_t, 256> make_crc64_table() {
  std::array<uint64_t, 256> table{};
  for (uint64_t i = 0; i < 256; ++i) {
    uint64_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) ? kCrc64NvmePolynomial : 0);
    }
    table[i] = value;
  }
  return table;
}

uint64_t crc64_nvme(uint64_t crc, std::string_view bytes) {
  static constexpr std::array<uint64_t, 256> kTable = make_crc64_table();
  crc = ~crc;
  for (const char c : bytes) crc = kTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

const EVP_MD* digest_of(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::Md5:
      return EVP_md5();
    case HashAlgorithm::Sha1:
      return EVP_sha1();
    case HashAlgorithm::Sha256:
      return EVP_sha256();
    case HashAlgorithm::Sha512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

}  // namespace

struct Hasher::State {
  HashAlgorithm algorithm;
  EVP_MD_CTX* context = nullptr;
  uint64_t crc = 0;

  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(HashAlgorithm algorithm) : state_(new State{algorithm}) {
  if (const EVP_MD* digest = digest_of(algorithm)) {
    state_->context = EVP_MD_CTX_new();
    CHECK(EVP_DigestInit_ex(state_->context, digest, nullptr) == 1, "OpenSSL has this digest");
  }
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::string_view bytes) {
  switch (state_->algorithm) {
    case HashAlgorithm::Crc32:
      state_->crc =
          ::crc32_z(state_->crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
      return;
    case HashAlgorithm::Crc32c:
      while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, size_t{1} << 30);  // ISA-L counts in int
        state_->crc =
            ~::crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<char*>(part.data())),
                           static_cast<int>(part.size()), ~static_cast<unsigned>(state_->crc));
        state_->crc &= 0xFFFFFFFF;
        bytes.remove_prefix(part.size());
      }
      return;
    case HashAlgorithm::Crc64Nvme:
      state_->crc = crc64_nvme(state_->crc, bytes);
      return;
    default:
      CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "a digest grows");
  }
}

std::string Hasher::finish() {
  if (!state_->context) {
    return big_endian(state_->crc, state_->algorithm == HashAlgorithm::Crc64Nvme ? 8 : 4);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, value.data(), &size) == 1, "a digest ends once");
  return {reinterpret_cast<const char*>(value.data()), size};
}

std::string hash(HashAlgorithm algorithm, std::string_view bytes) {
  Hasher hasher(algorithm);
  hasher.update(bytes);
  return hasher.finish();
}

std::string hmac(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), value.data(), &size);
  return {reinterpret_cast<const char*>(value.data()), size};
}

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1,
        "the system has randomness");
  return bytes;
}

std::string hex(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const int value = digit(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    if (++count % 4 != 0) continue;
    for (const int shift : {16, 8, 0}) out.push_back(static_cast<char>(bits >> shift));
    bits = 0;
  }
  // The bits that a short group leaves over are zero, so that a text has one meaning and bytes have
  // one text: a session token with a changed last character is another token.
  const uint32_t unused = padding == 0 ? 0 : padding == 1 ? 0x3 : 0xf;
  if ((bits & unused) != 0) return std::nullopt;
  if (padding == 1) {
    out.push_back(static_cast<char>(bits >> 10));
    out.push_back(static_cast<char>(bits >> 2));
  } else if (padding == 2) {
    out.push_back(static_cast<char>(bits >> 4));
  }
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace noroshi::localaws

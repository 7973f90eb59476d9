#include "localaws/checksums.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace noroshi::localaws {
namespace {

constexpr std::string_view kHeaderPrefix = "x-amz-checksum-";
constexpr size_t kSha256HexBytes = 64;

struct Entry {
  HashAlgorithm algorithm;
  std::string_view name;
};
constexpr std::array<Entry, 7> kAlgorithms = {{
    {HashAlgorithm::Crc32, "CRC32"},
    {HashAlgorithm::Crc32c, "CRC32C"},
    {HashAlgorithm::Crc64Nvme, "CRC64NVME"},
    {HashAlgorithm::Sha1, "SHA1"},
    {HashAlgorithm::Sha256, "SHA256"},
    {HashAlgorithm::Sha512, "SHA512"},
    {HashAlgorithm::Md5, "MD5"},
}};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lower_text(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

}  // namespace

std::optional<HashAlgorithm> checksum_algorithm(std::string_view name) {
  std::string wanted(name);
  std::ranges::transform(wanted, wanted.begin(), upper);
  const auto found = std::ranges::find(kAlgorithms, wanted, &Entry::name);
  if (found == kAlgorithms.end()) return std::nullopt;
  return found->algorithm;
}

std::string_view checksum_name(HashAlgorithm algorithm) {
  return std::ranges::find(kAlgorithms, algorithm, &Entry::algorithm)->name;
}

std::string from_hex(std::string_view text) {
  std::string out;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : lower(c) - 'a' + 10; };
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  return out;
}

Answer<BodyChecks> BodyChecks::make(const ServerRequest& head, bool sha256_is_payload_hash) {
  BodyChecks checks;
  if (const std::string* text = head.find_header("content-md5")) {
    const auto value = base64_decode(*text);
    if (!value || value->size() != 16) {
      return refuse(400, "InvalidDigest", "The Content-MD5 you specified is not valid.");
    }
    checks.content_md5_ = *value;
  }
  const std::string_view payload = head.header("x-amz-content-sha256");
  if (sha256_is_payload_hash) {
    if (payload.size() != kSha256HexBytes) {
      return refuse(400, "InvalidArgument",
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-"
                    "TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-"
                    "PAYLOAD-TRAILER or a valid sha256 value.");
    }
    checks.payload_sha256_ = lower_text(payload);
    checks.sha256_.emplace(HashAlgorithm::Sha256);
  }
  const auto state = [&](std::string_view name, std::string_view value) -> Answer<void> {
    const auto algorithm = checksum_algorithm(name);
    if (!algorithm) {
      return refuse(400, "InvalidRequest",
                    fmt::format("The checksum algorithm \"{}\" is not supported", name));
    }
    if (checks.stated_) {
      return refuse(400, "InvalidRequest",
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                    "allowed.");
    }
    checks.stated_ = algorithm;
    checks.stated_value_ = std::string(value);
    return {};
  };
  for (const ServerHeader& header : head.headers) {
    const std::string name = lower_text(header.name);
    if (name == "x-amz-trailer") {
      const std::string trailer = lower_text(header.value);
      if (!trailer.starts_with(kHeaderPrefix)) {
        return refuse(400, "InvalidRequest",
                      fmt::format("The value specified in the x-amz-trailer header is not "
                                  "supported: {}",
                                  header.value));
      }
      NOROSHI_TRY(state(std::string_view(trailer).substr(kHeaderPrefix.size()), ""));
    } else if (name.starts_with(kHeaderPrefix) && name != "x-amz-checksum-algorithm" &&
               name != "x-amz-checksum-type" && name != "x-amz-checksum-mode") {
      const std::string algorithm = name.substr(kHeaderPrefix.size());
      NOROSHI_TRY(state(algorithm, header.value));
      const auto decoded = base64_decode(header.value);
      const auto known = checksum_algorithm(algorithm);
      if (!decoded || decoded->size() != hash(*known, "").size()) {
        return refuse(400, "InvalidRequest", fmt::format("Value for {} header is invalid.", name));
      }
    }
  }
  if (checks.stated_) checks.also_compute(*checks.stated_);
  return checks;
}

void BodyChecks::also_compute(HashAlgorithm algorithm) {
  if (computed_) return;
  computed_ = algorithm;
  checksum_.emplace(algorithm);
}

void BodyChecks::update(std::string_view bytes) {
  md5_.update(bytes);
  if (sha256_) sha256_->update(bytes);
  if (checksum_) checksum_->update(bytes);
}

Answer<void> BodyChecks::finish(const Parameters& trailers) {
  const std::string md5 = md5_.finish();
  md5_hex_ = hex(md5);
  if (!content_md5_.empty() && content_md5_ != md5) {
    return refuse(400, "BadDigest",
                  "The Content-MD5 you specified did not match what we received.");
  }
  if (sha256_ && hex(sha256_->finish()) != payload_sha256_) {
    return refuse(400, "XAmzContentSHA256Mismatch",
                  "The provided 'x-amz-content-sha256' header does not match what was computed.");
  }
  if (!computed_) return {};
  const std::string value = base64(checksum_->finish());
  const std::string_view name = checksum_name(*computed_);
  if (stated_) {
    const std::string* stated = &stated_value_;
    if (stated->empty()) {
      stated = find_parameter(trailers, fmt::format("{}{}", kHeaderPrefix, lower_text(name)));
      if (stated == nullptr) {
        return refuse(400, "MalformedTrailerError",
                      "The request contained trailing data that was not well-formed or did not "
                      "conform to our published schema.");
      }
    }
    if (*stated != value) {
      return refuse(
          400, "BadDigest",
          fmt::format("The {} you specified did not match the calculated checksum.", name));
    }
  }
  checksums_.emplace_back(name, value);
  return {};
}

}  // namespace noroshi::localaws

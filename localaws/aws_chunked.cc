#include "localaws/aws_chunked.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace noroshi::localaws {
namespace {

constexpr uint64_t kChunkBytesMax = uint64_t{5} << 30;  // a whole PutObject in one chunk
constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::unexpected<AwsError> malformed(std::string detail) {
  return refuse(400, "InvalidRequest", "The aws-chunked body is malformed: " + std::move(detail));
}

std::unexpected<AwsError> wrong_signature() {
  return refuse(403, "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method.");
}

}  // namespace

AwsChunkedDecoder::AwsChunkedDecoder(std::optional<ChunkSigning> signing, bool has_trailer)
    : signing_(std::move(signing)), has_trailer_(has_trailer) {
  if (signing_) previous_signature_ = signing_->seed_signature;
}

Answer<void> AwsChunkedDecoder::decode(std::string_view piece, const Sink& sink) {
  while (!piece.empty()) {
    if (state_ == State::Done) {
      // After x-amz-trailer-signature most clients send one more empty line.
      if (piece.find_first_not_of("\r\n") == std::string_view::npos) return {};
      return malformed("bytes after its end");
    }
    if (state_ == State::Data) {
      const std::string_view data = piece.substr(0, std::min<uint64_t>(left_, piece.size()));
      if (chunk_hash_) chunk_hash_->update(data);
      if (auto taken = sink(data); !taken) return taken;
      left_ -= data.size();
      piece.remove_prefix(data.size());
      if (left_ == 0) {
        state_ = State::DataEnd;
        if (auto checked = check_chunk(); !checked) return checked;
      }
      continue;
    }
    const size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    if (line_.size() + part.size() > kChunkLineMax) return malformed("a line is too long");
    line_.append(part);
    if (end == std::string_view::npos) return {};
    piece.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    if (auto taken = take_line(); !taken) return taken;
    line_.clear();
  }
  return {};
}

Answer<void> AwsChunkedDecoder::take_line() {
  switch (state_) {
    case State::Header:
      return chunk_header(line_);
    case State::DataEnd:
      if (!line_.empty()) return malformed("a chunk is longer than its size says");
      state_ = State::Header;
      return {};
    case State::Trailer:
      return trailer_line(line_);
    case State::Data:
    case State::Done:
      break;
  }
  return malformed("unexpected line");
}

Answer<void> AwsChunkedDecoder::chunk_header(std::string_view line) {
  const size_t semicolon = line.find(';');
  const std::string_view digits = line.substr(0, semicolon);
  uint64_t size = 0;
  const char* const last = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), last, size, 16);
  if (digits.empty() || error != std::errc() || stop != last || size > kChunkBytesMax) {
    return malformed("a chunk does not begin with its size in hexadecimal");
  }
  chunk_signature_.clear();
  if (signing_) {
    static constexpr std::string_view kName = "chunk-signature=";
    const size_t at = semicolon == std::string_view::npos ? line.size() : semicolon + 1;
    if (!line.substr(at).starts_with(kName)) return malformed("a chunk has no chunk-signature");
    chunk_signature_ = std::string(line.substr(at + kName.size()));
    chunk_hash_.emplace(HashAlgorithm::Sha256);
  }
  left_ = size;
  if (size > 0) {
    state_ = State::Data;
    return {};
  }
  state_ = State::Trailer;  // an empty line ends it
  return check_chunk();
}

Answer<void> AwsChunkedDecoder::check_chunk() {
  if (!signing_) return {};
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}", signing_->date, signing_->scope,
                  previous_signature_, kEmptyHash, hex(chunk_hash_->finish()));
  chunk_hash_.reset();
  const std::string expected = hex(hmac(signing_->key, to_sign));
  if (!equal_in_constant_time(expected, chunk_signature_)) return wrong_signature();
  previous_signature_ = expected;
  return {};
}

Answer<void> AwsChunkedDecoder::trailer_line(std::string_view line) {
  if (line.empty()) {
    // Some clients separate the signature from the trailers; finish() misses it if it never comes.
    if (signing_ && has_trailer_) return {};
    state_ = State::Done;
    return {};
  }
  if (!has_trailer_) return malformed("a trailer that was not announced");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return malformed("a trailer without ':'");
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  if (name == "x-amz-trailer-signature") {
    if (auto checked = check_trailer(value); !checked) return checked;
    state_ = State::Done;
    return {};
  }
  if (trailers_.size() == kTrailersMax) return malformed("too many trailers");
  trailer_text_ += fmt::format("{}:{}\n", name, value);
  trailers_.emplace_back(std::move(name), std::string(value));
  return {};
}

Answer<void> AwsChunkedDecoder::check_trailer(std::string_view signature) {
  if (!signing_) return {};
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}", signing_->date, signing_->scope,
                  previous_signature_, hex(hash(HashAlgorithm::Sha256, trailer_text_)));
  if (!equal_in_constant_time(hex(hmac(signing_->key, to_sign)), signature)) {
    return wrong_signature();
  }
  return {};
}

Answer<void> AwsChunkedDecoder::finish() const {
  if (state_ == State::Done) return {};
  return refuse(400, "IncompleteBody",
                "The request body terminated unexpectedly: its last chunk is missing");
}

}  // namespace noroshi::localaws

// Decodes "aws-chunked" bodies: SDKs wrap what they stream so that its checksum can follow it.
//
//   STREAMING-UNSIGNED-PAYLOAD-TRAILER 10000\r\n<data>\r\n0\r\nx-amz-checksum-crc32:…\r\n\r\n
//   STREAMING-AWS4-HMAC-SHA256-PAYLOAD
//   10000;chunk-signature=<hex>\r\n<data>\r\n0;chunk-signature=…\r\n\r\n
//   STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER    both, and x-amz-trailer-signature:<hex> as the
//   last trailer
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// …-streaming-trailers.html
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "localaws/aws_error.h"
#include "localaws/hashes.h"
#include "localaws/uri.h"

namespace noroshi::localaws {

// What chunk signatures are chained from.
struct ChunkSigning {
  std::string key = {};   // signing key of the request's scope
  std::string date = {};  // X-Amz-Date
  std::string scope = {};
  std::string seed_signature = {};  // of the request's head
};

// Holds at most one header or trailer line (kChunkLineMax bytes); data passes through.
class AwsChunkedDecoder {
 public:
  static constexpr size_t kChunkLineMax = 4096;
  static constexpr size_t kTrailersMax = 16;

  // Without `signing` chunk signatures are neither required nor looked at.
  AwsChunkedDecoder(std::optional<ChunkSigning> signing, bool has_trailer);

  using Sink = std::function<Answer<void>(std::string_view data)>;
  // Feeds a piece of the body, cut anywhere. Errors: InvalidChunk… of S3, SignatureDoesNotMatch,
  // the sink's.
  [[nodiscard]] Answer<void> decode(std::string_view piece, const Sink& sink);
  // After the last piece: IncompleteBody if the end was not seen.
  [[nodiscard]] Answer<void> finish() const;
  // Names in lower case; without x-amz-trailer-signature.
  [[nodiscard]] const Parameters& trailers() const { return trailers_; }

 private:
  enum class State { Header, Data, DataEnd, Trailer, Done };

  Answer<void> take_line();
  Answer<void> chunk_header(std::string_view line);
  Answer<void> trailer_line(std::string_view line);
  Answer<void> check_chunk();
  Answer<void> check_trailer(std::string_view signature);

  const std::optional<ChunkSigning> signing_;
  const bool has_trailer_;
  State state_ = State::Header;
  std::string line_;
  uint64_t left_ = 0;  // bytes of the chunk not yet seen
  bool last_chunk_ = false;
  std::string chunk_signature_, previous_signature_;
  std::optional<Hasher> chunk_hash_;
  std::string trailer_text_;  // as signed: "name:value\n" each
  Parameters trailers_;
};

}  // namespace noroshi::localaws

// The aws-chunked decoder: whatever the bytes are, cutting them differently changes nothing.

#include "localaws/aws_chunked.h"

#include <cstdlib>
#include <string>

namespace {

using noroshi::localaws::Answer;
using noroshi::localaws::AwsChunkedDecoder;

struct Outcome {
  std::string data, error;
  noroshi::localaws::Parameters trailers;
};

Outcome decode(std::string_view body, size_t piece, bool is_signed, bool trailer) {
  std::optional<noroshi::localaws::ChunkSigning> signing;
  if (is_signed) signing.emplace(noroshi::localaws::ChunkSigning{"key", "date", "scope", "seed"});
  AwsChunkedDecoder decoder(std::move(signing), trailer);
  Outcome out;
  Answer<void> answer;
  while (answer && !body.empty()) {
    const std::string_view part = body.substr(0, piece);
    answer = decoder.decode(part, [&](std::string_view data) -> Answer<void> {
      out.data.append(data);
      return {};
    });
    body.remove_prefix(part.size());
  }
  if (answer) answer = decoder.finish();
  if (!answer) out.error = answer.error().code;
  out.trailers = decoder.trailers();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool is_signed = (data[0] & 1) != 0;
  const bool trailer = (data[0] & 2) != 0;
  const size_t piece = 1 + (data[0] >> 2);
  const Outcome whole = decode(body, body.size() + 1, is_signed, trailer);
  const Outcome pieces = decode(body, piece, is_signed, trailer);
  if (whole.error != pieces.error) std::abort();
  if (whole.error.empty() && (whole.data != pieces.data || whole.trailers != pieces.trailers))
    std::abort();
  if (whole.data.size() > body.size()) std::abort();
  return 0;
}

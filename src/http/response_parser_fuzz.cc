// Answers come from the network: whatever the bytes and however they are cut, the same answer or
// the same refusal comes out, and never more of a body than was allowed.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/check.h"
#include "http/response_parser.h"

namespace {

using namespace noroshi;

struct Outcome {
  std::optional<HttpResponse> response;  // none: refused, or not complete
  bool reusable = false;
};

Outcome parse(std::string_view bytes, size_t piece, bool no_body, size_t body_bytes_max) {
  ResponseParser parser(no_body, body_bytes_max);
  for (size_t i = 0; i < bytes.size() && !parser.done(); i += piece) {
    if (!parser.put(bytes.substr(i, piece))) return {};
  }
  if (!parser.done() && (!parser.begun() || !parser.put_end())) return {};
  CHECK(parser.has_head(), "an answer has a head");
  return {parser.take(), parser.connection_reusable()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const bool no_body = (data[0] & 1) != 0;
  const size_t body_bytes_max = data[0] / 2, piece = data[1] % 32 + size_t{1};
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const Outcome whole = parse(bytes, size, no_body, body_bytes_max);
  const Outcome pieces = parse(bytes, piece, no_body, body_bytes_max);
  CHECK(whole.response.has_value() == pieces.response.has_value(), "the cut decides");
  if (!whole.response) return 0;
  CHECK(whole.response->body.size() <= body_bytes_max, "more than was allowed");
  CHECK(whole.response->status == pieces.response->status, "another status");
  CHECK(whole.response->body == pieces.response->body, "another body");
  return 0;
}

// Bytes from a client, cut anywhere: must never crash and must decode to the same records as in one
// piece. The first byte chooses the cuts.
#include <cstdint>
#include <cstdlib>

#include "input/forward/decode_stream.h"

namespace {

bool same(const noroshi::forward::ReferenceResult& one,
          const noroshi::forward::ReferenceResult& other) {
  return one.records == other.records && one.acks == other.acks &&
         one.malformed == other.malformed && one.closed == other.closed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi::forward;
  constexpr uint64_t kFrameMax = 1 << 20;
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const noroshi::ManualClock clock(kReferenceArrival);
  StreamDecoder whole(clock, kFrameMax, 1 << 20);
  whole.take(stream);
  StreamDecoder cut(clock, kFrameMax, 1 << 20);
  const size_t step = data[0] % 61 + 1;
  for (size_t at = 0; at < stream.size(); at += step) cut.take(stream.substr(at, step));
  if (!same(whole.result, cut.result)) std::abort();
  return 0;
}

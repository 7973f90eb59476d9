// Compressed payloads: broken, truncated, bombs. Must never crash and never give more than the
// limit.
#include <cstdint>
#include <cstdlib>

#include "input/forward/entry_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi::forward;
  if (size == 0) return 0;
  constexpr uint64_t kLimit = 4 << 20;
  const noroshi::ManualClock clock{};
  Frame frame;
  frame.mode = FrameMode::Packed;
  frame.compression = data[0] % 2 == 0 ? Compression::Gzip : Compression::Zstd;
  frame.entries = {reinterpret_cast<const char*>(data) + 1, size - 1};
  EntryDecoder decoder(clock);
  noroshi::ChunkCollector collector;
  decoder.begin(frame, "tag", nullptr, kLimit);
  uint64_t bytes = 0;
  const auto hand_on = [&](noroshi::Chunk& chunk) {
    bytes += chunk.body.size();
    return true;
  };
  while (decoder.decode(collector) == EntryDecoder::Progress::CollectorFull) {
    if (collector.empty()) std::abort();
    (void)collector.hand_on_all(hand_on);
  }
  (void)collector.hand_on_all(hand_on);
  if (bytes > kLimit) std::abort();
  return 0;
}

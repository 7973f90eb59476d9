// Answers of a server: no crash, bounded waiting, an id that lies within the bytes.
#include <cstdlib>

#include "output/forward/forward_peer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto ack = noroshi::parse_ack(bytes);
  if (!ack) return 0;
  if (!*ack) {
    if (size >= noroshi::kAnswerBytesMax) std::abort();
    return 0;
  }
  const char* const begin = (*ack)->data();
  if (begin < bytes.data() || begin + (*ack)->size() > bytes.data() + bytes.size()) std::abort();
  return 0;
}

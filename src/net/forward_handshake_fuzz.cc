// Handshake messages from anybody: no crash, no reading beyond the bytes, bounded waiting, and what
// is understood can be said again. The first byte chooses the message.
#include <cstdlib>

#include "net/forward_handshake.h"

namespace noroshi::forward {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <typename Message, typename Decode>
void check(std::string_view bytes, Decode decode) {
  const auto decoded = decode(bytes);
  if (!decoded) return;
  if (!*decoded) {
    require(bytes.size() < kHandshakeBytesMax);
    return;
  }
  require((*decoded)->bytes <= bytes.size());
  const std::string again = encode((*decoded)->message);
  // Its fields may be longer encodings than ours, never shorter ones that do not fit.
  if (again.size() > kHandshakeBytesMax) return;
  const auto second = decode(again);
  require(second && *second && (*second)->bytes == again.size());
  require(encode((*second)->message) == again);
}

}  // namespace
}  // namespace noroshi::forward

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace f = noroshi::forward;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const f::Security security{{"key", "server"}, {{"user", "password"}}};
  switch (data[0] % 3) {
    case 0:
      f::check<f::Hello>(bytes, f::decode_hello);
      break;
    case 1:
      f::check<f::Ping>(bytes, f::decode_ping);
      if (const auto ping = f::decode_ping(bytes); ping && *ping) {
        // Nobody guesses a digest.
        const f::Pong pong = f::answer_ping((*ping)->message, {"nonce", "auth"}, security);
        if (pong.accepted) std::abort();
      }
      break;
    default:
      f::check<f::Pong>(bytes, f::decode_pong);
  }
  return 0;
}

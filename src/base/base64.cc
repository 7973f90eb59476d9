#include "base/base64.h"

#include <cstdint>

namespace noroshi {

void append_base64(std::string& out, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t begin = out.size();
  out.resize(begin + base64_size(bytes.size()));
  char* to = out.data() + begin;
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, from += 3) {
    const uint32_t three = uint32_t{from[0]} << 16 | uint32_t{from[1]} << 8 | from[2];
    *to++ = kDigits[three >> 18];
    *to++ = kDigits[three >> 12 & 63];
    *to++ = kDigits[three >> 6 & 63];
    *to++ = kDigits[three & 63];
  }
  if (left == 0) return;
  const uint32_t rest = uint32_t{from[0]} << 16 | (left == 2 ? uint32_t{from[1]} << 8 : 0);
  *to++ = kDigits[rest >> 18];
  *to++ = kDigits[rest >> 12 & 63];
  *to++ = left == 2 ? kDigits[rest >> 6 & 63] : '=';
  *to++ = '=';
}

}  // namespace noroshi

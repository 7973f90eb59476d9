#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace noroshi {

uint32_t crc32c(std::string_view bytes, uint32_t previous) {
  // ISA-L's crc32_iscsi is the bare register: without the inversions before and after, and its
  // length is int.
  uint32_t crc = ~previous;
  while (!bytes.empty()) {
    const size_t size = std::min<size_t>(bytes.size(), 1 << 30);
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    crc = crc32_iscsi(data, static_cast<int>(size), crc);
    bytes.remove_prefix(size);
  }
  return ~crc;
}

}  // namespace noroshi

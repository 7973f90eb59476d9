// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 appendix B.4), by ISA-L: SSE4.2
// and PCLMUL, ARM's instruction, or tables, chosen at run time. About 0.05 ns per byte.
#pragma once

#include <cstdint>
#include <string_view>

namespace noroshi {

// Standard: crc32c("123456789") == 0xe3069283. Goes on from `previous`, the value for the bytes
// before: crc32c(b, crc32c(a)) == crc32c(a + b).
[[nodiscard]] uint32_t crc32c(std::string_view bytes, uint32_t previous = 0);

}  // namespace noroshi

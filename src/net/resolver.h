// Names to addresses with a deadline. getaddrinfo(3) has none, so it runs on a thread of its own;
// one that hangs is left behind and bounded in number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/socket_address.h"

namespace noroshi {

// Addresses tried for one name at most.
inline constexpr size_t kAddressesMax = 8;
// Look-ups that hang at one time; further ones fail at once.
inline constexpr int kHangingLookupsMax = 16;

// In the order to try them, at least one. An IP address needs no look-up. NotFound: no such name;
// Timeout; Unavailable: the name server does not answer. Any thread.
[[nodiscard]] Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port,
                                                         Monotonic deadline);

}  // namespace noroshi

// Opens the sockets of a configuration that is not complete yet: see net/early_sockets.h.
#pragma once

#include "config/document.h"

namespace noroshi {

// For every [INPUT] forward and tcp (what ECS generates): its Unix socket, and of the addresses on
// one port the widest. What cannot be opened is left to the real bind, which says why. Returns how
// many listen.
size_t bind_early(const Document& document);

}  // namespace noroshi

// The `udp` input: JSON documents or lines in datagrams. README.md says what it takes.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kUdpInput;

}  // namespace noroshi

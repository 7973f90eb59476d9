// The `tcp` input: JSON documents or lines over TCP. README.md says what it takes.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kTcpInput;

}  // namespace noroshi

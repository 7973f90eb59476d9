// The `exec` input: the lines a command prints. README.md says how it is run.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kExecInput;

}  // namespace noroshi

// The `random` input: records with a random number, for trying things out.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kRandomInput;

}  // namespace noroshi

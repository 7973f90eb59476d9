// The `http` input: records in HTTP requests. README.md says what it takes and answers.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kHttpInput;

}  // namespace noroshi

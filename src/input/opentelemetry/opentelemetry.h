// The `opentelemetry` input: OTLP/HTTP logs. README.md says what it takes and answers.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kOpentelemetryInput;

}  // namespace noroshi

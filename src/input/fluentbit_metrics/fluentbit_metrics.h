// Input `fluentbit_metrics`: the router's own metrics. README.md beside this file.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kFluentbitMetricsInput;

}  // namespace noroshi

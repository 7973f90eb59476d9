// The bodies of the metrics endpoints, in Fluent Bit's names and shapes, so that scrapers,
// dashboards and the EMF recipe of aws-for-fluent-bit (a regular expression over these lines) keep
// working. What Fluent Bit has no name for is prefixed noroshi_.
#pragma once

#include <string>

#include "base/clock.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// {"input":{"forward.0":{"records":29,"bytes":726}},"filter":{…},"output":{…}}
[[nodiscard]] std::string metrics_json(const Pipeline& pipeline);

// Prometheus text. v1: every Fluent Bit line carries the time in ms behind the value.
[[nodiscard]] std::string metrics_prometheus(const Pipeline& pipeline, Timestamp now,
                                             Timestamp started);

// {"uptime_sec":1,"uptime_hr":"Fluent Bit has been running:  0 day, …"}
[[nodiscard]] std::string uptime_json(Seconds uptime);

}  // namespace noroshi

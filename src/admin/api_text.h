// The bodies of the HTTP API that are not metrics of the Prometheus kind, in Fluent Bit's shapes.
#pragma once

#include <string>

#include "admin/health.h"
#include "base/clock.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// {"fluent-bit":{"version":"5.1.1","edition":"noroshi","flags":[]},"noroshi":{"version":"0.1.0"}}
[[nodiscard]] std::string about_json();

// {"input":{"forward.0":{"records":29,"bytes":726}},"filter":{…},"output":{…}}
[[nodiscard]] std::string metrics_json(const Pipeline& pipeline)
    REQUIRES_SHARED(pipeline.instances_mutex());

// {"uptime_sec":1,"uptime_hr":"Fluent Bit has been running:  0 day, …"}
[[nodiscard]] std::string uptime_json(Seconds uptime);

// {"storage_layer":{"chunks":{…}},"input_chunks":{"forward.0":{…}}}. The journal's segments are the
// chunks; they belong to no input.
[[nodiscard]] std::string storage_json(const Pipeline& pipeline)
    REQUIRES_SHARED(pipeline.instances_mutex());

// {"plugins":{"inputs":["forward",…],"filters":[…],"outputs":[…]}}
[[nodiscard]] std::string plugins_json(const PluginSet& plugins);

// {"status":"ok","errors":0,"retries_failed":0,"error_limit":5,…}
[[nodiscard]] std::string health_json(const HealthStatus& health);

}  // namespace noroshi

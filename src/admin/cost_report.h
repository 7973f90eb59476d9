// The answer of /api/noroshi/v1/cost: what a month costs if it goes on as it went since the start.
// The calculation is `noroshi cost`'s (cost/estimate.h); the volume comes from the counters.
//
//   log text     bytes the inputs accepted. Docker's driver adds its own fields to each line, which
//                awslogs would not send: kDriverBytes are taken off for each record of a forward
//                input, and kAwslogsBytes added, which CloudWatch Logs charges for each.
//   errors       what CloudWatch Logs counts of the records delivered to it
//   S3           bytes and objects delivered
// What is routed and not yet delivered counts as what has been delivered, record by record.
//
// It speaks for this task; endpoints are in it once, though all tasks share them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// Below it nothing is extrapolated: a month is 43,800 times as long.
inline constexpr Nanoseconds kCostUptimeMin = Seconds(60);

// Of one record as Docker's fluentd driver sends it, beside the line: the frames of time and map,
// the names container_id, container_name, source and log, an id of 64 and a name of 10 characters.
inline constexpr uint64_t kDriverBytes = 136;
// PutLogEvents counts 26 bytes for each record beside its text.
inline constexpr uint64_t kAwslogsBytes = 26;

// What is extrapolated; taken from a pipeline, or made by a test. Counted since the start.
struct CostFacts {
  struct Destination {
    bool present = false;
    uint64_t routed = 0, delivered = 0;  // records
    uint64_t bytes = 0;                  // delivered
    uint64_t requests = 0;               // that succeeded
  };
  Nanoseconds uptime = Nanoseconds(0);
  uint64_t records = 0, text_bytes = 0;
  Destination cloudwatch_logs = {}, s3 = {};
  uint64_t reloads = 0;  // an output that a reload changed counts from there
};
[[nodiscard]] CostFacts take_cost_facts(const Pipeline& pipeline, Timestamp now)
    REQUIRES_SHARED(pipeline.instances_mutex());

// JSON: {"measured":{…}, and what `noroshi cost --json` prints}. Errors: Unavailable while there is
// too little to extrapolate from, with what to wait for; NotFound for an unknown region.
[[nodiscard]] Result<std::string> cost_report(const CostFacts& facts, std::string_view region);

}  // namespace noroshi

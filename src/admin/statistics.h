// Statistics: one JSON line per interval on stderr, so that a CloudWatch metric filter can build
// alarms on the router's own container log, without a scraper. docs/statistics-line.md names the
// fields.
//
// Counters are differences since the line before (a metric filter adds them up); everything else is
// the value now. Main thread only; a line costs microseconds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "admin/health.h"
#include "base/clock.h"
#include "metrics/metrics.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// What a line is made from; taken from a pipeline, or made by a test.
struct StatisticsFacts {
  struct OutputFacts {
    std::string name = {}, plugin = {};
    uint64_t routed = 0, delivered = 0, bytes_delivered = 0;
    uint64_t requests = 0, retries = 0, retries_failed = 0, errors = 0;
    std::array<uint64_t, kDropReasons> dropped = {};
    uint64_t recovered = 0;              // found waiting by the start
    uint64_t waiting = 0;                // now
    uint64_t oldest_undelivered_ns = 0;  // wall time; 0: nothing is waiting
    bool retrying = false;
  };
  struct InputFacts {
    std::string name = {};
    uint64_t records = 0, bytes = 0, malformed = 0, duplicates = 0, paused_ns = 0, connections = 0;
  };
  std::vector<InputFacts> inputs = {};
  std::vector<OutputFacts> outputs = {};
  uint64_t journal_bytes = 0, journal_bytes_max = 0;
  uint64_t resident_bytes = 0;
  bool healthy = true, degraded = false, paused = false;
};
[[nodiscard]] StatisticsFacts take_statistics(const Pipeline& pipeline, const HealthStatus& health)
    REQUIRES_SHARED(pipeline.instances_mutex());

class Statistics {
 public:
  // `interval` 0: due() is never true.
  explicit Statistics(Nanoseconds interval, const Clock& clock = system_clock());

  void set_interval(Nanoseconds interval) { interval_ = interval; }
  [[nodiscard]] bool due() const;
  // The line, with its line end, for the time since the last one.
  [[nodiscard]] std::string line(const StatisticsFacts& facts);

 private:
  Nanoseconds interval_;
  const Clock& clock_;
  Monotonic started_, last_;
  std::map<std::string, StatisticsFacts::InputFacts> inputs_;  // as of the last line, by name
  std::map<std::string, StatisticsFacts::OutputFacts> outputs_;
};

}  // namespace noroshi

// Health: the answer of /api/v1/health and `noroshi health`.
//
// Unhealthy means that a restart would help, or that data is being lost:
//   - the ingest thread or a delivery thread is stuck
//   - records were lost (journal full, retries used up, refused, damaged) within the last minute
//   - the journal is nearly full (from 95 %, or from the first chunk it refuses, until it is below
//     80 % again), or it failed
// Degraded is still healthy: a destination is down while the journal has room. The text says so,
// ECS lets the task live: it holds the data. Records that a destination refuses for their own sake
// (too old, too large) are counted, and no reason to kill anything.
//
// Where the configuration sets HC_Errors_Count, HC_Retry_Failure_Count or HC_Period, Fluent Bit's
// rule holds instead: within the period, more than so many errors or failed retries.
//
// A state lasts: unhealthy ends only kRecoverAfter after its last cause, so that it does not flap.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "pipeline/pipeline.h"

namespace noroshi {

inline constexpr Nanoseconds kLossRemembered = Seconds(60);
inline constexpr Nanoseconds kRecoverAfter = Seconds(15);

struct HealthStatus {
  bool healthy = true;
  bool degraded = false;
  std::string text = {};  // "ok", "degraded: …", or the reasons, one line each
  // Fluent Bit's numbers of the last HC_Period, whichever rule judges.
  uint64_t errors = 0, retries_failed = 0;
  uint64_t errors_max = 0, retries_failed_max = 0;
  uint64_t period_seconds = 0;
};

// What health looks at; taken from a pipeline, or made by a test.
struct HealthFacts {
  std::vector<std::string> stuck = {};     // names of threads
  std::vector<std::string> degraded = {};  // "s3.1 has failed for 35 s: connection refused"
  uint64_t lost = 0;                       // records lost since start, for the reasons that count
  std::string lost_by = {};                // "s3.1 (journal_full)"
  double journal_share = 0;                // 0 … 1
  bool journal_full = false;               // it refused a chunk: a large one, possibly far from 1
  std::string journal_problem = {};
  uint64_t errors = 0, retries_failed = 0;  // Fluent Bit's counters
};
[[nodiscard]] HealthFacts take_health_facts(const Pipeline& pipeline)
    REQUIRES_SHARED(pipeline.instances_mutex());

// Thread-safe.
class Health {
 public:
  explicit Health(const ServiceOptions& service, const Clock& clock = system_clock());
  // After a reload: the limits may be others.
  void set_limits(const ServiceOptions& service);
  // Once a second.
  void observe(const HealthFacts& facts);
  [[nodiscard]] HealthStatus status() const;

 private:
  struct Snapshot {
    uint64_t errors, retries_failed;
  };
  void judge_as_fluent_bit(const HealthFacts& facts) REQUIRES(mutex_);
  void judge(const HealthFacts& facts) REQUIRES(mutex_);

  const Clock& clock_;
  mutable Mutex mutex_;
  bool fluent_bit_rule_ GUARDED_BY(mutex_) = false;
  uint64_t errors_max_ GUARDED_BY(mutex_) = 0, retries_failed_max_ GUARDED_BY(mutex_) = 0;
  size_t period_ GUARDED_BY(mutex_) = 0;  // snapshots, one a second
  HealthStatus status_ GUARDED_BY(mutex_) = {.healthy = true, .degraded = false, .text = "ok"};
  std::deque<Snapshot> snapshots_ GUARDED_BY(mutex_);
  uint64_t lost_ GUARDED_BY(mutex_) = 0;
  std::string lost_text_ GUARDED_BY(mutex_);
  std::optional<Monotonic> lost_at_ GUARDED_BY(mutex_);
  bool journal_nearly_full_ GUARDED_BY(mutex_) = false;
  std::optional<Monotonic> last_cause_ GUARDED_BY(mutex_);
  std::string last_reasons_ GUARDED_BY(mutex_);
};

}  // namespace noroshi

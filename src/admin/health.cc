#include "admin/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace noroshi {
namespace {

constexpr double kNearlyFull = 0.95;
constexpr double kRoomAgain = 0.80;
// Losses that say something about this router or its surroundings, not about the record.
constexpr DropReason kAlarming[] = {DropReason::JournalFull, DropReason::OutputLimit,
                                    DropReason::RetryLimit, DropReason::Rejected,
                                    DropReason::Corrupt};

}  // namespace

HealthFacts take_health_facts(const Pipeline& pipeline) {
  HealthFacts facts;
  if (pipeline.ingest_stuck()) facts.stuck.push_back("ingest");
  for (const OutputInstance& output : pipeline.outputs()) {
    const DeliveryState state = output.worker->state();
    if (state.stuck) facts.stuck.push_back(output.metrics->name);
    if (state.retrying) {
      const auto seconds =
          std::chrono::duration_cast<Seconds>(system_clock().wall() - state.failing_since).count();
      facts.degraded.push_back(fmt::format("{} has failed for {} s: {}", output.metrics->name,
                                           seconds, state.last_error));
    }
    for (const DropReason reason : kAlarming) {
      const uint64_t count = output.metrics->drop(reason).get();
      if (count == 0) continue;
      facts.lost += count;
      facts.lost_by += fmt::format("{}{} ({} {})", facts.lost_by.empty() ? "" : ", ",
                                   output.metrics->name, count, to_string(reason));
    }
    facts.errors += output.metrics->errors.get();
    facts.retries_failed += output.metrics->retries_failed.get();
  }
  const Journal& journal = *pipeline.journal();
  facts.journal_share =
      static_cast<double>(journal.bytes()) / static_cast<double>(journal.bytes_max());
  facts.journal_full = journal.full();
  facts.journal_problem = journal.problem();
  return facts;
}

Health::Health(const ServiceOptions& service, const Clock& clock) : clock_(clock) {
  set_limits(service);
}

void Health::set_limits(const ServiceOptions& service) {
  MutexLock lock(mutex_);
  fluent_bit_rule_ = service.hc_configured;
  errors_max_ = static_cast<uint64_t>(std::max<int64_t>(service.hc_errors_count, 0));
  retries_failed_max_ = static_cast<uint64_t>(std::max<int64_t>(service.hc_retry_failure_count, 0));
  period_ = static_cast<size_t>(
      std::max<int64_t>(std::chrono::duration_cast<Seconds>(service.hc_period).count(), 1));
}

void Health::observe(const HealthFacts& facts) {
  MutexLock lock(mutex_);
  // An output that a reload removed took its counts along.
  if (!snapshots_.empty() && (facts.errors < snapshots_.back().errors ||
                              facts.retries_failed < snapshots_.back().retries_failed)) {
    snapshots_.clear();
  }
  lost_ = std::min(lost_, facts.lost);
  snapshots_.push_back({facts.errors, facts.retries_failed});
  while (snapshots_.size() > period_) snapshots_.pop_front();
  if (fluent_bit_rule_) {
    judge_as_fluent_bit(facts);
  } else {
    judge(facts);
  }
}

// Unhealthy if newest minus oldest of the last HC_Period snapshots is greater than a limit;
// recovers by itself.
void Health::judge_as_fluent_bit(const HealthFacts& facts) {
  const uint64_t errors = facts.errors - snapshots_.front().errors;
  const uint64_t retries_failed = facts.retries_failed - snapshots_.front().retries_failed;
  status_.healthy = errors <= errors_max_ && retries_failed <= retries_failed_max_;
  status_.degraded = status_.healthy && !facts.degraded.empty();
  status_.text =
      status_.degraded ? fmt::format("degraded: {}", fmt::join(facts.degraded, "\n"))
      : status_.healthy
          ? "ok"
          : fmt::format("error: {} errors (limit {}) and {} failed retries (limit {}) in {} s",
                        errors, errors_max_, retries_failed, retries_failed_max_, period_);
}

void Health::judge(const HealthFacts& facts) {
  const Monotonic now = clock_.monotonic();
  std::vector<std::string> reasons;
  for (const std::string& name : facts.stuck)
    reasons.push_back(fmt::format("the thread of {} is stuck", name));
  if (facts.lost > lost_) {
    lost_text_ = fmt::format("records were lost: {}", facts.lost_by);
    lost_ = facts.lost;
    lost_at_ = now;
  }
  if (lost_at_ && now - *lost_at_ < kLossRemembered) reasons.push_back(lost_text_);
  if (facts.journal_share < kRoomAgain) journal_nearly_full_ = false;
  if (facts.journal_share >= kNearlyFull || facts.journal_full) journal_nearly_full_ = true;
  if (journal_nearly_full_)
    reasons.push_back(fmt::format("the journal is {:.0f} % full", facts.journal_share * 100));
  if (!facts.journal_problem.empty()) reasons.push_back("journal: " + facts.journal_problem);

  if (!reasons.empty()) {
    last_cause_ = now;
    last_reasons_ = fmt::format("{}", fmt::join(reasons, "\n"));
  }
  if (last_cause_ && now - *last_cause_ < kRecoverAfter) {
    status_ = {.healthy = false, .degraded = false, .text = "error: " + last_reasons_};
  } else if (!facts.degraded.empty()) {
    status_ = {.healthy = true,
               .degraded = true,
               .text = fmt::format("degraded: {}", fmt::join(facts.degraded, "\n"))};
  } else {
    status_ = {.healthy = true, .degraded = false, .text = "ok"};
  }
}

HealthStatus Health::status() const {
  MutexLock lock(mutex_);
  HealthStatus status = status_;
  if (!snapshots_.empty()) {
    status.errors = snapshots_.back().errors - snapshots_.front().errors;
    status.retries_failed = snapshots_.back().retries_failed - snapshots_.front().retries_failed;
  }
  status.errors_max = errors_max_;
  status.retries_failed_max = retries_failed_max_;
  status.period_seconds = period_;
  return status;
}

}  // namespace noroshi

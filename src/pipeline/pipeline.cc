#include "pipeline/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/secrets.h"
#include "base/thread_name.h"
#include "pipeline/metric_collection.h"
#include "pipeline/on_loop.h"
#include "pipeline/running.h"

namespace noroshi {
namespace {

// Shutdown: inputs are quiet once nothing was connected or read for this long.
constexpr Nanoseconds kQuiet = Milliseconds(200);
constexpr Nanoseconds kPollInterval = Milliseconds(20);
constexpr Nanoseconds kCloseDeadline = Seconds(1);
// Counting what is left reads a backlog that may be gigabytes: after this long the report says "at
// least".
constexpr Nanoseconds kCountLeftMax = Milliseconds(500);

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

// The accounting identity against what a scan of the journal finds left.
void compare_accounts(const OutputInstance& output, const std::optional<UndeliveredRecords>& left) {
  const OutputMetrics& metrics = *output.metrics;
  const uint64_t come = output.account->recovered.get() + metrics.routed.get();
  const uint64_t gone = metrics.records.get() + metrics.dropped_total();
  if (!output.account->exact() || !left || left->at_least || come == gone + left->count) return;
  log_error("output:" + metrics.name,
            "accounting differs: {} recovered + {} routed, but {} delivered + {} dropped + {} left",
            output.account->recovered.get(), metrics.routed.get(), metrics.records.get(),
            metrics.dropped_total(), left->count);
}

}  // namespace

Pipeline::Pipeline() : metrics_(make_pipeline_metrics(*this)) {}

Pipeline::~Pipeline() {
  if (running_ &&
      running_->thread.joinable()) {  // shutdown() was not called: keep what the journal holds
    running_->loop.stop();
    running_->thread.join();
  }
  for (OutputInstance& output : outputs_) {
    if (output.worker) output.worker->drain(system_clock().monotonic());
  }
  for (OutputInstance& output : outputs_) output.worker.reset();
  retiring_.reset();
  inputs_.clear();
  outputs_.clear();
  filters_.clear();
}

LoadedCheckpoint Pipeline::register_output(const OutputInstance& output) {
  Result<LoadedCheckpoint> loaded = journal_->register_output(output.identity);
  if (loaded) return *std::move(loaded);
  log_error("output:" + output.metrics->name,
            "its checkpoint cannot be read, it starts at the oldest record: {}",
            loaded.error().message);
  LoadedCheckpoint fresh;
  fresh.checkpoint.low_water = journal_->first_offset();
  return fresh;
}

Pipeline::Running& Pipeline::current() const { return newer_ ? *newer_ : *running_; }

void Pipeline::start() {
  instances_mutex_.reading_as_writer();
  std::vector<LoadedCheckpoint> checkpoints;
  for (const OutputInstance& output : outputs_) checkpoints.push_back(register_output(output));
  if (const auto orphans = journal_->orphan_checkpoints()) {
    for (const LoadedCheckpoint& orphan : *orphans) {
      log_warn("journal",
               "the output \"{}\" of an earlier configuration is gone; its checkpoint (record {}) "
               "is removed",
               orphan.checkpoint.identity, orphan.checkpoint.low_water.value);
      if (const Status removed = journal_->remove_checkpoint(orphan.checkpoint.identity);
          !removed) {
        log_warn("journal", "{}", removed.error().message);
      }
    }
  }
  for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i].worker->start(checkpoints[i], true);
  running_->sink.set(*running_->ingest);
  running_->ingest->start();
  for (const InputInstance& input : inputs_) input.input->start(running_->sink, *input.metrics);
  running_->thread = std::thread([this] {
    name_this_thread("ingest");
    running_->loop.run();
    running_->ended.store(true);
  });
}

void Pipeline::note_dropped(const EntryHead& head) {
  const Hold hold(instances_mutex_);
  const RouteTable& routes = *current().route_table;
  for (size_t i = 0; i < outputs_.size(); ++i)
    noroshi::note_dropped(head, routes, i, *outputs_[i].account);
}

void Pipeline::deliver_now() {
  for (const OutputInstance& output : outputs_) output.worker->deliver_now();
}

bool Pipeline::ingest_stuck() const {
  const Ingest* ingest = current().ingest.get();
  const int64_t last = ingest != nullptr ? ingest->last_tick_ns() : 0;
  return last != 0 &&
         system_clock().monotonic().time_since_epoch().count() - last > kIngestStuckAfter.count();
}

bool Pipeline::paused() const {
  const Ingest* ingest = current().ingest.get();
  return ingest != nullptr && ingest->paused();
}

bool Pipeline::inputs_ended() const {
  instances_mutex_.reading_as_writer();
  return !inputs_.empty() &&
         std::all_of(inputs_.begin(), inputs_.end(),
                     [](const InputInstance& input) { return input.input->ended(); });
}

ShutdownReport Pipeline::shutdown(Nanoseconds grace, const std::atomic<bool>& hurry) {
  instances_mutex_.reading_as_writer();
  const std::span<const InputInstance> inputs = inputs_;  // read on the loop while we wait for it
  const Clock& clock = system_clock();
  const Monotonic started = clock.monotonic();
  const Monotonic accept_until = started + grace / 2;
  // The application is still writing its last words: go on accepting until everybody has left.
  Monotonic quiet_since = clock.monotonic();
  while (clock.monotonic() < accept_until && !hurry.load()) {
    const bool busy = on_loop(running_->loop, [&] {
      return std::any_of(inputs.begin(), inputs.end(),
                         [](const InputInstance& input) { return input.input->busy(); });
    });
    if (busy) quiet_since = clock.monotonic();
    if (clock.monotonic() - quiet_since >= kQuiet) break;
    std::this_thread::sleep_for(kPollInterval);
  }
  finish_reload();
  Ingest& ingest = *current().ingest;
  on_loop(running_->loop, [&] {
    for (const InputInstance& input : inputs) input.input->close();
    ingest.finish();
  });
  // The loop ends by itself when the last acknowledgement is written and the last socket closed.
  running_->keep_running.reset();
  const Monotonic closed_by = clock.monotonic() + kCloseDeadline;
  while (!running_->ended.load() && clock.monotonic() < closed_by && !hurry.load())
    std::this_thread::sleep_for(kPollInterval);
  running_->loop.stop();
  running_->thread.join();

  const Monotonic deadline = std::max(started + grace, clock.monotonic() + Milliseconds(100));
  std::vector<const OutputInstance*> order;
  for (const OutputInstance& output : outputs_) order.push_back(&output);
  std::sort(order.begin(), order.end(),
            [](const OutputInstance* left, const OutputInstance* right) {
              return std::pair(left->worker->shutdown_order(), left) <
                     std::pair(right->worker->shutdown_order(), right);
            });
  for (const OutputInstance* output : order) output->worker->drain(deadline);
  std::vector<DeliveryWorker*> gone;  // by a reload, with something left to deliver
  if (retiring_) {
    for (Retiring::Output& old : retiring_->outputs) gone.push_back(old.instance.worker.get());
  }
  for (DeliveryWorker* worker : gone) worker->drain(deadline);
  std::atomic<bool> drained{false};
  std::thread hurry_watch([&] {
    while (!drained.load() && !hurry.load()) std::this_thread::sleep_for(kPollInterval);
    if (drained.load()) return;
    for (const OutputInstance* output : order) output->worker->drain(clock.monotonic());
    for (DeliveryWorker* worker : gone) worker->drain(clock.monotonic());
  });
  for (const OutputInstance* output : order) output->worker->join();
  for (DeliveryWorker* worker : gone) worker->join();
  drained.store(true);
  hurry_watch.join();

  uint64_t accepted = 0;
  for (const InputInstance& input : inputs_) accepted += input.metrics->records.get();
  ShutdownReport report{.complete = ingest.refused() == 0,
                        .kept = ingest.refused() == 0 && !journal_->in_memory(),
                        .summary = fmt::format("accepted {} records", grouped(accepted))};
  if (const uint64_t stored = ingest.appended(); stored != accepted) {
    report.summary += fmt::format(", {} stored after filters", grouped(stored));
  }
  if (const uint64_t refused = ingest.refused(); refused > 0) {
    report.summary += fmt::format(", {} of them could not be stored", grouped(refused));
  }
  const Monotonic counted_by = clock.monotonic() + kCountLeftMax;
  for (const OutputInstance& output : outputs_) {
    const std::optional<UndeliveredRecords> left = output.worker->left(counted_by);
    const bool nothing_left = left && left->count == 0 && !left->at_least;
    compare_accounts(output, left);
    report.complete = report.complete && nothing_left;
    report.summary += fmt::format("; {}: {} delivered, {} dropped", output.metrics->name,
                                  grouped(output.metrics->records.get()),
                                  grouped(output.metrics->dropped_total()));
    std::string reasons;
    for (size_t i = 0; i < kDropReasons; ++i) {
      const auto reason = static_cast<DropReason>(i);
      if (const uint64_t count = output.metrics->drop(reason).get(); count > 0) {
        reasons +=
            fmt::format("{}{} {}", reasons.empty() ? "" : ", ", to_string(reason), grouped(count));
      }
    }
    if (!reasons.empty()) report.summary += " (" + reasons + ")";
    report.summary +=
        left ? fmt::format(", {}{} left", left->at_least ? "at least " : "", grouped(left->count))
             : ", an unknown number left";
    if (!nothing_left)
      report.summary +=
          journal_->in_memory() ? " and LOST with this process" : " in " + journal_description_;
  }
  report.kept = report.kept || report.complete;
  return report;
}

std::string Pipeline::describe() const {
  instances_mutex_.reading_as_writer();
  std::string text;
  for (const InputInstance& input : inputs_) {
    text += fmt::format("  input   {:<20} {}\n", input.metrics->name, input.description);
  }
  for (const FilterInstance& filter : filters_) {
    text +=
        fmt::format("  filter  {:<20} {}: {}\n", filter.metrics->name,
                    filter.owner.empty() ? "tags " + filter.match : "records of " + filter.owner,
                    filter.description);
  }
  text += fmt::format("  journal {}\n", journal_description_);
  for (const std::string& route : routes_) text += fmt::format("  route   {}\n", route);
  for (const OutputInstance& output : outputs_) {
    text +=
        fmt::format("  output  {:<20} {}{}: {}\n", output.metrics->name,
                    output.match.empty() ? "by routes" : "tags " + output.match,
                    output.condition.empty() ? "" : ", " + output.condition, output.destination);
  }
  return without_secrets(std::move(text));
}

}  // namespace noroshi

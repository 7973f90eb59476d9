// A reload, step by step. `old` runs all the time:
//
//   build    the whole new pipeline beside the old one, with all diagnostics; a mistake ends here.
//            What the old one has already (an input whose section is the same) is matched.
//   switch   on the ingest thread, between two chunks: filters that end release what they hold,
//            through the old routes; filters that go on are moved with what they hold; inputs write
//            to the new chain from now on; new inputs start, on sockets they share with the old.
//   swap     under the instances' lock: what metrics and health see.
//   retire   old inputs close once what the kernel has is read. Old outputs end after their request
//            under way, and the worker with the same identity starts at their checkpoint; an output
//            that is gone delivers what was stored for it so far.
//
// Chunks in the journal keep the number of the route table they were routed with; a worker with
// another table decides again (router.h). A worker that goes on has the same route in both.
#include "pipeline/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "base/log.h"
#include "net/socket_handover.h"
#include "pipeline/on_loop.h"
#include "pipeline/running.h"

namespace noroshi {
namespace {

// A request under way when its output is replaced may take this long, then it is cut short.
constexpr Nanoseconds kLeaveDeadline = Seconds(10);
// An output that is gone delivers what was stored for it for so long.
constexpr Nanoseconds kLastDeliveries = Seconds(60);
constexpr Nanoseconds kCloseDeadline = Seconds(2);
constexpr Nanoseconds kCountLeftMax = Milliseconds(500);

// A filter of the same name goes on counting where the old one stopped.
void continue_counting(const FilterMetrics& from, FilterMetrics& to) {
  for (const auto member : {&FilterMetrics::records, &FilterMetrics::bytes, &FilterMetrics::added,
                            &FilterMetrics::dropped, &FilterMetrics::dropped_bytes}) {
    (to.*member).set((from.*member).get());
  }
}

}  // namespace

std::string section_text(const Section& section) {
  std::string text = fmt::format("{}\x1e", static_cast<int>(section.kind));
  for (const Property& property : section.properties) {
    text += property.name;
    for (const PropertyValue& value : property.values) text += "\x1f" + value.text;
    text += "\x1e";
  }
  for (const Section& child : section.children)
    text += "\x02" + child.title + section_text(child) + "\x03";
  return text;
}

void PipelineReload::match_inputs(const Pipeline& old, uint64_t parsers_fingerprint,
                                  std::vector<InputInstance>& next) {
  old.instances_mutex_.reading_as_writer();
  const bool same_parsers = old.current().parsers_fingerprint == parsers_fingerprint;
  std::vector<const InputInstance*> taken;
  for (InputInstance& input : next) {
    for (const InputInstance& running : old.inputs_) {
      if (running.plugin != input.plugin || running.section != input.section ||
          running.covered_by != input.covered_by || std::ranges::count(taken, &running) > 0) {
        continue;
      }
      if (!same_parsers && input.section.find("parser") != std::string::npos) continue;
      // Without a tag of its own an input may be tagged by its number.
      const bool numbered = running.name != input.name && input.plugin != "forward" &&
                            input.section.find("\x1etag\x1f") == std::string::npos;
      if (numbered) continue;
      taken.push_back(&running);
      input.input.reset();
      input.metrics = running.metrics;
      break;
    }
  }
  for (InputInstance& input : next) {
    if (input.input == nullptr) continue;
    for (const InputInstance& running : old.inputs_) {
      const bool same = running.plugin == input.plugin && running.name == input.name;
      if (same && std::ranges::count(taken, &running) == 0) input.metrics = running.metrics;
    }
  }
}

void PipelineReload::match(const Pipeline& old, Pipeline::Running& next,
                           std::vector<FilterInstance>& filters,
                           std::vector<OutputInstance>& outputs) {
  old.instances_mutex_.reading_as_writer();
  const bool same_parsers = old.current().parsers_fingerprint == next.parsers_fingerprint;
  for (FilterInstance& filter : filters) {
    for (const FilterInstance& running : old.filters_) {
      if (running.metrics->name != filter.metrics->name || running.plugin != filter.plugin)
        continue;
      if (running.section != filter.section || running.owner != filter.owner || !same_parsers)
        continue;
      for (FilterStage& stage : next.stages) {
        if (stage.metrics == filter.metrics.get()) stage.metrics = running.metrics.get();
      }
      filter.metrics = running.metrics;
      filter.uses = running.uses;
      break;
    }
  }
  for (OutputInstance& output : outputs) {
    for (const OutputInstance& running : old.outputs_) {
      if (running.identity != output.identity) continue;
      output.metrics = running.metrics;
      output.account = running.account;
      output.arrivals = running.arrivals;
    }
  }
}

Status PipelineReload::bind(Pipeline& old, Input& input) {
  const SocketHandover handover;
  return on_loop(old.running_->loop, [&] { return input.bind(old.running_->loop); });
}

JournalLocation PipelineReload::location(const Pipeline& old, const JournalLocation& found,
                                         const ServiceOptions& service, Diagnostics& diagnostics) {
  const ServiceOptions& before = old.service_;
  if (found.place != old.running_->location.place) {
    diagnostics
        .warning(service.storage_path_where,
                 fmt::format("the journal stays {} until the next start",
                             old.journal_->in_memory()
                                 ? "in memory"
                                 : "in " + old.running_->location.journal().string()))
        .help("a reload cannot move it: the records in it are acknowledged");
  }
  const auto next_start = [&](bool changed, std::string_view what) {
    if (!changed) return;
    diagnostics.warning(service.where, fmt::format("{} takes effect at the next start", what));
  };
  next_start(service.storage_sync != before.storage_sync, "storage.sync");
  next_start(service.storage_limit.bytes != before.storage_limit.bytes, "storage.limit");
  next_start((service.storage_when_full == WhenJournalFull::DropOldest) !=
                 (before.storage_when_full == WhenJournalFull::DropOldest),
             "storage.when_full");
  next_start(service.http_server != before.http_server || service.http_port != before.http_port ||
                 service.http_listen != before.http_listen,
             "the address of the HTTP API");
  return old.running_->location;
}

bool PipelineReload::goes_on(const Pipeline& old, size_t i, const Pipeline& next, size_t j) {
  old.instances_mutex_.reading_as_writer();
  next.instances_mutex_.reading_as_writer();
  const OutputInstance& before = old.outputs_[i];
  const OutputInstance& after = next.outputs_[j];
  const RouteTable& routes = *old.current().route_table;
  const RouteTable& new_routes = *next.running_->route_table;
  // With routes of inputs an output's selection depends on more than its own section.
  if ((routes.needs_inputs() || new_routes.needs_inputs()) && routes.id() != new_routes.id())
    return false;
  return before.section == after.section && before.name == after.name &&
         before.plugin == after.plugin && routes.routes()[i] == new_routes.routes()[j];
}

bool Pipeline::reload(const Document& document, const BuildOptions& options,
                      Diagnostics& diagnostics) {
  const std::unique_ptr<Pipeline> next =
      PipelineReload::build(document, options, diagnostics, *this);
  if (next == nullptr) return false;
  instances_mutex_.reading_as_writer();
  next->instances_mutex_.reading_as_writer();
  const std::shared_ptr<Running> replaced_running = newer_;  // owns `before`, to the end
  Running& before = current();
  Running& after = *next->running_;
  for (const FilterInstance& filter : next->filters_) {
    for (const FilterInstance& running : filters_) {
      const bool same_name = running.metrics->name == filter.metrics->name;
      if (same_name && running.plugin == filter.plugin && running.metrics != filter.metrics)
        continue_counting(*running.metrics, *filter.metrics);
    }
  }
  // New outputs hold what is in the journal from now on: nothing routed to them may be deleted.
  std::map<std::string, LoadedCheckpoint> checkpoints;
  for (const OutputInstance& output : next->outputs_) {
    if (std::ranges::count(outputs_, output.identity, &OutputInstance::identity) == 0)
      checkpoints.emplace(output.identity, register_output(output));
    // What it finds in the journal, and what is routed until its worker runs, nobody tells apart.
    if (checkpoints.contains(output.identity)) output.account->set_inexact();
  }
  const std::span<const InputInstance> new_inputs = next->inputs_;
  on_loop(running_->loop, [&] {
    before.ingest->hand_over(*after.ingest);
    running_->sink.set(*after.ingest);
    after.ingest->start();
    for (const InputInstance& input : new_inputs) {
      if (input.input) input.input->start(running_->sink, *input.metrics);
    }
  });

  const Monotonic now = system_clock().monotonic();
  const Offset end = journal_->appended_offset();
  const std::vector<Input*> closing = swap_instances(*next);
  before.ingest.reset();  // nothing refers to it any more

  retiring_->inputs_until = now + kCloseDeadline;
  on_loop(running_->loop, [&] {
    for (Input* input : closing) input->close();
  });
  for (Retiring::Output& output : retiring_->outputs) {
    const std::string& identity = output.instance.identity;
    output.replaced = std::ranges::count(outputs_, identity, &OutputInstance::identity) > 0;
    if (output.replaced) {
      output.instance.worker->leave(now + kLeaveDeadline);
    } else {
      log_info("output:" + output.instance.name,
               "is not in the new configuration: delivers what was stored for it until now");
      output.instance.worker->drain_to(end, now + kLastDeliveries);
    }
  }
  for (OutputInstance& output : outputs_) {
    const bool waits = std::ranges::any_of(retiring_->outputs, [&](const Retiring::Output& other) {
      return other.instance.identity == output.identity;
    });
    if (waits || output.worker->started()) continue;
    const auto checkpoint = checkpoints.find(output.identity);
    output.worker->start(checkpoint != checkpoints.end() ? checkpoint->second
                                                         : register_output(output));
  }
  settle_reload();
  return true;
}

std::vector<Input*> Pipeline::swap_instances(Pipeline& next) {
  if (retiring_ == nullptr) retiring_ = std::make_unique<Retiring>();
  std::vector<Input*> closing;
  const WriterLock lock(instances_mutex_), next_lock(next.instances_mutex_);
  for (InputInstance& input : next.inputs_) {
    if (input.input == nullptr) {
      const auto running = std::ranges::find(inputs_, input.metrics, &InputInstance::metrics);
      input.input = std::move(running->input);
      input.uses = running->uses;
    }
    input.metrics->name = input.name;
  }
  for (InputInstance& input : inputs_) {
    if (input.input == nullptr) continue;
    closing.push_back(input.input.get());
    retiring_->inputs.push_back(std::move(input));
  }
  for (size_t j = 0; j < next.outputs_.size(); ++j) {
    OutputInstance& output = next.outputs_[j];
    const auto running = std::ranges::find(outputs_, output.identity, &OutputInstance::identity);
    if (running == outputs_.end()) continue;
    const auto i = static_cast<size_t>(running - outputs_.begin());
    if (PipelineReload::goes_on(*this, i, next, j)) {
      output.worker = std::move(running->worker);
      output.worker->set_routes(
          std::shared_ptr<const RouteTable>(next.running_, &*next.running_->route_table), j);
    }
    output.metrics->name = output.name;
  }
  for (OutputInstance& output : outputs_) {
    // One that never started waits for its predecessor, as its successor will.
    if (output.worker == nullptr || !output.worker->started()) continue;
    const bool replaced =
        std::ranges::count(next.outputs_, output.identity, &OutputInstance::identity) > 0;
    retiring_->outputs.push_back({std::move(output), replaced});
  }
  inputs_ = std::move(next.inputs_);
  filters_ = std::move(next.filters_);
  outputs_ = std::move(next.outputs_);
  routes_ = std::move(next.routes_);
  service_ = next.service_;
  log_levels_ = next.log_levels_;
  newer_ = next.running_;
  reloads_.add();
  return closing;
}

bool Pipeline::settle_reload() {
  instances_mutex_.reading_as_writer();
  if (retiring_ == nullptr) return false;
  const Monotonic now = system_clock().monotonic();
  if (!retiring_->inputs.empty()) {
    on_loop(running_->loop, [&] {
      std::erase_if(retiring_->inputs, [&](const InputInstance& input) {
        return now >= retiring_->inputs_until || !input.input->busy();
      });
    });
  }
  const std::span<const OutputInstance> outputs = outputs_;
  std::erase_if(retiring_->outputs, [&](Retiring::Output& old) {
    DeliveryWorker& worker = *old.instance.worker;
    if (!worker.finished()) return false;
    worker.join();
    const auto heir = std::ranges::find(outputs, old.instance.identity, &OutputInstance::identity);
    if (heir != outputs.end()) {
      if (!heir->worker->started()) heir->worker->start(register_output(*heir));
      return true;
    }
    const auto left = worker.left(system_clock().monotonic() + kCountLeftMax);
    if (!left || left->count > 0) {
      log_error("output:" + old.instance.name,
                "is gone with {}{} records undelivered: they are given up for it",
                left && left->at_least ? "at least " : "",
                left ? std::to_string(left->count) : "an unknown number of");
    }
    journal_->unregister_output(old.instance.identity);
    if (const Status removed = journal_->remove_checkpoint(old.instance.identity); !removed)
      log_warn("journal", "{}", removed.error().message);
    return true;
  });
  if (retiring_->inputs.empty() && retiring_->outputs.empty()) retiring_.reset();
  return retiring_ != nullptr;
}

void Pipeline::finish_reload() {
  if (retiring_ == nullptr) return;
  for (Retiring::Output& old : retiring_->outputs) {
    // What is cut short here goes on in the worker that takes over.
    if (old.replaced) old.instance.worker->leave(system_clock().monotonic());
  }
  for (Retiring::Output& old : retiring_->outputs) {
    if (old.replaced) old.instance.worker->join();
  }
  settle_reload();
}

}  // namespace noroshi

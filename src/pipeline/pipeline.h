// Pipeline: everything a configuration describes, built and running: inputs, filters, router,
// journal, outputs with their delivery workers, and the order in which they start and stop.
//
//   auto pipeline = Pipeline::build(document, options, diagnostics);   // null: diagnostics say why
//   pipeline->start();
//   … signals …
//   const ShutdownReport report = pipeline->shutdown(grace, hurry);
//
// build() binds every listening socket before it does anything slow, so that the kernel queues
// connections while parsers are compiled and the journal is recovered. With `check_only` it tries
// everything and keeps nothing: no socket, no journal.
//
// Called from the main thread. The accessors are safe from any thread that has a hold(): a reload
// replaces what they return.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "config/classic.h"
#include "config/service.h"
#include "filter/plugin.h"
#include "input/plugin.h"
#include "journal/journal.h"
#include "metrics/metric_family.h"
#include "metrics/metrics.h"
#include "output/plugin.h"
#include "pipeline/delivery.h"

namespace noroshi {

// Every plugin the program knows: src/app/plugins.cc.
struct PluginSet {
  std::vector<const InputPlugin*> inputs;
  std::vector<const FilterPlugin*> filters;
  std::vector<const OutputPlugin*> outputs;
};

struct BuildOptions {
  const PluginSet& plugins;
  const AwsEnvironment& aws;
  EnvironmentLookup environment = process_environment();
  bool check_only = false;
  bool bind = true;  // false: no socket is tried, so that a test says the same everywhere
  std::vector<std::string> parsers_files = {};  // -R
  // The names of the containers in our ECS task: an output that sends to one of them on our own
  // port sends to us. Asked only where such an output is seen, once the sockets are bound.
  std::function<std::vector<std::string>()> container_names = {};
};

// What an instance uses stands before it: members are destroyed in reverse.
struct InputInstance {
  std::shared_ptr<InputMetrics> metrics;
  std::string plugin, description;
  std::string section = {};               // as text: an equal one is kept by a reload
  std::string covered_by = {};            // the input that listens in its place
  std::shared_ptr<const void> uses = {};  // the parsers it refers to
  std::string name = {};                  // forward.0, or the alias
  std::unique_ptr<Input> input = {};
};
struct FilterInstance {
  std::shared_ptr<FilterMetrics> metrics;
  std::string plugin, description, match;
  std::string section = {};
  std::shared_ptr<const void> uses = {};
  std::string owner = {};  // of a processor: "input app", "output s3.0"
};
struct OutputInstance {
  std::shared_ptr<OutputMetrics> metrics;
  std::string plugin, destination, match, condition, identity;
  std::string section = {};
  std::string name = {};
  std::shared_ptr<OutputAccount> account = std::make_shared<OutputAccount>();
  std::shared_ptr<Arrivals> arrivals = std::make_shared<Arrivals>();
  std::unique_ptr<DeliveryWorker> worker = {};  // null in a check, and for an inert output
};

struct ShutdownReport {
  bool complete = false;     // everything accepted was delivered or dropped with a reason
  bool kept = false;         // what is not is in a journal that outlives the process
  std::string summary = {};  // the last line of the log
};

class Pipeline {
 public:
  [[nodiscard]] static std::unique_ptr<Pipeline> build(const Document& document,
                                                       const BuildOptions& options,
                                                       Diagnostics& diagnostics);
  ~Pipeline();

  void start();
  // Puts what `document` describes in the place of what runs, and returns at once; false if nothing
  // changed, `diagnostics` say why. Inputs, filters and outputs whose sections are the same stay
  // the same objects, inputs with their connections; listeners on the same address are handed
  // over. An output goes on at its checkpoint. The journal stays where it is. See reload.cc.
  [[nodiscard]] bool reload(const Document& document, const BuildOptions& options,
                            Diagnostics& diagnostics);
  // Lets go what a reload replaced, once it has finished. True while something is still finishing:
  // call it again soon.
  bool settle_reload();
  // Keeps accepting until the peers have closed or half of `grace` is over, drains filters, lets
  // every output deliver, and reports. `hurry` (a second signal) ends each phase early; the journal
  // keeps the rest.
  [[nodiscard]] ShutdownReport shutdown(Nanoseconds grace, const std::atomic<bool>& hurry);
  // Sends all open batches now.
  void deliver_now();

  // While it lives, no reload replaces the instances below. Short: an answer's time.
  using Hold = std::shared_lock<std::shared_mutex>;
  [[nodiscard]] Hold hold() const { return Hold(instances_mutex_); }

  [[nodiscard]] std::string describe() const;  // the effective pipeline, for check and the log
  [[nodiscard]] const ServiceOptions& service() const { return service_; }
  // The Log_Level of single instances, by component of the log ("output:s3.1").
  [[nodiscard]] const std::map<std::string, LogLevel, std::less<>>& log_levels() const {
    return log_levels_;
  }
  [[nodiscard]] const std::vector<InputInstance>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<FilterInstance>& filters() const { return filters_; }
  [[nodiscard]] const std::vector<OutputInstance>& outputs() const { return outputs_; }
  [[nodiscard]] const Journal* journal() const { return journal_.get(); }
  [[nodiscard]] Timestamp started() const { return started_; }
  [[nodiscard]] uint64_t reloads() const { return reloads_.get(); }  // since the start
  [[nodiscard]] bool ingest_stuck() const;  // the ingest loop has not turned for kIngestStuckAfter
  [[nodiscard]] bool paused() const;        // inputs stand still because the journal takes nothing
  [[nodiscard]] bool inputs_ended()
      const;  // every input has come to its end (stdin, dummy with Samples)

 private:
  friend class PipelineBuilder;
  friend class PipelineReload;
  struct Running;  // the event loop, its thread, ingest and the chain
  struct Retiring;
  Pipeline();
  [[nodiscard]] LoadedCheckpoint register_output(const OutputInstance& output);
  void finish_reload();  // at once, for a shutdown
  // The journal is about to drop an entry: outputs note how many of its records were theirs. Ingest
  // thread.
  void note_dropped(const EntryHead& head);

  mutable std::shared_mutex instances_mutex_;
  ServiceOptions service_;
  std::map<std::string, LogLevel, std::less<>> log_levels_;
  std::unique_ptr<const MetricsSource> metrics_;  // what metric_collection.h collects
  std::vector<InputInstance> inputs_;
  std::vector<FilterInstance> filters_;
  std::vector<OutputInstance> outputs_;
  std::unique_ptr<Journal> journal_;
  std::vector<std::string> routes_;  // of inputs, for describe()
  std::string journal_description_;
  const Timestamp started_ = system_clock().wall();
  Counter reloads_;
  std::shared_ptr<Running> running_;
  std::unique_ptr<Retiring> retiring_;
};

inline constexpr Nanoseconds kIngestStuckAfter = Seconds(15);

}  // namespace noroshi

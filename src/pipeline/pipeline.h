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
// Called from the main thread. What wants instances_mutex() is safe from any thread that has a Hold
// on it: a reload replaces what the accessors return. clang builds refuse a caller that has none.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "config/classic.h"
#include "config/service.h"
#include "filter/plugin.h"
#include "input/plugin.h"
#include "journal/journal.h"
#include "metrics/metric_family.h"
#include "metrics/metrics.h"
#include "output/plugin.h"
#include "pipeline/instances.h"

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

  // While it lives, no reload replaces the instances below. Short: an answer's time.
  //
  //   const Pipeline::Hold hold(pipeline.instances_mutex());
  using Hold = ReaderLock;
  [[nodiscard]] SingleWriterMutex& instances_mutex() const RETURN_CAPABILITY(instances_mutex_) {
    return instances_mutex_;
  }
  // Sends all open batches now.
  void deliver_now() REQUIRES_SHARED(instances_mutex_);
  [[nodiscard]] const std::vector<InputInstance>& inputs() const REQUIRES_SHARED(instances_mutex_) {
    return inputs_;
  }
  [[nodiscard]] const std::vector<FilterInstance>& filters() const
      REQUIRES_SHARED(instances_mutex_) {
    return filters_;
  }
  [[nodiscard]] const std::vector<OutputInstance>& outputs() const
      REQUIRES_SHARED(instances_mutex_) {
    return outputs_;
  }
  // The ingest loop has not turned for kIngestStuckAfter.
  [[nodiscard]] bool ingest_stuck() const REQUIRES_SHARED(instances_mutex_);
  // Inputs stand still because the journal takes nothing.
  [[nodiscard]] bool paused() const REQUIRES_SHARED(instances_mutex_);

  // Any thread: these stay.
  [[nodiscard]] const Journal* journal() const { return journal_.get(); }
  [[nodiscard]] Timestamp started() const { return started_; }
  [[nodiscard]] uint64_t reloads() const { return reloads_.get(); }  // since the start

  // Main thread again: the effective pipeline, for check and the log.
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] const ServiceOptions& service() const { return service_; }
  // The Log_Level of single instances, by component of the log ("output:s3.1").
  [[nodiscard]] const std::map<std::string, LogLevel, std::less<>>& log_levels() const {
    return log_levels_;
  }
  // Every input has come to its end (stdin, dummy with Samples).
  [[nodiscard]] bool inputs_ended() const;

 private:
  friend class PipelineBuilder;
  friend class PipelineReload;
  struct Running;  // the event loop, its thread, ingest and the chain
  struct Retiring;
  Pipeline();
  [[nodiscard]] LoadedCheckpoint register_output(const OutputInstance& output);
  // The swap of a reload. Returns the inputs that shall close.
  [[nodiscard]] std::vector<Input*> swap_instances(Pipeline& next);
  void finish_reload();  // at once, for a shutdown
  // What is in effect.
  [[nodiscard]] Running& current() const REQUIRES_SHARED(instances_mutex_);
  // The journal is about to drop an entry: outputs note how many of its records were theirs. Ingest
  // thread.
  void note_dropped(const EntryHead& head);

  mutable SingleWriterMutex instances_mutex_;
  ServiceOptions service_;
  std::map<std::string, LogLevel, std::less<>> log_levels_;
  std::unique_ptr<const MetricsSource> metrics_;  // what metric_collection.h collects
  std::vector<InputInstance> inputs_ GUARDED_BY(instances_mutex_);
  std::vector<FilterInstance> filters_ GUARDED_BY(instances_mutex_);
  std::vector<OutputInstance> outputs_ GUARDED_BY(instances_mutex_);
  std::unique_ptr<Journal> journal_;
  std::vector<std::string> routes_;  // of inputs, for describe()
  std::string journal_description_;
  const Timestamp started_ = system_clock().wall();
  Counter reloads_;
  std::shared_ptr<Running> running_;  // the first one: it has the loop and its thread
  std::shared_ptr<Running> newer_ GUARDED_BY(instances_mutex_);  // the last reload's
  std::unique_ptr<Retiring> retiring_;
};

inline constexpr Nanoseconds kIngestStuckAfter = Seconds(15);

}  // namespace noroshi

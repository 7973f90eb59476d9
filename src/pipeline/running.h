// The parts of a Pipeline that its header does not show. Only build.cc and pipeline.cc include
// this.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <thread>

#include "net/listener_registry.h"
#include "parser/parser_registry.h"
#include "pipeline/ingest.h"
#include "pipeline/journal_location.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// What inputs write to: the ingest in effect. Ingest thread only, but for paused().
class SinkSwitch final : public ChunkSink {
 public:
  void set(Ingest& current) { current_.store(&current); }
  [[nodiscard]] Status ingest(Chunk& chunk, InputMetrics& metrics) override {
    return current_.load()->ingest(chunk, metrics);
  }
  [[nodiscard]] bool stored_before(const Receipt& receipt) const override {
    return current_.load()->stored_before(receipt);
  }
  [[nodiscard]] bool paused() const override { return current_.load()->paused(); }
  void when_resumed(std::function<void()> resumed) override {
    current_.load()->when_resumed(std::move(resumed));
  }

 private:
  std::atomic<Ingest*> current_{nullptr};
};

// The first one has the loop and its thread for good; a reload makes another one (newer_), of which
// only what the configuration describes is used.
struct Pipeline::Running {
  boost::asio::io_context loop{1};  // one thread: the ingest thread
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running{
      loop.get_executor()};
  ListenerRegistry listeners;
  ParserRegistry parsers;
  // Moved into route_table and ingest when the chain is made.
  std::vector<FilterStage> stages;
  std::vector<Route> routes;
  std::vector<InputRouting> input_routing;
  std::optional<RouteTable> route_table;
  std::unique_ptr<Ingest> ingest;
  std::thread thread;
  std::atomic<bool> ended{false};  // the thread has left the loop

  JournalLocation location;
  SinkSwitch sink;
  uint64_t parsers_fingerprint = 0;  // of all parsers, to see whether a reload changes one
};

// An output or input of an earlier configuration that is still finishing.
struct Pipeline::Retiring {
  std::vector<InputInstance> inputs;
  Monotonic inputs_until{};
  struct Output {
    OutputInstance instance;
    bool replaced = false;  // the worker of the same identity starts when this one has finished
  };
  std::vector<Output> outputs;
};

}  // namespace noroshi

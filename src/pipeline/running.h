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
#include "pipeline/pipeline.h"

namespace noroshi {

struct Pipeline::Running {
  boost::asio::io_context loop{1};  // one thread: the ingest thread
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running{
      loop.get_executor()};
  ListenerRegistry listeners;
  ParserRegistry parsers;
  // Moved into route_table and ingest when the chain is made.
  std::vector<FilterStage> stages;
  std::vector<Route> routes;
  std::optional<RouteTable> route_table;
  std::unique_ptr<Ingest> ingest;
  std::thread thread;
  std::atomic<bool> ended{false};  // the thread has left the loop
};

}  // namespace noroshi

// SingleSource: how an input with one source of records (dummy, stdin) hands a chunk on. If the
// sink is full the chunk is kept, and the input is told when it is gone and more may follow. On the
// ingest thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "input/input.h"

namespace noroshi {

class SingleSource {
 public:
  // `resumed` is called when a kept chunk has been taken.
  SingleSource(boost::asio::io_context& loop, ChunkSink& sink, InputMetrics& metrics,
               std::string log_name, std::function<void()> resumed);

  // True: `chunk` is taken and cleared. False: it is kept until the sink takes it; do not touch it,
  // read nothing more, wait for `resumed`. Records the sink can never take are dropped, counted and
  // logged.
  [[nodiscard]] bool hand_on(Chunk& chunk);
  [[nodiscard]] bool waiting() const { return waiting_ != nullptr; }
  // Shutdown: one last try. False if the chunk is lost (logged).
  bool close();

 private:
  enum class Taken : uint8_t { Yes, Full, Broken };
  [[nodiscard]] Taken try_once(Chunk& chunk);
  void wait(bool full);

  ChunkSink& sink_;
  InputMetrics& metrics_;
  const std::string log_name_;
  const std::function<void()> resumed_;
  Chunk* waiting_ = nullptr;
  Monotonic waiting_since_{};
  boost::asio::steady_timer retry_timer_;
  LogEpisode log_broken_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace noroshi

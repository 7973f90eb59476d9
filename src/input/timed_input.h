// TimedInput: an input that makes records of its own now and then (dummy, random,
// fluentbit_metrics): its way to the sink, its timer and its end. What is made, and when, is the
// plugin's. On the ingest thread.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <string>

#include "input/single_source.h"

namespace noroshi {

class TimedInput : public Input {
 public:
  Status bind(boost::asio::io_context& loop) final;
  void start(ChunkSink& sink, InputMetrics& metrics) override;
  bool ended() const final { return ended_; }
  void close() final;

 protected:
  explicit TimedInput(std::string instance_name) : log_name_("input:" + instance_name) {}

  // After start().
  virtual void begin() = 0;
  // The time that wait_for() was given is over.
  virtual void tick() = 0;
  // The sink has taken a chunk that hand_on() had to keep.
  virtual void resumed() = 0;

  void wait_for(Nanoseconds time);
  // As SingleSource::hand_on(), of chunk_.
  [[nodiscard]] bool hand_on() { return source_->hand_on(chunk_); }
  void end() { ended_ = true; }
  [[nodiscard]] bool closed() const { return closed_; }

  Chunk chunk_;

 private:
  const std::string log_name_;
  boost::asio::io_context* loop_ = nullptr;
  std::optional<SingleSource> source_;
  std::optional<boost::asio::steady_timer> timer_;
  bool closed_ = false;
  std::atomic<bool> ended_ = false;
};

}  // namespace noroshi

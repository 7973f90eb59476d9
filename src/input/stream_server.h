// StreamServer: the connections of an input that takes a stream of messages (tcp, syslog): framing,
// reading, backpressure, bounds and shutdown. On the ingest thread.
//
// A connection that says nothing holds no buffer: a read goes into the server's one buffer, and
// only what is left of an unfinished message is kept. Nothing is ever closed because we are slow:
// while the sink is full no connection is read, and the peer's data waits in the kernel and with
// the peer. A peer that has closed its writing side gets its connection closed once everything it
// sent is taken.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "input/input.h"
#include "input/listener_group.h"
#include "input/memory_budget.h"
#include "input/message.h"
#include "input/single_source.h"

namespace noroshi {

struct StreamServerOptions {
  std::string name = {};  // of the instance, for the log
  std::string tag = {};
  std::function<std::unique_ptr<Framer>()> make_framer = {};
  size_t read_bytes = 64 << 10;            // of one read
  size_t unfinished_bytes_max = 16 << 20;  // of all connections together
  size_t connections_max = 4096;           // further ones wait in the kernel's queue
  // An unfinished message whose memory others wait for must be complete by then.
  Nanoseconds unfinished_wait_max = Seconds(10);
  const Clock* clock = &system_clock();
};

class StreamServer {
 public:
  // `reader` is used until the server is destroyed.
  StreamServer(boost::asio::io_context& loop, StreamServerOptions options, MessageReader& reader,
               ChunkSink& sink, InputMetrics& metrics);
  ~StreamServer();
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  // Takes connections from `listener`, which the server owns from now on.
  void serve(std::unique_ptr<StreamListener> listener) { listeners_.serve(std::move(listener)); }
  [[nodiscard]] bool busy() const;
  // Shutdown: takes what the kernel holds, then closes everything.
  void close();

 private:
  class Session;

  void accept(std::unique_ptr<StreamConnection> connection);
  void remove(Session& session);
  // False: `session` must wait and is called again.
  [[nodiscard]] bool may_read(Session& session);
  [[nodiscard]] bool hand_on(Session& session);
  void go_on();
  // Memory was given back, or somebody left the queue for it: its first may go on.
  void memory_released();
  void arm_deadlines();
  void check_deadlines();
  void malformed(const Session& session, std::string_view problem);

  boost::asio::io_context& loop_;
  const StreamServerOptions options_;
  const std::string log_name_;
  MessageReader& reader_;
  InputMetrics& metrics_;
  SingleSource source_;
  Chunk chunk_;
  std::unique_ptr<char[]> read_buffer_;
  ListenerGroup listeners_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  std::vector<std::weak_ptr<Session>> parked_;  // wait for the sink
  MemoryBudget<Session> budget_;
  boost::asio::steady_timer deadline_timer_;
  bool deadlines_armed_ = false;
  Session* released_to_ = nullptr;  // memory_released() has posted its turn
  Monotonic last_read_{};
  bool closing_ = false;
  LogEpisode log_malformed_, log_memory_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace noroshi

// Server: the sessions of one `forward` input and what they share on the ingest thread: one read
// buffer, one collector, one decoder, the ack window, and the sink with its backpressure.
//
// Only one session takes bytes at a time. If the sink is full in the middle of it, that session
// stays `stalled` with its place in the read buffer, all others wait unread, and everything goes on
// from there.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "input/chunk_collector.h"
#include "input/forward/entry_decoder.h"
#include "input/forward/session.h"
#include "input/input.h"
#include "input/listener_group.h"
#include "input/memory_budget.h"

namespace noroshi::forward {

struct ServerOptions {
  std::string name = "forward.0";  // of the instance, for the log
  std::string tag = {};            // instead of the client's
  std::string tag_prefix = {};     // before the client's; wins over `tag`
  size_t read_bytes = 256 << 10;   // of one read
  size_t frame_bytes_max = 12 << 20;
  size_t unfinished_bytes_max = 16 << 20;  // of all connections together
  uint64_t inflated_bytes_max = kInflatedBytesMax;
  size_t connections_max = 4096;
  Nanoseconds unfinished_wait_max =
      Seconds(10);                               // a frame others wait for must be complete by then
  Nanoseconds ack_wait_max = Seconds(60);        // a peer that does not read its acks
  Nanoseconds handshake_wait_max = Seconds(10);  // from HELO to PING
  std::optional<Security> security = {};         // unset: no handshake
  const Clock* clock = &system_clock();
};

class Server {
 public:
  Server(boost::asio::io_context& loop, ServerOptions options, ChunkSink& sink,
         InputMetrics& metrics);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes connections from `listener`, which the server owns from now on.
  void serve(std::unique_ptr<StreamListener> listener) { listeners_.serve(std::move(listener)); }
  [[nodiscard]] bool busy() const;
  // Shutdown: takes what the kernel holds and lets nobody in any more. Connections are closed in
  // the next turn of the loop, after the acks that this turn brings.
  void close();

  // For Session.
  [[nodiscard]] const ServerOptions& options() const { return options_; }
  [[nodiscard]] InputMetrics& metrics() { return metrics_; }
  [[nodiscard]] ChunkCollector& collector() { return collector_; }
  [[nodiscard]] EntryDecoder& decoder() { return decoder_; }
  [[nodiscard]] AckWindow& acks() { return *acks_; }
  [[nodiscard]] MemoryBudget<Session>& budget() { return budget_; }
  [[nodiscard]] char* read_buffer() { return read_buffer_.get(); }
  [[nodiscard]] boost::asio::io_context& loop() { return loop_; }
  [[nodiscard]] Monotonic now() const { return options_.clock->monotonic(); }
  // The tag records get whose client says `tag`. Valid until the next call.
  [[nodiscard]] std::string_view effective_tag(std::string_view tag);
  // False: the sink takes nothing now; the session must wait and will be called (listen()).
  [[nodiscard]] bool may_read(Session& session);
  // Hands the collected chunks on. False: the sink is full; consume() of `session` will be called
  // again.
  [[nodiscard]] bool deliver(Session& session);
  void note_read() { last_read_ = now(); }
  void note_acks(Session& session);
  // Calls read_gathered() of `session` in kGatherTime, together with the others that were let
  // gather.
  void let_gather(Session& session);
  // Bad bytes, counted and (rarely) logged.
  void malformed(uint64_t count, const Session& session, std::string_view tag,
                 std::string_view what);
  void times_replaced(uint64_t count, const Session& session, std::string_view tag);
  void log_refusal(const Session& session, std::string_view reason);
  // Memory was given back, or a session left the queue.
  void memory_released();
  void arm_deadlines();
  void remove(Session& session);

 private:
  void accept(std::unique_ptr<StreamConnection> connection);
  void stall(Session* session, bool wait_for_sink);
  void go_on();
  void check_deadlines();
  void let_go();

  boost::asio::io_context& loop_;
  const ServerOptions options_;
  const std::string log_name_;
  ChunkSink& sink_;
  InputMetrics& metrics_;

  ListenerGroup listeners_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  std::unique_ptr<char[]> read_buffer_;
  ChunkCollector collector_;
  EntryDecoder decoder_;
  std::shared_ptr<AckWindow> acks_;
  MemoryBudget<Session> budget_;
  std::string tag_buffer_;

  bool stalled_ = false;
  std::shared_ptr<Session>
      stalled_session_;  // in the middle of its bytes; may be null while stalled
  Monotonic stalled_since_{};
  std::vector<std::weak_ptr<Session>> parked_;  // wait for the end of the stall
  boost::asio::steady_timer retry_timer_;

  std::vector<std::weak_ptr<Session>> gathering_;
  boost::asio::steady_timer gather_timer_;
  std::vector<std::weak_ptr<Session>> with_acks_;  // have acks to flush
  bool flush_posted_ = false;
  boost::asio::steady_timer deadline_timer_;
  bool deadlines_armed_ = false;
  Monotonic last_read_{};
  bool closing_ = false;
  Session* released_to_ = nullptr;  // memory_released() has posted its turn
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  LogEpisode log_malformed_, log_times_, log_refused_, log_sink_;
};

}  // namespace noroshi::forward

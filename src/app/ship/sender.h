// Sender: the thread that carries frames from the queue to the router, connecting again whenever it
// must.
//
// Without acks it is as good as Docker's driver: what a write accepted counts as sent; after a
// failure the frame it failed in is sent again. With acks a frame counts when the router has
// confirmed it; whatever is unconfirmed is sent again after a reconnect, with the same ack id,
// which the router recognises.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>

#include "app/ship/send_queue.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace noroshi::ship {

struct Destination {
  std::string unix_path = {};  // or
  std::string host = "127.0.0.1";
  uint16_t port = 24224;
  [[nodiscard]] std::string to_string() const;
};

// Blocking with a limit; the socket that comes out is non-blocking.
[[nodiscard]] Result<UniqueFd> connect_to(const Destination& destination, Milliseconds limit);

class Sender {
 public:
  Sender(SendQueue& queue, Destination destination, bool acks);
  ~Sender();  // abandons what is left

  // Sets the latest moment; what is not delivered by then is abandoned. The thread ends earlier
  // once the queue is finished and everything delivered.
  void finish_by(Monotonic deadline);
  void join();

  // Valid after join().
  [[nodiscard]] uint64_t sent() const { return sent_; }  // with acks: acknowledged
  [[nodiscard]] uint64_t left() const { return left_; }  // taken from the queue, never sent
  [[nodiscard]] uint64_t connections() const { return connections_; }

 private:
  // A block on its way: frames before `next` have been written on this connection, and `within`
  // bytes of it.
  struct Sending {
    FrameBlock block = {};
    size_t next = 0;
    size_t next_position = 0;  // of frame `next` in the block
    size_t within = 0;
    std::vector<bool> acknowledged = {};
    size_t unacknowledged = 0;
    [[nodiscard]] bool written() const { return next == block.records(); }
    void rewind() { next = next_position = within = 0; }
  };
  static constexpr size_t kWindowRecords = 4096;  // unacknowledged at most, but one block always

  void run();
  [[nodiscard]] bool past_deadline() const;
  [[nodiscard]] Monotonic deadline() const;
  // Takes a block from the queue if there is room for one. False: all is done.
  [[nodiscard]] bool take_block();
  [[nodiscard]] bool connect();
  void wait_before_connecting();
  void disconnect(std::string_view why);
  [[nodiscard]] Status write_some();
  [[nodiscard]] Status write_block(Sending& sending, bool& full);
  // Acks, or that the router has closed the connection.
  [[nodiscard]] Status read_some();
  [[nodiscard]] Status take_acks();
  void acknowledge(std::string_view ack_id);
  [[nodiscard]] bool anything_to_write() const;
  // Until the socket can be used (read; written too if `to_write`) or `limit` is over.
  void wait_for_socket(bool to_write, Milliseconds limit);

  SendQueue& queue_;
  const Destination destination_;
  const bool acks_;
  UniqueFd socket_;
  std::deque<Sending> window_;
  size_t window_records_ = 0;
  std::string answers_;  // acks not yet complete
  Milliseconds backoff_{0};
  bool told_unreachable_ = false;
  uint64_t sent_ = 0, left_ = 0, connections_ = 0;
  std::atomic<int64_t> deadline_ns_;
  std::thread thread_;
};

}  // namespace noroshi::ship

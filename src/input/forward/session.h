// Session: one connection. Reads, finds frames, has them decoded into the server's collector, and
// writes acks. It never blocks and is never closed because we are slow: it then just stops reading.
//
// Its bytes: an idle connection holds none. A read goes into the server's one read buffer, behind
// the session's unfinished frame if that is small; a frame too large for it gets a buffer of its
// own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "input/forward/ack_window.h"
#include "input/forward/frame.h"
#include "net/forward_handshake.h"
#include "net/stream_listener.h"

namespace noroshi::forward {

class Server;

class Session final : public AckReceiver, public std::enable_shared_from_this<Session> {
 public:
  Session(Server& server, std::unique_ptr<StreamConnection> connection);

  // Begins: says HELO where a handshake is asked for, and listens.
  void start();
  // Waits for the peer's next bytes.
  void listen();
  // The same, but lets them gather first where they trickle and nobody waits for an answer.
  void listen_again();
  // The time for that is over.
  void read_gathered();
  // Reads once and takes what came. Called when there may be something to read.
  void on_readable();
  // Goes on with bytes already read after the sink was full.
  void consume();
  // Shutdown: reads until the kernel has nothing more, and closes a connection that asks for no
  // acks. False if the sink became full meanwhile, or the sender is too fast.
  [[nodiscard]] bool read_to_the_end();
  // Logs `reason` and closes.
  void refuse(std::string_view reason);
  // The server lets go of it: gives its memory back.
  void release();

  void acknowledge(std::string_view ack_id) override;
  void flush_acks();

  [[nodiscard]] const std::string& peer() const { return connection_->peer(); }
  // By when the handshake must be done; nothing while there is none under way.
  [[nodiscard]] std::optional<Monotonic> handshake_deadline() const { return handshake_deadline_; }
  void set_handshake_deadline(std::optional<Monotonic> deadline) { handshake_deadline_ = deadline; }
  // By when its unfinished frame must be complete, because others wait for its memory.
  void set_memory_deadline(std::optional<Monotonic> deadline) { memory_deadline_ = deadline; }
  [[nodiscard]] bool holds_memory() const { return capacity_ != 0; }
  [[nodiscard]] std::optional<Monotonic> memory_deadline() const { return memory_deadline_; }
  // By when the peer must have read the acks that wait for it.
  void set_acks_deadline(std::optional<Monotonic> deadline) { acks_deadline_ = deadline; }
  [[nodiscard]] std::optional<Monotonic> acks_deadline() const { return acks_deadline_; }

 private:
  enum class Next : uint8_t { More, Incomplete, Full };
  struct FreeMemory {  // of realloc(3), which moves large blocks without copying
    void operator()(char* memory) const { std::free(memory); }
  };

  [[nodiscard]] bool make_room();
  [[nodiscard]] Next shake_hands();
  [[nodiscard]] Next next_frame();
  [[nodiscard]] Next decode_frame();
  void begin_frame(std::string_view frame);
  void keep_rest();
  void resize_buffer(size_t capacity);
  void end();
  void send(std::string_view bytes);

  Server& server_;
  std::unique_ptr<StreamConnection> connection_;

  // Unfinished frame: [0, size_) of buffer_.
  std::unique_ptr<char, FreeMemory> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;

  // While bytes are taken: all of them, and how far. They lie in buffer_ or in the server's read
  // buffer.
  char* data_ = nullptr;
  size_t data_size_ = 0;
  size_t data_capacity_ = 0;
  size_t taken_ = 0;

  std::unique_ptr<Hello> hello_;  // what we said; null: no handshake, or it is done
  std::optional<Monotonic> handshake_deadline_;

  FrameScanner scanner_;
  uint64_t frame_bytes_ = 0;  // of the frame the decoder works on; 0: none
  std::shared_ptr<AckRequest> request_;
  bool end_of_stream_ = false;
  std::string refusal_;
  // Of the last read, for listen_again().
  Monotonic read_at_ = Monotonic::min();
  bool trickles_ = false;
  bool ack_wanted_ = false;
  bool ever_wanted_acks_ = false;
  bool gathers_ = false;  // the server will call read_gathered()
  bool closed_ = false;

  std::string acks_;  // and the handshake's messages
  size_t acks_sent_ = 0;
  bool acks_noted_ = false;  // the server will call flush_acks()
  bool waiting_for_writable_ = false;
  bool held_by_acks_ = false;  // reads no more until the peer has read its acks
  bool listening_ = false;
  bool draining_ = false;  // shutdown: never waits for the peer
  std::optional<Monotonic> memory_deadline_;
  std::optional<Monotonic> acks_deadline_;
};

}  // namespace noroshi::forward

#include "input/forward/session.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/check.h"
#include "input/forward/server.h"

namespace noroshi::forward {
namespace {

// Read at once by who holds no memory while others have used it up: enough for most log lines, and
// little enough for thousands of connections.
constexpr size_t kReadWithoutMemory = 4 << 10;
// Acks a peer has not read yet; beyond this nothing more is read from it.
constexpr size_t kAckBytesMax = 256 << 10;
// Room behind a large frame for the option that follows its payload and for the next frame's head.
constexpr size_t kLargeFrameSlack = 4096;
// Shutdown: how long one connection is read after it was shut for reading.
constexpr Nanoseconds kReadToTheEndMax = Seconds(2);
// Of the names a client gives itself, in the log.
constexpr size_t kNameBytesShown = 64;
// A read of less than this, so soon after the one before: a client that sends record by record, as
// Docker's driver does. Less than the smallest window of TCP: nobody is slowed by a full buffer.
constexpr size_t kTrickleBytes = 32 << 10;
constexpr Nanoseconds kTrickleInterval = Milliseconds(50);
constexpr std::string_view kAckHead =
    "\x81\xa3"
    "ack";  // {"ack": …

}  // namespace

Session::Session(Server& server, std::unique_ptr<StreamConnection> connection)
    : server_(server), connection_(std::move(connection)) {}

void Session::start() {
  if (const auto& security = server_.options().security; security) {
    hello_ = std::make_unique<Hello>(make_hello(*security));
    handshake_deadline_ = server_.now() + server_.options().handshake_wait_max;
    send(encode(*hello_));
    server_.arm_deadlines();
  }
  listen();
}

void Session::listen() {
  gathers_ = false;
  if (closed_ || draining_ || std::exchange(listening_, true)) return;
  connection_->when_readable([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->listening_ = false;
    self->on_readable();
  });
}

// Each read costs a system call, an append and the waking of outputs, and already each segment that
// arrives the waking of this thread. Ten thousand records a second, one by one, would be as many of
// them; so what follows soon is read together, and until then the kernel keeps it to itself. Not
// where an ack was asked for: that client may send nothing before it has it.
void Session::listen_again() {
  if (!trickles_ || ack_wanted_ || draining_ || listening_) return listen();
  if (std::exchange(gathers_, true)) return;
  if (!waiting_for_writable_) connection_->rest();
  server_.let_gather(*this);
}

void Session::read_gathered() {
  if (std::exchange(gathers_, false)) on_readable();
}

void Session::release() {
  closed_ = true;
  if (connection_ && draining_) connection_.reset();
  resize_buffer(0);
  if (request_) request_->fail();  // in the middle of a frame: it is not stored whole
  request_.reset();
}

void Session::on_readable() {
  const auto self = shared_from_this();
  if (closed_ || !server_.may_read(*this)) return;
  if (held_by_acks_ && !draining_) return;  // flush_acks() listens again
  if (!make_room()) return;                 // memory_released() calls again
  const auto count = connection_->read(std::span(data_ + data_size_, data_capacity_ - data_size_));
  if (count && !*count) {  // nothing there (any more)
    if (draining_) end_of_stream_ = true, consume();
    return listen();
  }
  if (!count) log_debug("input", "{}", count.error().message);
  if (!count || **count == 0) {
    end_of_stream_ = true;
  } else {
    data_size_ += **count;
    const Monotonic now = server_.now();
    trickles_ = **count < kTrickleBytes && now - kTrickleInterval < read_at_;
    read_at_ = now;
    ack_wanted_ = hello_ != nullptr;
    server_.note_read();
  }
  consume();
}

// Chooses where the next bytes go: into the server's read buffer behind what is left of the last
// read, or, for a frame that is known to be too large for it, into a buffer of this session.
bool Session::make_room() {
  const size_t read_bytes = server_.options().read_bytes;
  const uint64_t needed = size_ == 0 ? 0 : scanner_.needed();
  taken_ = 0;
  data_size_ = size_;
  if (size_ <= read_bytes / 2 && needed <= read_bytes) {
    // Who holds nothing may read a little even when others have used the memory up: small frames of
    // good senders do not wait for bad ones.
    const bool little = capacity_ == 0 && server_.budget().used() > server_.budget().limit();
    if (!little && !server_.budget().may_grow(this, capacity_, capacity_) && !draining_)
      return server_.arm_deadlines(), false;
    if (size_ != 0) std::memcpy(server_.read_buffer(), buffer_.get(), size_);
    data_ = server_.read_buffer();
    data_capacity_ = little ? std::min(kReadWithoutMemory, read_bytes) : read_bytes;
    return true;
  }
  size_t wanted = capacity_;
  if (size_ == capacity_ || needed > capacity_) {
    wanted = std::max<size_t>({needed + kLargeFrameSlack, size_ + size_ / 2, read_bytes});
    wanted = std::min(wanted, server_.options().frame_bytes_max + kLargeFrameSlack);
  }
  if (!server_.budget().may_grow(this, capacity_, wanted) && !draining_)
    return server_.arm_deadlines(), false;
  // A trickle is no progress where others wait for the memory.
  if (!server_.budget().first()) memory_deadline_.reset();
  if (wanted != capacity_) resize_buffer(wanted);
  data_ = buffer_.get();
  data_capacity_ = capacity_;
  return true;
}

void Session::resize_buffer(size_t capacity) {
  if (capacity == capacity_) return;
  server_.budget().change(capacity_, capacity);
  if (capacity == 0) {
    buffer_.reset();
  } else {
    auto* const memory = static_cast<char*>(std::realloc(buffer_.get(), capacity));
    CHECK(memory != nullptr, "out of memory");
    (void)buffer_.release();
    buffer_.reset(memory);
  }
  capacity_ = capacity;
}

// After a read: what is left of an unfinished frame moves into a buffer of its size.
void Session::keep_rest() {
  const size_t rest = data_size_ - taken_;
  const bool own_buffer = data_ == buffer_.get() && data_ != nullptr;
  const bool finished_a_frame = taken_ != 0;
  if (own_buffer) {
    if (taken_ != 0 && rest != 0) std::memmove(data_, data_ + taken_, rest);
    // A large frame's buffer goes as soon as the frame is through.
    if (finished_a_frame) resize_buffer(rest);
  } else {
    resize_buffer(rest);
    if (rest != 0) std::memcpy(buffer_.get(), data_ + taken_, rest);
  }
  size_ = rest;
  data_ = nullptr;
  data_size_ = taken_ = 0;
  if (finished_a_frame) {
    server_.budget().leave_queue(this);
    memory_deadline_.reset();
  }
  server_.memory_released();
}

void Session::consume() {
  const auto self = shared_from_this();
  if (!server_.deliver(*this)) return;  // what was left when the sink was full
  for (;;) {
    const Next next = hello_ ? shake_hands() : frame_bytes_ != 0 ? decode_frame() : next_frame();
    if (next == Next::Incomplete) break;
    if (next == Next::Full && !server_.deliver(*this)) return;
  }
  // One read, one hand-over.
  if (!server_.deliver(*this)) return;
  if (!refusal_.empty()) {
    server_.metrics().malformed.add();
    return refuse(refusal_);
  }
  if (end_of_stream_) return end();
  keep_rest();
  if (acks_.size() - acks_sent_ > kAckBytesMax && !draining_) {
    held_by_acks_ = true;
    acks_deadline_ = server_.now() + server_.options().ack_wait_max;
    server_.arm_deadlines();
    return;
  }
  listen_again();
}

// The PING of a client, and our PONG to it.
Session::Next Session::shake_hands() {
  const std::string_view bytes(data_ + taken_, data_size_ - taken_);
  if (bytes.empty() || !refusal_.empty()) return Next::Incomplete;
  const auto decoded = decode_ping(bytes);
  if (!decoded) {
    refusal_ = fmt::format("{} (shared_key is set here: a client must know it, too)",
                           decoded.error().message);
    return Next::Incomplete;
  }
  if (!*decoded) return Next::Incomplete;
  const Ping& ping = (*decoded)->message;
  const Pong pong = answer_ping(ping, *hello_, *server_.options().security);
  send(encode(pong));
  if (!pong.accepted) {
    refusal_ = fmt::format(
        "{} (it calls itself \"{}\"{}{})", pong.reason, ping.hostname.substr(0, kNameBytesShown),
        ping.username.empty() ? "" : ", user ", ping.username.substr(0, kNameBytesShown));
    return Next::Incomplete;
  }
  taken_ += (*decoded)->bytes;
  hello_.reset();
  handshake_deadline_.reset();
  return Next::More;
}

Session::Next Session::next_frame() {
  const std::string_view bytes(data_ + taken_, data_size_ - taken_);
  if (bytes.empty() || !refusal_.empty()) return Next::Incomplete;
  const uint64_t frame_max = server_.options().frame_bytes_max;
  switch (scanner_.scan(bytes, frame_max)) {
    case FrameScanner::Outcome::Incomplete:
      return Next::Incomplete;
    case FrameScanner::Outcome::TooLarge:
      refusal_ =
          fmt::format("a frame of at least {} bytes is larger than buffer_max_size ({} bytes)",
                      scanner_.needed(), frame_max);
      return Next::Incomplete;
    case FrameScanner::Outcome::NotForward:
      refusal_ = fmt::format("what it sends is {}", guess_protocol(bytes));
      return Next::Incomplete;
    case FrameScanner::Outcome::Frame:
      break;
  }
  if (!scanner_.heartbeat()) begin_frame(bytes.substr(0, scanner_.size()));
  if (frame_bytes_ == 0) {  // nothing to decode
    taken_ += scanner_.size();
    scanner_.reset();
  }
  return Next::More;
}

void Session::begin_frame(std::string_view bytes) {
  const auto frame = parse_frame(bytes, scanner_);
  if (!frame) return server_.malformed(1, *this, "", frame.error());
  if (frame->signal != 0) {
    return server_.malformed(
        1, *this, frame->tag,
        "it carries metrics or traces (fluent_signal), which noroshi does not take");
  }
  const std::string_view tag = server_.effective_tag(frame->tag);
  if (!frame->ack_id.empty()) {
    ack_wanted_ = ever_wanted_acks_ = true;
    switch (server_.acks().open(frame->ack_id, tag, weak_from_this(), request_)) {
      case AckWindow::Seen::New:
        break;
      case AckWindow::Seen::Stored:
        acknowledge(frame->ack_id);
        [[fallthrough]];
      case AckWindow::Seen::Pending:
        server_.metrics().duplicates.add();
        return;
      case AckWindow::Seen::Refused:
        return server_.malformed(1, *this, tag,
                                 "it was sent before and could not be decoded then either");
    }
  }
  frame_bytes_ = bytes.size();
  server_.decoder().begin(*frame, tag, request_, server_.options().inflated_bytes_max);
}

Session::Next Session::decode_frame() {
  EntryDecoder& decoder = server_.decoder();
  if (decoder.decode(server_.collector()) == EntryDecoder::Progress::CollectorFull)
    return Next::Full;
  if (decoder.malformed() != 0) {
    if (decoder.hostile()) {
      server_.metrics().malformed.add(decoder.malformed() - 1);  // the refusal is one
      refusal_ = fmt::format("a frame tagged {} is given up: {} ({} bad entries so far)",
                             decoder.tag(), decoder.problem(), decoder.malformed());
    } else {
      server_.malformed(decoder.malformed(), *this, decoder.tag(), decoder.problem());
    }
    if (request_) request_->refuse();
  }
  if (decoder.times_replaced() != 0)
    server_.times_replaced(decoder.times_replaced(), *this, decoder.tag());
  request_.reset();  // no record in it: acknowledged here
  taken_ += frame_bytes_;
  frame_bytes_ = 0;
  scanner_.reset();
  return Next::More;
}

bool Session::read_to_the_end() {
  const auto self = shared_from_this();
  draining_ = true;
  connection_->shutdown_read();
  // A sender faster than we decode could go on for ever: the kernel still takes its bytes.
  const Monotonic until = server_.now() + kReadToTheEndMax;
  while (!closed_ && server_.may_read(*this) && server_.now() < until) on_readable();
  return closed_;
}

void Session::end() {
  if (data_size_ != taken_) {
    server_.malformed(1, *this, "",
                      fmt::format("its connection ended in the middle of it, after {} bytes",
                                  data_size_ - taken_));
  }
  closed_ = true;
  if (draining_) {
    // Acks may still come, and a client that waits for them repeats what it writes from now on.
    if (ever_wanted_acks_) return;
    // To the other kind a record is delivered once the kernel has it. Gone this very moment, not
    // when all others are read as well: what it writes now would be taken and read by nobody.
    connection_->reset_when_closed();
  }
  flush_acks();
  server_.remove(*this);
}

void Session::refuse(std::string_view reason) {
  const auto self = shared_from_this();
  server_.log_refusal(*this, reason);
  flush_acks();
  server_.remove(*this);
}

void Session::acknowledge(std::string_view ack_id) {
  acks_.append(kAckHead);
  send(ack_id);
}

void Session::send(std::string_view bytes) {
  acks_.append(bytes);
  if (!std::exchange(acks_noted_, true)) server_.note_acks(*this);
}

void Session::flush_acks() {
  acks_noted_ = false;
  while (acks_sent_ < acks_.size()) {
    const auto count = connection_->write(std::string_view(acks_).substr(acks_sent_));
    if (!count) {  // the peer is gone; reading will find out
      acks_.clear(), acks_sent_ = 0;
      break;
    }
    if (!*count) {
      if (!std::exchange(waiting_for_writable_, true)) {
        connection_->when_writable([weak = weak_from_this()] {
          const auto alive = weak.lock();
          if (!alive) return;
          alive->waiting_for_writable_ = false;
          alive->flush_acks();
        });
      }
      return;
    }
    acks_sent_ += **count;
  }
  if (acks_.capacity() > kAckBytesMax / 8) acks_.shrink_to_fit();
  acks_.clear(), acks_sent_ = 0;
  acks_deadline_.reset();
  if (std::exchange(held_by_acks_, false)) listen();
}

}  // namespace noroshi::forward

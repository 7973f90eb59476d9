#include "input/stream_server.h"

#include <boost/asio/post.hpp>
#include <optional>

namespace noroshi {
namespace {

constexpr size_t kChunkBytesFull = 1 << 20;
constexpr size_t kChunkRecordsFull = 16384;
static_assert(kChunkRecordsFull <= kChunkRecordsMax);
constexpr Milliseconds kQuiet{500};  // without a byte for so long: not busy
constexpr auto kDeadlineTick = std::chrono::milliseconds(250);
// Shutdown: how long one connection is read after it was shut for reading.
constexpr Nanoseconds kReadToTheEndMax = Seconds(2);

// "tcp://127.0.0.1:40000", as Fluent Bit writes it.
std::string source_of(const std::string& peer) {
  constexpr std::string_view kUnix = "unix:";
  return peer.starts_with(kUnix) ? "unix://" + peer.substr(kUnix.size()) : "tcp://" + peer;
}

}  // namespace

class StreamServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(StreamServer& server, std::unique_ptr<StreamConnection> connection)
      : server_(server),
        connection_(std::move(connection)),
        framer_(server.options_.make_framer()),
        source_(source_of(connection_->peer())) {}

  void listen() {
    if (closed_ || draining_ || std::exchange(listening_, true)) return;
    connection_->when_readable([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->listening_ = false;
      self->on_readable();
    });
  }

  void on_readable() {
    const auto self = shared_from_this();
    if (closed_ || !server_.may_read(*this)) return;
    if (unfinished_.empty()) {
      const size_t room = server_.options_.read_bytes;
      const auto count = connection_->read(std::span(server_.read_buffer_.get(), room));
      if (!note(count)) return;
      take(std::string_view(server_.read_buffer_.get(), **count));
    } else {
      // Doubling, so that a long message is not copied for every read.
      const size_t before = unfinished_.size();
      const size_t room = std::max(server_.options_.read_bytes, before);
      if (!server_.budget_.may_grow(this, held_, before + room) && !draining_)
        return server_.arm_deadlines();
      unfinished_.resize(before + room);
      const auto count = connection_->read(std::span(unfinished_.data() + before, room));
      unfinished_.resize(before + (count && *count ? **count : 0));
      if (!note(count)) return;
      std::string bytes;
      bytes.swap(unfinished_);
      take(bytes);
    }
  }

  // Goes on with bytes already read, after the sink was full.
  void consume() {
    const auto self = shared_from_this();
    if (closed_) return;
    std::string bytes;
    bytes.swap(unfinished_);
    take(bytes);
  }

  // Shutdown: reads until the kernel has nothing more. False if the sink became full meanwhile.
  [[nodiscard]] bool read_to_the_end() {
    const auto self = shared_from_this();
    draining_ = true;
    connection_->shutdown_read();
    if (stalled_) consume();
    const Monotonic until = server_.options_.clock->monotonic() + kReadToTheEndMax;
    while (!closed_ && !server_.source_.waiting() && server_.options_.clock->monotonic() < until) {
      on_readable();
    }
    return !server_.source_.waiting();
  }

  void release() {
    closed_ = true;
    // This very moment, not when all others are read as well: what the peer writes now would be
    // taken by the kernel and read by nobody.
    if (connection_ && draining_) {
      connection_->reset_when_closed();
      connection_.reset();
    }
    server_.budget_.leave_queue(this);
    server_.budget_.change(held_, 0);
    held_ = 0;
  }
  [[nodiscard]] bool stalled() const { return stalled_; }
  [[nodiscard]] bool closed() const { return closed_; }
  // By when its unfinished message must be complete, because others wait for its memory.
  void set_memory_deadline(std::optional<Monotonic> deadline) { memory_deadline_ = deadline; }
  [[nodiscard]] std::optional<Monotonic> memory_deadline() const { return memory_deadline_; }
  [[nodiscard]] bool holds_memory() const { return held_ != 0; }
  [[nodiscard]] const std::string& peer() const { return connection_->peer(); }

 private:
  // True if bytes came. Else the session waits, or its end is handled.
  bool note(const Result<std::optional<size_t>>& count) {
    if (count && !*count && !draining_) return listen(), false;
    if (count && *count && **count != 0) {
      server_.last_read_ = server_.options_.clock->monotonic();
      return true;
    }
    if (!count) log_debug(server_.log_name_, "{}", count.error().message);
    end_of_stream_ = true;
    consume();
    return false;
  }

  // All messages in `bytes`; what is left is kept in unfinished_.
  void take(std::string_view bytes) {
    stalled_ = false;
    size_t taken = 0;
    for (;;) {
      if (server_.chunk_.body.size() >= kChunkBytesFull ||
          server_.chunk_.records.size() >= kChunkRecordsFull) {
        if (!server_.hand_on(*this)) return keep(bytes.substr(taken), true);
      }
      const Found found = framer_->next(bytes.substr(taken), end_of_stream_);
      taken += found.bytes;
      if (found.kind == Found::Kind::Incomplete) break;
      if (!found.problem.empty()) server_.malformed(*this, found.problem);
      if (found.kind != Found::Kind::Message) continue;
      memory_deadline_.reset();
      server_.chunk_.tag = server_.options_.tag;
      (void)server_.reader_.append(found.message, source_, server_.chunk_);
      if (!server_.reader_.problem().empty()) {
        server_.malformed(*this, server_.reader_.problem());
      }
    }
    // One read, one hand-over.
    if (!server_.hand_on(*this)) return keep(bytes.substr(taken), true);
    keep(bytes.substr(taken), false);
    if (end_of_stream_) return end();
    listen();
  }

  void keep(std::string_view rest, bool stalled) {
    stalled_ = stalled;
    const size_t before = held_;
    unfinished_.assign(rest);
    if (unfinished_.capacity() > 2 * unfinished_.size() + 4096) unfinished_.shrink_to_fit();
    held_ = unfinished_.capacity() > 64 ? unfinished_.capacity() : 0;
    server_.budget_.change(before, held_);
    if (held_ < before) server_.budget_.leave_queue(this);
    server_.memory_released();
  }

  void end() {
    closed_ = true;
    server_.remove(*this);
  }

  StreamServer& server_;
  std::unique_ptr<StreamConnection> connection_;  // null once it is closed at the shutdown
  const std::unique_ptr<Framer> framer_;
  const std::string source_;
  std::string unfinished_;  // bytes read and not yet taken
  size_t held_ = 0;         // of the memory budget
  std::optional<Monotonic> memory_deadline_;
  bool stalled_ = false;  // in the middle of its bytes: the sink was full
  bool listening_ = false;
  bool end_of_stream_ = false;
  bool draining_ = false;
  bool closed_ = false;
};

StreamServer::StreamServer(boost::asio::io_context& loop, StreamServerOptions options,
                           MessageReader& reader, ChunkSink& sink, InputMetrics& metrics)
    : loop_(loop),
      options_(std::move(options)),
      log_name_("input:" + options_.name),
      reader_(reader),
      metrics_(metrics),
      source_(loop, sink, metrics, log_name_, [this] { go_on(); }),
      read_buffer_(new char[options_.read_bytes]),
      listeners_(
          options_.connections_max, log_name_, metrics,
          [this](std::unique_ptr<StreamConnection> connection) { accept(std::move(connection)); }),
      budget_(options_.unfinished_bytes_max),
      deadline_timer_(loop) {}

StreamServer::~StreamServer() {
  for (const auto& [key, session] : sessions_) session->release();
  metrics_.connections_open.set(0);
}

void StreamServer::accept(std::unique_ptr<StreamConnection> connection) {
  auto session = std::make_shared<Session>(*this, std::move(connection));
  log_debug(log_name_, "connection from {}", session->peer());
  sessions_.emplace(session.get(), session);
  listeners_.note_opened(sessions_.size());
  session->listen();
}

void StreamServer::remove(Session& session) {
  const auto found = sessions_.find(&session);
  if (found == sessions_.end()) return;
  session.release();
  sessions_.erase(found);
  memory_released();
  listeners_.note_closed(sessions_.size());
}

bool StreamServer::may_read(Session& session) {
  if (!source_.waiting()) return true;
  parked_.push_back(session.weak_from_this());
  return false;
}

bool StreamServer::hand_on(Session& session) {
  if (source_.hand_on(chunk_)) return true;
  parked_.insert(parked_.begin(), session.weak_from_this());
  return false;
}

// The sink took what waited: the session that was interrupted goes on first, then those that wanted
// to read. Whoever finds it full again is parked again.
void StreamServer::go_on() {
  const std::vector<std::weak_ptr<Session>> parked = std::move(parked_);
  parked_.clear();
  for (const auto& each : parked) {
    const auto session = each.lock();
    if (!session) continue;
    if (source_.waiting()) {
      parked_.push_back(each);
    } else if (session->stalled()) {
      session->consume();
    } else {
      session->on_readable();
    }
  }
}

void StreamServer::memory_released() {
  Session* const first = budget_.first();
  if (first == nullptr || first == released_to_ || closing_) return;
  released_to_ = first;
  boost::asio::post(loop_, [this, still = std::weak_ptr(alive_), weak = first->weak_from_this()] {
    if (still.expired()) return;
    released_to_ = nullptr;
    if (const auto session = weak.lock()) session->on_readable();
  });
}

// Everybody who holds memory and could go on has to finish, all at the same time: a hundred slow
// senders hold up the others no longer than one. (As the forward input does it.)
void StreamServer::arm_deadlines() {
  if (!budget_.others_wait()) return;
  const Monotonic deadline = options_.clock->monotonic() + options_.unfinished_wait_max;
  for (const auto& [key, session] : sessions_) {
    if (session->memory_deadline() || !session->holds_memory()) continue;
    if (budget_.first() == session.get() || !budget_.queued(session.get()))
      session->set_memory_deadline(deadline);
  }
  if (std::exchange(deadlines_armed_, true)) return;
  deadline_timer_.expires_after(kDeadlineTick);
  deadline_timer_.async_wait(
      [this, still = std::weak_ptr(alive_)](boost::system::error_code error) {
        if (error || still.expired()) return;
        deadlines_armed_ = false;
        check_deadlines();
      });
}

void StreamServer::check_deadlines() {
  const Monotonic now = options_.clock->monotonic();
  std::vector<std::shared_ptr<Session>> late;
  for (const auto& [key, session] : sessions_) {
    if (!session->memory_deadline()) continue;
    if (!budget_.others_wait()) {
      session->set_memory_deadline(std::nullopt);  // nobody waits any more
    } else if (source_.waiting()) {                // it is us who do not read now
      session->set_memory_deadline(now + options_.unfinished_wait_max);
    } else if (*session->memory_deadline() <= now) {
      late.push_back(session);
    }
  }
  for (const auto& session : late) {
    metrics_.malformed.add();
    if (const auto times = log_memory_.admit()) {
      log_warn(log_name_,
               "connection {} is closed: its unfinished message is too slow, and others wait for "
               "the memory ({} times)",
               session->peer(), times);
    }
    remove(*session);
  }
  arm_deadlines();
}

void StreamServer::malformed(const Session& session, std::string_view problem) {
  metrics_.malformed.add();
  if (const auto times = log_malformed_.admit()) {
    log_warn(log_name_, "from {}: {} ({} times)", session.peer(), problem, times);
  }
}

bool StreamServer::busy() const {
  return source_.waiting() || !sessions_.empty() ||
         options_.clock->monotonic() - last_read_ < kQuiet;
}

void StreamServer::close() {
  listeners_.close();
  closing_ = true;
  deadline_timer_.cancel();
  bool takes = source_.close();
  if (takes) go_on();
  std::vector<std::shared_ptr<Session>> sessions;
  for (const auto& [key, session] : sessions_) sessions.push_back(session);
  size_t unread = 0, cut_off = 0;
  for (const auto& session : sessions) {
    while (takes && !session->read_to_the_end()) takes = source_.close();
    if (!takes)
      ++unread;
    else if (!session->closed())
      ++cut_off;
  }
  if (cut_off != 0) {
    log_warn(log_name_,
             "{} connections send faster than they are read and are cut off: what they sent since "
             "is lost",
             cut_off);
  }
  if (unread != 0) {
    log_error(log_name_, "the journal takes nothing: what {} connections still hold is lost",
              unread);
  }
  for (const auto& session : sessions) remove(*session);
}

}  // namespace noroshi

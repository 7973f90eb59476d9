#include "input/forward/server.h"

#include <boost/asio/post.hpp>

namespace noroshi::forward {
namespace {

constexpr auto kSinkRetry = std::chrono::seconds(1);        // after an error that may pass
constexpr auto kFullRetry = std::chrono::milliseconds(50);  // full, but not (any more) paused
constexpr auto kDeadlineTick = std::chrono::milliseconds(250);
// How long the bytes of trickling connections gather in the kernel: at most 50 times a second
// everything behind a read is woken, and a record is 20 ms longer on its way.
constexpr auto kGatherTime = std::chrono::milliseconds(20);
constexpr Milliseconds kQuiet{500};  // without a byte for so long: not busy

// Repeating these records will not help.
bool is_final(ErrorCode code) {
  return code == ErrorCode::InvalidArgument || code == ErrorCode::Corrupt ||
         code == ErrorCode::NotFound;
}

}  // namespace

Server::Server(boost::asio::io_context& loop, ServerOptions options, ChunkSink& sink,
               InputMetrics& metrics)
    : loop_(loop),
      options_(std::move(options)),
      log_name_("input:" + options_.name),
      sink_(sink),
      metrics_(metrics),
      listeners_(
          options_.connections_max, log_name_, metrics,
          [this](std::unique_ptr<StreamConnection> connection) { accept(std::move(connection)); }),
      read_buffer_(new char[options_.read_bytes]),  // not cleared: pages are touched when used
      decoder_(*options_.clock),
      acks_(std::make_shared<AckWindow>(*options_.clock, sink_)),
      budget_(std::max(options_.unfinished_bytes_max, options_.frame_bytes_max)),
      retry_timer_(loop),
      gather_timer_(loop),
      deadline_timer_(loop) {}

Server::~Server() { let_go(); }

// What is collected and not stored is not acknowledged.
void Server::let_go() {
  (void)collector_.hand_on_all([](Chunk& chunk) {
    for (const auto& ack : chunk.acks) ack->fail();
    return true;
  });
  for (const auto& [key, session] : sessions_) session->release();
  stalled_session_.reset();
  sessions_.clear();
  metrics_.connections_open.set(0);
}

void Server::accept(std::unique_ptr<StreamConnection> connection) {
  auto session = std::make_shared<Session>(*this, std::move(connection));
  log_debug(log_name_, "connection from {}", session->peer());
  sessions_.emplace(session.get(), session);
  listeners_.note_opened(sessions_.size());
  session->start();
}

void Server::remove(Session& session) {
  budget_.leave_queue(&session);
  const auto found = sessions_.find(&session);
  if (found == sessions_.end()) return;
  session.release();
  sessions_.erase(found);
  memory_released();
  listeners_.note_closed(sessions_.size());
}

std::string_view Server::effective_tag(std::string_view tag) {
  if (!options_.tag_prefix.empty()) return tag_buffer_.assign(options_.tag_prefix).append(tag);
  return options_.tag.empty() ? tag : std::string_view(options_.tag);
}

bool Server::may_read(Session& session) {
  if (!stalled_ && sink_.paused()) stall(nullptr, true);
  if (!stalled_) return true;
  parked_.push_back(session.weak_from_this());
  return false;
}

bool Server::deliver(Session& session) {
  if (collector_.empty()) return true;
  bool wait_for_sink = false;
  const bool all = collector_.hand_on_all([&](Chunk& chunk) {
    const uint64_t records = chunk.records.size();
    const Status stored = sink_.ingest(chunk, metrics_);
    if (stored) return true;
    const Error& error = stored.error();
    if (error.code == ErrorCode::Exhausted) {
      wait_for_sink = true;
      return false;
    }
    if (is_final(error.code)) {
      for (const auto& ack : chunk.acks) ack->fail();
      metrics_.malformed.add(records);
      log_error(log_name_, "{} records of {} cannot be stored and are dropped: {}", records,
                session.peer(), error.message);
      return true;
    }
    if (const auto times = log_sink_.admit()) {
      log_error(log_name_, "records cannot be stored, reading stops until they can ({} times): {}",
                times, error.message);
    }
    return false;
  });
  if (!all) stall(&session, wait_for_sink);
  return all;
}

void Server::stall(Session* session, bool wait_for_sink) {
  stalled_ = true;
  stalled_since_ = now();
  stalled_session_ = session != nullptr ? session->shared_from_this() : nullptr;
  if (closing_) return;
  if (wait_for_sink && sink_.paused()) {
    sink_.when_resumed([this, still = std::weak_ptr(alive_)] {
      if (!still.expired()) go_on();
    });
    return;
  }
  retry_timer_.expires_after(wait_for_sink ? Nanoseconds(kFullRetry) : Nanoseconds(kSinkRetry));
  retry_timer_.async_wait([this, still = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (!error && !still.expired()) go_on();
  });
}

void Server::go_on() {
  if (!stalled_) return;
  stalled_ = false;
  metrics_.paused_nanoseconds.add(static_cast<uint64_t>((now() - stalled_since_).count()));
  if (const auto session = std::move(stalled_session_)) session->consume();
  // Those who wait for their turn; whoever finds the sink full again is parked again.
  std::vector<std::weak_ptr<Session>> parked = std::move(parked_);
  parked_.clear();
  for (const auto& each : parked) {
    if (const auto session = each.lock()) session->on_readable();
  }
}

void Server::note_acks(Session& session) {
  with_acks_.push_back(session.weak_from_this());
  if (std::exchange(flush_posted_, true)) return;
  // After everything that is being handled now: acks of one read leave in one write.
  boost::asio::post(loop_, [this, still = std::weak_ptr(alive_)] {
    if (still.expired()) return;
    flush_posted_ = false;
    const auto sessions = std::move(with_acks_);
    with_acks_.clear();
    for (const auto& each : sessions) {
      if (const auto alive = each.lock()) alive->flush_acks();
    }
  });
}

void Server::let_gather(Session& session) {
  gathering_.push_back(session.weak_from_this());
  if (gathering_.size() > 1) return;
  gather_timer_.expires_after(kGatherTime);
  gather_timer_.async_wait(
      [this, still = std::weak_ptr(alive_)](const boost::system::error_code& error) {
        if (error || still.expired()) return;
        for (const auto& each : std::exchange(gathering_, {})) {
          if (const auto alive = each.lock()) alive->read_gathered();
        }
      });
}

void Server::malformed(uint64_t count, const Session& session, std::string_view tag,
                       std::string_view what) {
  metrics_.malformed.add(count);
  if (const auto times = log_malformed_.admit()) {
    log_warn(log_name_,
             "a frame{}{} from {} cannot be used whole: {} ({} such frames since the last of these "
             "lines)",
             tag.empty() ? "" : " tagged ", tag, session.peer(), what, times);
  }
}

void Server::times_replaced(uint64_t count, const Session& session, std::string_view tag) {
  if (const auto times = log_times_.admit()) {
    log_warn(log_name_,
             "{} records tagged {} from {} have a time outside 1677 to 2262: they get the time of "
             "arrival "
             "({} such frames since the last of these lines)",
             count, tag, session.peer(), times);
  }
}

void Server::log_refusal(const Session& session, std::string_view reason) {
  if (const auto times = log_refused_.admit()) {
    log_warn(log_name_,
             "connection {} is closed: {} ({} connections since the last of these lines)",
             session.peer(), reason, times);
  }
}

void Server::memory_released() {
  if (stalled_ || closing_) return;
  Session* const first = budget_.first();
  if (first == nullptr || first == released_to_) return;
  released_to_ = first;
  boost::asio::post(loop_, [this, still = std::weak_ptr(alive_), weak = first->weak_from_this()] {
    if (still.expired()) return;
    released_to_ = nullptr;
    if (const auto session = weak.lock()) session->on_readable();
  });
}

void Server::arm_deadlines() {
  if (budget_.others_wait()) {
    // Everybody who holds memory and could go on has to finish, all at the same time: a hundred
    // slow senders hold up the others no longer than one.
    for (const auto& [key, session] : sessions_) {
      if (session->memory_deadline() || !session->holds_memory()) continue;
      if (budget_.first() == session.get() || !budget_.queued(session.get()))
        session->set_memory_deadline(now() + options_.unfinished_wait_max);
    }
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

void Server::check_deadlines() {
  bool any = false;
  std::vector<std::shared_ptr<Session>> sessions;
  for (const auto& [key, session] : sessions_) {
    if (session->memory_deadline() || session->acks_deadline() || session->handshake_deadline())
      sessions.push_back(session);
  }
  for (const auto& session : sessions) {
    if (stalled_) {  // it is us who do not read now
      if (session->memory_deadline())
        session->set_memory_deadline(now() + options_.unfinished_wait_max);
      if (session->handshake_deadline())
        session->set_handshake_deadline(now() + options_.handshake_wait_max);
      any = true;
      continue;
    }
    if (!budget_.first()) session->set_memory_deadline(std::nullopt);  // nobody waits any more
    if (session->memory_deadline() && *session->memory_deadline() <= now()) {
      metrics_.malformed.add();
      session->refuse(
          "its unfinished frame is too slow, and other connections wait for the memory");
    } else if (session->handshake_deadline() && *session->handshake_deadline() <= now()) {
      session->refuse("it does not finish the handshake");
    } else if (session->acks_deadline() && *session->acks_deadline() <= now()) {
      session->refuse("it does not read its acks");
    } else {
      any = true;
    }
  }
  if (any || budget_.others_wait()) arm_deadlines();
}

bool Server::busy() const { return stalled_ || !sessions_.empty() || now() - last_read_ < kQuiet; }

void Server::close() {
  listeners_.close();
  closing_ = true;
  deadline_timer_.cancel();
  retry_timer_.cancel();
  if (stalled_) go_on();
  std::vector<std::shared_ptr<Session>> sessions;
  for (const auto& [key, session] : sessions_) sessions.push_back(session);
  size_t cut_off = 0;
  for (const auto& session : sessions) {
    if (!stalled_ && !session->read_to_the_end() && !stalled_) ++cut_off;
  }
  if (cut_off != 0) {
    log_warn(log_name_,
             "{} connections send faster than they are read and are cut off: what they sent "
             "without asking for an ack since is lost",
             cut_off);
  }
  if (stalled_) {
    log_error(
        log_name_,
        "the journal takes nothing: {} records already read are lost, and what {} connections "
        "still hold unread",
        collector_.records(), sessions_.size());
  }
  // Filters that still hold records let go of them after this call, in the same turn of the loop,
  // and with them of their acks: sockets close in the next turn.
  boost::asio::post(loop_, [this, still = std::weak_ptr(alive_)] {
    if (still.expired()) return;
    for (const auto& [key, session] : sessions_) session->flush_acks();
    let_go();
  });
}

}  // namespace noroshi::forward

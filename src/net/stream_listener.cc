#include "net/stream_listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "base/log.h"
#include "net/early_sockets.h"
#include "net/listen_address.h"
#include "net/socket_address.h"
#include "net/socket_handover.h"
#include "net/tls_session.h"

namespace noroshi {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto kAcceptRetryDelay = std::chrono::milliseconds(100);
// Connections taken from the kernel's queue per wake-up, so that a flood of them starves nobody.
constexpr int kAcceptsPerWakeUp = 64;

// A Unix peer has no address; its credentials say who it is.
std::string describe_peer(int socket, const SocketAddress& address) {
  if (address.family() != AF_UNIX && address.family() != AF_UNSPEC) return address.to_string();
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return "unix";
  return fmt::format("unix:pid {} uid {}", credentials.pid, credentials.uid);
}

// Sends the ACK that TCP delays by up to 40 ms: a peer may have small segments waiting for it.
void acknowledge_now(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);  // no TCP: nothing to do
}

bool is_unix(int socket) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

bool would_block(int error_number) { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

}  // namespace

// ---- StreamConnection
// -----------------------------------------------------------------------------

struct StreamConnection::Impl {
  using WaitType = asio::posix::descriptor_base::wait_type;

  Impl(asio::io_context& loop, UniqueFd socket, std::string peer_name)
      : descriptor(loop, socket.release()), peer(std::move(peer_name)) {}

  int fd() { return resting.valid() ? resting.get() : descriptor.native_handle(); }
  void wait(WaitType type, std::function<void()> ready) {
    if (resting.valid()) descriptor.assign(resting.release());
    descriptor.async_wait(
        type, [ready = std::move(ready), still = std::weak_ptr(alive)](error_code error) {
          if (error == asio::error::operation_aborted || still.expired()) return;
          ready();  // other errors show up at the read or write that follows
        });
  }
  void post(std::function<void()> ready) {
    asio::post(descriptor.get_executor(), [ready = std::move(ready), still = std::weak_ptr(alive)] {
      if (!still.expired()) ready();
    });
  }
  // What TLS must wait for before the same call can go on; it may be the other direction.
  void note(TlsSession::Wants wants, WaitType& waits_for) const {
    waits_for = wants == TlsSession::Wants::Writable ? asio::posix::descriptor_base::wait_write
                                                     : asio::posix::descriptor_base::wait_read;
  }
  Result<std::optional<size_t>> result(const Result<TlsSession::Progress>& progress,
                                       WaitType& waits_for, std::string_view what) const {
    if (!progress) return std::unexpected(Error(progress.error()).with_context(what));
    if (progress->wants == TlsSession::Wants::Nothing) return progress->bytes;
    note(progress->wants, waits_for);
    return std::nullopt;
  }

  asio::posix::stream_descriptor descriptor;
  UniqueFd resting = {};  // the socket, while the loop's epoll does not know it
  std::string peer;
  std::unique_ptr<TlsSession> tls = {};  // ends before its socket is closed
  WaitType read_waits_for = asio::posix::descriptor_base::wait_read;
  WaitType write_waits_for = asio::posix::descriptor_base::wait_write;
  bool read_is_shut = false;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

StreamConnection::StreamConnection(asio::io_context& loop, UniqueFd socket, std::string peer)
    : StreamConnection(loop, std::move(socket), std::move(peer), nullptr) {}
StreamConnection::StreamConnection(asio::io_context& loop, UniqueFd socket, std::string peer,
                                   std::unique_ptr<TlsSession> tls) {
  const int fd = socket.get();
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  impl_ = std::make_unique<Impl>(loop, std::move(socket), std::move(peer));
  impl_->tls = std::move(tls);
}
StreamConnection::~StreamConnection() = default;

void StreamConnection::when_readable(std::function<void()> ready) {
  // Bytes that OpenSSL holds already do not make the socket readable.
  if (impl_->tls && impl_->tls->may_have_more()) return impl_->post(std::move(ready));
  impl_->wait(impl_->read_waits_for, std::move(ready));
}
void StreamConnection::when_writable(std::function<void()> ready) {
  impl_->wait(impl_->write_waits_for, std::move(ready));
}
void StreamConnection::rest() {
  if (!impl_->resting.valid()) impl_->resting = UniqueFd(impl_->descriptor.release());
}

Result<std::optional<size_t>> StreamConnection::read(std::span<char> into) {
  auto count = read_once(into);
  if (!impl_->read_is_shut || !count || *count) return count;
  // Nothing there: neither is what the peer's kernel holds back, once it has our ACK.
  acknowledge_now(fd());
  count = read_once(into);
  if (count && !*count) return std::optional<size_t>(0);
  return count;
}

Result<std::optional<size_t>> StreamConnection::read_once(std::span<char> into) {
  if (impl_->tls) {
    return impl_->result(impl_->tls->read(into), impl_->read_waits_for,
                         "cannot read from " + impl_->peer);
  }
  for (;;) {
    const ssize_t count = ::recv(fd(), into.data(), into.size(), MSG_DONTWAIT);
    if (count >= 0) return static_cast<size_t>(count);
    if (would_block(errno)) return std::nullopt;
    if (errno != EINTR) return fail_errno(errno, "cannot read from " + impl_->peer);
  }
}

Result<std::optional<size_t>> StreamConnection::write(std::string_view bytes) {
  if (impl_->tls) {
    return impl_->result(impl_->tls->write(bytes), impl_->write_waits_for,
                         "cannot write to " + impl_->peer);
  }
  for (;;) {
    const ssize_t count = ::send(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) return static_cast<size_t>(count);
    if (would_block(errno)) return std::nullopt;
    if (errno != EINTR) return fail_errno(errno, "cannot write to " + impl_->peer);
  }
}

void StreamConnection::shutdown_read() {
  impl_->read_is_shut = true;
  // Tells a Unix peer. A TCP peer would not learn it, and its kernel would no more be told of the
  // room that reading makes: what did not fit into our buffer would stay there.
  if (is_unix(fd())) ::shutdown(fd(), SHUT_RD);
}
void StreamConnection::reset_when_closed() {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;  // a Unix socket
  if (info.tcpi_state != TCP_ESTABLISHED) return;  // it has closed its side: a reset would be rude
  const linger abort{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}
const std::string& StreamConnection::peer() const { return impl_->peer; }
int StreamConnection::fd() const { return impl_->fd(); }

// ---- StreamListener
// -------------------------------------------------------------------------------

struct StreamListener::Impl {
  // `path`: of a Unix socket; empty for TCP. `wanted`: the address as it was asked for.
  Impl(asio::io_context& io_loop, UniqueFd socket, const std::string& path, std::string wanted)
      : loop(io_loop), descriptor(io_loop, socket.release()), retry_timer(io_loop) {
    const int fd = descriptor.native_handle();
    if (path.empty()) {
      const SocketAddress bound = SocketAddress::of_socket(fd);
      port = bound.port();
      address = bound.to_string();
    } else {
      address = "unix:" + path;
      file = SocketFile(path);
    }
    offer.emplace(std::move(wanted), fd);
  }
  ~Impl() {
    if (!offer->shared()) file.remove();
  }

  void wait();
  // One connection; false when there is none now.
  bool accept_one();
  void accept_waiting();

  // A connection whose TLS handshake is under way.
  struct Handshake {
    Handshake(asio::io_context& io_loop, UniqueFd fd, std::string name)
        : socket(io_loop, fd.release()), deadline(io_loop), peer(std::move(name)) {}
    asio::posix::stream_descriptor socket;
    std::unique_ptr<TlsSession> tls;
    asio::steady_timer deadline;
    std::string peer;
  };
  void begin_handshake(UniqueFd socket, std::string name);
  void go_on(Handshake& handshake);
  void end_handshake(Handshake& handshake, std::string_view failure);
  bool full() const { return handshakes.size() >= kHandshakesMax; }

  asio::io_context& loop;
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer retry_timer;
  std::function<void(std::unique_ptr<StreamConnection>)> accepted = {};
  std::string address = {};
  SocketFile file = {};  // none for TCP
  uint16_t port = 0;
  bool paused = false;
  bool waiting = false;
  std::shared_ptr<TlsContext> tls = {};  // null: none
  Nanoseconds handshake_timeout = kHandshakeTimeout;
  std::unordered_map<Handshake*, std::shared_ptr<Handshake>> handshakes = {};
  std::optional<OfferedSocket> offer = {};
  LogEpisode accept_failures;
  LogEpisode handshake_failures;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

void StreamListener::Impl::wait() {
  if (paused || waiting || full()) return;
  waiting = true;
  descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                        [this, still = std::weak_ptr(alive)](error_code error) {
                          if (error == asio::error::operation_aborted || still.expired()) return;
                          waiting = false;
                          accept_waiting();
                        });
}

bool StreamListener::Impl::accept_one() {
  for (;;) {
    SocketAddress peer;
    peer.size = sizeof peer.storage;
    const int fd =
        ::accept4(descriptor.native_handle(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      // The peer gave up between connect and accept: nothing is wrong here.
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      return false;
    }
    UniqueFd socket(fd);
    if (file.path().empty()) {
      const int on = 1;
      ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);  // finds out about dead peers
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // acks go at once
    }
    std::string name = describe_peer(fd, peer);
    if (tls) {
      begin_handshake(std::move(socket), std::move(name));
      return true;
    }
    accepted(std::make_unique<StreamConnection>(loop, std::move(socket), std::move(name)));
    return true;
  }
}

void StreamListener::Impl::accept_waiting() {
  const std::weak_ptr still = alive;  // a handler may destroy the listener
  for (int n = 0; n < kAcceptsPerWakeUp && !paused && !full(); ++n) {
    const bool one = accept_one();
    if (still.expired()) return;
    if (one) continue;
    if (would_block(errno)) break;
    if (const auto times = accept_failures.admit()) {
      log_error("net",
                "{}: cannot accept a connection: {}; trying again every {} ms ({} times so far)",
                address, std::strerror(errno), kAcceptRetryDelay.count(), times);
    }
    waiting = true;
    retry_timer.expires_after(kAcceptRetryDelay);
    retry_timer.async_wait([this, still](error_code error) {
      if (error || still.expired()) return;
      waiting = false;
      accept_waiting();
    });
    return;
  }
  wait();
}

void StreamListener::Impl::begin_handshake(UniqueFd socket, std::string name) {
  auto session = TlsSession::make(*tls, socket.get());
  if (!session) {
    log_error("net", "{}: {}", address, session.error().message);
    return;
  }
  auto handshake = std::make_shared<Handshake>(loop, std::move(socket), std::move(name));
  handshake->tls = *std::move(session);
  handshakes.emplace(handshake.get(), handshake);
  handshake->deadline.expires_after(handshake_timeout);
  handshake->deadline.async_wait(
      [this, weak = std::weak_ptr(handshake), still = std::weak_ptr(alive)](error_code error) {
        const auto late = weak.lock();
        if (error || !late || still.expired()) return;
        end_handshake(*late, "the TLS handshake takes too long");
      });
  go_on(*handshake);
}

void StreamListener::Impl::go_on(Handshake& handshake) {
  const auto step = handshake.tls->handshake();
  if (!step) return end_handshake(handshake, step.error().message);
  if (*step == TlsSession::Wants::Nothing) {
    const auto done = handshakes.at(&handshake);
    const std::weak_ptr still = alive;  // the handler may destroy the listener
    done->deadline.cancel();
    accepted(std::make_unique<StreamConnection>(loop, UniqueFd(done->socket.release()),
                                                std::move(done->peer), std::move(done->tls)));
    if (!still.expired()) end_handshake(*done, "");
    return;
  }
  handshake.socket.async_wait(
      *step == TlsSession::Wants::Writable ? asio::posix::descriptor_base::wait_write
                                           : asio::posix::descriptor_base::wait_read,
      [this, weak = std::weak_ptr(handshakes.at(&handshake)),
       still = std::weak_ptr(alive)](error_code error) {
        const auto alive_handshake = weak.lock();
        if (error == asio::error::operation_aborted || !alive_handshake || still.expired()) return;
        go_on(*alive_handshake);
      });
}

// `failure`: "" if it succeeded.
void StreamListener::Impl::end_handshake(Handshake& handshake, std::string_view failure) {
  if (!failure.empty()) {
    if (const auto times = handshake_failures.admit()) {
      log_warn("net", "{}: connection {} is closed: {} ({} such since the last of these lines)",
               address, handshake.peer, failure, times);
    }
  }
  handshakes.erase(&handshake);
  wait();  // there is room again
}

StreamListener::StreamListener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamListener::~StreamListener() = default;

Result<std::unique_ptr<StreamListener>> StreamListener::listen_tcp(asio::io_context& loop,
                                                                   const std::string& host,
                                                                   uint16_t port, int backlog) {
  std::string address = fmt::format("{}:{}", host, port);
  UniqueFd socket = SocketHandover::take(address).value_or(UniqueFd());
  if (!socket.valid()) socket = EarlySockets::of_process().take_tcp(host, port);
  if (socket.valid()) {
    ::listen(socket.get(), std::max(backlog, kListenBacklogMin));  // only resizes its queue
  } else {
    NOROSHI_ASSIGN(socket, open_tcp_listener(host, port, backlog));
  }
  return std::unique_ptr<StreamListener>(
      new StreamListener(std::make_unique<Impl>(loop, std::move(socket), "", std::move(address))));
}

Result<std::unique_ptr<StreamListener>> StreamListener::listen_unix(asio::io_context& loop,
                                                                    UnixListenOptions options,
                                                                    int backlog) {
  const std::string& path = options.path;
  UniqueFd socket = SocketHandover::take("unix:" + path).value_or(UniqueFd());
  const bool handed_over = socket.valid();
  if (!handed_over) socket = EarlySockets::of_process().take_unix(path);
  if (!socket.valid()) {
    NOROSHI_ASSIGN(socket, open_unix_listener(path, options.permissions, backlog));
  } else if (options.permissions && ::chmod(path.c_str(), *options.permissions) != 0) {
    const int error_number = errno;
    if (!handed_over) ::unlink(path.c_str());
    return fail_errno(error_number, "cannot set the permissions of unix:" + path);
  }
  return std::unique_ptr<StreamListener>(
      new StreamListener(std::make_unique<Impl>(loop, std::move(socket), path, "unix:" + path)));
}

void StreamListener::use_tls(std::shared_ptr<TlsContext> tls, Nanoseconds handshake_timeout) {
  impl_->tls = std::move(tls);
  impl_->handshake_timeout = handshake_timeout;
}
void StreamListener::start(std::function<void(std::unique_ptr<StreamConnection>)> accepted) {
  impl_->accepted = std::move(accepted);
  impl_->wait();
}
void StreamListener::pause() { impl_->paused = true; }
void StreamListener::resume() {
  if (!impl_->paused) return;
  impl_->paused = false;
  impl_->wait();
}
void StreamListener::accept_now() {
  const std::weak_ptr still = impl_->alive;  // a handler may destroy the listener
  while (impl_->accepted && impl_->accept_one()) {
    if (still.expired()) return;
  }
  // Handshakes whose last message has come.
  std::vector<std::shared_ptr<Impl::Handshake>> handshakes;
  for (const auto& [key, handshake] : impl_->handshakes) handshakes.push_back(handshake);
  for (const auto& handshake : handshakes) {
    if (still.expired()) return;
    handshake->socket.cancel();
    if (impl_->handshakes.contains(handshake.get())) impl_->go_on(*handshake);
  }
}
uint16_t StreamListener::port() const { return impl_->port; }
const std::string& StreamListener::address() const { return impl_->address; }

}  // namespace noroshi

#include "net/stream_client.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/thread_deadline.h"
#include "net/resolver.h"
#include "net/tls_session.h"

namespace noroshi {
namespace {

// Pieces handed to one sendmsg(2).
constexpr size_t kPiecesPerCall = 16;

bool would_block(int error_number) { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

// Waits until `socket` is ready for `events` (or broken, which the next call on it will tell). A
// shutdown may bring the thread's deadline forward meanwhile.
Status wait_for(int socket, short events, Monotonic deadline, std::string_view for_what) {
  for (;;) {
    const Monotonic now = system_clock().monotonic();
    if (now >= std::min(deadline, ThreadDeadline::current()))
      return fail(ErrorCode::Timeout, fmt::format("timed out while waiting {}", for_what));
    const Nanoseconds left =
        std::max<Nanoseconds>(ThreadDeadline::next_look(now, deadline) - now, Nanoseconds(1));
    pollfd entry{socket, events, 0};
    const auto seconds = std::chrono::duration_cast<Seconds>(left);
    const timespec timeout{seconds.count(), (left - seconds).count()};
    const int ready = ::ppoll(&entry, 1, &timeout, nullptr);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "cannot wait for the socket");
  }
}

short events_of(TlsSession::Wants wants) {
  return wants == TlsSession::Wants::Writable ? POLLOUT : POLLIN;
}

Status bind_source(int socket, const std::string& source, int family) {
  if (source.empty()) return {};
  NOROSHI_ASSIGN(const auto addresses, resolve(source, 0, system_clock().monotonic()));
  if (addresses.front().family() != family) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} is of another address family", source));
  }
  if (::bind(socket, addresses.front().get(), addresses.front().size) == 0) return {};
  return fail_errno(errno, "cannot connect from " + source);
}

Result<UniqueFd> connect_socket(const SocketAddress& address, const std::string& source,
                                Monotonic deadline) {
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail_errno(errno, "cannot make a socket");
  if (address.family() != AF_UNIX) {
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    NOROSHI_TRY(bind_source(socket.get(), source, address.family()));
  }
  if (::connect(socket.get(), address.get(), address.size) == 0) return socket;
  // EAGAIN: a Unix socket whose listener's queue is full.
  if (errno != EINPROGRESS && errno != EINTR) return fail_errno(errno, "cannot connect");
  NOROSHI_TRY(wait_for(socket.get(), POLLOUT, deadline, "for the connection"));
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail_errno(error, "cannot connect");
  return socket;
}

Result<SocketAddress> unix_address(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    return fail(ErrorCode::InvalidArgument, fmt::format("unix:{}: the path has more than {} bytes",
                                                        path, sizeof name.sun_path - 1));
  }
  path.copy(name.sun_path, path.size());
  SocketAddress address;
  std::memcpy(&address.storage, &name, sizeof name);
  address.size = sizeof name;
  return address;
}

}  // namespace

std::string StreamAddress::to_string() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

StreamClient::StreamClient(UniqueFd socket, std::string peer)
    : socket_(std::move(socket)), peer_(std::move(peer)) {}
StreamClient::~StreamClient() = default;

Result<std::unique_ptr<StreamClient>> StreamClient::connect(const StreamAddress& address,
                                                            const std::shared_ptr<TlsContext>& tls,
                                                            Monotonic deadline) {
  std::vector<SocketAddress> addresses;
  if (!address.unix_path.empty()) {
    NOROSHI_ASSIGN(addresses.emplace_back(), unix_address(address.unix_path));
  } else {
    NOROSHI_ASSIGN(addresses, resolve(address.host, address.port, deadline));
  }
  // Each address gets its share of the time: one that swallows packets must not use it all.
  Error last;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const Monotonic now = system_clock().monotonic();
    const auto share = (deadline - now) / static_cast<int64_t>(addresses.size() - i);
    auto socket = connect_socket(addresses[i], address.source_address, now + share);
    std::string peer = address.to_string();
    if (address.unix_path.empty() && addresses[i].to_string() != peer)
      peer += " (" + addresses[i].to_string() + ")";
    if (!socket) {
      last = std::move(socket.error()).with_context(peer);
      if (last.code == ErrorCode::Io || last.code == ErrorCode::NotFound)
        last.code = ErrorCode::Unavailable;
      continue;
    }
    std::unique_ptr<StreamClient> client(new StreamClient(*std::move(socket), std::move(peer)));
    if (tls) NOROSHI_TRY(client->start_tls(*tls, address.host, deadline));
    return client;
  }
  return std::unexpected(std::move(last));
}

Status StreamClient::wait(short events, Monotonic deadline, std::string_view for_what) const {
  auto waited = wait_for(socket_.get(), events, deadline, for_what);
  if (waited) return {};
  return std::unexpected(std::move(waited.error()).with_context(peer_));
}

Status StreamClient::start_tls(TlsContext& tls, const std::string& host, Monotonic deadline) {
  NOROSHI_ASSIGN(tls_, TlsSession::make(tls, socket_.get(), host));
  for (;;) {
    const auto step = tls_->handshake();
    if (!step) {
      Error error = step.error();
      if (error.code == ErrorCode::Denied && tls.options().verify)
        error.message += " (tls.ca_file, tls.vhost and tls.verify_hostname decide)";
      return std::unexpected(std::move(error).with_context(peer_));
    }
    if (*step == TlsSession::Wants::Nothing) return {};
    NOROSHI_TRY(wait(events_of(*step), deadline, "for the TLS handshake"));
  }
}

Status StreamClient::write(std::span<const std::string_view> pieces, Monotonic deadline) {
  if (!tls_) return write_plain(pieces, deadline);
  for (const std::string_view piece : pieces) NOROSHI_TRY(write_tls(piece, deadline));
  return {};
}

Status StreamClient::write_tls(std::string_view bytes, Monotonic deadline) {
  while (!bytes.empty()) {
    auto step = tls_->write(bytes);
    if (!step) return std::unexpected(std::move(step.error()).with_context(peer_));
    bytes.remove_prefix(step->bytes);
    if (step->wants != TlsSession::Wants::Nothing)
      NOROSHI_TRY(wait(events_of(step->wants), deadline, "to write"));
  }
  return {};
}

Status StreamClient::write_plain(std::span<const std::string_view> pieces, Monotonic deadline) {
  size_t piece = 0;   // the first that is not written whole
  size_t offset = 0;  // what of it is written
  while (piece < pieces.size()) {
    std::array<iovec, kPiecesPerCall> vectors;
    size_t count = 0;
    for (size_t i = piece; i < pieces.size() && count < vectors.size(); ++i) {
      const std::string_view rest = pieces[i].substr(i == piece ? offset : 0);
      vectors[count++] = {const_cast<char*>(rest.data()), rest.size()};
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (!would_block(errno)) return fail_errno(errno, "cannot write to " + peer_);
      NOROSHI_TRY(wait(POLLOUT, deadline, "to write"));
      continue;
    }
    offset += static_cast<size_t>(sent);
    while (piece < pieces.size() && offset >= pieces[piece].size())
      offset -= pieces[piece++].size();
  }
  return {};
}

Result<size_t> StreamClient::read(std::span<char> into, Monotonic deadline) {
  for (;;) {
    short events = POLLIN;
    if (tls_) {
      auto step = tls_->read(into);
      if (!step) return std::unexpected(std::move(step.error()).with_context(peer_));
      if (step->wants == TlsSession::Wants::Nothing) return step->bytes;
      events = events_of(step->wants);
    } else {
      const ssize_t count = ::recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT);
      if (count >= 0) return static_cast<size_t>(count);
      if (errno == EINTR) continue;
      if (!would_block(errno)) return fail_errno(errno, "cannot read from " + peer_);
    }
    NOROSHI_TRY(wait(events, deadline, "for an answer"));
  }
}

bool StreamClient::has_input() {
  if (tls_) return tls_->has_input();
  char byte = 0;
  const ssize_t count = ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return count >= 0 || !would_block(errno);
}

Result<bool> StreamClient::wait_for_input(Monotonic deadline) {
  while (!has_input()) {
    const Status readable = wait_for(socket_.get(), POLLIN, deadline, "for an answer");
    if (readable) continue;
    if (readable.error().code == ErrorCode::Timeout) return false;
    return std::unexpected(Error(readable.error()).with_context(peer_));
  }
  return true;
}

Result<size_t> StreamClient::write_until_input(std::string_view bytes, Monotonic deadline) {
  size_t written = 0;
  while (written < bytes.size()) {
    const std::string_view rest = bytes.substr(written);
    short events = POLLOUT;
    if (tls_) {
      auto step = tls_->write(rest);
      if (!step) return std::unexpected(std::move(step.error()).with_context(peer_));
      written += step->bytes;
      if (step->wants == TlsSession::Wants::Nothing) continue;
      events = events_of(step->wants);
    } else {
      const ssize_t sent =
          ::send(socket_.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        written += static_cast<size_t>(sent);
        continue;
      }
      if (errno == EINTR) continue;
      if (!would_block(errno)) return fail_errno(errno, "cannot write to " + peer_);
    }
    NOROSHI_TRY(wait(static_cast<short>(events | POLLIN), deadline, "to write"));
    if (has_input()) return written;
  }
  return written;
}

}  // namespace noroshi

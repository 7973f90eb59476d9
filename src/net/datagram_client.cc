#include "net/datagram_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/resolver.h"

namespace noroshi {

Result<DatagramClient> DatagramClient::connect(const StreamAddress& address, Monotonic deadline) {
  NOROSHI_ASSIGN(const auto addresses, resolve(address.host, address.port, deadline));
  const SocketAddress& first = addresses.front();
  const std::string peer = address.to_string();
  UniqueFd socket(::socket(first.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail_errno(errno, "cannot make a socket for " + peer);
  if (::connect(socket.get(), first.get(), first.size) != 0)
    return fail_errno(errno, "cannot send to " + peer);
  return DatagramClient(std::move(socket), peer);
}

Status DatagramClient::send(std::string_view datagram, Monotonic deadline) {
  for (;;) {
    if (::send(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0) return {};
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EMSGSIZE) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{}: a datagram of {} bytes is too large", peer_, datagram.size()));
    }
    if (error == ECONNREFUSED) return fail(ErrorCode::Unavailable, peer_ + ": nobody listens");
    if (error != EAGAIN && error != EWOULDBLOCK && error != ENOBUFS)
      return fail_errno(error, "cannot send to " + peer_);
    const auto left =
        std::chrono::ceil<Milliseconds>(deadline - system_clock().monotonic()).count();
    if (left <= 0) return fail(ErrorCode::Timeout, "cannot send to " + peer_ + " in time");
    pollfd entry{socket_.get(), POLLOUT, 0};
    (void)::poll(&entry, 1, static_cast<int>(std::min<int64_t>(left, 100)));
  }
}

}  // namespace noroshi

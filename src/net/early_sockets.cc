#include "net/early_sockets.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "net/stream_listener.h"

namespace noroshi {
namespace {

std::unexpected<Error> cannot_listen(const std::string& where) {
  return fail_errno(errno, "cannot listen on " + where);
}

// True if a process accepts connections there: the file is no leftover.
bool somebody_listens(const sockaddr_un& address) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return false;
  const int result =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return result == 0 || errno == EAGAIN;  // EAGAIN: its queue is full
}

}  // namespace

Result<UniqueFd> open_tcp_listener(const std::string& host, uint16_t port, int backlog) {
  const std::string where =
      fmt::format("{}:{}", host.find(':') == std::string::npos ? host : "[" + host + "]", port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
      error != 0) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("cannot listen on {}: {}", where, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  // A name may stand for several addresses (localhost: ::1 and 127.0.0.1). IPv4 first: it is what
  // clients configured with the same name try as well.
  const addrinfo* chosen = addresses.get();
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      chosen = each;
      break;
    }
  }
  UniqueFd socket(::socket(chosen->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return cannot_listen(where);
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (chosen->ai_family == AF_INET6)
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(socket.get(), chosen->ai_addr, chosen->ai_addrlen) != 0) return cannot_listen(where);
  if (::listen(socket.get(), std::max(backlog, kListenBacklogMin)) != 0)
    return cannot_listen(where);
  return socket;
}

Result<UniqueFd> open_unix_listener(const std::string& path, std::optional<uint32_t> permissions,
                                    int backlog) {
  const std::string where = "unix:" + path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("cannot listen on {}: the path must have 1 to {} bytes, it has {}",
                            where, sizeof address.sun_path - 1, path.size()));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());

  struct stat present{};
  if (::lstat(path.c_str(), &present) == 0) {
    if (!S_ISSOCK(present.st_mode)) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("cannot listen on {0}: {1} exists and is not a socket; it is left as it is",
                      where, path));
    }
    if (somebody_listens(address)) {
      return fail(ErrorCode::Unavailable,
                  fmt::format("cannot listen on {}: another process listens there", where));
    }
    // A socket file outlives its process: after a container restart it is stale and nobody listens.
    if (::unlink(path.c_str()) != 0)
      return fail_errno(errno, "cannot replace the stale socket " + path);
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return cannot_listen(where);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return cannot_listen(where);
  if (permissions && ::chmod(path.c_str(), *permissions) != 0) {
    const int error_number = errno;
    ::unlink(path.c_str());
    return fail_errno(error_number, "cannot set the permissions of " + where);
  }
  if (::listen(socket.get(), std::max(backlog, kListenBacklogMin)) != 0)
    return cannot_listen(where);
  return socket;
}

EarlySockets& EarlySockets::of_process() {
  static EarlySockets sockets;
  return sockets;
}

Status EarlySockets::listen_tcp(const std::string& host, uint16_t port) {
  const Address address{port, host};
  if (tcp_.contains(address)) return {};
  NOROSHI_ASSIGN(UniqueFd socket, open_tcp_listener(host, port, kListenBacklogMin));
  tcp_.emplace(address, std::move(socket));
  return {};
}

Status EarlySockets::listen_unix(const std::string& path) {
  if (unix_.contains(path)) return {};
  NOROSHI_ASSIGN(UniqueFd socket, open_unix_listener(path, {}, kListenBacklogMin));
  unix_.emplace(path, std::move(socket));
  return {};
}

UniqueFd EarlySockets::take_tcp(const std::string& host, uint16_t port) {
  UniqueFd socket;
  if (const auto kept = tcp_.find({port, host}); kept != tcp_.end())
    socket = std::move(kept->second);
  std::erase_if(tcp_, [&](const auto& entry) { return entry.first.port == port; });
  return socket;
}

UniqueFd EarlySockets::take_unix(const std::string& path) {
  const auto kept = unix_.find(path);
  if (kept == unix_.end()) return {};
  UniqueFd socket = std::move(kept->second);
  unix_.erase(kept);
  return socket;
}

void EarlySockets::close_rest() {
  tcp_.clear();
  for (const auto& [path, socket] : unix_) ::unlink(path.c_str());
  unix_.clear();
}

}  // namespace noroshi

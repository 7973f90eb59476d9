#include "net/listen_address.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace noroshi {
namespace {

// True if a process accepts connections there: the file is no leftover.
bool somebody_listens(const SocketAddress& address) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return false;
  const int result = ::connect(probe.get(), address.get(), address.size);
  return result == 0 || errno == EAGAIN;  // EAGAIN: its queue is full
}

}  // namespace

Result<ListenAddress> ListenAddress::of_host(std::string where, const std::string& host,
                                             uint16_t port, int type) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = type;
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
  ListenAddress out{.where = std::move(where), .type = type};
  std::memcpy(&out.address.storage, chosen->ai_addr, chosen->ai_addrlen);
  out.address.size = chosen->ai_addrlen;
  return out;
}

Result<ListenAddress> ListenAddress::of_path(const std::string& path, int type) {
  ListenAddress out{.where = "unix:" + path, .type = type, .unix_path = path};
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof name.sun_path) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("cannot listen on {}: the path must have 1 to {} bytes, it has {}",
                            out.where, sizeof name.sun_path - 1, path.size()));
  }
  std::memcpy(name.sun_path, path.c_str(), path.size());
  std::memcpy(&out.address.storage, &name, sizeof name);
  out.address.size = sizeof name;
  return out;
}

Status ListenAddress::remove_stale_socket() const {
  struct stat present{};
  if (::lstat(unix_path.c_str(), &present) != 0) return {};
  if (!S_ISSOCK(present.st_mode)) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("cannot listen on {}: {} exists and is not a socket; it is left as it is",
                    where, unix_path));
  }
  if (type == SOCK_STREAM && somebody_listens(address)) {
    return fail(ErrorCode::Unavailable,
                fmt::format("cannot listen on {}: another process listens there", where));
  }
  // A socket file outlives its process: after a container restart it is stale and nobody listens.
  if (::unlink(unix_path.c_str()) != 0)
    return fail_errno(errno, "cannot replace the stale socket " + unix_path);
  return {};
}

Result<UniqueFd> ListenAddress::open_socket() const {
  UniqueFd socket(::socket(address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return cannot_listen();
  const int off = 0;
  if (address.family() == AF_INET6)
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  return socket;
}

Status ListenAddress::bind(const UniqueFd& socket, std::optional<uint32_t> permissions) const {
  if (::bind(socket.get(), address.get(), address.size) != 0) return cannot_listen();
  if (permissions && ::chmod(unix_path.c_str(), *permissions) != 0) {
    const int error_number = errno;
    ::unlink(unix_path.c_str());
    return fail_errno(error_number, "cannot set the permissions of " + where);
  }
  return {};
}

std::unexpected<Error> ListenAddress::cannot_listen() const {
  return fail_errno(errno, "cannot listen on " + where);
}

SocketFile::SocketFile(const std::string& path) {
  struct stat created{};
  if (::lstat(path.c_str(), &created) != 0) return;
  path_ = path;
  device_ = created.st_dev;
  inode_ = created.st_ino;
}

void SocketFile::remove() const {
  struct stat now{};
  if (!path_.empty() && ::lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ &&
      now.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

}  // namespace noroshi

#include "net/datagram_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/log.h"
#include "net/listen_address.h"
#include "net/socket_address.h"

namespace noroshi {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

void set_receive_buffer(int socket, size_t bytes) {
  if (bytes == 0) return;
  const int wanted = static_cast<int>(std::min<size_t>(bytes, 1 << 30));
  // FORCE goes beyond net.core.rmem_max where we have the capability.
  if (::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0) {
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  }
}

}  // namespace

struct DatagramSocket::Impl {
  Impl(asio::io_context& loop, UniqueFd socket) : descriptor(loop, socket.release()) {}
  ~Impl() { file.remove(); }

  void name_source(const SocketAddress& from) {
    source.clear();
    if (from.family() == AF_INET || from.family() == AF_INET6) {
      source = "udp://";
      from.append_to(source);
      return;
    }
    source = "unix://";
    constexpr socklen_t kPathAt = offsetof(sockaddr_un, sun_path);
    if (from.size > kPathAt) {
      const auto& path = reinterpret_cast<const sockaddr_un&>(from.storage).sun_path;
      source.append(path, ::strnlen(path, from.size - kPathAt));
    }
  }

  asio::posix::stream_descriptor descriptor;
  std::string address;
  SocketFile file;  // none for UDP
  std::string source;
  uint32_t dropped = 0;  // by the kernel so far
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

DatagramSocket::DatagramSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DatagramSocket::~DatagramSocket() = default;

Result<std::unique_ptr<DatagramSocket>> DatagramSocket::bind_udp(asio::io_context& loop,
                                                                 const std::string& host,
                                                                 uint16_t port,
                                                                 size_t receive_buffer) {
  NOROSHI_ASSIGN(
      const ListenAddress address,
      ListenAddress::of_host(fmt::format("UDP {}:{}", host, port), host, port, SOCK_DGRAM));
  NOROSHI_ASSIGN(UniqueFd socket, address.open_socket());
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  set_receive_buffer(socket.get(), receive_buffer);
  NOROSHI_TRY(address.bind(socket));
  auto impl = std::make_unique<Impl>(loop, std::move(socket));
  impl->address = SocketAddress::of_socket(impl->descriptor.native_handle()).to_string();
  return std::unique_ptr<DatagramSocket>(new DatagramSocket(std::move(impl)));
}

Result<std::unique_ptr<DatagramSocket>> DatagramSocket::bind_unix(asio::io_context& loop,
                                                                  const UnixListenOptions& options,
                                                                  size_t receive_buffer) {
  const std::string& path = options.path;
  NOROSHI_ASSIGN(const ListenAddress address, ListenAddress::of_path(path, SOCK_DGRAM));
  NOROSHI_TRY(address.remove_stale_socket());
  NOROSHI_ASSIGN(UniqueFd socket, address.open_socket());
  set_receive_buffer(socket.get(), receive_buffer);
  NOROSHI_TRY(address.bind(socket, options.permissions));
  auto impl = std::make_unique<Impl>(loop, std::move(socket));
  impl->file = SocketFile(path);
  impl->address = "unix:" + path;
  return std::unique_ptr<DatagramSocket>(new DatagramSocket(std::move(impl)));
}

void DatagramSocket::when_readable(std::function<void()> ready) {
  impl_->descriptor.async_wait(
      asio::posix::descriptor_base::wait_read,
      [ready = std::move(ready), alive = std::weak_ptr(impl_->alive)](error_code error) {
        if (error == asio::error::operation_aborted || alive.expired()) return;
        ready();
      });
}

Result<std::optional<Datagram>> DatagramSocket::receive(std::span<char> into) {
  SocketAddress from;
  iovec piece{into.data(), into.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint32_t))];
  for (;;) {
    msghdr message{};
    message.msg_name = &from.storage;
    message.msg_namelen = sizeof from.storage;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(impl_->descriptor.native_handle(), &message, MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    if (count < 0) return fail_errno(errno, "cannot receive on " + impl_->address);
    Datagram datagram;
    datagram.size = static_cast<size_t>(count);
    datagram.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    from.size = message.msg_namelen;
    impl_->name_source(from);
    datagram.source = impl_->source;
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each)) {
      if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SO_RXQ_OVFL) continue;
      uint32_t dropped = 0;
      std::memcpy(&dropped, CMSG_DATA(each), sizeof dropped);
      datagram.lost_before = dropped - impl_->dropped;
      impl_->dropped = dropped;
    }
    return datagram;
  }
}

const std::string& DatagramSocket::address() const { return impl_->address; }

}  // namespace noroshi

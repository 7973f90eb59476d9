#include "net/early_sockets.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "net/listen_address.h"
#include "net/stream_listener.h"

namespace noroshi {
namespace {

// The end of both: the kernel queues connections from now on.
Result<UniqueFd> listening(UniqueFd socket, const ListenAddress& address, int backlog) {
  if (::listen(socket.get(), std::max(backlog, kListenBacklogMin)) != 0)
    return address.cannot_listen();
  return socket;
}

}  // namespace

Result<UniqueFd> open_tcp_listener(const std::string& host, uint16_t port, int backlog) {
  std::string where =
      fmt::format("{}:{}", host.find(':') == std::string::npos ? host : "[" + host + "]", port);
  NOROSHI_ASSIGN(const ListenAddress address,
                 ListenAddress::of_host(std::move(where), host, port, SOCK_STREAM));
  NOROSHI_ASSIGN(UniqueFd socket, address.open_socket());
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  NOROSHI_TRY(address.bind(socket));
  return listening(std::move(socket), address, backlog);
}

Result<UniqueFd> open_unix_listener(const std::string& path, std::optional<uint32_t> permissions,
                                    int backlog) {
  NOROSHI_ASSIGN(const ListenAddress address, ListenAddress::of_path(path, SOCK_STREAM));
  NOROSHI_TRY(address.remove_stale_socket());
  NOROSHI_ASSIGN(UniqueFd socket, address.open_socket());
  NOROSHI_TRY(address.bind(socket, permissions));
  return listening(std::move(socket), address, backlog);
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

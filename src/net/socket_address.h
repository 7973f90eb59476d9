// An IP or Unix address as the kernel takes it, and the words for it in messages.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace noroshi {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  // What `socket` is bound to; all zero if that cannot be told.
  [[nodiscard]] static SocketAddress of_socket(int socket);

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] uint16_t port() const;  // 0 if it is no IP address
  // "127.0.0.1:24224", "[::1]:24224"; "unknown address" if it is no IP address.
  [[nodiscard]] std::string to_string() const;
  void append_to(std::string& out) const;
};

}  // namespace noroshi

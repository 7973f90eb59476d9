#include "net/socket_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <iterator>

namespace noroshi {

SocketAddress SocketAddress::of_socket(int socket) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getsockname(socket, address.get(), &address.size) != 0) return {};
  return address;
}

uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return 0;
}

void SocketAddress::append_to(std::string& out) const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof text);
    fmt::format_to(std::back_inserter(out), "{}:{}", text, ntohs(ipv4.sin_port));
  } else if (family() == AF_INET6) {
    const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
    fmt::format_to(std::back_inserter(out), "[{}]:{}", text, ntohs(ipv6.sin6_port));
  } else {
    out += "unknown address";
  }
}

std::string SocketAddress::to_string() const {
  std::string text;
  append_to(text);
  return text;
}

}  // namespace noroshi

// For tests: a client of the Forward protocol over a real socket, non-blocking.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace noroshi::forward {

class Client {
 public:
  Client() = default;
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  explicit Client(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  // Whatever fits into the socket now; bytes sent.
  size_t send_some(std::string_view bytes) {
    const ssize_t count =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return count < 0 ? 0 : static_cast<size_t>(count);
  }
  std::string received() {
    std::string out;
    char buffer[65536];
    for (;;) {
      const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (count <= 0) {
        closed_ = closed_ || count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        return out;
      }
      out.append(buffer, static_cast<size_t>(count));
    }
  }
  bool closed_by_server() { return (void)received(), closed_; }
  void finish() { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.reset(); }

 private:
  UniqueFd socket_;
  bool closed_ = false;
};

}  // namespace noroshi::forward

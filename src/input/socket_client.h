// For tests: a client over a real TCP or Unix socket, non-blocking; and the loop it runs beside.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "input/recording_sink.h"

namespace noroshi {

class SocketClient {
 public:
  explicit SocketClient(uint16_t port, int type = SOCK_STREAM)
      : socket_(::socket(AF_INET, type, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  explicit SocketClient(const std::string& path, int type = SOCK_STREAM)
      : socket_(::socket(AF_UNIX, type, 0)) {
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
  // What the server has sent so far.
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

// A test fixture with a loop, a sink and metrics.
class InputLoop : public testing::Test {
 protected:
  // Runs the loop until `done` or five seconds are over.
  template <typename Done>
  bool run_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.restart();
      loop_.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  bool run_until_records(size_t count) {
    return run_until([&] { return sink_.records.size() >= count; });
  }
  void run_for(std::chrono::milliseconds time) {
    loop_.restart();
    loop_.run_for(time);
  }
  // Sends all of it, the loop running meanwhile.
  void send(SocketClient& client, std::string_view bytes) {
    ASSERT_TRUE(run_until([&] {
      bytes.remove_prefix(client.send_some(bytes));
      return bytes.empty();
    }));
  }

  boost::asio::io_context loop_;
  RecordingSink sink_;
  InputMetrics metrics_;
};

}  // namespace noroshi

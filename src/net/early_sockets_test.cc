#include "net/early_sockets.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstring>
#include <filesystem>

#include "net/stream_listener.h"

namespace noroshi {
namespace {

int connected(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

int connected(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

uint16_t free_port() {
  boost::asio::io_context loop;
  const auto listener = StreamListener::listen_tcp(loop, "127.0.0.1", 0);
  return (*listener)->port();
}

std::string socket_path() {
  return ::testing::TempDir() + "early-" + std::to_string(getpid()) + ".sock";
}

class Early : public ::testing::Test {
 protected:
  ~Early() override { sockets_.close_rest(); }

  // What a connection made before the listener brings arrives at the listener.
  void expect_queued(std::unique_ptr<StreamListener> listener, int client) {
    ASSERT_EQ(send(client, "early", 5, 0), 5);
    std::string got;
    std::unique_ptr<StreamConnection> connection;
    listener->start([&](std::unique_ptr<StreamConnection> accepted) {
      connection = std::move(accepted);
      connection->when_readable([&] {
        char bytes[16];
        const auto count = connection->read(bytes);
        if (count && *count) got.assign(bytes, **count);
        loop_.stop();
      });
    });
    loop_.run_for(std::chrono::seconds(10));
    EXPECT_EQ(got, "early");
    close(client);
  }

  boost::asio::io_context loop_;
  EarlySockets& sockets_ = EarlySockets::of_process();
};

TEST_F(Early, AConnectionMadeBeforeTheListenerIsServedByIt) {
  const uint16_t port = free_port();
  ASSERT_TRUE(sockets_.listen_tcp("127.0.0.1", port));
  ASSERT_TRUE(sockets_.listen_tcp("127.0.0.1", port));
  ASSERT_TRUE(sockets_.listen_unix(socket_path()));
  EXPECT_EQ(sockets_.size(), 2u);
  const int tcp = connected(port);
  const int local = connected(socket_path());
  auto listener = StreamListener::listen_tcp(loop_, "127.0.0.1", port);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ((*listener)->port(), port);
  expect_queued(*std::move(listener), tcp);
  loop_.restart();
  auto unix_listener = StreamListener::listen_unix(loop_, {socket_path(), 0600});
  ASSERT_TRUE(unix_listener) << unix_listener.error().message;
  EXPECT_EQ(std::filesystem::status(socket_path()).permissions(), std::filesystem::perms(0600));
  expect_queued(*std::move(unix_listener), local);
  EXPECT_EQ(sockets_.size(), 0u);
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
}

TEST_F(Early, AnAddressThatIsInTheWayOfAWiderOneIsClosed) {
  const uint16_t port = free_port();
  ASSERT_TRUE(sockets_.listen_tcp("127.0.0.1", port));
  const auto listener = StreamListener::listen_tcp(loop_, "0.0.0.0", port);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(sockets_.size(), 0u);
}

TEST_F(Early, WhatNobodyTookIsClosed) {
  const uint16_t port = free_port();
  ASSERT_TRUE(sockets_.listen_tcp("127.0.0.1", port));
  ASSERT_TRUE(sockets_.listen_unix(socket_path()));
  sockets_.close_rest();
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
  EXPECT_TRUE(open_tcp_listener("127.0.0.1", port, 1));
}

TEST_F(Early, ASocketThatAnotherProcessServesIsNotTakenFromIt) {
  const auto running = open_unix_listener(socket_path(), {}, 1);
  ASSERT_TRUE(running);
  EXPECT_EQ(open_unix_listener(socket_path(), {}, 1).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(StreamListener::listen_unix(loop_, {socket_path()}).error().code,
            ErrorCode::Unavailable);
  close(connected(socket_path()));  // still there
  std::filesystem::remove(socket_path());
}

}  // namespace
}  // namespace noroshi

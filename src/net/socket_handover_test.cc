#include "net/socket_handover.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>

#include "net/stream_listener.h"

namespace noroshi {
namespace {

ino_t inode_of(int fd) {
  struct stat status{};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status.st_ino;
}

TEST(SocketHandover, GivesTheSameSocketOnlyWhileItLives) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const OfferedSocket offer("a:1", socket.get());
  EXPECT_FALSE(SocketHandover::take("a:1").has_value());
  {
    const SocketHandover handover;
    const auto taken = SocketHandover::take("a:1");
    ASSERT_TRUE(taken.has_value());
    EXPECT_NE(taken->get(), socket.get());
    EXPECT_EQ(inode_of(taken->get()), inode_of(socket.get()));
    EXPECT_FALSE(SocketHandover::take("a:2").has_value());
    EXPECT_FALSE(offer.shared());
    const OfferedSocket second("a:1", taken->get());
    EXPECT_TRUE(offer.shared());
  }
  EXPECT_FALSE(offer.shared());
  EXPECT_FALSE(SocketHandover::take("a:1").has_value());
}

TEST(SocketHandover, AUnixListenersFileGoesWithTheLastOfThem) {
  const std::string path = testing::TempDir() + "handover.sock";
  boost::asio::io_context loop;
  auto first = StreamListener::listen_unix(loop, {.path = path});
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_FALSE(StreamListener::listen_unix(loop, {.path = path})) << "somebody listens";
  const SocketHandover handover;
  auto second = StreamListener::listen_unix(loop, {.path = path});
  ASSERT_TRUE(second) << second.error().message;
  first->reset();
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0);
  second->reset();
  EXPECT_NE(::lstat(path.c_str(), &status), 0);
}

}  // namespace
}  // namespace noroshi

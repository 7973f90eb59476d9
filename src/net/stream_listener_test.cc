#include "net/stream_listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "net/listener_registry.h"

namespace noroshi {
namespace {

UniqueFd connect_tcp(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return socket;
}

UniqueFd connect_unix(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return socket;
}

class UnixListen : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("noroshi-listen-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    path_ = directory_ / "fluent.sock";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  boost::asio::io_context loop_;
  std::filesystem::path directory_;
  std::filesystem::path path_;
};

TEST(StreamListener, AcceptsReadsWritesAndSeesTheEnd) {
  boost::asio::io_context loop;
  auto listener = StreamListener::listen_tcp(loop, "127.0.0.1", 0);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_NE((*listener)->port(), 0);
  EXPECT_EQ((*listener)->address(), "127.0.0.1:" + std::to_string((*listener)->port()));

  const UniqueFd client = connect_tcp((*listener)->port());
  ASSERT_EQ(::send(client.get(), "hello", 5, 0), 5);
  std::unique_ptr<StreamConnection> connection;
  (*listener)->start(
      [&](std::unique_ptr<StreamConnection> accepted) { connection = std::move(accepted); });
  loop.run_one_for(std::chrono::seconds(5));
  ASSERT_TRUE(connection);
  EXPECT_EQ(connection->peer().rfind("127.0.0.1:", 0), 0u);

  bool readable = false;
  connection->when_readable([&] { readable = true; });
  EXPECT_FALSE(readable) << "handlers run on the loop only";
  loop.run_one_for(std::chrono::seconds(5));
  ASSERT_TRUE(readable);
  char buffer[64];
  auto count = connection->read(buffer);
  ASSERT_TRUE(count && *count);
  EXPECT_EQ(std::string_view(buffer, **count), "hello");
  count = connection->read(buffer);
  ASSERT_TRUE(count);
  EXPECT_FALSE(*count) << "nothing there now";

  ASSERT_TRUE(connection->write("ack"));
  ASSERT_EQ(::recv(client.get(), buffer, sizeof buffer, 0), 3);
  ::shutdown(client.get(), SHUT_WR);
  connection->when_readable([] {});
  loop.run_one_for(std::chrono::seconds(5));
  count = connection->read(buffer);
  ASSERT_TRUE(count && *count);
  EXPECT_EQ(**count, 0u);
}

TEST(StreamListener, AfterShutdownReadTheKernelsBytesStillCome) {
  boost::asio::io_context loop;
  auto listener = StreamListener::listen_tcp(loop, "127.0.0.1", 0);
  ASSERT_TRUE(listener);
  const UniqueFd client = connect_tcp((*listener)->port());
  ASSERT_EQ(::send(client.get(), "last words", 10, 0), 10);
  std::unique_ptr<StreamConnection> connection;
  (*listener)->start(
      [&](std::unique_ptr<StreamConnection> accepted) { connection = std::move(accepted); });
  loop.run_one_for(std::chrono::seconds(5));
  ASSERT_TRUE(connection);
  connection->shutdown_read();
  char buffer[64];
  auto count = connection->read(buffer);
  ASSERT_TRUE(count && *count);
  EXPECT_EQ(std::string_view(buffer, **count), "last words");
  count = connection->read(buffer);
  ASSERT_TRUE(count && *count);
  EXPECT_EQ(**count, 0u);
}

TEST(StreamListener, AResetTellsAPeerThatStillWrites) {
  for (const bool peer_has_closed : {false, true}) {
    boost::asio::io_context loop;
    auto listener = StreamListener::listen_tcp(loop, "127.0.0.1", 0);
    ASSERT_TRUE(listener);
    const UniqueFd client = connect_tcp((*listener)->port());
    std::unique_ptr<StreamConnection> connection;
    (*listener)->start(
        [&](std::unique_ptr<StreamConnection> accepted) { connection = std::move(accepted); });
    loop.run_one_for(std::chrono::seconds(5));
    ASSERT_TRUE(connection);
    if (peer_has_closed) ::shutdown(client.get(), SHUT_WR);
    connection->shutdown_read();
    connection->reset_when_closed();
    connection.reset();
    if (peer_has_closed) {  // it waits for our end: a proper one
      char byte = 0;
      EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);
    } else {  // after a plain close the first write would still succeed
      EXPECT_EQ(::send(client.get(), "lost", 4, MSG_NOSIGNAL), -1);
    }
  }
}

TEST(StreamListener, APortInUseIsAnErrorThatNamesIt) {
  boost::asio::io_context loop;
  auto first = StreamListener::listen_tcp(loop, "127.0.0.1", 0);
  ASSERT_TRUE(first);
  auto second = StreamListener::listen_tcp(loop, "127.0.0.1", (*first)->port());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(std::to_string((*first)->port())), std::string::npos);
  EXPECT_EQ(StreamListener::listen_tcp(loop, "300.1.2.3", 0).error().code,
            ErrorCode::InvalidArgument);
}

TEST(StreamListener, PausedConnectionsWaitInTheKernel) {
  boost::asio::io_context loop;
  auto listener = StreamListener::listen_tcp(loop, "127.0.0.1", 0);
  ASSERT_TRUE(listener);
  std::vector<std::unique_ptr<StreamConnection>> connections;
  (*listener)->start([&](std::unique_ptr<StreamConnection> accepted) {
    connections.push_back(std::move(accepted));
    (*listener)->pause();
  });
  const UniqueFd one = connect_tcp((*listener)->port());
  const UniqueFd two = connect_tcp((*listener)->port());
  loop.run_for(std::chrono::milliseconds(50));
  EXPECT_EQ(connections.size(), 1u);
  (*listener)->resume();
  loop.restart();
  loop.run_one_for(std::chrono::seconds(5));
  EXPECT_EQ(connections.size(), 2u);
}

TEST_F(UnixListen, AStaleSocketIsReplacedAndTheFileRemovedAtTheEnd) {
  {
    UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(stale.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(std::filesystem::is_socket(path_));
  {
    auto listener = StreamListener::listen_unix(loop_, {.path = path_, .permissions = 0660});
    ASSERT_TRUE(listener) << listener.error().message;
    EXPECT_EQ((*listener)->address(), "unix:" + path_.string());
    struct stat status{};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0660u);
    const UniqueFd client = connect_unix(path_);
    std::unique_ptr<StreamConnection> connection;
    (*listener)->start(
        [&](std::unique_ptr<StreamConnection> accepted) { connection = std::move(accepted); });
    loop_.run_one_for(std::chrono::seconds(5));
    ASSERT_TRUE(connection);
    EXPECT_EQ(connection->peer().rfind("unix:pid ", 0), 0u);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixListen, AnyOtherFileIsLeftAloneAndNamed) {
  std::ofstream(path_) << "precious";
  auto listener = StreamListener::listen_unix(loop_, {.path = path_});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::InvalidArgument);
  EXPECT_NE(listener.error().message.find(path_.string()), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_regular_file(path_));
}

TEST_F(UnixListen, AFileThatReplacedOursIsNotRemoved) {
  {
    auto listener = StreamListener::listen_unix(loop_, {.path = path_});
    ASSERT_TRUE(listener);
    std::filesystem::remove(path_);
    std::ofstream(path_) << "another's";
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixListen, APathThatDoesNotFitIsAnError) {
  auto listener = StreamListener::listen_unix(loop_, {.path = std::string(108, 'x')});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::InvalidArgument);
}

TEST(ListenerRegistry, TheWidestAddressWins) {
  ListenerRegistry registry;
  const size_t local = registry.claim({"forward", "forward.0", "127.0.0.1", 24224});
  const size_t all = registry.claim({"forward", "forward.1", "0.0.0.0", 24224});
  const size_t again = registry.claim({"forward", "forward.2", "0.0.0.0", 24224});
  const size_t other = registry.claim({"forward", "forward.3", "127.0.0.1", 24225});
  EXPECT_EQ(registry.resolve().size(), 2u);
  EXPECT_FALSE(registry.listens(local));
  EXPECT_TRUE(registry.listens(all));
  EXPECT_FALSE(registry.listens(again));
  EXPECT_TRUE(registry.listens(other));
}

TEST(ListenerRegistry, Ipv6WildcardCoversEverythingAndSpecificAddressesLiveTogether) {
  ListenerRegistry registry;
  const size_t ipv4_all = registry.claim({"forward", "a", "0.0.0.0", 1});
  const size_t ipv6_local = registry.claim({"forward", "b", "::1", 1});
  const size_t all = registry.claim({"forward", "c", "::", 1});
  const size_t one = registry.claim({"forward", "d", "127.0.0.1", 2});
  const size_t two = registry.claim({"forward", "e", "127.0.0.2", 2});
  const size_t v6_beside_v4 = registry.claim({"forward", "f", "::1", 3});
  const size_t v4_beside_v6 = registry.claim({"forward", "g", "0.0.0.0", 3});
  const size_t free_one = registry.claim({"forward", "h", "127.0.0.1", 0});
  const size_t free_two = registry.claim({"forward", "i", "127.0.0.1", 0});
  (void)registry.resolve();
  EXPECT_FALSE(registry.listens(ipv4_all));
  EXPECT_FALSE(registry.listens(ipv6_local));
  for (const size_t claim : {all, one, two, v6_beside_v4, v4_beside_v6, free_one, free_two}) {
    EXPECT_TRUE(registry.listens(claim)) << claim;
  }
}

TEST(ListenerRegistry, DifferentProtocolsOnOnePortAreReported) {
  ListenerRegistry registry;
  registry.claim({"forward", "forward.0", "0.0.0.0", 9000});
  registry.claim({"tcp", "tcp.0", "127.0.0.1", 9000});
  const auto conflicts = registry.resolve();
  ASSERT_EQ(conflicts.size(), 1u);
  EXPECT_FALSE(conflicts[0].same_kind);
  EXPECT_EQ(conflicts[0].claim.owner, "tcp.0");
}

}  // namespace
}  // namespace noroshi

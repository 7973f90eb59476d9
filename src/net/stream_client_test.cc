#include "net/stream_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <thread>

#include "base/thread_deadline.h"
#include "net/resolver.h"
#include "net/stream_listener.h"

namespace noroshi {
namespace {

using ::testing::HasSubstr;

Monotonic in(Nanoseconds wait) { return system_clock().monotonic() + wait; }

// A listener whose connections the test takes and handles by itself.
class StreamClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<StreamConnection> accept() {
    std::unique_ptr<StreamConnection> connection;
    listener_->start([&](std::unique_ptr<StreamConnection> one) { connection = std::move(one); });
    loop_.restart();
    loop_.run_one_for(std::chrono::seconds(5));
    return connection;
  }
  StreamAddress address() const { return {.host = "127.0.0.1", .port = listener_->port()}; }

  boost::asio::io_context loop_;
  std::unique_ptr<StreamListener> listener_ =
      StreamListener::listen_tcp(loop_, "127.0.0.1", 0).value();
};

TEST_F(StreamClientTest, WritesPiecesInOrderAndReads) {
  auto client = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  ASSERT_TRUE(client) << client.error().message;
  auto server = accept();
  ASSERT_TRUE(server);
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 50; ++i) {  // more than one sendmsg takes
    texts.push_back(i % 7 == 0 ? "" : std::to_string(i) + ",");
    expected += texts.back();
  }
  const std::vector<std::string_view> pieces(texts.begin(), texts.end());
  ASSERT_TRUE((*client)->write(pieces, in(Seconds(5))));
  char buffer[1000];
  const auto count = server->read(buffer);
  ASSERT_TRUE(count && *count);
  EXPECT_EQ(std::string_view(buffer, **count), expected);
  EXPECT_TRUE((*client)->reusable());
  ASSERT_TRUE(server->write("answer"));
  const auto answered = (*client)->read(buffer, in(Seconds(5)));
  ASSERT_TRUE(answered);
  EXPECT_EQ(std::string_view(buffer, *answered), "answer");
}

TEST_F(StreamClientTest, EveryWaitHasADeadline) {
  auto client = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  ASSERT_TRUE(client);
  char buffer[10];
  const auto silent = (*client)->read(buffer, in(Milliseconds(50)));
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, ErrorCode::Timeout);
  const std::string much(64 << 20,
                         'x');  // more than the kernel takes for a peer that reads nothing
  const auto stuck = (*client)->write(much, in(Milliseconds(100)));
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().code, ErrorCode::Timeout);
}

TEST_F(StreamClientTest, AShutdownCutsAWaitShort) {
  auto client = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  ASSERT_TRUE(client) << client.error().message;
  std::atomic<int64_t> deadline_ns{INT64_MAX};
  std::thread shutdown([&] {
    std::this_thread::sleep_for(Milliseconds(50));
    deadline_ns.store(system_clock().monotonic().time_since_epoch().count());
  });
  const ThreadDeadline scope(deadline_ns);
  char byte;
  const Monotonic began = system_clock().monotonic();
  const auto read = (*client)->read({&byte, 1}, began + Seconds(30));
  shutdown.join();
  EXPECT_EQ(read.error().code, ErrorCode::Timeout);
  EXPECT_LT(system_clock().monotonic() - began, Seconds(10));
}

TEST_F(StreamClientTest, ALargeWriteFinishesWhenThePeerReads) {
  auto client = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  ASSERT_TRUE(client);
  auto server = accept();
  ASSERT_TRUE(server);
  const std::string head = "head";
  const std::string much(8 << 20, 'x');
  std::string received;
  std::thread reader([&] {
    std::vector<char> buffer(1 << 20);
    while (received.size() < head.size() + much.size()) {
      const auto count = server->read(buffer);
      if (count && *count) received.append(buffer.data(), **count);
    }
  });
  const std::string_view pieces[] = {head, much};
  EXPECT_TRUE((*client)->write(pieces, in(Seconds(10))));
  reader.join();
  EXPECT_EQ(received, head + much);
}

TEST_F(StreamClientTest, AWriteUntilInputHasADeadline) {
  auto client = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  ASSERT_TRUE(client);
  auto server = accept();
  ASSERT_TRUE(server);
  const auto small = (*client)->write_until_input("small", in(Seconds(5)));
  ASSERT_TRUE(small);
  EXPECT_EQ(*small, 5U);
  const std::string much(64 << 20, 'x');  // more than the kernel takes
  const auto silent = (*client)->write_until_input(much, in(Milliseconds(100)));
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, ErrorCode::Timeout);
}

TEST_F(StreamClientTest, AnAnswerEndsAWriteThatWaits) {
  auto client = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  ASSERT_TRUE(client);
  auto server = accept();
  ASSERT_TRUE(server);
  const std::string much(64 << 20, 'x');
  std::thread speaker([&] {
    std::this_thread::sleep_for(Milliseconds(100));
    EXPECT_TRUE(server->write("enough"));
  });
  const auto stopped = (*client)->write_until_input(much, in(Seconds(20)));
  speaker.join();
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_LT(*stopped, much.size());
  char buffer[10];
  const auto said = (*client)->read(buffer, in(Seconds(5)));
  ASSERT_TRUE(said);
  EXPECT_EQ(std::string_view(buffer, *said), "enough");
}

TEST_F(StreamClientTest, WaitsForInputWithoutTakingIt) {
  auto client = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  ASSERT_TRUE(client);
  auto server = accept();
  ASSERT_TRUE(server);
  const auto nothing = (*client)->wait_for_input(in(Milliseconds(20)));
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
  ASSERT_TRUE(server->write("x"));
  for (int i = 0; i < 2; ++i) {
    const auto something = (*client)->wait_for_input(in(Seconds(5)));
    ASSERT_TRUE(something);
    EXPECT_TRUE(*something);
  }
  char buffer[10];
  EXPECT_EQ((*client)->read(buffer, in(Seconds(5))), 1U);
  server.reset();
  const auto end = (*client)->wait_for_input(in(Seconds(5)));
  ASSERT_TRUE(end);
  EXPECT_TRUE(*end) << "the end is something to read";
}

TEST_F(StreamClientTest, AClosedOrTalkingPeerIsNotReusable) {
  auto one = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  auto server = accept();
  ASSERT_TRUE(one && server);
  ASSERT_TRUE(server->write("unasked"));
  EXPECT_FALSE((*one)->reusable());
  auto two = StreamClient::connect(address(), nullptr, in(Seconds(5)));
  server = accept();
  ASSERT_TRUE(two && server);
  server.reset();
  EXPECT_FALSE((*two)->reusable());
}

TEST_F(StreamClientTest, WhatCannotBeReachedIsUnavailableAndNamed) {
  const uint16_t port = listener_->port();
  listener_.reset();
  const auto refused =
      StreamClient::connect({.host = "127.0.0.1", .port = port}, nullptr, in(Seconds(5)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(port)));
  const auto missing =
      StreamClient::connect({.unix_path = "/nowhere/x.sock"}, nullptr, in(Seconds(5)));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::Unavailable);
  EXPECT_FALSE(
      StreamClient::connect({.unix_path = std::string(200, 'x')}, nullptr, in(Seconds(5))));
}

TEST_F(StreamClientTest, ANameIsTriedAtAllItsAddresses) {
  // localhost is ::1 as well on most machines; the listener has 127.0.0.1 only.
  StreamAddress named = address();
  named.host = "localhost";
  const auto client = StreamClient::connect(named, nullptr, in(Seconds(5)));
  EXPECT_TRUE(client) << client.error().message;
}

TEST_F(StreamClientTest, ConnectsFromASourceAddress) {
  StreamAddress from = address();
  from.source_address = "127.0.0.5";
  const auto client = StreamClient::connect(from, nullptr, in(Seconds(5)));
  ASSERT_TRUE(client) << client.error().message;
  const auto server = accept();
  ASSERT_TRUE(server);
  EXPECT_EQ(server->peer().rfind("127.0.0.5:", 0), 0u);
  from.source_address = "::1";
  EXPECT_FALSE(StreamClient::connect(from, nullptr, in(Seconds(5))));
}

TEST_F(StreamClientTest, UnixSocket) {
  const auto path =
      std::filesystem::temp_directory_path() / ("noroshi-client-" + std::to_string(::getpid()));
  listener_ = StreamListener::listen_unix(loop_, {.path = path}).value();
  auto client = StreamClient::connect({.unix_path = path}, nullptr, in(Seconds(5)));
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->peer(), "unix:" + path.string());
  const auto server = accept();
  ASSERT_TRUE(server);
  ASSERT_TRUE((*client)->write("x", in(Seconds(5))));
  char byte = 0;
  const auto count = server->read(std::span(&byte, 1));
  ASSERT_TRUE(count && *count);
  EXPECT_EQ(byte, 'x');
}

TEST(Resolver, AddressesNeedNoLookUp) {
  const auto ipv4 = resolve("127.0.0.1", 24224, in(Nanoseconds(0)));
  ASSERT_TRUE(ipv4);
  EXPECT_EQ(ipv4->front().to_string(), "127.0.0.1:24224");
  const auto ipv6 = resolve("::1", 1, in(Nanoseconds(0)));
  ASSERT_TRUE(ipv6);
  EXPECT_EQ(ipv6->front().to_string(), "[::1]:1");
}

}  // namespace
}  // namespace noroshi

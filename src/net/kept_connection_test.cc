#include "net/kept_connection.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "net/stream_listener.h"

namespace noroshi {
namespace {

class KeptConnectionTest : public ::testing::Test {
 protected:
  KeptConnection connection(ConnectionOptions options = {}) const {
    return {{.host = "127.0.0.1", .port = listener_->port()},
            nullptr,
            std::move(options),
            system_clock()};
  }
  static Monotonic soon() { return system_clock().monotonic() + Seconds(5); }
  // What came over each connection so far.
  std::vector<std::string> received() {
    std::vector<std::string> all;
    listener_->start([&](std::unique_ptr<StreamConnection> one) {
      char buffer[1000];
      const auto count = one->read(buffer);
      all.emplace_back(buffer, count && *count ? **count : 0);
    });
    loop_.restart();
    loop_.run_for(std::chrono::milliseconds(200));
    return all;
  }

  boost::asio::io_context loop_;
  std::unique_ptr<StreamListener> listener_ =
      StreamListener::listen_tcp(loop_, "127.0.0.1", 0).value();
};

TEST_F(KeptConnectionTest, SendKeepsTheConnection) {
  KeptConnection kept = connection();
  ASSERT_TRUE(kept.send("one,", soon()));
  ASSERT_TRUE(kept.send("two", soon()));
  const auto opened = kept.open(soon());
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->fresh);
  EXPECT_EQ(received(), std::vector<std::string>{"one,two"});
}

TEST_F(KeptConnectionTest, SendWithoutKeepaliveClosesIt) {
  KeptConnection kept = connection({.keepalive = false});
  ASSERT_TRUE(kept.send("one", soon()));
  ASSERT_TRUE(kept.send("two", soon()));
  EXPECT_EQ(received(), (std::vector<std::string>{"one", "two"}));
}

TEST_F(KeptConnectionTest, SendSaysWhyItFailed) {
  KeptConnection kept = connection();
  listener_.reset();
  const Status sent = kept.send("one", soon());
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::Unavailable);
}

}  // namespace
}  // namespace noroshi

// The server with a handshake before the records: who is let in, who is not, and what that costs.
#include <gtest/gtest.h>

#include "input/forward/frame_builder.h"
#include "input/forward/server_loop.h"

namespace noroshi::forward {
namespace {

using namespace std::chrono_literals;

class Secured : public ServerLoop {
 protected:
  void start(Security security, ServerOptions options = {}) {
    options.security = std::move(security);
    serve(std::move(options));
  }
  // The next message of the server; nullopt if it closes or says something else.
  template <typename Message, typename Decode>
  std::optional<Message> receive(SocketClient& client, Decode decode) {
    std::optional<Message> message;
    const bool in_time = run_until([&] {
      inbox_ += client.received();
      const auto decoded = decode(inbox_);
      if (!decoded) return true;
      if (*decoded) {
        message = (*decoded)->message;
        inbox_.erase(0, (*decoded)->bytes);
      }
      return message.has_value() || client.closed_by_server();
    });
    EXPECT_TRUE(in_time);
    return message;
  }
  std::optional<Pong> shake_hands(SocketClient& client, const Credentials& own,
                                  const User& user = {}, std::string_view behind = {}) {
    const auto hello = receive<Hello>(client, decode_hello);
    if (!hello) return std::nullopt;
    ping_ = answer_hello(*hello, own, user);
    hello_ = *hello;
    client.send_some(encode(ping_) + std::string(behind));
    return receive<Pong>(client, decode_pong);
  }
  static std::string line(std::string_view content, std::string_view id = {}) {
    return array({text("app"), event_time(1'700'000'000, 5), log_record(content),
                  id.empty() ? map({}) : map({text("chunk"), text(id)})});
  }

  std::string inbox_;
  Ping ping_;
  Hello hello_;
};

const Security kKey{{"secret", "router"}, {}};
const Security kUsers{{"secret", "router"}, {{"alice", "a-pw"}, {"bob", "b pw"}}};

TEST_F(Secured, WhoKnowsTheKeyMaySend) {
  start(kKey);
  SocketClient client(port_);
  const auto pong = shake_hands(client, {"secret", "me"});
  ASSERT_TRUE(pong);
  EXPECT_TRUE(pong->accepted);
  EXPECT_EQ(pong->hostname, "router");
  EXPECT_TRUE(check_pong(*pong, ping_, hello_, {"secret", "me"}));
  client.send_some(line("hello", "id-1"));
  ASSERT_TRUE(run_until([&] { return (inbox_ += client.received()).size() >= 5; }));
  EXPECT_EQ(inbox_, map({text("ack"), text("id-1")}));
  EXPECT_EQ(sink_.records.size(), 1u);
}

TEST_F(Secured, RecordsMayFollowThePingAtOnce) {
  start(kKey);
  SocketClient client(port_);
  const auto pong = shake_hands(client, {"secret", "me"}, {}, line("at once"));
  ASSERT_TRUE(pong && pong->accepted);
  EXPECT_TRUE(run_until([&] { return sink_.records.size() == 1; }));
}

TEST_F(Secured, AWrongKeyIsToldAndClosed) {
  start(kKey);
  SocketClient client(port_);
  const auto pong = shake_hands(client, {"guess", "me"}, {}, line("smuggled"));
  ASSERT_TRUE(pong);
  EXPECT_FALSE(pong->accepted);
  EXPECT_EQ(pong->reason, "shared_key mismatch");
  EXPECT_EQ(pong->key_digest, "") << "nothing to compute the key from";
  EXPECT_TRUE(run_until([&] { return client.closed_by_server(); }));
  EXPECT_TRUE(sink_.records.empty());
}

TEST_F(Secured, UsersNeedTheirPassword) {
  start(kUsers);
  SocketClient bob(port_);
  const auto welcome = shake_hands(bob, {"secret", "me"}, {"bob", "b pw"});
  ASSERT_TRUE(welcome && welcome->accepted);
  SocketClient nobody(port_);
  const auto refusal = shake_hands(nobody, {"secret", "me"});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, "username/password mismatch");
}

TEST_F(Secured, RecordsWithoutAHandshakeAreNotTaken) {
  start(kKey);
  SocketClient client(port_);
  client.send_some(line("just so"));
  EXPECT_TRUE(run_until([&] { return client.closed_by_server(); }));
  EXPECT_TRUE(sink_.records.empty());
  EXPECT_EQ(metrics_.malformed.get(), 1u);
}

TEST_F(Secured, AReplayedPingIsRefused) {
  start(kKey);
  SocketClient first(port_);
  const auto pong = shake_hands(first, {"secret", "me"});
  ASSERT_TRUE(pong && pong->accepted);
  SocketClient second(port_);
  ASSERT_TRUE(receive<Hello>(second, decode_hello));
  second.send_some(encode(ping_));  // of the first, with another nonce
  const auto refusal = receive<Pong>(second, decode_pong);
  ASSERT_TRUE(refusal);
  EXPECT_FALSE(refusal->accepted);
}

TEST_F(Secured, WhoSaysNothingIsClosedInTime) {
  start(kKey, {.handshake_wait_max = Milliseconds(300)});
  SocketClient silent(port_);
  SocketClient slow(port_);
  ASSERT_TRUE(receive<Hello>(slow, decode_hello));
  slow.send_some(encode(Ping{}).substr(0, 5));
  EXPECT_TRUE(run_until([&] { return silent.closed_by_server() && slow.closed_by_server(); }));
  EXPECT_EQ(metrics_.connections_open.get(), 0u);
}

TEST_F(Secured, WhoIsInHasNoDeadlineAnyMore) {
  start(kKey, {.handshake_wait_max = Milliseconds(300)});
  SocketClient client(port_);
  const auto pong = shake_hands(client, {"secret", "me"});
  ASSERT_TRUE(pong && pong->accepted);
  loop_.restart();
  loop_.run_for(800ms);
  client.send_some(line("late"));
  EXPECT_TRUE(run_until([&] { return sink_.records.size() == 1; }));
}

TEST_F(Secured, ConnectingAndClosingIsSilent) {
  start(kKey);
  {
    SocketClient probe(port_);
  }
  EXPECT_TRUE(run_until([&] {
    return metrics_.connections_accepted.get() == 1 && metrics_.connections_open.get() == 0;
  }));
  EXPECT_EQ(metrics_.malformed.get(), 0u);
}

TEST_F(Secured, AnEndlessPingIsCutOff) {
  start(kKey);
  SocketClient client(port_);
  ASSERT_TRUE(receive<Hello>(client, decode_hello));
  client.send_some("\x96\xa4PING\xdb\x7f\xff\xff\xff" + std::string(8000, 'x'));
  EXPECT_TRUE(run_until([&] { return client.closed_by_server(); }));
}

}  // namespace
}  // namespace noroshi::forward

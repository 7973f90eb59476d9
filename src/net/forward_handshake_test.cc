#include "net/forward_handshake.h"

#include <gtest/gtest.h>

#include "record/msgpack_writer.h"

namespace noroshi::forward {
namespace {

const Credentials kServer{"secret", "server.example"};
const Credentials kClient{"secret", "client.example"};

// Both sides, over bytes.
Pong meet(const Security& server, const Credentials& client, const User& user = {}) {
  const Hello hello = make_hello(server);
  const auto heard = decode_hello(encode(hello));
  EXPECT_TRUE(heard && *heard);
  const Ping ping = answer_hello((*heard)->message, client, user);
  const auto pinged = decode_ping(encode(ping));
  EXPECT_TRUE(pinged && *pinged);
  const Pong pong = answer_ping((*pinged)->message, hello, server);
  const auto ponged = decode_pong(encode(pong));
  EXPECT_TRUE(ponged && *ponged);
  EXPECT_EQ((*ponged)->message.accepted, pong.accepted);
  EXPECT_EQ(check_pong((*ponged)->message, ping, hello, client).has_value(), pong.accepted);
  return pong;
}

TEST(ForwardHandshake, Meets) {
  EXPECT_TRUE(meet({kServer, {}}, kClient).accepted);
  EXPECT_TRUE(meet({{"", "s"}, {}}, {"", "c"}).accepted);
  EXPECT_EQ(meet({kServer, {}}, {"other", "c"}).reason, "shared_key mismatch");
  const Security users{kServer, {{"alice", "a-pw"}, {"bob", "b-pw"}}};
  EXPECT_TRUE(meet(users, kClient, {"bob", "b-pw"}).accepted);
  for (const User& wrong : {User{}, User{"bob", "a-pw"}, User{"bobb", "-pw"}, User{"carol", ""}})
    EXPECT_EQ(meet(users, kClient, wrong).reason, "username/password mismatch") << wrong.name;
}

// Computed with Python: hashlib.sha512(b"salt" + b"client" + b"nonce" + b"key").hexdigest()
TEST(ForwardHandshake, DigestsAreThoseOfTheSpecification) {
  EXPECT_EQ(key_digest("salt", "client", "nonce", "key"),
            "3e248aa088bb87580dd4d9dadb22c4a0335df68b0741d007d17ec8005aeb9998"
            "e843e2a85c37bd98d796ff5e2bd5e616e2c5fa1c72deb0a074e05ece1705ecba");
  EXPECT_EQ(password_digest("auth", {"user", "password"}),
            "82d658d975e9236cfa7f7d812b2b51567fd5c0e0ea0d89608720130391a2d043"
            "0e41054e9cb0b174061ecc251ded5b60d92f86dc52d1968906bd1527e9f760d3");
}

TEST(ForwardHandshake, AServerThatDoesNotKnowTheKeyIsNotBelieved) {
  const Hello hello = make_hello({kServer, {}});
  const Ping ping = answer_hello(hello, kClient, {});
  Pong pong = answer_ping(ping, hello, {kServer, {}});
  EXPECT_TRUE(check_pong(pong, ping, hello, kClient));
  pong.key_digest[7] ^= 1;
  const Status lie = check_pong(pong, ping, hello, kClient);
  ASSERT_FALSE(lie);
  EXPECT_EQ(lie.error().code, ErrorCode::Denied);
  EXPECT_FALSE(check_pong({.accepted = true}, ping, hello, kClient));
}

TEST(ForwardHandshake, NoncesAreNewEachTimeAndBin) {
  const Hello one = make_hello({kServer, {{"a", "b"}}});
  const Hello two = make_hello({kServer, {{"a", "b"}}});
  EXPECT_NE(one.nonce, two.nonce);
  EXPECT_NE(one.auth, two.auth);
  EXPECT_EQ(one.nonce.size(), kNonceBytes);
  EXPECT_NE(encode(one).find("\xc4\x10" + one.nonce), std::string::npos);
  EXPECT_EQ(make_hello({kServer, {}}).auth, "");
}

TEST(ForwardHandshake, ReadsWhatOthersSend) {
  std::string bytes;  // Fluent Bit's HELO: str, no keepalive; an unknown key; more elements
  MsgpackWriter writer(bytes);
  writer.array_header(3), writer.string("HELO"), writer.map_header(3);
  writer.string("nonce"), writer.string("\xff\xfe raw");
  writer.string("future"), writer.array_header(1), writer.nil();
  writer.string("auth"), writer.nil();
  writer.string("more");
  const auto hello = decode_hello(bytes + "rest");
  ASSERT_TRUE(hello && *hello);
  EXPECT_EQ((*hello)->message.nonce, "\xff\xfe raw");
  EXPECT_EQ((*hello)->message.auth, "");
  EXPECT_TRUE((*hello)->message.keepalive);
  EXPECT_EQ((*hello)->bytes, bytes.size());

  bytes.clear();  // a PING all in bin, without a user
  writer.array_header(6);
  for (const char* field : {"PING", "host", "salt", "digest"}) writer.binary(field);
  writer.nil(), writer.nil();
  const auto ping = decode_ping(bytes);
  ASSERT_TRUE(ping && *ping);
  EXPECT_EQ((*ping)->message.key_digest, "digest");
  EXPECT_EQ((*ping)->message.username, "");
}

TEST(ForwardHandshake, MessagesMayArriveInPieces) {
  const std::string bytes = encode(answer_hello(make_hello({kServer, {}}), kClient, {}));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto part = decode_ping(std::string_view(bytes).substr(0, size));
    ASSERT_TRUE(part) << size << ": " << part.error().message;
    EXPECT_FALSE(*part) << size;
  }
}

TEST(ForwardHandshake, SomethingElseIsAnError) {
  std::string log_frame;
  MsgpackWriter writer(log_frame);
  writer.array_header(3), writer.string("app"), writer.integer(1), writer.map_header(0);
  EXPECT_FALSE(decode_ping(log_frame));
  EXPECT_FALSE(decode_ping("GET / HTTP/1.1\r\n"));
  EXPECT_FALSE(decode_ping("\x16\x03\x01"));  // TLS
  EXPECT_FALSE(decode_ping(encode(Pong{})));
  EXPECT_FALSE(decode_hello(encode(Ping{})));
  std::string endless;  // never more than so many bytes are waited for
  MsgpackWriter(endless).array_header(6);
  MsgpackWriter(endless).string("PING");
  MsgpackWriter(endless).string_header(1 << 20);
  EXPECT_TRUE(decode_ping(endless + std::string(kHandshakeBytesMax / 2, 'x')));
  EXPECT_FALSE(decode_ping(endless + std::string(kHandshakeBytesMax, 'x')));
}

}  // namespace
}  // namespace noroshi::forward

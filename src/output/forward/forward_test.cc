// The output against a server that the test scripts: what is sent, when a batch counts as
// delivered, and what happens when the server does it wrong. (Real servers:
// tests/system/forward_secure_test.py.)
#include "output/forward/forward.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "net/forward_handshake.h"
#include "output/forward/forward_batch.h"
#include "output/forward/forward_peer.h"
#include "output/testing/stream_fixture.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;

// One accepted connection, on the server's thread; every wait ends after five seconds.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {
    const timeval limit{5, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  // The next MessagePack value; "" at the end.
  std::string receive() {
    for (;;) {
      MsgpackReader reader(received_);
      if (const auto value = reader.skip()) {
        const std::string bytes(*value);
        received_.erase(0, bytes.size());
        return bytes;
      }
      char buffer[65536];
      const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) return "";
      received_.append(buffer, static_cast<size_t>(count));
    }
  }
  void send(std::string_view bytes) { ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void acknowledge(std::string_view id) {
    std::string answer;
    MsgpackWriter writer(answer);
    writer.map_header(1), writer.string("ack"), writer.string(id);
    send(answer);
  }

 private:
  UniqueFd fd_;
  std::string received_;
};

// Serves one connection after the other with `serve`.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(Peer&)> serve)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)), serve_(std::move(serve)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(socket_.get(), 8);
    socklen_t size = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (;;) {
        const int fd = ::accept(socket_.get(), nullptr, nullptr);
        if (fd < 0) return;
        ++connections;
        Peer peer(fd);
        serve_(peer);
      }
    });
  }
  ~ScriptedServer() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string port() const { return std::to_string(port_); }
  std::atomic<int> connections{0};

 private:
  UniqueFd socket_;
  uint16_t port_ = 0;
  std::function<void(Peer&)> serve_;
  std::thread thread_;
};

struct Frame {
  std::string tag, entries, chunk, compressed;
  uint64_t size = 0;
  bool with_option = false;
};

Frame parse(std::string_view bytes) {
  Frame frame;
  MsgpackReader reader(bytes);
  const uint32_t elements = reader.read_array().value();
  frame.tag = reader.read_string().value();
  frame.entries = reader.read_binary().value();
  if (elements == 2) return frame;
  frame.with_option = true;
  const uint32_t pairs = reader.read_map().value();
  for (uint32_t i = 0; i < pairs; ++i) {
    const auto key = reader.read_string().value();
    if (key == "chunk") {
      frame.chunk = reader.read_string().value();
    } else if (key == "compressed") {
      frame.compressed = reader.read_string().value();
    } else if (key == "size") {
      frame.size = reader.read_uint().value();
    } else {
      (void)reader.skip().value();
    }
  }
  return frame;
}

class ForwardOutputTest : public testing::StreamFixture {
 protected:
  ForwardOutputTest() : StreamFixture(kForwardOutputPlugin) {
    chunk_.json(Timestamp(Nanoseconds(1'500'000'005)), R"({"log":"a"})");
  }

  ChunkBuilder chunk_ = ChunkBuilder("app.web", Offset{7});
};

constexpr auto kDelivered = Delivery::Outcome::Delivered;
constexpr auto kRetry = Delivery::Outcome::Retry;

TEST_F(ForwardOutputTest, SendsOneFrameOfEntries) {
  std::promise<std::string> received;
  ScriptedServer server([&](Peer& peer) { received.set_value(peer.receive()); });
  const auto output = make({{"Host", "127.0.0.1"}, {"Port", server.port()}});
  ASSERT_TRUE(output) << diagnostics_.render();
  EXPECT_EQ(output->identity(), "forward:127.0.0.1:" + server.port());
  chunk_.json(Timestamp(Seconds(2)), R"({"log":"b","n":1})");
  ASSERT_EQ(deliver(*output, *batch(*output, chunk_)).outcome, kDelivered);
  output->stop();
  const std::string bytes = received.get_future().get();  // receive() gives up by itself
  const Frame frame = parse(bytes);
  EXPECT_EQ(frame.tag, "app.web");
  EXPECT_FALSE(frame.with_option);
  using namespace std::string_view_literals;
  EXPECT_EQ(frame.entries,
            "\x92\xd7\x00\x00\x00\x00\x01\x1d\xcd\x65\x05\x81\xa3log\xa1"
            "a"
            "\x92\xd7\x00\x00\x00\x00\x02\x00\x00\x00\x00\x82\xa3log\xa1"
            "b\xa1n\x01"sv);
}

TEST_F(ForwardOutputTest, ABatchIsDeliveredWhenItIsAcknowledged) {
  std::vector<Frame> frames;
  ScriptedServer server([&](Peer& peer) {
    for (std::string bytes = peer.receive(); !bytes.empty(); bytes = peer.receive()) {
      frames.push_back(parse(bytes));
      peer.acknowledge(frames.back().chunk);
    }
  });
  const auto output = make({{"Port", server.port()}, {"Require_ack_response", "true"}});
  ASSERT_TRUE(output) << diagnostics_.render();
  EXPECT_THAT(destination_, HasSubstr("acknowledged"));
  const auto first = batch(*output, chunk_);
  ASSERT_EQ(deliver(*output, *first).outcome, kDelivered);
  ASSERT_EQ(deliver(*output, *first).outcome, kDelivered) << "a repetition";
  ChunkBuilder later("app.web", Offset{8});
  later.json(Timestamp(Nanoseconds(1'500'000'005)), R"({"log":"a"})");
  ASSERT_EQ(deliver(*output, *batch(*output, later)).outcome, kDelivered);
  ASSERT_EQ(deliver(*output, *batch(*output, chunk_)).outcome, kDelivered) << "after a restart";
  EXPECT_EQ(server.connections, 1) << "one connection, kept";
  ASSERT_EQ(frames.size(), 4u);
  EXPECT_EQ(frames[0].chunk.size(), 24u) << "16 bytes in base64";
  EXPECT_EQ(frames[0].size, 1u);
  EXPECT_EQ(frames[0].chunk, frames[1].chunk);
  EXPECT_EQ(frames[0].chunk, frames[3].chunk) << "the same records at the same place";
  EXPECT_NE(frames[0].chunk, frames[2].chunk) << "equal records at another place";
}

TEST_F(ForwardOutputTest, AWrongALateAndAMissingAckAreRetries) {
  std::atomic<int> round = 0;
  ScriptedServer server([&](Peer& peer) {
    const Frame frame = parse(peer.receive());
    switch (round++) {
      case 0:
        return peer.acknowledge("another chunk");
      case 1:  // never; waits until the client has gone
        EXPECT_EQ(peer.receive(), "");
        return;
      case 2:
        return peer.send("HTTP/1.1 200 OK\r\n\r\n");
      case 3:
        return;  // closes
      case 4:
        return peer.send(
            "\x81\xa3"
            "ack");  // half of it
      default:
        return peer.acknowledge(frame.chunk);
    }
  });
  const auto output =
      make({{"Port", server.port()}, {"Require_ack_response", "on"}, {"net.io_timeout", "200ms"}});
  ASSERT_TRUE(output) << diagnostics_.render();
  const auto one = batch(*output, chunk_);
  for (const char* reason : {"another chunk", "for an answer", "no acknowledgement",
                             "closed the connection", "closed the connection"}) {
    const Delivery delivery = deliver(*output, *one);
    ASSERT_EQ(delivery.outcome, kRetry) << reason;
    EXPECT_THAT(delivery.reason, HasSubstr(reason));
  }
  EXPECT_EQ(deliver(*output, *one).outcome, kDelivered);
}

TEST_F(ForwardOutputTest, AClosedIdleConnectionIsReplacedWithinTheAttempt) {
  ScriptedServer server([&](Peer& peer) { peer.acknowledge(parse(peer.receive()).chunk); });
  const auto output = make({{"Port", server.port()}, {"Require_ack_response", "on"}});
  ASSERT_TRUE(output);
  for (int i = 0; i < 3; ++i)  // the server closes after each
    EXPECT_EQ(deliver(*output, *batch(*output, chunk_)).outcome, kDelivered) << i;
  EXPECT_EQ(server.connections, 3);
}

TEST_F(ForwardOutputTest, TheAttemptEndsAtItsDeadline) {
  ScriptedServer server([&](Peer& peer) {
    while (!peer.receive().empty()) {
    }
  });
  const auto output = make({{"Port", server.port()}, {"Require_ack_response", "on"}});
  ASSERT_TRUE(output);
  const Monotonic begin = system_clock().monotonic();
  EXPECT_EQ(deliver(*output, *batch(*output, chunk_), Milliseconds(200)).outcome, kRetry);
  EXPECT_LT(system_clock().monotonic() - begin, Seconds(2));
}

// A server with a shared_key, on top of our own half of the handshake.
void serve_secured(Peer& peer, const forward::Security& security) {
  const forward::Hello hello = forward::make_hello(security);
  peer.send(encode(hello));
  const auto ping = forward::decode_ping(peer.receive());
  if (!ping || !*ping) return;
  const forward::Pong pong = answer_ping((*ping)->message, hello, security);
  peer.send(encode(pong));
  if (pong.accepted) peer.acknowledge(parse(peer.receive()).chunk);
}

TEST_F(ForwardOutputTest, ProvesThatItKnowsTheKey) {
  ScriptedServer server(
      [](Peer& peer) { serve_secured(peer, {{"secret", "server"}, {{"alice", "password"}}}); });
  const auto attempt = [&](Pairs pairs) {
    pairs.push_back({"Port", server.port()});
    pairs.push_back({"Require_ack_response", "on"});
    const auto output = make(pairs);
    EXPECT_TRUE(output) << diagnostics_.render();
    return deliver(*output, *batch(*output, chunk_));
  };
  EXPECT_EQ(
      attempt({{"Shared_Key", "secret"}, {"Username", "alice"}, {"Password", "password"}}).outcome,
      kDelivered);
  const Delivery wrong_key = attempt({{"shared_key", "guess"}});
  EXPECT_EQ(wrong_key.outcome, kRetry);
  EXPECT_EQ(wrong_key.retry_class, RetryClass::Auth);
  EXPECT_THAT(wrong_key.reason, HasSubstr("shared_key mismatch"));
  const Delivery wrong_user = attempt({{"shared_key", "secret"}, {"username", "bob"}});
  EXPECT_THAT(wrong_user.reason, HasSubstr("username/password mismatch"));
}

TEST_F(ForwardOutputTest, AServerThatLiesAboutTheKeyGetsNothing) {
  std::promise<std::string> after;
  ScriptedServer server([&](Peer& peer) {
    peer.send(encode(forward::make_hello({})));
    (void)peer.receive();
    peer.send(encode(forward::Pong{.accepted = true, .hostname = "x", .key_digest = "y"}));
    after.set_value(peer.receive());
  });
  const auto output = make({{"Port", server.port()}, {"shared_key", "secret"}});
  const Delivery delivery = deliver(*output, *batch(*output, chunk_));
  EXPECT_EQ(delivery.outcome, kRetry);
  EXPECT_THAT(delivery.reason, HasSubstr("cannot prove"));
  EXPECT_EQ(after.get_future().get(), "");
}

TEST_F(ForwardOutputTest, CompressedAndWithOptions) {
  std::vector<Frame> frames;
  ScriptedServer server([&](Peer& peer) {
    for (std::string bytes = peer.receive(); !bytes.empty(); bytes = peer.receive()) {
      frames.push_back(parse(bytes));
      peer.acknowledge(frames.back().chunk);
    }
  });
  for (int i = 0; i < 100; ++i)
    chunk_.json(Timestamp(Seconds(5)), R"({"log":"the same line again"})");
  const std::string plain = [&] {
    const auto output = make({{"Port", server.port()}, {"Require_ack_response", "on"}});
    EXPECT_EQ(deliver(*output, *batch(*output, chunk_)).outcome, kDelivered);
    return frames.at(0).entries;
  }();
  for (const std::string kind : {"gzip", "zstd"}) {
    const auto output = make({{"Port", server.port()},
                              {"Require_ack_response", "on"},
                              {"Compress", kind},
                              {"add_option", "env prod"}});
    ASSERT_TRUE(output) << diagnostics_.render();
    ASSERT_EQ(deliver(*output, *batch(*output, chunk_)).outcome, kDelivered);
    EXPECT_EQ(frames.back().compressed, kind);
    EXPECT_LT(frames.back().entries.size(), plain.size() / 3);
    EXPECT_EQ(frames.back().entries.substr(0, 2), kind == "gzip" ? "\x1f\x8b" : "\x28\xb5");
  }
}

TEST_F(ForwardOutputTest, TagsAndMetadataAndIntegerTimes) {
  const auto output = make({{"Tag", "copy.$TAG.$level"}, {"time_as_integer", "on"}});
  ASSERT_TRUE(output) << diagnostics_.render();
  ChunkBuilder chunk("app");
  chunk.json(Timestamp(Seconds(1)), R"({"level":"info"})")
      .json(Timestamp(Seconds(1)), R"({"level":"warn"})");
  std::vector<std::string_view> groups;
  output->group(chunk.view(), chunk.all(), groups);
  EXPECT_EQ(groups, (std::vector<std::string_view>{"copy.app.info", "copy.app.warn"}));
}

// A frame put together again.
Frame frame_of(Batch& batch) {
  std::string bytes;
  for (const std::string_view piece : static_cast<ForwardBatch&>(batch).frame()) bytes += piece;
  EXPECT_TRUE(validate_msgpack(bytes));
  return parse(bytes);
}

TEST_F(ForwardOutputTest, TimesThatReceiversRefuseAreMoved) {
  const auto output = make({});
  ChunkBuilder chunk("app");
  const std::string record = "\x80";
  chunk.msgpack(Timestamp(Seconds(-5)), record);
  chunk.msgpack(Timestamp(Seconds(0xffffffffLL)), record);  // Fluent Bit's end of a group
  const Frame frame = frame_of(*batch(*output, chunk));
  using namespace std::string_view_literals;
  EXPECT_EQ(frame.entries,
            "\x92\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
            "\x92\xd7\x00\xff\xff\xff\xfd\x00\x00\x00\x00\x80"sv);
}

TEST_F(ForwardOutputTest, MetadataTravelsUnlessItMayNot) {
  Chunk chunk;
  chunk.tag = "app";
  chunk.append(Timestamp(Seconds(1)), "\x81\xa1r\x01", "\x81\xa1m\x02");
  const std::vector<uint32_t> all = {0};
  std::vector<RejectedRecord> rejected;
  for (const bool retain : {true, false}) {
    const auto output = make(
        {{"retain_metadata_in_forward_mode", retain ? "on" : "off"}, {"time_as_integer", "on"}});
    auto one = output->open_batch("app", {}).value();
    ASSERT_EQ(one->add(chunk.view(), all, rejected), 1u);
    EXPECT_EQ(frame_of(*one).entries,
              retain ? "\x92\x92\x01\x81\xa1m\x02\x81\xa1r\x01" : "\x92\x01\x81\xa1r\x01");
  }
}

TEST_F(ForwardOutputTest, ABatchIsBoundedAndTakesALargeRecordAlone) {
  const auto output = make({});
  auto one = output->open_batch("app", {}).value();
  const std::string large =
      "\x81\xa1x\xc6" + std::string("\x00\x20\x00\x00", 4) + std::string(2 << 20, 'x');
  ChunkBuilder chunk("app");
  chunk.msgpack(Timestamp(Seconds(1)), large).msgpack(Timestamp(Seconds(1)), "\x80");
  std::vector<RejectedRecord> rejected;
  EXPECT_EQ(one->add(chunk.view(), chunk.all(), rejected), 1u);
  EXPECT_TRUE(one->full());
}

class UpstreamTest : public ForwardOutputTest {
 protected:
  ~UpstreamTest() override { std::filesystem::remove(path_); }
  std::string write(std::string_view text) {
    std::ofstream(path_) << text;
    return path_;
  }
  std::string path_ =
      std::filesystem::temp_directory_path() / ("noroshi-upstream-" + std::to_string(::getpid()));
};

TEST_F(UpstreamTest, NodesAreUsedInTurnAndDeadOnesPassedOver) {
  std::atomic<int> one_frames = 0, two_frames = 0;
  const auto serve = [](std::atomic<int>& count) {
    return [&count](Peer& peer) {
      for (std::string bytes = peer.receive(); !bytes.empty(); bytes = peer.receive()) {
        ++count;
        peer.acknowledge(parse(bytes).chunk);
      }
    };
  };
  ScriptedServer one(serve(one_frames));
  auto two = std::make_unique<ScriptedServer>(serve(two_frames));
  const auto output = make(
      {{"Require_ack_response", "on"},
       {"Upstream", write("[UPSTREAM]\n    name balance\n[NODE]\n    name one\n"
                          "    host 127.0.0.1\n    port " +
                          one.port() + "\n[NODE]\n    name two\n    host 127.0.0.1\n    port " +
                          two->port() + "\n")}});
  ASSERT_TRUE(output) << diagnostics_.render();
  for (int i = 0; i < 4; ++i)
    ASSERT_EQ(deliver(*output, *batch(*output, chunk_)).outcome, kDelivered);
  EXPECT_EQ(one_frames, 2);
  EXPECT_EQ(two_frames, 2);
  output->stop();
  two.reset();
  for (int i = 0; i < 4; ++i) {
    const Delivery delivery = deliver(*output, *batch(*output, chunk_));
    ASSERT_EQ(delivery.outcome, kDelivered) << delivery.reason;
  }
  EXPECT_EQ(one_frames, 6);
}

TEST_F(UpstreamTest, WhatTheFileMustSay) {
  EXPECT_FALSE(make({{"Upstream", "/nowhere/upstream.conf"}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("/nowhere/upstream.conf"));
  EXPECT_FALSE(make({{"Upstream", write("[UPSTREAM]\n    name x\n")}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("has no [NODE]"));
  EXPECT_FALSE(make({{"Upstream", write("[NODE]\n    host a\n    prot 1\n")}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("prot"));
  EXPECT_FALSE(make({{"Upstream", write("[NODE]\n    host a\n    require_ack_response on\n")}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("holds for all nodes"));
  EXPECT_TRUE(make({{"Upstream", write("[NODE]\n    name a\n    host a\n    tls on\n    tls.verify "
                                       "off\n    shared_key s\n")}}))
      << diagnostics_.render();
  EXPECT_THAT(destination_, HasSubstr("a:24224 with TLS"));
}

TEST_F(ForwardOutputTest, Options) {
  EXPECT_FALSE(make({{"Compress", "lz4"}}));
  EXPECT_FALSE(make({{"shared_key", ""}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("shared_key is empty"));
  EXPECT_FALSE(make({{"username", "alice"}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("need shared_key"));
  EXPECT_FALSE(make({{"add_option", "alone"}}));
  EXPECT_FALSE(make({{"add_option", "chunk mine"}}));
  EXPECT_FALSE(make({{"unix_path", "/x.sock"}, {"tls", "on"}}));
  EXPECT_TRUE(make({{"unix_path", "/x.sock"}})) << diagnostics_.render();
  EXPECT_EQ(destination_, "Forward protocol to unix:/x.sock");
  EXPECT_TRUE(make({{"Host", "log.example"},
                    {"empty_shared_key", "on"},
                    {"username", "alice"},
                    {"fluentd_compat", "on"},
                    {"workers", "2"},
                    {"net.keepalive", "off"},
                    {"net.dns.mode", "TCP"},
                    {"tls", "on"},
                    {"tls.vhost", "other"}}))
      << diagnostics_.render();
  EXPECT_EQ(diagnostics_.warning_count(), 0u) << diagnostics_.render();
}

TEST(ParseAck, TakesAnAckAndNothingElse) {
  using namespace std::string_view_literals;
  EXPECT_EQ(parse_ack("\x81\xa3"
                      "ack\xa2id"sv)
                .value(),
            "id");
  EXPECT_EQ(parse_ack("\x82\xa1x\xc0\xa3"
                      "ack\xc4\x02id"sv)
                .value(),
            "id");
  EXPECT_EQ(parse_ack("").value(), std::nullopt);
  EXPECT_EQ(parse_ack("\x81\xa3"
                      "ac"sv)
                .value(),
            std::nullopt);
  EXPECT_EQ(parse_ack("\x81\xa3"
                      "ack\xa2i"sv)
                .value(),
            std::nullopt);
  EXPECT_FALSE(
      parse_ack("\x81\xa3"
                "ack\xc0"sv));
  EXPECT_FALSE(parse_ack("\x80"sv));
  EXPECT_FALSE(parse_ack("\x93\xa3"sv));
  EXPECT_FALSE(parse_ack("\xc1"sv));
  EXPECT_FALSE(parse_ack("\x81\xdb\x00\xff\xff\xff" + std::string(kAnswerBytesMax, 'x')));
}

}  // namespace
}  // namespace noroshi

// The plugin: what a section of the configuration becomes.
#include "input/forward/forward.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <thread>

#include "config/diagnostics.h"
#include "config/document.h"
#include "input/forward/frame_builder.h"
#include "input/socket_client.h"
#include "input/test_section.h"
#include "net/listener_registry.h"
#include "net/stream_client.h"
#include "net/stream_listener.h"
#include "net/testing/test_certificates.h"
#include "parser/parser_registry.h"

namespace noroshi::forward {
namespace {

using namespace std::chrono_literals;

const std::string kSeconds = integer(1'700'000'000);

class ForwardConfiguration : public ::testing::Test {
 protected:
  std::optional<MadeInput> make(
      const std::vector<std::pair<std::string, std::string>>& properties) {
    diagnostics_ = {};
    InputContext context{
        .parsers = parsers_, .listeners = listeners_, .instance_name = "forward.0"};
    return kForwardInput.make(section_of(properties), context, diagnostics_);
  }
  ParserRegistry parsers_;
  ListenerRegistry listeners_;
  Diagnostics diagnostics_;
  boost::asio::io_context loop_;
};

TEST_F(ForwardConfiguration, WhatEcsGenerates) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("noroshi-forward-" + std::to_string(::getpid()) + ".sock");
  auto made = make({{"Name", "forward"}, {"unix_path", path}});
  ASSERT_TRUE(made) << diagnostics_.render();
  EXPECT_EQ(made->description, "Forward protocol on unix:" + path.string());
  ASSERT_TRUE(made->input->bind(loop_));
  EXPECT_EQ(made->input->listening_on(), "unix:" + path.string()) << "no TCP port beside it";
  made->input->close();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(make({{"Name", "forward"},
                    {"Listen", "127.0.0.1"},
                    {"Port", "24224"},
                    {"Mem_Buf_Limit", "25MB"}}));
  EXPECT_EQ(diagnostics_.warning_count(), 0u);
}

TEST_F(ForwardConfiguration, UnixAndTcpAtOnceAndPermissions) {
  RecordingSink sink;  // both outlive the inputs
  InputMetrics metrics;
  const auto path = std::filesystem::temp_directory_path() /
                    ("noroshi-forward-" + std::to_string(::getpid()) + ".sock");
  auto made = make({{"Name", "forward"},
                    {"unix_path", path},
                    {"unix_perm", "0666"},
                    {"listen", "127.0.0.1"},
                    {"port", "0"}});
  ASSERT_TRUE(made) << diagnostics_.render();
  ASSERT_TRUE(made->input->bind(loop_));
  made->input->start(sink, metrics);
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666u);
  SocketClient client(path.string());
  client.send_some(message("unix", kSeconds, log_record("x")));
  const std::string address = made->input->listening_on();
  SocketClient tcp(static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
  tcp.send_some(message("tcp", kSeconds, log_record("x")));
  for (int n = 0; n < 500 && sink.records.size() < 2; ++n) {
    loop_.restart();
    loop_.run_one_for(10ms);
  }
  EXPECT_EQ(sink.records.size(), 2u);
  EXPECT_TRUE(made->input->busy());
  made->input->close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ForwardConfiguration, TwoOnOnePortAreOneListener) {
  RecordingSink sink;  // both outlive the inputs
  InputMetrics metrics;
  // One that was free a moment ago.
  const std::string port =
      std::to_string((*StreamListener::listen_tcp(loop_, "0.0.0.0", 0))->port());
  auto user = make({{"Name", "forward"}, {"Listen", "127.0.0.1"}, {"Port", port}});
  auto ecs = make({{"Name", "forward"}, {"Listen", "0.0.0.0"}, {"Port", port}});
  ASSERT_TRUE(user && ecs);
  EXPECT_EQ(listeners_.resolve().size(), 1u);
  ASSERT_TRUE(user->input->bind(loop_));
  ASSERT_TRUE(ecs->input->bind(loop_));
  EXPECT_EQ(user->input->listening_on(), "");
  EXPECT_EQ(ecs->input->listening_on(), "0.0.0.0:" + port);
  user->input->start(sink, metrics);
  EXPECT_FALSE(user->input->busy());
  user->input->close();
}

TEST_F(ForwardConfiguration, EveryKeyOfFluentBitIsKnown) {
  const auto made = make({{"Name", "forward"},
                          {"Tag", "t"},
                          {"Alias", "a"},
                          {"listen", "0.0.0.0"},
                          {"port", "24224"},
                          {"buffer_chunk_size", "1M"},
                          {"buffer_max_size", "6M"},
                          {"tag_prefix", "p."},
                          {"workers", "1"},
                          {"self_hostname", "me"},
                          {"mem_buf_limit", "10M"},
                          {"storage.type", "filesystem"},
                          {"storage.pause_on_chunks_overlimit", "off"},
                          {"threaded", "true"},
                          {"log_level", "info"},
                          {"net.share_port", "on"},
                          {"net.backlog", "256"},
                          {"net.io_timeout", "10"},
                          {"net.keepalive", "on"},
                          {"tls", "off"},
                          {"tls.verify", "on"},
                          {"routable", "true"},
                          {"empty_shared_key", "false"}});
  EXPECT_TRUE(made) << diagnostics_.render();
  EXPECT_EQ(diagnostics_.error_count(), 0u) << diagnostics_.render();
}

TEST_F(ForwardConfiguration, WhatCannotBeIsAnErrorNotAGuess) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"shared_key", ""},
                                                        {"security.users", "user pass"},
                                                        {"tls", "on"},
                                                        {"unix_perm", "rw-"},
                                                        {"unix_perm", "99"},
                                                        {"port", "65536"},
                                                        {"port", "http"},
                                                        {"buffer_max_size", "10Zoll"},
                                                        {"buffer_max_size", "1G"},
                                                        {"prot", "24224"},
                                                        {"unix_path", std::string(108, 'x')}}) {
    EXPECT_FALSE(make({{"Name", "forward"}, {key, value}})) << key;
    EXPECT_GE(diagnostics_.error_count(), 1u) << key;
  }
  EXPECT_FALSE(make({{"Name", "forward"}, {"tls", "on"}, {"shared_key", ""}, {"unix_perm", "x"}}));
  EXPECT_EQ(diagnostics_.error_count(), 3u) << "all problems at once";
}

TEST_F(ForwardConfiguration, Security) {
  EXPECT_TRUE(make({{"Name", "forward"}, {"shared_key", "secret"}, {"self_hostname", "me"}}));
  EXPECT_TRUE(make({{"Name", "forward"},
                    {"empty_shared_key", "true"},
                    {"security.users", "alice pass word"},
                    {"security.users", "bob x"}}));
  const auto made = make({{"Name", "forward"}, {"shared_key", "s"}, {"security.users", "alice"}});
  EXPECT_FALSE(made);
  EXPECT_NE(diagnostics_.render().find("a name and a password"), std::string::npos);
  EXPECT_FALSE(make({{"Name", "forward"}, {"shared_key", "s"}, {"empty_shared_key", "on"}}));

  noroshi::testing::TestCertificates certificates;
  const auto files = certificates.issue("localhost");
  const auto secure = make({{"Name", "forward"},
                            {"listen", "127.0.0.1"},
                            {"port", "0"},
                            {"shared_key", "s"},
                            {"tls", "on"},
                            {"tls.crt_file", files.certificate},
                            {"tls.key_file", files.key},
                            {"tls.debug", "1"},
                            {"net.accept_timeout", "5"}});
  ASSERT_TRUE(secure) << diagnostics_.render();
  EXPECT_EQ(secure->description, "Forward protocol with shared_key on 127.0.0.1:0 with TLS");
}

TEST_F(ForwardConfiguration, ASecureAndAPlainOneDoNotShareAPort) {
  ASSERT_TRUE(make({{"Name", "forward"}, {"Listen", "127.0.0.1"}, {"shared_key", "s"}}));
  ASSERT_TRUE(make({{"Name", "forward"}, {"Listen", "0.0.0.0"}}));
  const auto conflicts = listeners_.resolve();
  ASSERT_EQ(conflicts.size(), 1u);
  EXPECT_FALSE(conflicts[0].same_kind);
}

// TLS below, the handshake above it, records at the end.
TEST_F(ForwardConfiguration, TlsAndSharedKeyTogether) {
  RecordingSink sink;  // both outlive the inputs
  InputMetrics metrics;
  noroshi::testing::TestCertificates certificates;
  const auto files = certificates.issue("localhost");
  auto made = make({{"Name", "forward"},
                    {"listen", "127.0.0.1"},
                    {"port", "0"},
                    {"shared_key", "secret"},
                    {"tls", "on"},
                    {"tls.verify_client_cert", "on"},
                    {"tls.ca_file", certificates.authority()},
                    {"tls.crt_file", files.certificate},
                    {"tls.key_file", files.key}});
  ASSERT_TRUE(made) << diagnostics_.render();
  ASSERT_TRUE(made->input->bind(loop_));
  made->input->start(sink, metrics);
  const std::string address = made->input->listening_on();
  std::atomic<bool> done = false;
  std::string ack;
  std::thread sender([&] {
    const auto mine = certificates.issue("app");
    const auto tls =
        TlsContext::make(TlsContext::Role::Client, {.ca_file = certificates.authority(),
                                                    .crt_file = mine.certificate,
                                                    .key_file = mine.key})
            .value();
    const Monotonic deadline = system_clock().monotonic() + 5s;
    const auto port = static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
    auto client = StreamClient::connect({.host = "localhost", .port = port}, tls, deadline);
    EXPECT_TRUE(client) << client.error().message;
    std::array<char, 4096> buffer;
    const auto receive = [&]() -> std::string {
      const auto count = (*client)->read(buffer, deadline);
      EXPECT_TRUE(count) << count.error().message;
      return count ? std::string(buffer.data(), *count) : std::string();
    };
    const auto hello = decode_hello(receive());
    EXPECT_TRUE(hello && *hello);
    const Credentials own{"secret", "me"};
    EXPECT_TRUE((*client)->write(encode(answer_hello((*hello)->message, own, {})), deadline));
    const auto pong = decode_pong(receive());
    EXPECT_TRUE(pong && *pong && (*pong)->message.accepted);
    std::string frames;  // more than one TLS record
    for (int n = 0; n < 2000; ++n) frames += message("app", kSeconds, log_record("a line of text"));
    frames += array({text("app"), kSeconds, log_record("last"), map({text("chunk"), text("id")})});
    EXPECT_TRUE((*client)->write(frames, deadline));
    ack = receive();
    done = true;
  });
  for (int n = 0; n < 2000 && !done; ++n) {
    loop_.restart();
    loop_.run_one_for(5ms);
  }
  sender.join();
  EXPECT_EQ(ack, map({text("ack"), text("id")}));
  EXPECT_EQ(sink.records.size(), 2001u);
  made->input->close();
}

TEST_F(ForwardConfiguration, ATakenPortIsAnErrorOfBind) {
  auto other = StreamListener::listen_tcp(loop_, "127.0.0.1", 0);
  ASSERT_TRUE(other);
  auto made = make(
      {{"Name", "forward"}, {"listen", "127.0.0.1"}, {"port", std::to_string((*other)->port())}});
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->input->bind(loop_));
}

}  // namespace
}  // namespace noroshi::forward

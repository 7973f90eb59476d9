// A TLS listener and a TLS client against each other, and against peers that do it wrong.
// (OpenSSL's own client and Python's are in tests/system/forward_secure_test.py.)

#include "net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <thread>

#include "config/diagnostics.h"
#include "config/document.h"
#include "config/values.h"
#include "net/stream_client.h"
#include "net/stream_listener.h"
#include "net/testing/test_certificates.h"

namespace noroshi {
namespace {

using ::testing::HasSubstr;
using Files = testing::TestCertificates::Files;

Monotonic in(Nanoseconds wait) { return system_clock().monotonic() + wait; }

Section section_of(SectionKind kind,
                   const std::vector<std::pair<std::string, std::string>>& pairs) {
  Section section{.kind = kind, .title = "X"};
  for (const auto& [key, value] : pairs)
    section.properties.push_back({.key = key, .name = to_lower(key), .values = {{.text = value}}});
  return section;
}

// Sends everything back, on a thread of its own.
class EchoServer {
 public:
  explicit EchoServer(std::shared_ptr<TlsContext> tls,
                      Nanoseconds handshake_timeout = Seconds(10)) {
    listener_ = StreamListener::listen_tcp(loop_, "127.0.0.1", 0).value();
    listener_->use_tls(std::move(tls), handshake_timeout);
    listener_->start([this](std::unique_ptr<StreamConnection> connection) {
      ++accepted;
      connections_.push_back(std::move(connection));
      serve(*connections_.back());
    });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~EchoServer() {
    loop_.stop();
    thread_.join();
    connections_.clear();
    listener_.reset();
  }
  StreamAddress address() const { return {.host = "localhost", .port = listener_->port()}; }

  std::atomic<int> accepted{0};
  std::atomic<int> ended{0};

 private:
  void serve(StreamConnection& connection) {
    connection.when_readable([this, &connection] { on_readable(connection); });
  }
  void on_readable(StreamConnection& connection) {
    std::vector<char> buffer(100'000);
    const auto count = connection.read(buffer);
    if (!count || (*count && **count == 0)) {
      ++ended;
      return;
    }
    if (*count) pending_.append(buffer.data(), **count);
    flush(connection);
  }
  void flush(StreamConnection& connection) {
    while (!pending_.empty()) {
      const auto count = connection.write(pending_);
      if (!count) return;
      if (!*count) return connection.when_writable([this, &connection] { flush(connection); });
      pending_.erase(0, **count);
    }
    serve(connection);
  }

  boost::asio::io_context loop_;
  std::unique_ptr<StreamListener> listener_;
  std::vector<std::unique_ptr<StreamConnection>> connections_;
  std::string pending_;
  std::thread thread_;
};

class Tls : public ::testing::Test {
 protected:
  std::shared_ptr<TlsContext> server(TlsOptions options = {}) {
    if (options.crt_file.empty()) {
      options.crt_file = localhost_.certificate;
      options.key_file = localhost_.key;
    }
    return TlsContext::make(TlsContext::Role::Server, options).value();
  }
  std::shared_ptr<TlsContext> client(TlsOptions options = {}) {
    if (options.ca_file.empty()) options.ca_file = certificates_.authority();
    return TlsContext::make(TlsContext::Role::Client, options).value();
  }
  static Status echo(StreamClient& client, const std::string& text) {
    NOROSHI_TRY(client.write(text, in(Seconds(10))));
    std::string back;
    std::vector<char> buffer(30'000);
    while (back.size() < text.size()) {
      NOROSHI_ASSIGN(const size_t count, client.read(buffer, in(Seconds(10))));
      if (count == 0) return fail(ErrorCode::Io, "the server closed");
      back.append(buffer.data(), count);
    }
    EXPECT_EQ(back, text);
    return {};
  }

  testing::TestCertificates certificates_;
  Files localhost_ = certificates_.issue("localhost");
};

TEST_F(Tls, CarriesBytesBothWays) {
  EchoServer echo_server(server());
  auto connection = StreamClient::connect(echo_server.address(), client(), in(Seconds(10)));
  ASSERT_TRUE(connection) << connection.error().message;
  std::string large;
  for (int i = 0; large.size() < 300'000; ++i) large += std::to_string(i);
  for (const std::string& text : {std::string("a"), std::string("hello"), large}) {
    const Status echoed = echo(**connection, text);
    ASSERT_TRUE(echoed) << echoed.error().message;
  }
  EXPECT_TRUE((*connection)->reusable());
  connection->reset();
  for (int i = 0; i < 500 && echo_server.ended == 0; ++i)
    std::this_thread::sleep_for(Milliseconds(10));
  EXPECT_EQ(echo_server.ended, 1) << "close_notify is the end of the stream";
}

TEST_F(Tls, MinAndMaxVersion) {
  EchoServer only_1_3(server({.min_version = "TLSv1.3"}));
  EXPECT_TRUE(StreamClient::connect(only_1_3.address(), client(), in(Seconds(10))));
  const auto refused = StreamClient::connect(only_1_3.address(), client({.max_version = "TLSv1.2"}),
                                             in(Seconds(10)));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("protocol version"));
  EchoServer only_1_2(server({.max_version = "TLSv1.2"}));
  auto connection = StreamClient::connect(only_1_2.address(), client(), in(Seconds(10)));
  ASSERT_TRUE(connection);
  EXPECT_TRUE(echo(**connection, "twelve"));
}

TEST_F(Tls, AClientRefusesACertificateOfAnUnknownAuthority) {
  const testing::TestCertificates others;
  EchoServer echo_server(server());
  const auto refused = StreamClient::connect(
      echo_server.address(), client({.ca_file = others.authority()}), in(Seconds(10)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Denied);
  EXPECT_THAT(refused.error().message, HasSubstr("certificate is refused"));
  EXPECT_TRUE(
      StreamClient::connect(echo_server.address(), client({.verify = false}), in(Seconds(10))));
}

TEST_F(Tls, AClientRefusesAnotherNameUnlessToldNotToLook) {
  const Files other = certificates_.issue("other.example");
  EchoServer echo_server(server({.crt_file = other.certificate, .key_file = other.key}));
  const auto refused = StreamClient::connect(echo_server.address(), client(), in(Seconds(10)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Denied);
  EXPECT_THAT(refused.error().message, HasSubstr("tls.verify_hostname"));
  EXPECT_TRUE(StreamClient::connect(echo_server.address(), client({.vhost = "other.example"}),
                                    in(Seconds(10))));
  EXPECT_TRUE(StreamClient::connect(echo_server.address(), client({.verify_hostname = false}),
                                    in(Seconds(10))));
}

TEST_F(Tls, AnAddressIsLookedForInTheCertificateToo) {
  EchoServer echo_server(server());
  StreamAddress address = echo_server.address();
  address.host = "127.0.0.1";
  EXPECT_TRUE(StreamClient::connect(address, client(), in(Seconds(10))));
  const Files other = certificates_.issue("other.example");
  EchoServer wrong(server({.crt_file = other.certificate, .key_file = other.key}));
  address.port = wrong.address().port;
  EXPECT_FALSE(StreamClient::connect(address, client(), in(Seconds(10))));
}

TEST_F(Tls, AnExpiredCertificateIsRefused) {
  const Files old = certificates_.issue("localhost", {}, -10);
  EchoServer echo_server(server({.crt_file = old.certificate, .key_file = old.key}));
  const auto refused = StreamClient::connect(echo_server.address(), client(), in(Seconds(10)));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("expired"));
}

TEST_F(Tls, MutualTlsLetsOnlyOurAuthoritysClientsIn) {
  EchoServer echo_server(
      server({.verify_client_cert = true, .ca_file = certificates_.authority()}));
  const Files mine = certificates_.issue("app");
  auto good = StreamClient::connect(echo_server.address(),
                                    client({.crt_file = mine.certificate, .key_file = mine.key}),
                                    in(Seconds(10)));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_TRUE(echo(**good, "let in"));

  testing::TestCertificates others;
  const Files foreign = others.issue("app");
  for (const auto& options :
       {TlsOptions{}, TlsOptions{.crt_file = foreign.certificate, .key_file = foreign.key}}) {
    // With TLS 1.3 a client learns of the refusal at its first read.
    auto bad = StreamClient::connect(echo_server.address(), client(options), in(Seconds(10)));
    EXPECT_FALSE(bad && echo(**bad, "keep out"));
  }
  EXPECT_EQ(echo_server.accepted, 1);
}

TEST_F(Tls, APlainTextClientCostsOnlyItsConnection) {
  EchoServer echo_server(server());
  auto plain = StreamClient::connect(echo_server.address(), nullptr, in(Seconds(10)));
  ASSERT_TRUE(plain);
  ASSERT_TRUE((*plain)->write("\x93\xa3tag and so on, in plain text", in(Seconds(5))));
  char buffer[64];
  Result<size_t> count = (*plain)->read(buffer, in(Seconds(5)));
  while (count && *count != 0) count = (*plain)->read(buffer, in(Seconds(5)));  // an alert
  EXPECT_TRUE(count ? *count == 0 : count.error().code != ErrorCode::Timeout);
  EXPECT_EQ(echo_server.accepted, 0);
  EXPECT_TRUE(StreamClient::connect(echo_server.address(), client(), in(Seconds(10))));
}

TEST_F(Tls, AHandshakeHasADeadlineOnBothSides) {
  EchoServer echo_server(server(), Milliseconds(100));
  auto silent = StreamClient::connect(echo_server.address(), nullptr, in(Seconds(10)));
  ASSERT_TRUE(silent);
  char buffer[64];
  const auto end = (*silent)->read(buffer, in(Seconds(5)));
  EXPECT_TRUE(end ? *end == 0 : end.error().code != ErrorCode::Timeout) << "the server closes";

  boost::asio::io_context loop;
  const auto mute = StreamListener::listen_tcp(loop, "127.0.0.1", 0).value();
  const auto late = StreamClient::connect({.host = "127.0.0.1", .port = mute->port()}, client(),
                                          in(Milliseconds(100)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::Timeout);
}

TEST_F(Tls, ManySilentClientsDoNotKeepOthersOutForLong) {
  EchoServer echo_server(server(), Milliseconds(300));
  std::vector<std::unique_ptr<StreamClient>> silent;
  for (size_t i = 0; i < kHandshakesMax + 20; ++i) {
    auto one = StreamClient::connect(echo_server.address(), nullptr, in(Seconds(10)));
    ASSERT_TRUE(one);
    silent.push_back(*std::move(one));
  }
  const auto served = StreamClient::connect(echo_server.address(), client(), in(Seconds(10)));
  EXPECT_TRUE(served) << served.error().message;
}

TEST_F(Tls, RenewedCertificatesAreUsedForNewConnections) {
  const Files renewed = certificates_.issue("renewed.example");
  const auto context = server();
  const auto names = client({.vhost = "renewed.example"});
  EchoServer echo_server(context);
  EXPECT_FALSE(StreamClient::connect(echo_server.address(), names, in(Seconds(10))));
  namespace fs = std::filesystem;
  fs::rename(renewed.certificate, localhost_.certificate);
  fs::rename(renewed.key, localhost_.key);
  Result<std::unique_ptr<StreamClient>> connection = fail(ErrorCode::Io, "");
  for (int i = 0; i < 50 && !connection; ++i) {  // looked at every second
    std::this_thread::sleep_for(Milliseconds(100));
    connection = StreamClient::connect(echo_server.address(), names, in(Seconds(10)));
  }
  EXPECT_TRUE(connection) << connection.error().message;
}

TEST_F(Tls, Options) {
  const auto errors = [](SectionKind kind, std::vector<std::pair<std::string, std::string>> pairs) {
    Diagnostics diagnostics;
    const Section section = section_of(kind, pairs);
    const auto made = kind == SectionKind::Input ? make_tls_server(section, diagnostics)
                                                 : make_tls_client(section, diagnostics);
    EXPECT_EQ(made == nullptr, diagnostics.has_errors() || section.value("tls") != "on");
    return diagnostics.render();
  };
  const auto input = SectionKind::Input;
  const auto output = SectionKind::Output;
  const std::string& crt = localhost_.certificate;
  const std::string& key = localhost_.key;
  EXPECT_EQ(errors(input, {}), "");
  EXPECT_EQ(errors(input, {{"tls", "off"}, {"tls.crt_file", "/nowhere"}}), "");
  EXPECT_THAT(errors(input, {{"tls", "on"}}), HasSubstr("needs tls.crt_file and tls.key_file"));
  EXPECT_EQ(errors(input, {{"tls", "on"}, {"tls.crt_file", crt}, {"tls.key_file", key}}), "");
  EXPECT_THAT(errors(input, {{"tls", "on"}, {"tls.crt_file", "/nowhere"}, {"tls.key_file", key}}),
              HasSubstr("tls.crt_file: cannot read /nowhere"));
  EXPECT_THAT(errors(input, {{"tls", "on"}, {"tls.crt_file", crt}, {"tls.key_file", crt}}),
              HasSubstr("tls.key_file: cannot use"));
  const Files other = certificates_.issue("localhost");
  EXPECT_THAT(errors(input, {{"tls", "on"}, {"tls.crt_file", crt}, {"tls.key_file", other.key}}),
              HasSubstr("tls.key_file"));
  EXPECT_THAT(errors(input, {{"tls", "on"},
                             {"tls.crt_file", crt},
                             {"tls.key_file", key},
                             {"tls.verify_client_cert", "on"}}),
              HasSubstr("needs tls.ca_file"));
  const Files locked = certificates_.issue("localhost", "sesame");
  EXPECT_THAT(
      errors(input,
             {{"tls", "on"}, {"tls.crt_file", locked.certificate}, {"tls.key_file", locked.key}}),
      HasSubstr("tls.key_file"));
  EXPECT_EQ(errors(input, {{"tls", "on"},
                           {"tls.crt_file", locked.certificate},
                           {"tls.key_file", locked.key},
                           {"tls.key_passwd", "sesame"}}),
            "");

  EXPECT_EQ(errors(output, {{"tls", "on"}, {"tls.debug", "4"}, {"tls.ca_path", "/etc"}}), "");
  EXPECT_THAT(errors(output, {{"tls", "on"}, {"tls.ca_file", "/nowhere"}}),
              HasSubstr("tls.ca_file: cannot read /nowhere"));
  EXPECT_THAT(errors(output, {{"tls", "on"}, {"tls.ca_path", "/nowhere"}}),
              HasSubstr("there is no directory"));
  EXPECT_THAT(errors(output, {{"tls", "on"}, {"tls.min_version", "TLSv1.1"}}),
              HasSubstr("read as TLSv1.2"));
  EXPECT_THAT(errors(output, {{"tls", "on"}, {"tls.min_version", "SSLv3"}}),
              HasSubstr("neither TLSv1.2 nor TLSv1.3"));
  EXPECT_THAT(
      errors(output,
             {{"tls", "on"}, {"tls.min_version", "TLSv1.3"}, {"tls.max_version", "TLSv1.2"}}),
      HasSubstr("below tls.min_version"));
  EXPECT_THAT(errors(output, {{"tls", "on"}, {"tls.ciphers", "NO-SUCH-CIPHER"}}),
              HasSubstr("names no cipher"));
  EXPECT_THAT(errors(output, {{"tls", "perhaps"}}), HasSubstr("tls"));
}

}  // namespace
}  // namespace noroshi

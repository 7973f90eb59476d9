#include "output/syslog/syslog.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "output/testing/stream_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;

// A bound socket on 127.0.0.1, and what came on it.
class Receiver {
 public:
  explicit Receiver(int type) : socket_(::socket(AF_INET, type, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    if (type == SOCK_STREAM) ::listen(socket_.get(), 8);
    socklen_t size = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    const timeval limit{5, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  std::string port() const { return std::to_string(port_); }
  std::string datagram() {
    char buffer[65536];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    return count < 0 ? "nothing came" : std::string(buffer, static_cast<size_t>(count));
  }
  // All of one connection.
  std::string connection() {
    const UniqueFd peer(::accept(socket_.get(), nullptr, nullptr));
    std::string all;
    char buffer[65536];
    for (ssize_t count = 0; (count = ::recv(peer.get(), buffer, sizeof buffer, 0)) > 0;)
      all.append(buffer, static_cast<size_t>(count));
    return all;
  }

 private:
  UniqueFd socket_;
  uint16_t port_ = 0;
};

class SyslogTest : public testing::StreamFixture {
 protected:
  SyslogTest() : StreamFixture(kSyslogOutputPlugin) {}
};

// 2026-11-23T02:53:00.123456789Z
constexpr Timestamp kTime{Nanoseconds(1'795'402'380'123'456'789)};

std::string encode(SyslogMessageOptions options, std::string_view json, Timestamp time = kTime) {
  ChunkBuilder chunk;
  chunk.json(time, json);
  std::string out;
  const ChunkView view = chunk.view();
  EXPECT_TRUE(SyslogEncoder(std::move(options)).append(out, time, view.record(view.records[0])));
  return out;
}
RecordAccessor key(std::string_view text) { return RecordAccessor::parse(text).value(); }

TEST(SyslogMessage, Rfc5424) {
  SyslogMessageOptions options;
  options.message_key = key("log");
  EXPECT_EQ(encode(options, R"({"log":"hello"})"),
            "<14>1 2026-11-23T02:53:00.123456Z - - - - - \xef\xbb\xbfhello");
  options.severity_key = key("level");
  options.facility_key = key("facility");
  options.hostname = {key("host"), "preset-host"};
  options.appname = {key("app"), {}};
  options.procid = {key("pid"), {}};
  options.msgid = {{}, "ID47"};
  EXPECT_EQ(
      encode(options, R"({"log":"x","level":"ERROR","facility":"local0","app":"my app","pid":42})"),
      "<131>1 2026-11-23T02:53:00.123456Z preset-host my_app 42 ID47 - \xef\xbb\xbfx");
  EXPECT_EQ(encode(options, R"({"log":"x","level":9,"facility":"nowhere","host":"h"})"),
            "<14>1 2026-11-23T02:53:00.123456Z h - - ID47 - \xef\xbb\xbfx");
}

TEST(SyslogMessage, StructuredData) {
  SyslogMessageOptions options;
  options.message_key = key("log");
  options.structured_data = {key("meta"), key("more")};
  EXPECT_EQ(
      encode(options, R"({"log":"x","meta":{"a b":"q\"]\\","n":1,"t":true},"more":"no map"})"),
      "<14>1 2026-11-23T02:53:00.123456Z - - - - [meta a_b=\"q\\\"\\]\\\\\" n=\"1\" "
      "t=\"true\"] \xef\xbb\xbfx");
  const std::string name(40, 'n');
  EXPECT_THAT(encode(options, R"({"log":"x","meta":{")" + name + R"(":"v"}})"),
              HasSubstr(" " + name.substr(0, 32) + "=\"v\""));
  options.long_structured_names = true;
  EXPECT_THAT(encode(options, R"({"log":"x","meta":{")" + name + R"(":"v"}})"),
              HasSubstr(" " + name + "=\"v\""));
}

TEST(SyslogMessage, Rfc3164) {
  SyslogMessageOptions options{.format = SyslogMessageFormat::Rfc3164, .bytes_max = 1024};
  options.message_key = key("log");
  EXPECT_EQ(encode(options, R"({"log":"hello"})"), "<14>Nov 23 02:53:00 hello");
  options.hostname = {{}, "host"};
  options.appname = {{}, "app"};
  options.procid = {key("pid"), {}};
  EXPECT_EQ(encode(options, R"({"log":"hello","pid":7})", Timestamp(Seconds(5))),
            "<14>Jan  1 00:00:05 host app[7]: hello");
}

TEST(SyslogMessage, ARecordWithoutTheKeyIsSentWhole) {
  SyslogMessageOptions options{.format = SyslogMessageFormat::Rfc3164};
  EXPECT_THAT(encode(options, R"({"a":1})"), HasSubstr(R"( {"a":1})"));
  options.message_key = key("log");
  EXPECT_THAT(encode(options, R"({"a":1})"), HasSubstr(R"( {"a":1})"));
  EXPECT_EQ(encode(options, R"({"log":"","a":1})"), "<14>Nov 23 02:53:00 ");
}

TEST(SyslogMessage, AMessageWithItsOwnHeaderGoesAsItIs) {
  SyslogMessageOptions options;
  options.message_key = key("log");
  EXPECT_EQ(encode(options, R"({"log":"<34>Oct 11 22:14:15 su: failed"})"),
            "<34>Oct 11 22:14:15 su: failed");
  EXPECT_THAT(encode(options, R"({"log":"<html> is none"})"), HasSubstr("<html> is none"));
  EXPECT_TRUE(encode(options, R"({"log":"<html> is none"})").starts_with("<14>1 "));
}

TEST(SyslogMessage, IsCutBeforeACharacterThatDoesNotFit) {
  SyslogMessageOptions options{.format = SyslogMessageFormat::Rfc3164, .bytes_max = 25};
  options.message_key = key("log");
  EXPECT_EQ(encode(options, R"({"log":"abc注文"})"), "<14>Nov 23 02:53:00 abc");  // 23 + 3 > 25
  options.bytes_max = 26;
  EXPECT_EQ(encode(options, R"({"log":"abc注文"})"), "<14>Nov 23 02:53:00 abc注");
}

TEST(SyslogMessage, SeveritiesAndFacilities) {
  EXPECT_EQ(parse_syslog_severity("3"), 3);
  EXPECT_EQ(parse_syslog_severity("Warning"), 4);
  EXPECT_EQ(parse_syslog_severity("8"), std::nullopt);
  EXPECT_EQ(parse_syslog_severity("-1"), std::nullopt);
  EXPECT_EQ(parse_syslog_severity("loud"), std::nullopt);
  EXPECT_EQ(parse_syslog_facility("23"), 23);
  EXPECT_EQ(parse_syslog_facility("24"), std::nullopt);
  EXPECT_EQ(parse_syslog_facility("LOCAL7"), 23);
  EXPECT_FALSE(has_syslog_priority("<1234>x"));
  EXPECT_FALSE(has_syslog_priority("<>x"));
  EXPECT_TRUE(has_syslog_priority("<0>x"));
}

TEST_F(SyslogTest, ADatagramForEachMessage) {
  Receiver server(SOCK_DGRAM);
  const auto output = make({{"Port", server.port()}, {"Syslog_Message_Key", "log"}});
  ASSERT_TRUE(output) << diagnostics_.render();
  ChunkBuilder chunk;
  chunk.json(kTime, R"({"log":"one\ntwo"})").json(kTime, R"({"log":"three"})");
  ASSERT_EQ(deliver(*output, chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_THAT(server.datagram(), HasSubstr("one\ntwo"));
  EXPECT_THAT(server.datagram(), HasSubstr("three"));
}

TEST_F(SyslogTest, ADatagramThatIsTooLargeIsRejectedAlone) {
  Receiver server(SOCK_DGRAM);
  const auto output =
      make({{"Port", server.port()}, {"syslog_message_key", "log"}, {"syslog_maxsize", "100000"}});
  ASSERT_TRUE(output) << diagnostics_.render();
  ChunkBuilder chunk("t", Offset{70});
  chunk.json(kTime, R"({"log":"small"})");
  chunk.json(kTime, R"({"log":")" + std::string(70'000, 'x') + R"("})");
  chunk.json(kTime, R"({"log":"last"})");
  const Delivery delivery = deliver(*output, chunk);
  ASSERT_EQ(delivery.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(delivery.rejected.size(), 1u);
  EXPECT_EQ(delivery.rejected[0].offset, Offset{71});
  EXPECT_EQ(delivery.rejected[0].reason, DropReason::Oversize);
  EXPECT_THAT(server.datagram(), HasSubstr("small"));
  EXPECT_THAT(server.datagram(), HasSubstr("last"));
}

TEST_F(SyslogTest, LinesOrCountedMessagesOverTcp) {
  for (const bool counted : {false, true}) {
    Receiver server(SOCK_STREAM);
    const auto output = make({{"Port", server.port()},
                              {"Mode", "tcp"},
                              {"syslog_format", "rfc3164"},
                              {"syslog_framing", counted ? "octet_counted" : "newline"},
                              {"syslog_message_key", "log"}});
    ASSERT_TRUE(output) << diagnostics_.render();
    ChunkBuilder chunk;
    chunk.json(kTime, R"({"log":"one\ntwo"})").json(kTime, R"({"log":"three"})");
    ASSERT_EQ(deliver(*output, chunk).outcome, Delivery::Outcome::Delivered);
    output->stop();
    EXPECT_EQ(server.connection(),
              counted ? "27 <14>Nov 23 02:53:00 one\ntwo25 <14>Nov 23 02:53:00 three"
                      : "<14>Nov 23 02:53:00 one#012two\n<14>Nov 23 02:53:00 three\n");
  }
}

TEST_F(SyslogTest, NobodyListeningIsARetry) {
  std::string port;
  {
    Receiver gone(SOCK_STREAM);
    port = gone.port();
  }
  const auto output = make({{"Port", port}, {"Mode", "tcp"}});
  ASSERT_TRUE(output);
  ChunkBuilder chunk;
  chunk.json(kTime, "{}");
  EXPECT_EQ(deliver(*output, chunk).outcome, Delivery::Outcome::Retry);
}

TEST_F(SyslogTest, Options) {
  EXPECT_FALSE(make({{"mode", "dtls"}}));
  EXPECT_FALSE(make({{"mode", "udp"}, {"tls", "on"}}));
  EXPECT_FALSE(make({{"mode", "tls"}, {"tls", "off"}}));
  EXPECT_FALSE(make({{"syslog_severity_preset", "8"}}));
  EXPECT_FALSE(make({{"syslog_format", "rfc1"}}));
  EXPECT_TRUE(make({{"mode", "tls"}, {"tls.verify", "off"}})) << diagnostics_.render();
  EXPECT_TRUE(make({{"mode", "tcp"},
                    {"tls", "on"},
                    {"syslog_sd_key", "a"},
                    {"syslog_sd_key", "b"},
                    {"syslog_hostname_preset", "h"},
                    {"syslog_procid_preset", "1"},
                    {"syslog_appname_key", "$a['b']"},
                    {"allow_longer_sd_id", "on"}}))
      << diagnostics_.render();
}

}  // namespace
}  // namespace noroshi

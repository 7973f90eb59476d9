// The plugin: what a section of the configuration becomes.
#include "input/forward/forward.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "config/diagnostics.h"
#include "config/document.h"
#include "input/forward/frame_builder.h"
#include "input/forward/test_client.h"
#include "input/recording_sink.h"
#include "input/test_section.h"
#include "net/listener_registry.h"
#include "net/stream_listener.h"
#include "parser/parser_registry.h"

namespace noroshi::forward {
namespace {

using namespace std::chrono_literals;

const std::string kSeconds = integer(1'700'000'000);

class ForwardConfiguration : public testing::Test {
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
  const auto path = std::filesystem::temp_directory_path() /
                    ("noroshi-forward-" + std::to_string(::getpid()) + ".sock");
  auto made = make({{"Name", "forward"},
                    {"unix_path", path},
                    {"unix_perm", "0666"},
                    {"listen", "127.0.0.1"},
                    {"port", "0"}});
  ASSERT_TRUE(made) << diagnostics_.render();
  ASSERT_TRUE(made->input->bind(loop_));
  RecordingSink sink;
  InputMetrics metrics;
  made->input->start(sink, metrics);
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666u);
  Client client(path.string());
  client.send_some(message("unix", kSeconds, log_record("x")));
  const std::string address = made->input->listening_on();
  Client tcp(static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
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
  auto user = make({{"Name", "forward"}, {"Listen", "127.0.0.1"}, {"Port", "34224"}});
  auto ecs = make({{"Name", "forward"}, {"Listen", "0.0.0.0"}, {"Port", "34224"}});
  ASSERT_TRUE(user && ecs);
  EXPECT_EQ(listeners_.resolve().size(), 1u);
  ASSERT_TRUE(user->input->bind(loop_));
  ASSERT_TRUE(ecs->input->bind(loop_));
  EXPECT_EQ(user->input->listening_on(), "");
  EXPECT_EQ(ecs->input->listening_on(), "0.0.0.0:34224");
  RecordingSink sink;
  InputMetrics metrics;
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
       std::vector<std::pair<std::string, std::string>>{{"shared_key", "secret"},
                                                        {"security.users", "user pass"},
                                                        {"tls", "on"},
                                                        {"empty_shared_key", "true"},
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
  EXPECT_FALSE(make({{"Name", "forward"}, {"tls", "on"}, {"shared_key", "x"}, {"unix_perm", "x"}}));
  EXPECT_EQ(diagnostics_.error_count(), 3u) << "all problems at once";
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

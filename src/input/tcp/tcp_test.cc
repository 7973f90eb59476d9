#include "input/tcp/tcp.h"

#include "input/plugin_loop.h"
#include "record/json_record.h"

namespace noroshi {
namespace {

using namespace std::chrono_literals;

class Tcp : public ListeningLoop {
 protected:
  Tcp() : ListeningLoop(kTcpInput) {}

  std::string record(size_t index) const { return sink_.records.at(index).record; }
};

// Health check C of aws-for-fluent-bit: nc must not hang.
TEST_F(Tcp, JsonAndTheConnectionEndsWithTheClientsSide) {
  start({{"Tag", "firelens-healthcheck"}});
  SocketClient client(port_);
  send(client, "{\"health check\": \"ok\"}");
  ASSERT_TRUE(run_until_records(1));
  EXPECT_FALSE(client.closed_by_server());
  client.finish();
  EXPECT_TRUE(run_until([&] { return client.closed_by_server(); }));
  EXPECT_EQ(record(0), record_of(R"({"health check":"ok"})"));
  EXPECT_EQ(sink_.records[0].tag, "firelens-healthcheck");
  EXPECT_EQ(metrics_.connections_open.get(), 0u);
}

TEST_F(Tcp, EveryByteMayArriveAlone) {
  start();
  SocketClient client(port_);
  const std::string text = R"({"a":1}{"b":"x\"y"}[3])"
                           "\n"
                           R"({"c":{}})";
  for (const char byte : text) {
    ASSERT_EQ(client.send_some(std::string_view(&byte, 1)), 1u);
    loop_.restart();
    while (loop_.poll_one() != 0) {
    }
  }
  ASSERT_TRUE(run_until_records(4));
  EXPECT_EQ(record(1), record_of(R"({"b":"x\"y"})"));
  EXPECT_EQ(record(2), record_of(R"({"msg":[3]})"));
  EXPECT_EQ(sink_.records[0].tag, "tcp.0");
}

TEST_F(Tcp, ADocumentOfHalfAMegabyte) {
  start();
  SocketClient client(port_);
  const std::string large = "{\"log\":\"" + std::string(500'000, 'x') + "\"}";
  for (int n = 0; n < 5; ++n) send(client, large);
  ASSERT_TRUE(run_until_records(5));
  EXPECT_EQ(record(4), record_of(large));
}

TEST_F(Tcp, TooLongIsCountedAndTheConnectionLives) {
  start({{"Buffer_Size", "32"}});
  SocketClient client(port_);
  send(client, "{\"log\":\"" + std::string(40'000, 'x') + "\"}{\"log\":\"" +
                   std::string(32'000, 'y') + "\"}");
  ASSERT_TRUE(run_until_records(1));
  EXPECT_EQ(metrics_.malformed.get(), 1u);
  EXPECT_FALSE(client.closed_by_server());
}

TEST_F(Tcp, LinesWithASeparatorAndTheSource) {
  start({{"Format", "none"}, {"Separator", "\\t\\n"}, {"Source_Address_Key", "source"}});
  SocketClient client(port_);
  send(client, "one\t\ntwo\nstill two\t\nlast");
  client.finish();
  ASSERT_TRUE(run_until([&] { return client.closed_by_server(); }));
  ASSERT_EQ(sink_.records.size(), 3u);
  EXPECT_NE(record(1).find("two\nstill two"), std::string::npos);
  EXPECT_NE(record(2).find("tcp://127.0.0.1:"), std::string::npos);
}

TEST_F(Tcp, AParserTakesLines) {
  start({{"Parser", "logfmt"}});
  SocketClient client(port_);
  send(client, "a=1 b=two\n");
  ASSERT_TRUE(run_until_records(1));
  EXPECT_EQ(record(0), record_of(R"({"a":"1","b":"two"})"));
}

TEST_F(Tcp, BackpressureReadsNothingAndLosesNothing) {
  start({{"Format", "none"}});
  SocketClient client(port_), other(port_);
  sink_.pause_after(1);
  send(client, "first\n");
  ASSERT_TRUE(run_until_records(1));
  // More than the kernel's buffers of both ends hold.
  const std::string filling(2000, 'x');
  std::string sent;
  for (int n = 0; n < 10'000; ++n) sent += std::to_string(n) + filling + "\n";
  std::string_view rest = sent;
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < 200ms) {
    rest.remove_prefix(client.send_some(rest));
    run_for(1ms);
  }
  EXPECT_FALSE(rest.empty()) << "somebody took it all";
  EXPECT_EQ(other.send_some("from another\n"), 13u);
  run_for(20ms);
  EXPECT_EQ(sink_.records.size(), 1u);
  EXPECT_FALSE(client.closed_by_server());
  sink_.resume();
  send(client, rest);
  ASSERT_TRUE(run_until_records(10'002));
  int next = 0;
  for (const RecordedRecord& each : sink_.records) {
    if (each.record.find(std::to_string(next) + filling) != std::string::npos) ++next;
  }
  EXPECT_EQ(next, 10'000) << "in order and complete";
}

TEST_F(Tcp, ManyUnfinishedMessagesShareTheMemory) {
  start();
  std::vector<std::unique_ptr<SocketClient>> clients;
  const std::string half = "{\"log\":\"" + std::string(900'000, 'x');
  // 40 x 900 kB are more than the 16 MB all connections may hold unfinished.
  for (int n = 0; n < 40; ++n) clients.push_back(std::make_unique<SocketClient>(port_));
  std::vector<std::string_view> rest(clients.size(), half);
  for (int round = 0; round < 300; ++round) {
    for (size_t i = 0; i < clients.size(); ++i) {
      rest[i].remove_prefix(clients[i]->send_some(rest[i].substr(0, 100'000)));
    }
    run_for(1ms);
  }
  // Each ends; those that had to wait go on with the memory of those that finished.
  std::vector<std::string> tails;
  for (size_t i = 0; i < clients.size(); ++i) tails.push_back(std::string(rest[i]) + "\"}");
  std::vector<std::string_view> left(tails.begin(), tails.end());
  ASSERT_TRUE(run_until([&] {
    for (size_t i = 0; i < clients.size(); ++i)
      left[i].remove_prefix(clients[i]->send_some(left[i]));
    return sink_.records.size() == clients.size();
  }));
}

TEST_F(Tcp, CloseTakesWhatTheKernelHolds) {
  start({{"Format", "none"}});
  SocketClient client(port_);
  ASSERT_EQ(client.send_some("never read before\nunfinished"), 28u);
  run_for(0ms);
  input_->close();
  ASSERT_EQ(sink_.records.size(), 2u);
  EXPECT_EQ(record(1), record_of(R"({"log":"unfinished"})"));
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(Tcp, TheOptionsThatAreWrong) {
  const auto wrong = [&](const std::string& key, const std::string& value) {
    Diagnostics diagnostics;
    EXPECT_FALSE(
        kTcpInput.make(section_of({{"Name", "tcp"}, {key, value}}), context_, diagnostics));
    return diagnostics.render();
  };
  EXPECT_NE(wrong("Format", "xml").find("json or none"), std::string::npos);
  EXPECT_NE(wrong("Parser", "jsno").find("did you mean \"json\""), std::string::npos);
  EXPECT_NE(wrong("Buffer_Size", "10G").find("3MiB"), std::string::npos);
  EXPECT_NE(wrong("Chunk_Size", "x").find("chunk_size"), std::string::npos);
  EXPECT_NE(wrong("Sepator", "x").find("separator"), std::string::npos);
}

}  // namespace
}  // namespace noroshi

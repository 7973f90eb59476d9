#include "input/udp/udp.h"

#include "input/plugin_loop.h"
#include "record/json_record.h"

namespace noroshi {
namespace {

class Udp : public ListeningLoop {
 protected:
  Udp() : ListeningLoop(kUdpInput) {}
};

TEST_F(Udp, EveryDatagramStandsForItself) {
  start({{"Source_Address_Key", "from"}});
  SocketClient client(port_, SOCK_DGRAM);
  client.send_some("{\"a\":1}{\"b\":2}\n");
  client.send_some("garbage without a newline");
  client.send_some("{\"cut\":");
  client.send_some("[3]");
  ASSERT_TRUE(run_until_records(3));
  EXPECT_TRUE(
      sink_.records[0].record.starts_with("\x82\xa1"
                                          "a\x01\xa4"
                                          "from"));
  EXPECT_NE(sink_.records[2].record.find("udp://127.0.0.1:"), std::string::npos);
  EXPECT_EQ(sink_.records[0].tag, "udp.0");
  EXPECT_EQ(metrics_.malformed.get(), 2u);
}

TEST_F(Udp, TextWithoutASeparatorIsKept) {
  start({{"Format", "none"}, {"Tag", "t"}});
  SocketClient client(port_, SOCK_DGRAM);
  client.send_some("one\ntwo");
  client.send_some(std::string(60'000, 'x'));
  ASSERT_TRUE(run_until_records(3));
  EXPECT_EQ(sink_.records[1].record, record_of(R"({"log":"two"})"));
  EXPECT_EQ(sink_.records[2].record, record_of("{\"log\":\"" + std::string(60'000, 'x') + "\"}"));
}

TEST_F(Udp, WhatTheKernelDropsIsCounted) {
  start({{"Format", "none"}});
  SocketClient client(port_, SOCK_DGRAM);
  sink_.pause_after(0);
  client.send_some("first");
  run_for(std::chrono::milliseconds(20));
  const std::string filling(60'000, 'x');
  int sent = 1;
  for (; sent < 1000; ++sent) client.send_some(filling);
  sink_.resume();
  // The kernel tells what it dropped with the next datagram that gets in.
  ASSERT_TRUE(run_until([&] {
    client.send_some("more"), ++sent;
    return metrics_.malformed.get() != 0;
  }));
  run_for(std::chrono::milliseconds(50));
  client.send_some("last"), ++sent;
  ASSERT_TRUE(run_until([&] {
    return sink_.records.size() + metrics_.malformed.get() == static_cast<size_t>(sent);
  })) << sink_.records.size()
      << " " << metrics_.malformed.get() << " " << sent;
}

TEST_F(Udp, CloseTakesWhatTheKernelHolds) {
  start({{"Format", "none"}});
  SocketClient client(port_, SOCK_DGRAM);
  client.send_some("never read before");
  input_->close();
  EXPECT_EQ(sink_.records.size(), 1u);
}

}  // namespace
}  // namespace noroshi

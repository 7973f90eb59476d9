// The server with real sockets: connections, acks, backpressure, memory, shutdown.
#include <gtest/gtest.h>

#include <random>

#include "input/forward/frame_builder.h"
#include "input/forward/reference_decoder.h"
#include "input/forward/server_loop.h"

namespace noroshi::forward {
namespace {

using namespace std::chrono_literals;

const std::string kSeconds = integer(1'700'000'000);

std::string ack_of(std::string_view id) { return map({text("ack"), text(id)}); }

class Forward : public ServerLoop {
 protected:
  void start(ServerOptions options = {}) {
    options.clock = clock_;
    serve(std::move(options));
  }
  std::string receive(SocketClient& client, size_t bytes) {
    std::string all;
    (void)run_until([&] {
      all += client.received();
      return all.size() >= bytes;
    });
    return all;
  }
  static std::string line(std::string_view tag, std::string_view content) {
    return array({text(tag), event_time(1'700'000'000, 5), log_record(content), map({})});
  }

  const Clock* clock_ = &system_clock();
};

TEST_F(Forward, WhatOneReadBroughtIsOneChunkPerTag) {
  start();
  SocketClient client(port_);
  std::string frames;
  for (int n = 0; n < 300; ++n) frames += line(n % 3 == 0 ? "a" : "b", std::to_string(n));
  send(client, frames);
  ASSERT_TRUE(run_until_records(300));
  EXPECT_EQ(sink_.chunks, 2);
  int last_a = -1, last_b = -1;
  for (const RecordedRecord& record : sink_.records) {
    ReferenceValue value;
    size_t at = 0;
    const int number = std::stoi(read_reference_value(record.record, at)->items[1].bytes);
    int& last = record.tag == "a" ? last_a : last_b;
    EXPECT_EQ(number % 3 == 0, record.tag == "a");
    EXPECT_GT(number, last) << "the order within a tag is kept";
    last = number;
  }
  EXPECT_EQ(metrics_.connections_accepted.get(), 1u);
  EXPECT_EQ(metrics_.connections_open.get(), 1u);
  client.close();
  EXPECT_TRUE(run_until([&] { return metrics_.connections_open.get() == 0; }));
  EXPECT_EQ(metrics_.malformed.get(), 0u);
}

TEST_F(Forward, WhatTricklesIsGatheredUnlessAnAckIsWaitedFor) {
  start();
  SocketClient client(port_);
  for (int n = 0; n < 60; ++n) {
    send(client, line("a", std::to_string(n)));
    run_for(1ms);
  }
  ASSERT_TRUE(run_until_records(60));
  EXPECT_LT(sink_.chunks, 30) << "they were to be read together";
  // A client that waits for each ack gets it.
  const int before = sink_.chunks;
  run_for(50ms);
  for (int n = 0; n < 60; ++n) {
    send(client, array({text("a"), kSeconds, log_record("y"), ack_option(std::to_string(n))}));
    ASSERT_EQ(receive(client, ack_of(std::to_string(n)).size()), ack_of(std::to_string(n)));
  }
  EXPECT_EQ(sink_.chunks, before + 60);
}

TEST_F(Forward, EveryByteMayArriveAlone) {
  start();
  SocketClient client(port_);
  const std::string stream =
      line("a", "first") +
      array({text("b"), array({array({kSeconds, log_record("second")})}), ack_option("id")}) +
      "\xc0" + packed("c", gzip(array({kSeconds, log_record("third")})), ack_option("id2"));
  for (const char byte : stream) {
    ASSERT_EQ(client.send_some(std::string_view(&byte, 1)), 1u);
    loop_.restart();
    while (loop_.poll_one() != 0) {
    }
  }
  ASSERT_TRUE(run_until_records(3));
  EXPECT_EQ(receive(client, 2 * ack_of("id").size() + 1), ack_of("id") + ack_of("id2"));
  EXPECT_EQ(server_->budget().used(), 0u);
}

TEST_F(Forward, AcksComeAfterTheSinkHasStoredAndOnlyForChunkOptions) {
  start();
  sink_.hold_acks = true;
  SocketClient client(port_);
  send(client, line("a", "without") +
                   packed("a", array({kSeconds, log_record("x")}), ack_option("one")) +
                   array({text("b"), kSeconds, log_record("y"), ack_option("two")}));
  ASSERT_TRUE(run_until_records(3));
  run_for(20ms);
  EXPECT_EQ(client.received(), "");
  sink_.held.clear();
  EXPECT_EQ(receive(client, ack_of("one").size() * 2), ack_of("one") + ack_of("two"));
}

TEST_F(Forward, ARepeatedChunkIsAcknowledgedAndStoredOnce) {
  start();
  const std::string frame = packed("a", array({kSeconds, log_record("x")}), ack_option("same"));
  for (int n = 0; n < 3; ++n) {
    SocketClient client(port_);  // as after a reconnect
    send(client, frame + frame);
    EXPECT_EQ(receive(client, 2 * ack_of("same").size()), ack_of("same") + ack_of("same"));
  }
  EXPECT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(metrics_.duplicates.get(), 5u);
}

TEST_F(Forward, ADuplicateWhileTheFirstIsHeldIsAcknowledgedWithIt) {
  start();
  sink_.hold_acks = true;
  const std::string frame = packed("a", array({kSeconds, log_record("x")}), ack_option("same"));
  SocketClient first(port_), second(port_);
  send(first, frame);
  ASSERT_TRUE(run_until_records(1));
  send(second, frame);
  ASSERT_TRUE(run_until([&] { return metrics_.duplicates.get() == 1; }));
  EXPECT_EQ(second.received(), "");
  sink_.held.clear();
  EXPECT_EQ(receive(first, ack_of("same").size()), ack_of("same"));
  EXPECT_EQ(receive(second, ack_of("same").size()), ack_of("same"));
  EXPECT_EQ(sink_.records.size(), 1u);
}

TEST_F(Forward, ABrokenChunkIsStoredAsFarAsItGoesOnceAndNeverAcknowledged) {
  start();
  SocketClient client(port_);
  const std::string frame = packed(
      "a", array({kSeconds, log_record("good")}) + "\x07" + array({kSeconds, log_record("too")}),
      ack_option("bad"));
  send(client, frame + frame + line("a", "next"));
  ASSERT_TRUE(run_until_records(3));
  run_for(20ms);
  EXPECT_EQ(sink_.records.size(), 3u);
  EXPECT_EQ(client.received(), "");
  EXPECT_FALSE(client.closed_by_server());
  EXPECT_EQ(metrics_.malformed.get(), 2u);
}

TEST_F(Forward, WhileTheSinkIsFullNothingIsReadAndNobodyIsClosed) {
  start();
  SocketClient one(port_), two(port_);
  send(one, packed("a", array({kSeconds, log_record("before")}), ack_option("0")));
  ASSERT_TRUE(run_until_records(1));
  EXPECT_EQ(receive(one, ack_of("0").size()), ack_of("0"));
  sink_.pause();
  send(one, packed("a", array({kSeconds, log_record("1")}), ack_option("1")));
  send(two, line("b", "2"));
  run_for(50ms);
  EXPECT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(sink_.refused, 0) << "paused() is asked before reading";
  EXPECT_FALSE(one.closed_by_server());
  EXPECT_FALSE(two.closed_by_server());
  EXPECT_TRUE(server_->busy());
  sink_.resume();
  ASSERT_TRUE(run_until_records(3));
  EXPECT_EQ(receive(one, ack_of("1").size()), ack_of("1"));
  EXPECT_GT(metrics_.paused_nanoseconds.get(), 40'000'000u);
}

TEST_F(Forward, AFullSinkInTheMiddleOfAReadLosesAndRepeatsNothing) {
  start();
  SocketClient client(port_), other(port_);
  std::string entries;
  for (int n = 0; n < 20'000; ++n)
    entries += array({kSeconds, log_record(std::to_string(n) + std::string(200, '.'))});
  const std::string frames =
      line("x", "x") + packed("big", gzip(entries), ack_option("big")) + line("y", "y");
  sink_.pause_after(2);
  send(client, frames);
  send(other, line("z", "z"));
  ASSERT_TRUE(run_until([&] { return sink_.refused == 1; }));
  run_for(20ms);
  EXPECT_EQ(sink_.refused, 1);
  const size_t so_far = sink_.records.size();
  EXPECT_LT(so_far, 20'000u);
  EXPECT_EQ(client.received(), "");
  for (int n = 0; n < 4; ++n) {  // full again after each chunk
    sink_.resume();
    sink_.pause_after(1);
    run_for(5ms);
  }
  sink_.resume();
  ASSERT_TRUE(run_until_records(20'003));
  EXPECT_EQ(receive(client, ack_of("big").size()), ack_of("big"));
  int next = 0;
  for (const RecordedRecord& record : sink_.records) {
    if (record.tag != "big") continue;
    size_t at = 0;
    EXPECT_EQ(std::stoi(read_reference_value(record.record, at)->items[1].bytes), next++);
  }
  EXPECT_EQ(next, 20'000);
}

TEST_F(Forward, ABrokenSinkIsTriedAgainAndTheRecordsAreKept) {
  start();
  sink_.break_with(ErrorCode::Io);
  sink_.fail_acks = false;
  SocketClient client(port_);
  send(client, packed("a", array({kSeconds, log_record("x")}), ack_option("id")));
  run_for(50ms);
  EXPECT_EQ(client.received(), "");
  EXPECT_FALSE(client.closed_by_server());
  sink_.break_with(std::nullopt);
  ASSERT_TRUE(run_until_records(1));
  EXPECT_EQ(receive(client, ack_of("id").size()), ack_of("id"));
}

TEST_F(Forward, RecordsTheSinkCanNeverTakeAreDroppedAndNotAcknowledged) {
  start();
  sink_.break_with(ErrorCode::InvalidArgument);
  SocketClient client(port_);
  send(client, packed("a", array({kSeconds, log_record("x")}), ack_option("id")));
  ASSERT_TRUE(run_until([&] { return metrics_.malformed.get() == 1; }));
  sink_.break_with(std::nullopt);
  send(client, line("a", "next"));
  ASSERT_TRUE(run_until_records(1));
  EXPECT_EQ(client.received(), "");
}

TEST_F(Forward, OtherProtocolsAreClosedAfterWhatCameBefore) {
  start();
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\n\r\n"),
                                   std::string("[\"tag\",1,{}]"), std::string("\x16\x03\x01")}) {
    SocketClient client(port_);
    const size_t before = sink_.records.size();
    send(client, line("a", "good") + bytes);
    ASSERT_TRUE(run_until_records(before + 1));
    EXPECT_TRUE(run_until([&] { return client.closed_by_server(); }));
  }
  EXPECT_EQ(metrics_.malformed.get(), 3u);
}

TEST_F(Forward, TooLargeAFrameIsRefusedFromItsHeader) {
  start({.frame_bytes_max = 1 << 20});
  SocketClient client(port_);
  send(client, line("a", "good") + std::string("\x92\xa1"
                                               "a\xc6\x40\x00\x00\x00",
                                               8));
  EXPECT_TRUE(run_until([&] { return client.closed_by_server(); }));
  EXPECT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(server_->budget().used(), 0u);
}

TEST_F(Forward, AFrameOfEightMegabytesAsFluentdSendsThem) {
  start();
  SocketClient client(port_);
  std::string entries;
  int count = 0;
  for (; entries.size() < 8 << 20; ++count)
    entries += array({kSeconds, log_record(std::string(1000, 'x'))});
  for (const char* id : {"1", "2"}) {
    send(client, packed("a", entries, ack_option(id)) + line("b", "after"));
    EXPECT_EQ(receive(client, ack_of(id).size()), ack_of(id));
  }
  ASSERT_TRUE(run_until_records(2 * static_cast<size_t>(count) + 2));
  EXPECT_EQ(server_->budget().used(), 0u) << "an idle connection holds no memory";
}

TEST_F(Forward, UnfinishedFramesOfAllConnectionsShareABoundedMemory) {
  start({.frame_bytes_max = 1 << 20, .unfinished_bytes_max = 2 << 20});
  const std::string body(900'000, 'x');
  const std::string frame = packed("a", array({kSeconds, log_record(body)}), ack_option("id"));
  std::vector<SocketClient> clients;
  for (int n = 0; n < 12; ++n) clients.emplace_back(port_);
  std::vector<size_t> sent(clients.size());
  size_t most = 0;
  // All at once, all but the last byte: no one may lose anything, and memory stays bounded.
  for (int round = 0; round < 400; ++round) {
    for (size_t n = 0; n < clients.size(); ++n) {
      sent[n] += clients[n].send_some(std::string_view(frame).substr(
          sent[n], std::min<size_t>(40'000, frame.size() - 1 - sent[n])));
    }
    loop_.restart();
    loop_.poll();
    most = std::max(most, server_->budget().used());
  }
  EXPECT_LT(most, (3u << 20) + (300u << 10));
  EXPECT_GT(most, 1u << 20);
  EXPECT_TRUE(run_until([&] {
    bool all = true;
    for (size_t n = 0; n < clients.size(); ++n) {
      sent[n] += clients[n].send_some(std::string_view(frame).substr(sent[n]));
      all = all && sent[n] == frame.size();
    }
    most = std::max(most, server_->budget().used());
    return all && sink_.records.size() + metrics_.duplicates.get() == clients.size();
  })) << sink_.records.size();
  EXPECT_LT(most, (3u << 20) + (300u << 10));
  EXPECT_EQ(server_->budget().used(), 0u);
  for (SocketClient& client : clients) EXPECT_FALSE(client.closed_by_server());
}

TEST_F(Forward, WhoHoldsUpOthersWithAnUnfinishedFrameIsRefusedInTheEnd) {
  start(
      {.frame_bytes_max = 1 << 20, .unfinished_bytes_max = 1 << 20, .unfinished_wait_max = 100ms});
  const std::string frame =
      packed("a", array({kSeconds, log_record(std::string(900'000, 'x'))}), map({}));
  SocketClient slow_one(port_), slow_two(port_), slow_three(port_), honest(port_);
  const std::string_view most = std::string_view(frame).substr(0, frame.size() / 2);
  std::string_view rest_one = most, rest_two = most, rest_three = most;
  for (int n = 0; n < 50; ++n) {
    rest_one.remove_prefix(slow_one.send_some(rest_one));
    rest_two.remove_prefix(slow_two.send_some(rest_two));
    rest_three.remove_prefix(slow_three.send_some(rest_three));
    loop_.restart();
    loop_.poll();
  }
  std::string_view honest_rest = frame;
  EXPECT_TRUE(run_until([&] {
    honest_rest.remove_prefix(honest.send_some(honest_rest));
    return sink_.records.size() == 1;
  }));
  EXPECT_FALSE(honest.closed_by_server());
  EXPECT_GE(metrics_.malformed.get(), 1u);
}

// Twenty senders trickle frames of which the memory holds one and a half: small frames go past
// them, and a large one waits for one deadline, not for twenty.
TEST_F(Forward, SlowSendersCostThemselvesTheirConnectionAndNobodyElseAnything) {
  start(
      {.frame_bytes_max = 1 << 20, .unfinished_bytes_max = 1 << 20, .unfinished_wait_max = 2500ms});
  const std::string frame =
      packed("a", array({kSeconds, log_record(std::string(600'000, 'x'))}), map({}));
  std::vector<SocketClient> slow;
  for (int n = 0; n < 20; ++n) slow.emplace_back(port_);
  std::vector<size_t> sent(slow.size());
  const auto trickle = [&](size_t bytes) {
    for (size_t n = 0; n < slow.size(); ++n) {
      if (sent[n] + bytes < frame.size())
        sent[n] += slow[n].send_some(std::string_view(frame).substr(sent[n], bytes));
    }
    loop_.restart();
    loop_.poll();
  };
  for (int n = 0; n < 20; ++n) trickle(20'000);
  ASSERT_GT(server_->budget().used(), server_->budget().limit());

  SocketClient small(port_), large(port_);
  for (size_t n = 1; n <= 20; ++n) {
    send(small, line("small", "good"));
    EXPECT_TRUE(run_until_records(n)) << "the small frame waits for the slow senders";
    trickle(1);
  }
  EXPECT_EQ(metrics_.malformed.get(), 0u) << "the deadline is not there yet: the test was too slow";
  std::string_view rest = frame;
  const Monotonic began = system_clock().monotonic();
  EXPECT_TRUE(run_until([&] {
    trickle(1);
    rest.remove_prefix(large.send_some(rest));
    return sink_.records.size() == 21;
  }));
  EXPECT_LT(system_clock().monotonic() - began, Seconds(20)) << "20 deadlines would be 50 s";
  EXPECT_FALSE(large.closed_by_server());
  EXPECT_FALSE(small.closed_by_server());
}

TEST_F(Forward, APeerThatDoesNotReadItsAcksIsReadNoMoreAndRefusedInTheEnd) {
  start({.ack_wait_max = 300ms});
  SocketClient client(port_);
  std::string frames;
  for (int n = 0; n < 1000; ++n)
    frames += array({text("a"), array({}), ack_option(std::string(900, 'i') + std::to_string(n))});
  size_t sent = 0;  // over and over
  bool full = false;
  EXPECT_TRUE(run_until([&] {
    const size_t count = client.send_some(std::string_view(frames).substr(sent % frames.size()));
    sent += count;
    full = full || (count == 0 && sent != 0);  // reading has stopped, the sockets are full
    return full && metrics_.connections_open.get() == 0;
  }));
  EXPECT_EQ(metrics_.malformed.get(), 0u);
}

TEST_F(Forward, TheTagComesFromPrefixOptionOrClient) {
  for (const auto& [tag, prefix, want] :
       std::vector<std::array<std::string, 3>>{{"", "", "client"},
                                               {"fixed", "", "fixed"},
                                               {"", "pre.", "pre.client"},
                                               {"fixed", "pre.", "pre.client"}}) {
    sink_.records.clear();
    start({.tag = tag, .tag_prefix = prefix});
    SocketClient client(port_);
    send(client, line("client", "x"));
    ASSERT_TRUE(run_until_records(1));
    EXPECT_EQ(sink_.records[0].tag, want);
    server_.reset();
  }
}

TEST_F(Forward, CloseTakesWhatTheKernelStillHolds) {
  start();
  SocketClient connected(port_);
  send(connected, line("a", "1"));
  ASSERT_TRUE(run_until_records(1));
  // Neither the loop nor accept() sees any of this before close().
  SocketClient queued(port_);
  queued.send_some(line("b", "queued") + line("b", "too"));
  std::string more;
  for (int n = 0; n < 5000; ++n) more += line("a", "last words " + std::to_string(n));
  more += packed("a", array({kSeconds, log_record("end")}), ack_option("id"));
  const size_t sent = connected.send_some(more);
  ASSERT_EQ(sent, more.size());
  server_->close();
  EXPECT_EQ(sink_.records.size(), 1u + 2u + 5000u + 1u);
  run_for(10ms);
  EXPECT_EQ(connected.received(), ack_of("id"));
  EXPECT_TRUE(connected.closed_by_server());
  EXPECT_EQ(metrics_.connections_open.get(), 0u);
}

TEST_F(Forward, AcksThatFiltersGiveBackAtTheEndAreWritten) {
  start();
  sink_.hold_acks = true;
  SocketClient client(port_);
  send(client, packed("a", array({kSeconds, log_record("held")}), ack_option("id")));
  ASSERT_TRUE(run_until_records(1));
  server_->close();
  sink_.held.clear();  // the filters are flushed after the inputs are closed
  run_for(10ms);
  EXPECT_EQ(client.received(), ack_of("id"));
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(Forward, CloseWithAFullSinkAcknowledgesNothing) {
  start();
  SocketClient client(port_);
  send(client, line("a", "1"));
  ASSERT_TRUE(run_until_records(1));
  client.send_some(packed("a", array({kSeconds, log_record("end")}), ack_option("id")));
  sink_.pause();
  server_->close();
  run_for(10ms);
  EXPECT_EQ(client.received(), "");
  EXPECT_EQ(sink_.records.size(), 1u);
}

TEST_F(Forward, BusyWhileAPeerIsConnectedAndShortlyAfter) {
  start();
  EXPECT_FALSE(server_->busy());
  {
    SocketClient client(port_);
    send(client, line("a", "1"));
    ASSERT_TRUE(run_until_records(1));
    EXPECT_TRUE(server_->busy());
  }
  EXPECT_TRUE(run_until([&] { return metrics_.connections_open.get() == 0; }));
  EXPECT_TRUE(server_->busy()) << "bytes came less than half a second ago";
  EXPECT_TRUE(run_until([&] { return !server_->busy(); }));
}

TEST_F(Forward, ConnectAndCloseIsSilent) {
  start();
  for (int n = 0; n < 10; ++n) SocketClient(port_).close();
  EXPECT_TRUE(run_until([&] {
    return metrics_.connections_accepted.get() == 10 && metrics_.connections_open.get() == 0;
  }));
  EXPECT_EQ(metrics_.malformed.get(), 0u);
}

TEST_F(Forward, AnEndInTheMiddleOfAFrameIsCounted) {
  start();
  SocketClient client(port_);
  const std::string frame = line("a", "1");
  client.send_some(frame + frame.substr(0, frame.size() - 1));
  client.close();
  EXPECT_TRUE(run_until([&] {
    return metrics_.connections_accepted.get() == 1 && metrics_.connections_open.get() == 0;
  }));
  EXPECT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(metrics_.malformed.get(), 1u);
}

TEST_F(Forward, BeyondTheMostConnectionsTheKernelQueues) {
  start({.connections_max = 2});
  std::vector<SocketClient> clients;
  for (int n = 0; n < 4; ++n) {
    clients.emplace_back(port_);
    clients.back().send_some(line("a", std::to_string(n)));
  }
  run_for(50ms);
  EXPECT_EQ(sink_.records.size(), 2u);
  clients.erase(clients.begin(), clients.begin() + 2);
  EXPECT_TRUE(run_until_records(4));
}

TEST_F(Forward, RandomPiecesOverManyConnections) {
  start({.read_bytes = 16 << 10});
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::vector<SocketClient> clients;
  std::vector<std::string> streams(8);
  size_t total = 0;
  for (size_t n = 0; n < streams.size(); ++n) {
    clients.emplace_back(port_);
    for (int frame = 0; frame < 40; ++frame) {
      const size_t size = random() % 8 == 0 ? random() % 60'000 : random() % 600;
      const std::string tag = "t" + std::to_string(n);
      if (random() % 2 == 0) {
        streams[n] += line(tag, std::to_string(frame) + std::string(size, '.'));
        ++total;
      } else {
        std::string entries;
        for (uint64_t entry = random() % 5 + 1; entry > 0; --entry, ++total) {
          entries += array({kSeconds, log_record(std::to_string(frame) + std::string(size, '.'))});
        }
        streams[n] += packed(tag, random() % 2 == 0 ? gzip(entries) : entries, map({}));
      }
    }
  }
  std::vector<size_t> sent(streams.size());
  ASSERT_TRUE(run_until([&] {
    const size_t n = random() % streams.size();
    sent[n] +=
        clients[n].send_some(std::string_view(streams[n]).substr(sent[n], random() % 30'000));
    return sink_.records.size() == total;
  })) << sink_.records.size()
      << " of " << total;
  std::vector<int> last(streams.size(), -1);
  for (const RecordedRecord& record : sink_.records) {
    size_t at = 0;
    const int frame = std::stoi(read_reference_value(record.record, at)->items[1].bytes);
    int& before = last[static_cast<size_t>(record.tag[1] - '0')];
    EXPECT_GE(frame, before);
    before = frame;
  }
  EXPECT_EQ(metrics_.malformed.get(), 0u);
  EXPECT_EQ(server_->budget().used(), 0u);
}

}  // namespace
}  // namespace noroshi::forward

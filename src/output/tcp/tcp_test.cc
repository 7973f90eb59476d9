#include "output/tcp/tcp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "net/stream_listener.h"
#include "output/testing/stream_fixture.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;

class TcpTest : public testing::StreamFixture {
 protected:
  TcpTest() : StreamFixture(kTcpOutputPlugin) {
    chunk_.json(Timestamp(Milliseconds(1500)), R"({"log":"a","n":1})");
    chunk_.json(Timestamp(Seconds(2)), R"({"x":"b"})");
  }
  std::unique_ptr<Output> make(Pairs pairs) {
    pairs.push_back({"Port", std::to_string(listener_->port())});
    return StreamFixture::make(pairs);
  }
  // What one delivery with these options sends.
  std::string sent(const Pairs& pairs) {
    const auto output = make(pairs);
    EXPECT_TRUE(output) << diagnostics_.render();
    EXPECT_EQ(deliver(*output, chunk_).outcome, Delivery::Outcome::Delivered);
    output->stop();
    std::unique_ptr<StreamConnection> connection;
    listener_->start([&](std::unique_ptr<StreamConnection> one) { connection = std::move(one); });
    loop_.restart();
    loop_.run_one_for(std::chrono::seconds(5));
    if (!connection) return "nobody came";
    std::string all;
    char buffer[65536];
    for (int i = 0; i < 500; ++i) {
      const auto count = connection->read(buffer);
      if (!count || (*count && **count == 0)) break;
      if (*count) all.append(buffer, **count);
    }
    return all;
  }

  boost::asio::io_context loop_;
  std::unique_ptr<StreamListener> listener_ =
      StreamListener::listen_tcp(loop_, "127.0.0.1", 0).value();
  ChunkBuilder chunk_;
};

TEST_F(TcpTest, Formats) {
  using namespace std::string_view_literals;
  EXPECT_EQ(sent({{"Format", "json_lines"}}),
            "{\"date\":1.5,\"log\":\"a\",\"n\":1}\n{\"date\":2.0,\"x\":\"b\"}\n");
  EXPECT_EQ(sent({{"format", "json"}, {"json_date_key", "false"}}),
            "[{\"log\":\"a\",\"n\":1},{\"x\":\"b\"}]\n");
  EXPECT_EQ(sent({{"format", "json_stream"}, {"json_date_format", "epoch"}}),
            "{\"date\":1,\"log\":\"a\",\"n\":1}{\"date\":2,\"x\":\"b\"}\n");
  EXPECT_EQ(sent({}),
            "\x92\x92\xd7\x00\x00\x00\x00\x01\x1d\xcd\x65\x00\x80\x82\xa3log\xa1"
            "a\xa1n\x01"
            "\x92\x92\xd7\x00\x00\x00\x00\x02\x00\x00\x00\x00\x80\x81\xa1x\xa1"
            "b"sv);
  EXPECT_EQ(sent({{"raw_message_key", "log"}}), "a\n{\"x\":\"b\"}\n");
}

TEST_F(TcpTest, WhatCannotBeIsAnError) {
  EXPECT_FALSE(make({{"format", "xml"}}));
  EXPECT_FALSE(make({{"json_date_format", "tomorrow"}}));
  EXPECT_FALSE(make({{"raw_message_key", "$a['"}}));
  EXPECT_FALSE(make({{"tls", "on"}, {"tls.ca_file", "/nowhere"}}));
}

TEST_F(TcpTest, NobodyListeningIsARetry) {
  const auto output = make({});
  listener_.reset();
  EXPECT_EQ(deliver(*output, chunk_).outcome, Delivery::Outcome::Retry);
}

}  // namespace
}  // namespace noroshi

#include "http/response_parser.h"

#include <gtest/gtest.h>

namespace noroshi {
namespace {

struct Parsed {
  HttpResponse response;
  bool reusable = false;
};

// In pieces of `piece` bytes; nullopt: refused, or not complete.
std::optional<Parsed> parse(std::string_view text, size_t piece, bool end = false,
                            bool no_body = false, size_t body_bytes_max = 1000) {
  ResponseParser parser(no_body, body_bytes_max);
  for (size_t i = 0; i < text.size() && !parser.done(); i += piece) {
    if (!parser.put(text.substr(i, piece))) return std::nullopt;
  }
  if (end && !parser.done() && !parser.put_end()) return std::nullopt;
  if (!parser.done()) return std::nullopt;
  const bool reusable = parser.connection_reusable();
  return Parsed{parser.take(), reusable};
}

class ResponseParserPieces : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ResponseParserPieces, ::testing::Values(1, 2, 7, 10000));

TEST_P(ResponseParserPieces, EveryWayABodyCanEnd) {
  const auto sized = parse("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nA:  b \r\n\r\nabc", GetParam());
  ASSERT_TRUE(sized);
  EXPECT_EQ(sized->response.body, "abc");
  EXPECT_EQ(sized->response.headers.get("a"), "b");
  EXPECT_TRUE(sized->reusable);
  const auto chunked = parse(
      "HTTP/1.1 201 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\nT: "
      "1\r\n\r\n",
      GetParam());
  ASSERT_TRUE(chunked);
  EXPECT_EQ(chunked->response.body, "ab0123456789");
  EXPECT_TRUE(chunked->reusable);
  for (const std::string last : {"0\r\n\r\n", "0\r\nT: 1\r\n\r\n"}) {
    const auto empty =
        parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + last, GetParam());
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->response.body, "");
    EXPECT_TRUE(empty->reusable);
  }
  const auto ended = parse("HTTP/1.1 200 OK\r\n\r\nuntil the end", GetParam(), true);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->response.body, "until the end");
  EXPECT_FALSE(ended->reusable);
  const auto none = parse("HTTP/1.1 204 No Content\r\n\r\n", GetParam());
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->reusable);
  const auto head = parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", GetParam(), false, true);
  ASSERT_TRUE(head);
  EXPECT_TRUE(head->reusable);
}

TEST_P(ResponseParserPieces, WhatComesBeforeTheAnswerIsSkipped) {
  const auto answer = parse(
      "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 "
      "OK\r\nContent-Length: 1\r\n\r\nx",
      GetParam());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->response.status, 200);
  EXPECT_EQ(answer->response.headers.size(), 1U);
  EXPECT_FALSE(parse("HTTP/1.1 100 Continue\r\n\r\n", GetParam()));
  EXPECT_FALSE(parse("HTTP/1.1 100 Continue\r\n\r\n", GetParam(), true)) << "and then the end";
}

TEST_P(ResponseParserPieces, ALongBodyIsCutAtTheByte) {
  for (const char* head : {"Content-Length: 9", "Transfer-Encoding: chunked"}) {
    const std::string body = head[0] == 'C' ? "123456789" : "9\r\n123456789\r\n0\r\n\r\n";
    const std::string text = std::string("HTTP/1.1 200 OK\r\n") + head + "\r\n\r\n" + body;
    const auto cut = parse(text, GetParam(), false, false, 5);
    ASSERT_TRUE(cut) << head;
    EXPECT_EQ(cut->response.body, "12345");
    EXPECT_TRUE(cut->response.body_cut);
    EXPECT_FALSE(cut->reusable);
    const auto exact = parse(text, GetParam(), false, false, 9);
    ASSERT_TRUE(exact) << head;
    EXPECT_FALSE(exact->response.body_cut);
    EXPECT_TRUE(exact->reusable);
  }
}

TEST(ResponseParser, AConnectionIsKeptOnlyWhereBothAgree) {
  EXPECT_FALSE(
      parse("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 99)->reusable);
  EXPECT_FALSE(parse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 99)->reusable);
  EXPECT_TRUE(parse("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 99)
                  ->reusable);
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore", 999)->reusable)
      << "what nobody asked for would be the next answer";
}

TEST(ResponseParser, WhatCanBeReadInTwoWaysIsRefused) {
  for (const char* bad :
       {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 2000 x\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n"})
    EXPECT_FALSE(parse(bad, 999)) << bad;
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 999, true)) << "cut";
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nA: " + std::string(100 << 10, 'x'), 999)) << "endless";
}

}  // namespace
}  // namespace noroshi

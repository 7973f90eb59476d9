#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/http_client.h"
#include "http/testing/fake_http_transport.h"
#include "http/url.h"

namespace noroshi {
namespace {

TEST(HttpHeaders, CompareWithoutCaseAndSetReplacesAll) {
  HttpHeaders headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(headers.get("A"), "1");
  headers.set("a", headers.get("B"));
  EXPECT_EQ(headers.get("A"), "2");
  EXPECT_EQ(headers.size(), 2U);
  headers.erase("B");
  EXPECT_FALSE(headers.find("b"));
}

TEST(Url, ParsesAndWritesBack) {
  const auto url = parse_url("HTTPS://Logs.EU-west-1.amazonaws.com:8443/a/b?x=1&y");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "logs.eu-west-1.amazonaws.com");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/a/b");
  EXPECT_EQ(url->query, "x=1&y");
  EXPECT_EQ(url->to_string(), "https://logs.eu-west-1.amazonaws.com:8443/a/b?x=1&y");
  EXPECT_EQ(parse_url("http://[FD00:ec2::254]:80/x")->authority(), "[fd00:ec2::254]");
  EXPECT_EQ(parse_url("http://h:81")->authority(), "h:81");
  EXPECT_EQ(parse_url("https://h:443")->authority(), "h");
  EXPECT_EQ(parse_url("http://h?q")->query, "q");
  for (const char* bad :
       {"", "h", "ftp://h", "http://", "http://u@h/", "http://h:0", "http://h:65536", "http://h:1x",
        "http://[::1", "http://[::1]x", "http://[g]", "http://a b", "http://h/\n", "http://h/#f",
        "http://h\\x/", "http://[]/"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

TEST(Url, PercentEncodingIsStrictAndReversible) {
  EXPECT_EQ(percent_encode("aZ09-_.~/ +%あ"), "aZ09-_.~%2F%20%2B%25%E3%81%82");
  EXPECT_EQ(percent_encode("a/b c", true), "a/b%20c");
  EXPECT_EQ(percent_decode("%41%zz%4"), "A%zz%4");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(encode_query(parse_query("a=1&b&c=%2F&&d=x=y")), "a=1&b=&c=%2F&d=x%3Dy");
}

TEST(FakeHttpTransport, PlaysBackAndKeeps) {
  testing::FakeHttpTransport fake;
  fake.answer(503, "busy", {{"Retry-After", "1"}});
  fake.fail(ErrorCode::Timeout);
  const auto first = fake.send({.url = "http://a/"}, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, 503);
  EXPECT_EQ(first->headers.get("retry-after"), "1");
  EXPECT_EQ(fake.send({.url = "http://b/"}, {}).error().code, ErrorCode::Timeout);
  EXPECT_EQ(fake.send({.url = "http://c/"}, {}).error().code, ErrorCode::Unavailable);
  ASSERT_EQ(fake.requests().size(), 3U);
  EXPECT_EQ(fake.requests()[1].url, "http://b/");
}

}  // namespace
}  // namespace noroshi

#include "http/proxy.h"

#include <gtest/gtest.h>

#include <map>

namespace noroshi {
namespace {

std::string described(const Result<Proxy>& proxy) {
  if (!proxy) return "error";
  return proxy->host + " " + std::to_string(proxy->port) + " " + proxy->authorization;
}

TEST(Proxy, IsReadInTheFormsPeopleWrite) {
  EXPECT_EQ(described(parse_proxy("http://proxy.corp:3128")), "proxy.corp 3128 ");
  EXPECT_EQ(described(parse_proxy("HTTP://proxy.corp:3128/")), "proxy.corp 3128 ");
  EXPECT_EQ(described(parse_proxy("proxy.corp:3128")), "proxy.corp 3128 ");
  EXPECT_EQ(described(parse_proxy("proxy.corp")), "proxy.corp 1080 ");
  EXPECT_EQ(described(parse_proxy("http://[fd00::1]:8080")), "fd00::1 8080 ");
  EXPECT_EQ(described(parse_proxy("http://u:a:b@h:1")), "h 1 Basic dTphOmI=");
  EXPECT_EQ(described(parse_proxy("http://u@h:1")), "h 1 Basic dTo=");
  EXPECT_EQ(described(parse_proxy("u%40x:p@h:1")), "h 1 Basic dUB4OnA=");
  for (const char* bad :
       {"", "https://h:1", "socks5://h:1", "http://", "h:0", "h:x", "http://a b:1"})
    EXPECT_EQ(described(parse_proxy(bad)), "error") << bad;
}

TEST(Proxy, MistakesDoNotShowThePassword) {
  for (const char* bad : {"https://user:hidden@h:1", "http://user:hidden@h:x", "user:hidden@:1"}) {
    const auto proxy = parse_proxy(bad);
    ASSERT_FALSE(proxy) << bad;
    EXPECT_EQ(proxy.error().message.find("hidden"), std::string::npos) << proxy.error().message;
  }
}

TEST(Proxy, NoProxyNamesHostsDomainsAddressesAndNetworks) {
  const auto excluded = is_excluded_from_proxy;
  EXPECT_TRUE(excluded("logs.eu-west-1.amazonaws.com", "localhost, amazonaws.com"));
  EXPECT_TRUE(excluded("logs.eu-west-1.amazonaws.com", ".AmazonAWS.com"));
  EXPECT_TRUE(excluded("amazonaws.com", ".amazonaws.com"));
  EXPECT_TRUE(excluded("anything", "*"));
  EXPECT_TRUE(excluded("h", "a,,b \th"));
  EXPECT_FALSE(excluded("evilamazonaws.com", "amazonaws.com"));
  EXPECT_FALSE(excluded("amazonaws.com.evil", "amazonaws.com"));
  EXPECT_FALSE(excluded("h", ""));
  EXPECT_FALSE(excluded("h", ","));
  EXPECT_TRUE(excluded("169.254.170.2", "169.254.169.254,169.254.170.2"));
  EXPECT_TRUE(excluded("10.1.2.3", "10.0.0.0/8"));
  EXPECT_TRUE(excluded("10.1.2.3", "0.0.0.0/0"));
  EXPECT_FALSE(excluded("11.1.2.3", "10.0.0.0/8"));
  EXPECT_TRUE(excluded("10.1.2.127", "10.1.2.0/25"));
  EXPECT_FALSE(excluded("10.1.2.128", "10.1.2.0/25"));
  EXPECT_FALSE(excluded("10.1.2.3", "10.1.2.3/33"));
  EXPECT_FALSE(excluded("10.1.2.3", "10.1.2.3/x"));
  EXPECT_FALSE(excluded("10.1.2.3", "2.3"));  // an address is no domain
  EXPECT_TRUE(excluded("fd00:ec2::254", "fd00:ec2:0::254"));
  EXPECT_TRUE(excluded("fd00:ec2::254", "[fd00:ec2::]/32"));
  EXPECT_FALSE(excluded("fd01::1", "fd00::/16"));
}

TEST(Proxy, EachSchemeHasItsVariable) {
  std::map<std::string, std::string> variables;
  const GetVariable get = [&](const char* name) { return variables[name]; };
  const auto of = [&](const char* url) {
    const auto proxy = proxy_of_environment(*parse_url(url), get);
    return !proxy ? proxy.error().message : *proxy ? (*proxy)->host : "none";
  };
  EXPECT_EQ(of("https://a/"), "none");
  variables = {{"HTTPS_PROXY", "http://upper:1"}, {"HTTP_PROXY", "http://clear:1"}};
  EXPECT_EQ(of("https://a/"), "upper");
  EXPECT_EQ(of("http://a/"), "clear");
  variables["https_proxy"] = "http://lower:1";
  EXPECT_EQ(of("https://a/"), "lower");
  variables["NO_PROXY"] = "a,169.254.0.0/16,fd00::/8";
  EXPECT_EQ(of("https://a/"), "none");
  EXPECT_EQ(of("https://b/"), "lower");
  EXPECT_EQ(of("http://169.254.170.2/v3"), "none");
  EXPECT_EQ(of("http://[fd00:ec2::254]/"), "none");
  variables = {{"ALL_PROXY", "http://all:1"}};
  EXPECT_EQ(of("https://a/"), "all");
  EXPECT_EQ(of("http://a/"), "all");
  variables = {{"HTTPS_PROXY", "socks5://x:1"}};
  EXPECT_TRUE(of("https://a/").starts_with("HTTPS_PROXY: ")) << of("https://a/");
}

}  // namespace
}  // namespace noroshi

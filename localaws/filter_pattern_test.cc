#include "localaws/filter_pattern.h"

#include <gtest/gtest.h>

namespace noroshi::localaws {
namespace {

bool matches(std::string_view pattern, std::string_view message) {
  auto parsed = FilterPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern << ": " << (parsed ? "" : parsed.error().message);
  return parsed && parsed->matches(message);
}

TEST(FilterPattern, Terms) {
  EXPECT_TRUE(matches("", "anything"));
  EXPECT_TRUE(matches("ERROR", "[ERROR] x"));
  EXPECT_FALSE(matches("ERROR", "error"));
  EXPECT_FALSE(matches("ERROR", "ERRORS"));
  EXPECT_TRUE(matches("a b", "b then a"));
  EXPECT_FALSE(matches("a b", "only a"));
  EXPECT_TRUE(matches("?a ?b", "only b"));
  EXPECT_FALSE(matches("?a ?b", "none"));
  EXPECT_FALSE(matches("a -b", "a b"));
  EXPECT_TRUE(matches("\"two words: [x]\"", "has two words: [x] in it"));
  EXPECT_FALSE(matches("\"two words\"", "two  words"));
  EXPECT_TRUE(matches("\"a \\\"q\\\"\"", "a \"q\""));
}

TEST(FilterPattern, Json) {
  const std::string_view message =
      R"({"level":"ERROR","status":503,"ok":false,"none":null,"deep":{"list":[1,{"x":"y"}]},"a.b":1})";
  EXPECT_TRUE(matches(R"({ $.level = "ERROR" })", message));
  EXPECT_TRUE(matches(R"({$.level=ERROR})", message));
  EXPECT_TRUE(matches(R"({ $.level = "ERR*" })", message));
  EXPECT_FALSE(matches(R"({ $.level = "error" })", message));
  EXPECT_TRUE(matches(R"({ $.level != "INFO" })", message));
  EXPECT_FALSE(matches(R"({ $.missing != "INFO" })", message));
  EXPECT_TRUE(matches("{ $.status >= 500 && $.status < 504 }", message));
  EXPECT_FALSE(matches("{ $.status > 503 }", message));
  EXPECT_TRUE(matches("{ $.status = 5* }", message));
  EXPECT_TRUE(matches("{ $.status = 1 || $.ok IS FALSE }", message));
  EXPECT_TRUE(matches("{ ($.status = 1 || $.status = 503) && $.none IS NULL }", message));
  EXPECT_TRUE(matches(R"({ $.deep.list[1].x = "y" })", message));
  EXPECT_TRUE(matches(R"({ $["a.b"] = 1 })", message));
  EXPECT_TRUE(matches("{ $.missing NOT EXISTS }", message));
  EXPECT_TRUE(matches("{ $.level EXISTS }", message));
  EXPECT_FALSE(matches(R"({ $.level = "ERROR" })", "plain ERROR"));
  EXPECT_FALSE(matches(R"({ $.level = "ERROR" })", R"({"level":"ERROR")"));
  EXPECT_FALSE(matches("{ $.missing NOT EXISTS }", "[1]"));
}

TEST(FilterPattern, RefusesWithAReason) {
  std::string deep = "{ ";
  for (int i = 0; i < 100; ++i) deep += "(";
  for (const std::string& bad :
       {std::string("{ $.a = }"), std::string("{ a = 1 }"), std::string("{ $.a = 1"),
        std::string("{ $. = 1 }"), std::string("{ $.a < \"x\" }"), std::string("{ $.a = 1 && }"),
        std::string("{ $.a = \"x }"), std::string("{ $.a = %x% }"), std::string("[a, b]"),
        std::string("a:b"), std::string("\"open"), std::string("%regex%"), deep + "}",
        std::string(1025, 'a')}) {
    const auto parsed = FilterPattern::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::InvalidArgument);
  }
}

}  // namespace
}  // namespace noroshi::localaws

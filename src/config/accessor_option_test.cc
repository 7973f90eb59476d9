#include "config/accessor_option.h"

#include <gtest/gtest.h>

#include "config/diagnostics.h"

namespace noroshi {
namespace {

LocatedText option(std::string text) {
  return {.name = "tag_key", .text = std::move(text), .where = {.line = 7, .column = 3}};
}

TEST(AccessorOption, Set) {
  Diagnostics diagnostics;
  const auto accessor = parse_accessor_option(option("$a['b']"), diagnostics);
  ASSERT_TRUE(accessor);
  EXPECT_EQ(accessor->text(), "$a['b']");
  const auto text = parse_template_option(option("x.$TAG[1]"), diagnostics);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text(), "x.$TAG[1]");
  EXPECT_FALSE(diagnostics.has_errors());
}

TEST(AccessorOption, NotSetIsNoError) {
  Diagnostics diagnostics;
  EXPECT_FALSE(parse_accessor_option({}, diagnostics));
  EXPECT_FALSE(parse_template_option({}, diagnostics));
  EXPECT_FALSE(diagnostics.has_errors());
}

TEST(AccessorOption, AWrongOneIsAnErrorAtItsValue) {
  Diagnostics diagnostics;
  EXPECT_FALSE(parse_accessor_option(option("$a['"), diagnostics));
  EXPECT_FALSE(parse_accessor_option(option("$a['"), diagnostics, "http: "));
  EXPECT_FALSE(parse_template_option(option("$TAG[x]"), diagnostics));
  ASSERT_EQ(diagnostics.all().size(), 3u);
  const std::string why = RecordAccessor::parse("$a['").error().message;
  EXPECT_EQ(diagnostics.all()[0].message, "tag_key: " + why);
  EXPECT_EQ(diagnostics.all()[1].message, "http: tag_key: " + why);
  EXPECT_EQ(diagnostics.all()[2].message,
            "tag_key: " + RecordTemplate::parse("$TAG[x]").error().message);
  EXPECT_EQ(diagnostics.all()[0].where.line, 7u);
  EXPECT_EQ(diagnostics.all()[0].where.column, 3u);
}

}  // namespace
}  // namespace noroshi

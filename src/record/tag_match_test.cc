#include "record/tag_match.h"

#include <gtest/gtest.h>

#include "record/random_value.h"
#include "record/tag_match_reference.h"

namespace noroshi {
namespace {

bool matches(std::string_view pattern, std::string_view tag) {
  return TagPattern(pattern).matches(tag);
}

TEST(TagPattern, Forms) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("*", "anything.at.all"));
  EXPECT_TRUE(matches("**", "a.b"));
  EXPECT_TRUE(matches("backend-firelens-abc", "backend-firelens-abc"));
  EXPECT_FALSE(matches("backend", "Backend"));
  EXPECT_FALSE(matches("backend", "backend2"));
  EXPECT_TRUE(matches("backend-firelens*", "backend-firelens-0123"));
  EXPECT_TRUE(matches("backend*", "backend")) << "* may stand for nothing";
  EXPECT_FALSE(matches("app.*", "app"));
  EXPECT_TRUE(matches("app.*", "app."));
  EXPECT_TRUE(matches("*.log", "a.b.log"));
  EXPECT_FALSE(matches("*.log", "a.log.1"));
  EXPECT_TRUE(matches("a*b*c", "a__b__b_c"));
  EXPECT_FALSE(matches("a*b*c", "a__c__b"));
  EXPECT_TRUE(matches("a***b", "ab"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("a.b", "a.b"));
  EXPECT_FALSE(matches("a.b", "axb")) << "a dot is a dot";
  EXPECT_EQ(TagPattern("a**").text(), "a**");
}

TEST(TagPattern, ManyStarsStayCheap) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(matches(pattern + "b", std::string(20000, 'a')));
}

TEST(TagPattern, AgreesWithTheReference) {
  RandomValue random(5);
  int hits = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string pattern, tag;
    for (uint32_t n = random.below(8); n > 0; --n) pattern += "ab*."[random.below(4)];
    for (uint32_t n = random.below(10); n > 0; --n) tag += "ab."[random.below(3)];
    const bool expected = tag_matches_reference(pattern, tag);
    ASSERT_EQ(matches(pattern, tag), expected) << pattern << " and " << tag;
    hits += expected ? 1 : 0;
  }
  EXPECT_GT(hits, 1000);
}

}  // namespace
}  // namespace noroshi

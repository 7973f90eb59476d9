#include "record/record_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/json_record.h"

namespace noroshi {
namespace {

using testing::HasSubstr;

constexpr auto kBody = RecordRules::Context::Body;

bool holds(std::string_view op, const std::vector<std::string>& values,
           std::string_view field = "$value", std::string_view json = R"({"value": "500"})") {
  RecordRules rules;
  const Status added = rules.add(field, op, values, kBody);
  EXPECT_TRUE(added.has_value()) << added.error().message;
  return rules.hold(record_of(json), {});
}

std::string refusal(std::string_view field, std::string_view op,
                    const std::vector<std::string>& values) {
  RecordRules rules;
  const Status added = rules.add(field, op, values, kBody);
  EXPECT_FALSE(added.has_value());
  return added.has_value() ? "" : added.error().message;
}

TEST(RecordRules, EveryOperator) {
  EXPECT_TRUE(holds("eq", {"500"}));
  EXPECT_FALSE(holds("eq", {"50"}));
  EXPECT_FALSE(holds("neq", {"500"}));
  EXPECT_TRUE(holds("NEQ", {"50"}));
  EXPECT_TRUE(holds("gt", {"499.5"}));
  EXPECT_FALSE(holds("gt", {"500"}));
  EXPECT_TRUE(holds("gte", {"500"}));
  EXPECT_TRUE(holds("lt", {"501"}));
  EXPECT_FALSE(holds("lt", {"500"}));
  EXPECT_TRUE(holds("lte", {"500"}));
  EXPECT_TRUE(holds("regex", {"^5.."}));
  EXPECT_FALSE(holds("regex", {"^6"}));
  EXPECT_TRUE(holds("not_regex", {"^6"}));
  EXPECT_TRUE(holds("in", {"404", "500"}));
  EXPECT_FALSE(holds("in", {"404"}));
  EXPECT_TRUE(holds("not_in", {"404"}));
  EXPECT_FALSE(holds("not_in", {"404", "500"}));
}

TEST(RecordRules, ValuesThatAreNoText) {
  constexpr std::string_view kRecord = R"({"n": 500, "f": 0.5, "b": true, "m": {"a": {"b": "x"}}})";
  EXPECT_TRUE(holds("eq", {"500"}, "$n", kRecord));
  EXPECT_TRUE(holds("gte", {"500"}, "$n", kRecord));
  EXPECT_TRUE(holds("lt", {"1"}, "$f", kRecord));
  EXPECT_TRUE(holds("eq", {"true"}, "$b", kRecord));
  EXPECT_TRUE(holds("eq", {"x"}, "$m['a']['b']", kRecord));
}

TEST(RecordRules, AMissingFieldIsTheEmptyText) {
  EXPECT_FALSE(holds("eq", {"a"}, "$none"));
  EXPECT_TRUE(holds("neq", {"a"}, "$none"));
  EXPECT_TRUE(holds("not_regex", {"a"}, "$none"));
  EXPECT_TRUE(holds("not_in", {"a"}, "$none"));
  EXPECT_FALSE(holds("lt", {"5"}, "$none"));
  EXPECT_FALSE(holds("gte", {"-5"}, "$none"));
  EXPECT_FALSE(holds("gt", {"1"}, "$value", R"({"value": "12 apples"})"));
}

TEST(RecordRules, AndNeedsAllOrNeedsOne) {
  const std::string record = record_of(R"({"a": "1", "b": "2"})");
  for (const bool both : {true, false}) {
    RecordRules all(RecordRules::Join::And), any(RecordRules::Join::Or);
    for (RecordRules* rules : {&all, &any}) {
      ASSERT_TRUE(rules->add("$a", "eq", {"1"}, kBody).has_value());
      ASSERT_TRUE(rules->add("$b", "eq", {both ? "2" : "3"}, kBody).has_value());
    }
    EXPECT_EQ(all.hold(record, {}), both);
    EXPECT_TRUE(any.hold(record, {}));
    EXPECT_NE(all.text(), any.text());
  }
}

TEST(RecordRules, MetadataIsAnotherMap) {
  RecordRules rules;
  ASSERT_TRUE(rules.add("$a", "eq", {"1"}, RecordRules::Context::Metadata).has_value());
  const std::string one = record_of(R"({"a": "1"})"), two = record_of(R"({"a": "2"})");
  EXPECT_TRUE(rules.hold(two, one));
  EXPECT_FALSE(rules.hold(one, two));
  EXPECT_FALSE(rules.hold(one, {}));
  EXPECT_EQ(rules.text(), "metadata $a eq 1");
}

TEST(RecordRules, AChunkAtOnce) {
  RecordRules rules;
  ASSERT_TRUE(rules.add("$n", "gte", {"5"}, kBody).has_value());
  Chunk chunk;
  for (int i = 0; i < 10; ++i)
    chunk.append({}, record_of("{\"n\": " + std::to_string(i) + "}"),
                 i % 2 == 0 ? record_of("{}") : std::string());
  Bitmap selected;
  rules.evaluate(chunk.records, chunk.body, selected);
  ASSERT_EQ(selected.size(), 10u);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(selected.test(i), i >= 5) << i;
}

TEST(RecordRules, WhatIsWrongIsSaid) {
  EXPECT_THAT(refusal("$a", "equals", {"x"}), HasSubstr("one of eq, neq"));
  EXPECT_THAT(refusal("$a", "gt", {"many"}), HasSubstr("compares numbers; \"many\" is none"));
  EXPECT_THAT(refusal("$a", "eq", {}), HasSubstr("needs a value"));
  EXPECT_THAT(refusal("$a", "eq", {"x", "y"}), HasSubstr("a list is for in and not_in"));
  EXPECT_FALSE(refusal("$a", "regex", {"("}).empty());
  EXPECT_FALSE(refusal("$a[", "eq", {"x"}).empty());
}

TEST(RecordRules, DifferentRulesHaveDifferentTexts) {
  const auto text = [](const std::vector<std::string>& values) {
    RecordRules rules;
    EXPECT_TRUE(rules.add("$a", "in", values, kBody).has_value());
    return rules.text();
  };
  EXPECT_EQ(text({"x", "y"}), "$a in x,y");
  EXPECT_NE(text({"x,y"}), text({"x", "y"}));
  EXPECT_NE(text({""}), text({"\"\""}));
}

}  // namespace
}  // namespace noroshi

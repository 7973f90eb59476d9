#include "record/record_accessor.h"

#include <gtest/gtest.h>

#include "record/json_record.h"
#include "record/json_writer.h"
#include "record/random_value.h"

namespace noroshi {
namespace {

constexpr std::string_view kRecord = R"({
  "log":"hi","level":"ERROR","n":42,"f":1.5,"ok":true,"none":null,
  "kubernetes":{"pod":{"name":"p-1"},"labels":{"app.kubernetes.io/name":"web","it's":"quoted"}},
  "items":["a",{"b":"c"},[1,2]],"dup":1,"dup":2,"a.b":"dotted","日本":"言葉"})";

// The JSON of what `accessor` finds, "missing", or "error".
std::string find(std::string_view accessor, std::string_view json = kRecord) {
  const auto parsed = RecordAccessor::parse(accessor);
  if (!parsed) return "error";
  const std::string record = record_of(json);
  const auto value = parsed->find(record);
  if (!value) return "missing";
  EXPECT_GE(value->data(), record.data());
  std::string text;
  EXPECT_TRUE(write_json(text, *value).has_value());
  return text;
}

TEST(RecordAccessor, Finds) {
  EXPECT_EQ(find("log"), R"("hi")");
  EXPECT_EQ(find("$log"), R"("hi")");
  EXPECT_EQ(find("$kubernetes['pod']['name']"), R"("p-1")");
  EXPECT_EQ(find("$kubernetes['labels']['app.kubernetes.io/name']"), R"("web")");
  EXPECT_EQ(find("$kubernetes['labels']['it''s']"), R"("quoted")");
  EXPECT_EQ(find("$kubernetes['pod']"), R"({"name":"p-1"})");
  EXPECT_EQ(find("$items[0]"), R"("a")");
  EXPECT_EQ(find("$items[1]['b']"), R"("c")");
  EXPECT_EQ(find("$items[2][1]"), "2");
  EXPECT_EQ(find("$none"), "null");
  EXPECT_EQ(find("$dup"), "2") << "the last of duplicate keys";
  EXPECT_EQ(find("$a.b"), R"("dotted")");
  EXPECT_EQ(find("a.b"), R"("dotted")");
  EXPECT_EQ(find("$日本"), R"("言葉")");
}

TEST(RecordAccessor, Missing) {
  EXPECT_EQ(find("nothing"), "missing");
  EXPECT_EQ(find("$items[3]"), "missing");
  EXPECT_EQ(find("$items['b']"), "missing");
  EXPECT_EQ(find("$kubernetes[0]"), "missing");
  EXPECT_EQ(find("$log['x']"), "missing");
  EXPECT_EQ(find("$kubernetes['pod']['nothing']"), "missing");
  EXPECT_EQ(find("log", "[1]"), "missing") << "no map";
}

TEST(RecordAccessor, Errors) {
  for (const char* bad : {"", "$", "$['a']", "$a[", "$a[]", "$a['b'", "$a['b", "$a[b]", "$a[-1]",
                          "$a b", "$a['b']c", "$a[99999999999]", "$a[0"}) {
    EXPECT_FALSE(RecordAccessor::parse(bad).has_value()) << bad;
  }
}

TEST(RecordAccessor, TruncatedRecordIsMissingNotRead) {
  const std::string record = record_of(kRecord);
  const auto accessor = RecordAccessor::parse("$kubernetes['pod']['name']");
  for (size_t size = 0; size < record.size(); ++size) {
    const std::vector<char> cut(record.begin(), record.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(accessor->find({cut.data(), cut.size()}), std::nullopt);
  }
}

// The way that looks for the key's bytes first finds what the one that steps over every pair finds.
TEST(RecordAccessor, FindsTheSameInWholeRecords) {
  const auto agree = [](std::string_view expression, const std::string& record) {
    const auto accessor = RecordAccessor::parse(expression);
    ASSERT_TRUE(accessor.has_value()) << expression;
    // Its own memory, so that a sanitizer sees a byte too many.
    const std::vector<char> bytes(record.begin(), record.end());
    const std::string_view whole(bytes.data(), bytes.size());
    const auto slow = accessor->find(whole), fast = accessor->find_in_whole(whole);
    ASSERT_EQ(slow.has_value(), fast.has_value()) << expression;
    if (slow) {
      ASSERT_EQ(slow->data(), fast->data()) << expression;
      ASSERT_EQ(slow->size(), fast->size()) << expression;
    }
  };
  for (const char* expression :
       {"log", "level", "n", "ok", "none", "$kubernetes['pod']['name']", "$items[1]['b']", "dup",
        "a.b", "日本", "web", "missing", "name"}) {
    agree(expression, record_of(kRecord));
  }
  // Every place in a record of every length, once as a key and once inside a value.
  for (size_t before = 0; before < 40; ++before) {
    for (size_t behind = 0; behind < 40; ++behind) {
      const std::string front(before, 'f'), back(behind, 'b');
      const auto record = [&](std::string_view middle) {
        // Seven pairs at least, or there is nothing to be looked for first.
        return record_of(R"({"0":0,"1":1,"2":2,"3":3,"4":4,"f":")" + front + "\"," +
                         std::string(middle) + "\"b\":\"" + back + "\"}");
      };
      for (const char* key : {"level", "l", "le", "levellevellevellevel"}) {
        agree(key, record(""));
        agree(key, record(R"("level":1,)"));
        agree(key, record(R"("level":1,"level":2,"other":"level",)"));
        agree(key, record(R"("levellevellevellevel":{"level":1},)"));
        agree(key, record(R"("x":"level","lev":"el",)"));
      }
    }
  }
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    RandomValue random(seed);
    std::string record;
    random.append(record, false);
    for (const char* key : {"level", "a", "plain ascii text of some length", "0", "é"}) {
      agree(key, record);
    }
  }
}

struct Rendered {
  bool complete;
  std::string text;
  std::string missing;
  bool operator==(const Rendered&) const = default;
};

Rendered render(std::string_view text, std::string_view delimiters = ".") {
  const auto parsed = RecordTemplate::parse(text);
  if (!parsed) return {false, "error", ""};
  const std::string record = record_of(kRecord);
  const std::string_view captures[] = {"whole", "first", {}};
  std::string out = "<";
  std::string_view missing;
  const bool complete =
      parsed->render({"app.web-1.x", record, captures, delimiters}, out, &missing);
  return {complete, out.substr(1), std::string(missing)};
}

Rendered complete(std::string text) { return {true, std::move(text), ""}; }

TEST(RecordTemplate, Renders) {
  EXPECT_EQ(render("plain"), complete("plain"));
  EXPECT_EQ(render(""), complete(""));
  EXPECT_EQ(render("prefix-$level.$TAG[1]"), complete("prefix-ERROR.web-1"));
  EXPECT_EQ(render("$TAG"), complete("app.web-1.x"));
  EXPECT_EQ(render("$TAG[0].$TAG[2]"), complete("app.x"));
  EXPECT_EQ(render("$TAG[1]", ".-"), complete("web"));
  EXPECT_EQ(render("$n-$f-$ok-$none"), complete("42-1.5-true-null"));
  EXPECT_EQ(render("/ecs/$kubernetes['pod']['name']/$log"), complete("/ecs/p-1/hi"));
  EXPECT_EQ(render("$kubernetes['labels']['app.kubernetes.io/name']-x"), complete("web-x"));
  EXPECT_EQ(render("$items[2]"), complete("[1,2]"));
  EXPECT_EQ(render("$1 of $0"), complete("first of whole"));
  EXPECT_EQ(render("a$$b $ c $"), complete("a$b $ c $"));
}

TEST(RecordTemplate, SaysWhatIsMissing) {
  EXPECT_EQ(render("a-$nothing-b"), (Rendered{false, "a--b", "$nothing"}));
  EXPECT_EQ(render("$TAG[7]"), (Rendered{false, "", "$TAG[7]"}));
  EXPECT_EQ(render("$2$9"), (Rendered{false, "", "$2"})) << "a group without part, then none";
  EXPECT_EQ(render("$TAG[x]").text, "error");
  EXPECT_EQ(render("$TAG[1").text, "error");
  EXPECT_EQ(render("$a['b").text, "error");
}

TEST(RecordTemplate, KnowsWhatItNeeds) {
  EXPECT_TRUE(RecordTemplate::parse("plain")->is_literal());
  EXPECT_FALSE(RecordTemplate::parse("$TAG")->is_literal());
  EXPECT_FALSE(RecordTemplate::parse("a$TAG[1]")->needs_record());
  EXPECT_TRUE(RecordTemplate::parse("a$level")->needs_record());
}

TEST(FindKey, TopLevelOnly) {
  const std::string record = record_of(kRecord);
  EXPECT_EQ(find_key(record, "level"),
            "\xa5"
            "ERROR");
  EXPECT_EQ(find_key(record, "pod"), std::nullopt);
  std::string text;
  EXPECT_TRUE(append_value_text(text, *find_key(record, "items")));
  EXPECT_TRUE(append_value_text(text, *find_key(record, "log")));
  EXPECT_EQ(text, R"(["a",{"b":"c"},[1,2]]hi)");
  EXPECT_FALSE(append_value_text(text, "\xc1"));
}

}  // namespace
}  // namespace noroshi

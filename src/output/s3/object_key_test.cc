#include "output/s3/object_key.h"

#include <gtest/gtest.h>

#include <set>

namespace noroshi {
namespace {

// 2026-11-23T02:53:09.5Z, a Monday.
constexpr Timestamp kTime{Milliseconds(1795402389500)};
constexpr const char* kSpecified = "/logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.gz";

ObjectKeyFormat parse(const char* format, ObjectKeyOptions options = {}) {
  auto parsed = ObjectKeyFormat::parse(format, std::move(options));
  EXPECT_TRUE(parsed) << format << ": " << parsed.error().message;
  return *std::move(parsed);
}

std::string key(const char* format, const char* tag = "app.web", ObjectKeyOptions options = {}) {
  return parse(format, std::move(options)).render(tag, kTime, "ID", 42);
}

std::string group(const ObjectKeyFormat& format, const char* tag, Timestamp time) {
  std::string text;
  format.append_group(text, tag, time);
  return text;
}

TEST(ObjectKey, TheSpecifiedFormat) {
  const ObjectKeyFormat format = parse(kSpecified);
  EXPECT_EQ(format.render("any", kTime, "abc", 0),
            "logs/year=2026/month=11/day=23/hour=02/025309-abc.gz");
  EXPECT_TRUE(format.names_id());
  EXPECT_EQ(format.literal_prefix(), "logs/year=");
  EXPECT_EQ(format.time_step(), Seconds(3600));
}

TEST(ObjectKey, Variables) {
  EXPECT_EQ(key("/$TAG/$TAG[0]/$TAG[1]/$TAG[2]/$INDEX-$UUID"), "app.web/app/web/$TAG[2]/42-ID");
  EXPECT_EQ(key("a/$TAG[1]-$UUID", "x_y-z", {.tag_delimiters = "_-"}), "a/y-ID");
  EXPECT_EQ(key("$TAG[x]$TAGS$OTHER$-$UUID"), "app.web[x]app.webS$OTHER$-ID");
  EXPECT_EQ(key("%%/%j/%s/%a/%z/%Z/%F/%T-$UUID"),
            "%/327/1795402389/Mon/+0000/UTC/2026-11-23/02:53:09-ID");
  EXPECT_EQ(key("%D/x-$UUID"), "11/23/26/x-ID");
  EXPECT_EQ(key("/a//b/../$UUID"), "a//b/../ID");  // all legal in S3
}

TEST(ObjectKey, ATagIsTextAndNothingElse) {
  EXPECT_EQ(key("$TAG/$UUID", "100%Y $UUID $TAG"), "100%Y $UUID $TAG/ID");
  EXPECT_EQ(key("$TAG/$UUID", "a\n\xff\xE3\x81\x82\x7f"), "a__あ_/ID");
  EXPECT_EQ(key("$TAG/$UUID", std::string(3000, 't').c_str()), std::string(512, 't') + "/ID");
  EXPECT_LE(key("$TAG/$TAG/$TAG[0]/$UUID", std::string(3000, 't').c_str()).size(), 1024U);
}

TEST(ObjectKey, AnIdIsPutIntoNamesThatCouldRepeat) {
  EXPECT_EQ(key("/a/%H%M%S.json.gz"), "a/025309-ID.json.gz");
  EXPECT_EQ(key("/a/$TAG.gz"), "a/app.web-ID.gz");
  EXPECT_EQ(key("/a/$TAG"), "a/app.web-ID");
  EXPECT_EQ(key("/a/%S"), "a/09-ID");
  EXPECT_EQ(key("/a/$INDEX.zst"), "a/42-ID.zst");
  EXPECT_EQ(key("/a/v1.2.gz"), "a/v1.2-ID.gz");
  EXPECT_EQ(key("/a/.gz"), "a/-ID.gz");
  EXPECT_EQ(key("/a/%S.gz", "t", {.allow_repeats = true}), "a/09.gz");
  EXPECT_FALSE(parse("/a/%S.gz").names_id());
  EXPECT_EQ(key("/$UUID/x.gz"), "ID/x.gz");  // anywhere will do
}

TEST(ObjectKey, GroupsAreDirectories) {
  const ObjectKeyFormat format = parse(kSpecified);
  const std::string hour = group(format, "a", kTime);
  EXPECT_EQ(hour, "logs/year=2026/month=11/day=23/hour=02/");
  EXPECT_EQ(group(format, "b", kTime + Seconds(410)), hour);  // 02:59:59
  EXPECT_NE(group(format, "a", kTime + Seconds(411)), hour);  // 03:00:00
  const ObjectKeyFormat by_tag = parse("/logs/%Y/$TAG[0]-%H-$UUID.gz");
  EXPECT_EQ(group(by_tag, "a.x", kTime), group(by_tag, "a.y", kTime));
  EXPECT_NE(group(by_tag, "a.x", kTime), group(by_tag, "b.x", kTime));
  EXPECT_EQ(by_tag.time_step(), Seconds(86400));
  EXPECT_EQ(parse("x-$UUID").time_step(), Seconds(0));
  EXPECT_EQ(group(parse("x-$UUID"), "a", kTime), "");
  EXPECT_EQ(parse("%M/$UUID").time_step(), Seconds(60));
  EXPECT_EQ(parse("%s/$UUID").time_step(), Seconds(1));
}

// Within one step the group never changes: what the cache of s3.cc relies on.
TEST(ObjectKey, TheTimeStepIsFineEnough) {
  for (const char* zone_name :
       {"", "Asia/Tokyo", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"}) {
    ObjectKeyOptions options;
    if (*zone_name != '\0') {
      auto zone = TimeZone::load(zone_name);
      if (!zone) GTEST_SKIP() << "no tzdata";
      options.zone = *zone;
    }
    for (const char* text :
         {kSpecified, "%Y/%j/$UUID", "%V/$UUID", "%H/%M/$UUID", "%p/$UUID", "%z/$UUID"}) {
      const ObjectKeyFormat format = parse(text, options);
      const int64_t step = format.time_step().count();
      // Around changes of summer time in 2026 and into a new year.
      for (const int64_t around :
           {1775311200L, 1792936800L, 1772953200L, 1793512800L, 1798761600L}) {
        for (int64_t second = around - 90000; second < around + 90000; second += 61) {
          const int64_t begin = second / step * step;
          ASSERT_EQ(group(format, "t", Timestamp(Seconds(second))),
                    group(format, "t", Timestamp(Seconds(begin))))
              << text << ' ' << zone_name << ' ' << second;
        }
      }
    }
  }
}

TEST(ObjectKey, Zones) {
  auto zone = TimeZone::load("Asia/Tokyo");
  if (!zone) GTEST_SKIP() << "no tzdata";
  EXPECT_EQ(key("/%Y-%m-%d/%H%M%z-%s-$UUID", "t", {.zone = *zone}),
            "2026-11-23/1153+0900-1795402389-ID");
}

TEST(ObjectKey, WhatCannotWorkIsRefused) {
  for (const char* bad : {"", "/", "/logs/", "/logs/%", "/logs/%Q-$UUID", "/a/%D/"}) {
    const auto parsed = ObjectKeyFormat::parse(bad, {});
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::InvalidArgument);
  }
  EXPECT_FALSE(ObjectKeyFormat::parse(std::string(1020, 'x') + "$UUID", {}));
}

TEST(UniqueId, IsAFunctionOfWhereTheBatchBegins) {
  const std::string id = unique_id("journal", "s3:b/k", 7, kTime);
  EXPECT_EQ(id, unique_id("journal", "s3:b/k", 7, kTime));
  EXPECT_EQ(id.size(), ObjectKeyFormat::kUuidBytes);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdefghijklmnopqrstuv"), std::string::npos);
  std::set<std::string> ids{id,
                            unique_id("journal2", "s3:b/k", 7, kTime),
                            unique_id("journal", "s3:b/k2", 7, kTime),
                            unique_id("journals", "3:b/k", 7, kTime),
                            unique_id("journal", "s3:b/k", 8, kTime),
                            unique_id("journal", "s3:b/k", 7, kTime + Nanoseconds(1))};
  EXPECT_EQ(ids.size(), 6U);
  // Pinned: a new version of the program must find the objects of the old one.
  EXPECT_EQ(unique_id("0", "s3:b/k", 0, Timestamp{}), "aoq5gvma62q6a973");
}

}  // namespace
}  // namespace noroshi

#include "parser/time_format.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <random>

#include <fmt/format.h>

namespace noroshi {
namespace {

using namespace std::chrono;

Timestamp at(int64_t seconds, int64_t nanoseconds = 0) {
  return Timestamp(Seconds(seconds)) + Nanoseconds(nanoseconds);
}

// 2026-11-23 02:53:00 UTC
constexpr int64_t kNow = 1795402380;

TimeFormat compiled(std::string_view format, TimeFormatOptions options = {}) {
  auto result = TimeFormat::compile(format, std::move(options));
  EXPECT_TRUE(result) << format << ": " << (result ? "" : result.error().message);
  return *result;
}

std::optional<Timestamp> read(std::string_view format, std::string_view text,
                              TimeFormatOptions options = {}) {
  return compiled(format, std::move(options)).parse(text, at(kNow));
}

std::shared_ptr<const TimeZone> zone(const std::string& name) {
  auto loaded = TimeZone::load(name);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return *loaded;
}

TEST(TimeFormat, IsoWithFractionsAndZones) {
  const std::string_view format = "%Y-%m-%dT%H:%M:%S.%L%z";
  EXPECT_EQ(read(format, "2026-11-23T02:53:00.1Z"), at(kNow, 100'000'000));
  EXPECT_EQ(read(format, "2026-11-23T02:53:00.123456789Z"), at(kNow, 123'456'789));
  EXPECT_EQ(read(format, "2026-11-23T02:53:00.123456789999Z"), at(kNow, 123'456'789));
  EXPECT_EQ(read(format, "2026-11-23T11:53:00.000+0900"), at(kNow));
  EXPECT_EQ(read(format, "2026-11-23T11:53:00.000+09:00"), at(kNow));
  EXPECT_EQ(read(format, "2026-11-23T11:53:00.000+09"), at(kNow));
  EXPECT_EQ(read(format, "2026-11-22T23:23:00.000-03:30"), at(kNow));
  EXPECT_EQ(read(format, "2026-11-22T21:53:00.5 EST"), at(kNow, 500'000'000));
  EXPECT_EQ(read(format, "2026-11-23T02:53:00.Z"), std::nullopt);
  EXPECT_EQ(read(format, "2026-11-23T02:53:00.123"), std::nullopt) << "the zone is missing";
  EXPECT_EQ(read(format, "2026-11-23 02:53:00.123Z"), std::nullopt);
  EXPECT_EQ(read("%Y-%m-%d %H:%M:%S,%L", "2026-11-23 02:53:00,042"), at(kNow, 42'000'000))
      << "Python's logging";
  EXPECT_EQ(read("%Y-%m-%d %H:%M:%S.%f", "2026-11-23 02:53:00.000042"), at(kNow, 42'000));
  EXPECT_EQ(read("%s.%L", "1795402380.25"), at(kNow, 250'000'000));
  EXPECT_EQ(read("%s", "1795402380"), at(kNow));
}

TEST(TimeFormat, TextAfterTheFormatIsIgnored) {
  EXPECT_EQ(read("%Y-%m-%dT%H:%M:%S.%L", "2026-11-23T02:53:00.5Z"), at(kNow, 500'000'000))
      << "the docker parser relies on it";
}

TEST(TimeFormat, LogFormatsOfTheStockParsers) {
  EXPECT_EQ(read("%d/%b/%Y:%H:%M:%S %z", "23/Nov/2026:11:53:00 +0900"), at(kNow));
  EXPECT_EQ(read("%a %b %d %H:%M:%S.%L %Y", "Mon Nov 23 02:53:00.000001 2026"), at(kNow, 1000));
  EXPECT_EQ(read("%b %d %H:%M:%S", "Nov 23 02:53:00"), at(kNow));
  EXPECT_EQ(read("%b %e %H:%M:%S", "Nov  3 00:00:00"), at(1793664000));
  EXPECT_EQ(read("%A, %d-%B-%y %I:%M:%S %p", "Monday, 23-November-26 02:53:00 AM"), at(kNow));
  EXPECT_EQ(read("%d %b %Y %l:%M %p", "23 NOV 2026 12:05 pm"), at(1795402380 + 33120));
  EXPECT_EQ(read("%D %T", "11/23/26 02:53:00"), at(kNow));
  EXPECT_EQ(read("%F %R", "2026-11-23 02:53"), at(kNow));
  EXPECT_EQ(read("%Y %j %H:%M", "2026 327 02:53"), at(kNow));
  EXPECT_EQ(read("%c", "Mon Nov 23 02:53:00 2026"), at(kNow));
  EXPECT_EQ(read("%%%n%Y%m%d", "% 20261123"), at(kNow - 10380));
  EXPECT_EQ(read("%Y-%m-%d %H:%M:%S %Z", "2026-11-23 11:53:00 JST"), at(kNow));
  EXPECT_EQ(read("%Y-%m-%d %H:%M:%S %Z", "2026-11-23 11:53:00 NOPE"), std::nullopt);
}

TEST(TimeFormat, ZoneFromTheOptions) {
  EXPECT_EQ(read("%F %T", "2026-11-23 11:53:00", {.offset = Seconds(9 * 3600)}), at(kNow));
  EXPECT_EQ(read("%F %T", "2026-11-23 11:53:00", {.zone = zone("Asia/Tokyo")}), at(kNow));
  EXPECT_EQ(read("%F %T %z", "2026-11-23 02:53:00 Z", {.zone = zone("Asia/Tokyo")}), at(kNow));
  EXPECT_EQ(read("%Y-%m-%dT%H:%M:%SZ", "2026-11-23T02:53:00Z", {.offset = Seconds(9 * 3600)}),
            at(kNow))
      << "a literal Z behind the seconds is a zone";
  EXPECT_EQ(read("%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-23T02:53:00.5Z", {.offset = Seconds(3600)}),
            at(kNow, 500'000'000));
}

TEST(TimeFormat, MissingYearIsTheNearestOne) {
  const TimeFormat format = compiled("%b %d %H:%M:%S");
  const auto new_year = at(1798761600);  // 2027-01-01 00:00:00
  EXPECT_EQ(format.parse("Dec 31 23:59:59", new_year + Seconds(5)), new_year - Seconds(1));
  EXPECT_EQ(format.parse("Jan  1 00:00:03", new_year - Seconds(5)), new_year + Seconds(3));
  EXPECT_EQ(format.parse("Feb 29 00:00:00", at(1709000000)), at(1709164800)) << "2024";
  EXPECT_EQ(format.parse("Feb 29 00:00:00", at(kNow)), std::nullopt) << "2025..2027 have none";
  // The year of the zone's own clock: 2027 has begun in Tokyo.
  const TimeFormat tokyo = compiled("%b %d %H:%M:%S", {.zone = zone("Asia/Tokyo")});
  EXPECT_EQ(tokyo.parse("Jan 01 00:00:00", new_year - Seconds(9 * 3600)),
            new_year - Seconds(9 * 3600));
}

TEST(TimeFormat, MissingDateIsTheNearestOne) {
  const TimeFormat format = compiled("%H:%M:%S");
  const auto midnight = at(1795392000);  // 2026-11-23 00:00:00
  EXPECT_EQ(format.parse("23:59:58", midnight + Seconds(1)), midnight - Seconds(2));
  EXPECT_EQ(format.parse("00:00:01", midnight - Seconds(1)), midnight + Seconds(1));
}

TEST(TimeFormat, RefusesDatesThatDoNotExist) {
  EXPECT_EQ(read("%F", "2026-02-30"), std::nullopt);
  EXPECT_EQ(read("%F", "2026-13-01"), std::nullopt);
  EXPECT_EQ(read("%Y %j", "2026 366"), std::nullopt);
  EXPECT_EQ(read("%F %T", "2026-11-23 24:00:00"), std::nullopt);
  EXPECT_EQ(read("%F %T", "0001-01-01 00:00:00"), std::nullopt) << "beyond 64-bit nanoseconds";
  EXPECT_EQ(read("%s", "99999999999999999999999"), std::nullopt);
  EXPECT_EQ(read("%F %T", ""), std::nullopt);
}

TEST(TimeFormat, LenientTakesWhatFollowsTheFormat) {
  const TimeFormat format = compiled("%Y-%m-%dT%H:%M:%S.%L%z");
  EXPECT_EQ(format.parse("2026-11-23T02:53:00", at(0)), std::nullopt);
  EXPECT_EQ(format.parse_lenient("2026-11-23T02:53:00", at(0)), at(kNow));
  EXPECT_EQ(format.parse_lenient("2026-11-", at(0)), std::nullopt) << "not even a date";
  EXPECT_EQ(format.parse_lenient("nonsense", at(0)), std::nullopt);
}

TEST(TimeFormat, CompileErrorsHaveAPlace) {
  size_t where = 0;
  EXPECT_EQ(TimeFormat::compile("%Y-%Q", {}, &where).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(where, 3u);
  EXPECT_FALSE(TimeFormat::compile("%Y-%", {}, &where));
  EXPECT_EQ(where, 3u);
  EXPECT_FALSE(TimeFormat::compile("", {}));
  EXPECT_FALSE(TimeFormat::compile("no conversion", {}));
  EXPECT_FALSE(TimeFormat::compile("%z %a", {}));
}

// glibc's strptime and timegm, for formats both understand.
TEST(TimeFormat, AgreesWithStrptime) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const std::string_view formats[] = {
      "%Y-%m-%dT%H:%M:%S",
      "%d/%b/%Y:%H:%M:%S",
      "%a %b %e %H:%M:%S %Y",
      "%D %T",
      "%Y%m%d%H%M%S",
      "%I:%M:%S %p %F",
      "%B %d %Y %k:%M",
      "%y-%m-%d %R",
      "%A %d %B %Y %r",
      "%h %d, %Y %X",
      "%x %H",
  };
  for (const std::string_view format : formats) {
    const TimeFormat ours = compiled(format);
    for (int i = 0; i < 2000; ++i) {
      const time_t when = static_cast<time_t>(random() % 2'000'000'000);
      std::tm broken{};
      gmtime_r(&when, &broken);
      char text[128];
      std::string copy(format);
      size_t size = strftime(text, sizeof text, copy.c_str(), &broken);
      // Some of the texts are damaged.
      if (i % 4 == 3) text[random() % size] = "0123456789 :-/aAz"[random() % 17];
      std::tm reference{};
      reference.tm_mday = 1;
      const char* end = strptime(text, copy.c_str(), &reference);
      const auto got = ours.parse({text, size}, at(kNow));
      if (got) {
        ASSERT_NE(end, nullptr) << format << " of " << text;
        EXPECT_EQ(*got, at(timegm(&reference))) << format << " of " << text;
      } else if (i % 4 != 3) {
        ADD_FAILURE() << format << " of " << text << " was refused";
      } else if (end != nullptr) {
        // We refuse three things that glibc takes: blanks before a number, days that a month lacks,
        // and years that 64-bit nanoseconds cannot hold.
        const int day = reference.tm_mday, month = reference.tm_mon, year = reference.tm_year;
        timegm(&reference);
        const bool normalised =
            reference.tm_mday != day || reference.tm_mon != month || reference.tm_year != year;
        const bool blank = std::string_view(text, size).find(' ') != std::string_view::npos;
        const bool far = year + 1900 < 1679 || year + 1900 > 2260;
        EXPECT_TRUE(normalised || blank || far) << format << " of " << text;
      }
    }
  }
}

class SetZone {
 public:
  explicit SetZone(const char* name) {
    setenv("TZ", name, 1);
    tzset();
  }
  ~SetZone() {
    unsetenv("TZ");
    tzset();
  }
};

// glibc's localtime_r for UTC → local, its mktime for local → UTC.
TEST(TimeZone, AgreesWithTheSystem) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  for (const char* name : {"Asia/Tokyo", "Europe/Berlin", "America/New_York", "America/St_Johns",
                           "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Dublin", "Africa/Cairo",
                           "America/Sao_Paulo", "Pacific/Auckland", "UTC"}) {
    const auto ours = zone(name);
    const SetZone set(name);
    for (int i = 0; i < 3000; ++i) {
      // 1970 to 2100: listed transitions and the rule after them.
      const time_t when = static_cast<time_t>(random() % 4'102'444'800);
      std::tm local{};
      localtime_r(&when, &local);
      EXPECT_EQ(ours->offset_at(when), local.tm_gmtoff) << name << " at " << when;
      const int64_t back = ours->to_utc(when + local.tm_gmtoff);
      // The same reading of the clock; an hour that occurs twice has two answers.
      EXPECT_EQ(back + ours->offset_at(back), when + local.tm_gmtoff) << name << " at " << when;
      EXPECT_LE(back, when) << name << ": the first occurrence";
    }
  }
}

TEST(TimeZone, HourThatOccursTwiceOrNever) {
  const auto berlin = zone("Europe/Berlin");
  // 2026-10-25 02:30 occurs at 00:30 UTC (summer time) and at 01:30 UTC.
  EXPECT_EQ(berlin->to_utc(1792895400), 1792895400 - 7200);
  // 2026-03-29 02:30 does not occur; read with the offset before, +1.
  EXPECT_EQ(berlin->to_utc(1774751400), 1774751400 - 3600);
}

TEST(TimeZone, Rules) {
  const auto rule = PosixTimeRule::parse("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1");
  ASSERT_TRUE(rule) << "Greenland's: hours before midnight";
  EXPECT_EQ(rule->offset_at(1795402380), -3 * 3600);
  ASSERT_TRUE(PosixTimeRule::parse("EST5EDT"));
  EXPECT_EQ(PosixTimeRule::parse("IST-1GMT0,M10.5.0,M3.5.0/1")->offset_at(1795402380), 0)
      << "Dublin's winter time is the exception";
  EXPECT_EQ(PosixTimeRule::parse("AAA0BBB,J60/0,J300/0")->offset_at(1795402380), 0);
  EXPECT_EQ(PosixTimeRule::parse("AAA0BBB,59/0,364/0")->offset_at(1795402380), 3600);
  for (const char* wrong : {"", "A1", "UTC", "EST5EDT,M3", "EST5EDT,M13.1.0,M11.1.0",
                            "EST5EDT,J0,J1", "<x", "EST5EDT,M3.2.0,M11.1.0x", "EST5EDT,366,1"}) {
    EXPECT_FALSE(PosixTimeRule::parse(wrong)) << wrong;
  }
}

TEST(TimeZone, ErrorsAreErrors) {
  EXPECT_EQ(TimeZone::load("Asia/Nowhere").error().code, ErrorCode::NotFound);
  EXPECT_EQ(TimeZone::load("../../etc/passwd").error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(TimeZone::load("/etc/passwd").error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(TimeZone::load("").error().code, ErrorCode::InvalidArgument);
  EXPECT_FALSE(TimeZone::parse("TZif2"));
  EXPECT_FALSE(TimeZone::parse(std::string("TZif2") + std::string(200, '\xff')));
  EXPECT_FALSE(TimeZone::parse(std::string("TZif2") + std::string(200, '\0')));
}

TEST(TimeZone, SystemZone) {
  const SetZone set("Asia/Tokyo");
  EXPECT_EQ((*TimeZone::load_system())->offset_at(kNow), 9 * 3600);
  setenv("TZ", "JST-9", 1);
  EXPECT_EQ((*TimeZone::load_system())->offset_at(kNow), 9 * 3600);
  setenv("TZ", "", 1);
  EXPECT_EQ((*TimeZone::load_system())->offset_at(kNow), 0);
  setenv("TZ", "nonsense", 1);
  EXPECT_FALSE(TimeZone::load_system());
}

}  // namespace
}  // namespace noroshi

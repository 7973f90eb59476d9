#include "config/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "config/nearest_name.h"

namespace noroshi {
namespace {

template <typename T>
struct Case {
  const char* text;
  std::optional<T> value;  // nullopt: an error
};

TEST(Values, Sizes) {
  const Case<uint64_t> cases[] = {
      {"0", 0},
      {"100", 100},
      {"25MB", 25'000'000},
      {"25M", 25'000'000},
      {"25mb", 25'000'000},
      {"64K", 64'000},
      {"64kb", 64'000},
      {"1G", 1'000'000'000},
      {"1GB", 1'000'000'000},
      {"1.5k", 1'500},
      {"25.3MB", 25'300'000},
      {"10MiB", 10'485'760},
      {"64KiB", 65'536},
      {"1gib", 1'073'741'824},
      {"10 MB", 10'000'000},
      {" 5M ", 5'000'000},
      {"false", 0},
      {"off", 0},
      {"100B", 100},
      {".5K", 500},
      {"", {}},
      {"M", {}},
      {"10MX", {}},
      {"10TiB", {}},
      {"-1", {}},
      {"1e3", {}},
      {"1..5K", {}},
      {"0x10", {}},
      {"no_limit", {}},
      {"99999999999999999999", {}},
      {"9999999999999G", {}},
      {"10,000", {}},
  };
  for (const auto& c : cases) {
    const Result<ByteSize> size = parse_byte_size(c.text);
    EXPECT_EQ(size.has_value(), c.value.has_value()) << c.text;
    if (size && c.value) {
      EXPECT_EQ(size->bytes, *c.value) << c.text;
    }
    if (!size) {
      EXPECT_EQ(size.error().code, ErrorCode::InvalidArgument);
    }
  }
}

TEST(Values, Durations) {
  using std::chrono::hours;
  using std::chrono::minutes;
  const Case<Nanoseconds> cases[] = {
      {"30", Seconds(30)},
      {"10m", minutes(10)},
      {"10M", minutes(10)},
      {"1h", hours(1)},
      {"6D", hours(144)},
      {"500ms", Milliseconds(500)},
      {"0.5", Milliseconds(500)},
      {"1.5s", Milliseconds(1500)},
      {"10 s", Seconds(10)},
      {"5sec", Seconds(5)},
      {"2 minutes", minutes(2)},
      {"7us", Nanoseconds(7000)},
      {"7ns", Nanoseconds(7)},
      {"0", Nanoseconds(0)},
      {"", {}},
      {"-1", {}},
      {"10x", {}},
      {"ten", {}},
      {"1h30m", {}},
      {"300000d", {}},
      {"1e9", {}},
  };
  for (const auto& c : cases) {
    const Result<Nanoseconds> duration = parse_duration(c.text);
    EXPECT_EQ(duration.has_value(), c.value.has_value()) << c.text;
    if (duration && c.value) {
      EXPECT_EQ(*duration, *c.value) << c.text;
    }
  }
}

TEST(Values, Booleans) {
  for (const char* text : {"true", "On", "YES", "1", " on "})
    EXPECT_EQ(parse_boolean(text).value_or(false), true) << text;
  for (const char* text : {"false", "Off", "no", "0"})
    EXPECT_EQ(parse_boolean(text).value_or(true), false) << text;
  for (const char* text : {"", "maybe", "2", "tru", "enabled"})
    EXPECT_FALSE(parse_boolean(text).has_value()) << text;
}

TEST(Values, Numbers) {
  EXPECT_EQ(parse_integer("-42").value_or(0), -42);
  EXPECT_EQ(parse_integer("+42").value_or(0), 42);
  EXPECT_EQ(parse_integer("9223372036854775807").value_or(0), INT64_MAX);
  for (const char* text : {"", "5x", "1.5", "9223372036854775808", "+-1", "- 1", "garbage"}) {
    EXPECT_FALSE(parse_integer(text).has_value()) << text;
  }
  EXPECT_EQ(parse_double("-1.5e3").value_or(0), -1500.0);
  EXPECT_EQ(parse_double("0.25").value_or(0), 0.25);
  for (const char* text : {"", "nan", "inf", "1.5x", "1e999"})
    EXPECT_FALSE(parse_double(text).has_value()) << text;
}

TEST(Values, RetryLimits) {
  const RetryLimit unlimited, none{RetryLimit::Kind::None, 0}, five{RetryLimit::Kind::Count, 5};
  for (const char* text : {"no_limits", "False", "off", "-1"})
    EXPECT_EQ(parse_retry_limit(text).value_or(five), unlimited) << text;
  EXPECT_EQ(parse_retry_limit("NO_RETRIES").value_or(five), none);
  EXPECT_EQ(parse_retry_limit("5").value_or(none), five);
  for (const char* text : {"", "0", "many", "1.5"})
    EXPECT_FALSE(parse_retry_limit(text).has_value()) << text;
}

TEST(Values, PrintedValuesReadBackTheSame) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    // Few significant digits and many: round numbers take the short spellings.
    uint64_t number = random() >> (11 + random() % 50);
    const uint64_t factors[] = {1, 1000, 1024, 1'000'000, 1ull << 20, 1'000'000'000};
    number *= factors[random() % 6];
    number >>= 11;
    const ByteSize size{number};
    EXPECT_EQ(parse_byte_size(to_string(size)).value_or(ByteSize{~0ull}), size) << to_string(size);
    const Nanoseconds duration(static_cast<int64_t>(number));
    EXPECT_EQ(parse_duration(duration_to_string(duration)).value_or(Nanoseconds(-1)), duration)
        << duration_to_string(duration);
  }
  EXPECT_EQ(to_string(ByteSize{100'000'000}), "100M");
  EXPECT_EQ(to_string(ByteSize{65'536}), "64KiB");
  EXPECT_EQ(duration_to_string(std::chrono::minutes(10)), "10m");
  EXPECT_EQ(duration_to_string(Nanoseconds(0)), "0s");
}

// The textbook recursion, exponential and obviously right.
size_t slow_distance(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.size() + b.size();
  const std::string_view a1 = a.substr(1), b1 = b.substr(1);
  size_t best = std::min({slow_distance(a1, b) + 1, slow_distance(a, b1) + 1,
                          slow_distance(a1, b1) + (a[0] == b[0] ? 0 : 1)});
  if (a.size() > 1 && b.size() > 1 && a[0] == b[1] && a[1] == b[0]) {
    best = std::min(best, slow_distance(a.substr(2), b.substr(2)) + 1);
  }
  return best;
}

TEST(NearestName, DistanceEqualsTheTextbook) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto word = [&] {
    std::string text(random() % 6, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int i = 0; i < 300; ++i) {
    const std::string a = word(), b = word();
    EXPECT_EQ(edit_distance(a, b), slow_distance(a, b)) << a << ' ' << b;
  }
}

TEST(NearestName, FindsWhatWasMeant) {
  const std::vector<std::string> names = {"total_file_size", "upload_timeout", "region", "id"};
  EXPECT_EQ(nearest_name("total_file_sise", names), "total_file_size");
  EXPECT_EQ(nearest_name("totalFileSize", names), "total_file_size");
  EXPECT_EQ(nearest_name("regoin", names), "region");
  EXPECT_EQ(nearest_name("xyz", names), "");
  EXPECT_EQ(nearest_name("to", names), "");
  EXPECT_EQ(nearest_name("", names), "");
}

}  // namespace
}  // namespace noroshi

#include "record/json_date.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "record/ascii.h"

namespace noroshi {
namespace {

char* put_digits(char* to, unsigned value, int digits) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + digits;
}

struct SecondAndRest {
  Seconds second;
  unsigned nanoseconds;
};

// In whole numbers: the second that the earliest Timestamp lies in begins before it, and no
// Timestamp can hold that.
SecondAndRest split(Timestamp time) {
  constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
  const int64_t count = time.time_since_epoch().count();
  int64_t second = count / kNanosecondsPerSecond, rest = count % kNanosecondsPerSecond;
  if (rest < 0) --second, rest += kNanosecondsPerSecond;
  return {Seconds(second), static_cast<unsigned>(rest)};
}

// "2026-11-23T02:53:00" of one second, as most records follow one of the same second.
struct SecondText {
  Seconds since_epoch = Seconds::min();
  std::array<char, 19> text;

  void set(Seconds second) {
    since_epoch = second;
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date{std::chrono::sys_days(day)};
    const auto of_day = static_cast<unsigned>((second - day).count());
    char* to = put_digits(text.data(), static_cast<unsigned>(static_cast<int>(date.year())), 4);
    *to++ = '-';
    to = put_digits(to, static_cast<unsigned>(date.month()), 2);
    *to++ = '-';
    to = put_digits(to, static_cast<unsigned>(date.day()), 2);
    *to++ = 'T';
    to = put_digits(to, of_day / 3600, 2);
    *to++ = ':';
    to = put_digits(to, of_day / 60 % 60, 2);
    *to++ = ':';
    put_digits(to, of_day % 60, 2);
  }
};

// "2026-11-23T02:53:00.123456" with `separator` between date and time; years 1677 to 2262 by type.
char* put_date_time(char* to, Timestamp time, char separator) {
  static thread_local SecondText last;
  const auto [second, nanoseconds] = split(time);
  if (second != last.since_epoch) last.set(second);
  std::memcpy(to, last.text.data(), last.text.size());
  to[10] = separator;
  to += last.text.size();
  *to++ = '.';
  return put_digits(to, nanoseconds / 1000, 6);
}

}  // namespace

void put_date(OutputBuffer& out, JsonDateFormat format, Timestamp time) {
  out.reserve(0);
  char* to = out.at();
  switch (format) {
    case JsonDateFormat::Double: {
      // As flb_time_to_double() and msgpack2json() of Fluent Bit compute and print it.
      const auto [second, nanoseconds] = split(time);
      const double value = static_cast<double>(second.count()) + nanoseconds / 1e9;
      to += std::snprintf(to, OutputBuffer::kSlack, value == std::floor(value) ? "%.1f" : "%.16g",
                          value);
      break;
    }
    case JsonDateFormat::Epoch:
      to = std::to_chars(to, to + OutputBuffer::kSlack,
                         std::chrono::floor<Seconds>(time).time_since_epoch().count())
               .ptr;
      break;
    case JsonDateFormat::EpochMillis:
      to = std::to_chars(to, to + OutputBuffer::kSlack,
                         std::chrono::floor<Milliseconds>(time).time_since_epoch().count())
               .ptr;
      break;
    case JsonDateFormat::Iso8601:
      *to++ = '"';
      to = put_date_time(to, time, 'T');
      *to++ = 'Z', *to++ = '"';
      break;
    case JsonDateFormat::JavaSqlTimestamp:
      *to++ = '"';
      to = put_date_time(to, time, ' ');
      *to++ = '"';
      break;
  }
  out.advance_to(to);
}

std::optional<JsonDateFormat> parse_json_date_format(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, JsonDateFormat>, 7> kNames = {{
      {"double", JsonDateFormat::Double},
      {"epoch", JsonDateFormat::Epoch},
      {"epoch_ms", JsonDateFormat::EpochMillis},
      {"epoch_millis", JsonDateFormat::EpochMillis},
      {"epoch_milliseconds", JsonDateFormat::EpochMillis},
      {"iso8601", JsonDateFormat::Iso8601},
      {"java_sql_timestamp", JsonDateFormat::JavaSqlTimestamp},
  }};
  for (const auto& [name, format] : kNames) {
    if (equal_ignoring_case(text, name)) return format;
  }
  return std::nullopt;
}

void write_json_date(std::string& out, JsonDateFormat format, Timestamp time) {
  OutputBuffer output(out, 32);
  put_date(output, format, time);
  output.close();
}

}  // namespace noroshi

// TimeFormat: a strptime-like format, compiled once, that reads a time out of text.
//
//   auto format = TimeFormat::compile("%Y-%m-%dT%H:%M:%S.%L%z", {});
//   std::optional<Timestamp> time = format->parse("2026-11-23T02:53:00.123456789+09:00", now);
//
// Conversions: %Y %C %y %m %b %B %h %d %e %j %H %k %I %l %p %M %S %s (epoch seconds) %L and %f
// (digits of a second, up to 9 count) %z (+0900 +09:00 +09 Z UTC GMT EST …) %Z (abbreviations) %a
// %A %u %w %U %W %V %g %G (read and ignored) %D %F %R %T %r %c %x %X %n %t %%; the modifiers E and
// O are ignored. White space in the format takes any run of it, none included. Text after the end
// of the format is ignored, as Fluent Bit does (its `docker` parser relies on it).
//
// What the format does not say: no year (syslog): the year that puts the time nearest to `now`; no
// date: the day that does; no zone: the options' zone, else UTC. Names are English, any case.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "parser/time_zone.h"

namespace noroshi {

struct TimeFormatOptions {
  Seconds offset = {};                        // east of UTC, for times without a zone
  std::shared_ptr<const TimeZone> zone = {};  // instead of `offset`
};

// Immutable, thread-safe. parse() allocates nothing; about 40 ns for an ISO 8601 time.
class TimeFormat {
 public:
  // InvalidArgument for an unknown conversion, a trailing '%', or a format that reads no time at
  // all; `error_at`, if given, is then the index of the mistake in `format`.
  static Result<TimeFormat> compile(std::string_view format, TimeFormatOptions options,
                                    size_t* error_at = nullptr);

  // nullopt if `text` does not follow the format or names no existing time (February 30).
  [[nodiscard]] std::optional<Timestamp> parse(std::string_view text, Timestamp now) const;

  // Time_Strict off: what was read up to the first mismatch counts, if that was at least a full
  // date or an epoch.
  [[nodiscard]] std::optional<Timestamp> parse_lenient(std::string_view text, Timestamp now) const;

 private:
  struct Step {
    char conversion = 0;  // 0: the literal character
    char literal = 0;
  };
  struct Fields;

  [[nodiscard]] bool read(std::string_view text, Fields& fields) const;
  [[nodiscard]] std::optional<Timestamp> resolve(const Fields& fields, Timestamp now) const;

  std::vector<Step> steps_;
  TimeFormatOptions options_;
};

}  // namespace noroshi

// TimeZone: the rules of one IANA time zone, read from the system's TZif files (RFC 8536), with the
// POSIX rule at their end for times after the last listed transition.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi {

// A rule such as "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX.1-2017, 8.3): standard and summer time by
// year.
class PosixTimeRule {
 public:
  static Result<PosixTimeRule> parse(std::string_view text);
  // Seconds east of UTC at a UTC time in seconds since 1970.
  [[nodiscard]] int32_t offset_at(int64_t utc) const;

 private:
  struct Change {
    enum class Kind { MonthWeekDay, JulianWithoutLeapDay, DayOfYear };
    Kind kind = Kind::MonthWeekDay;
    int month = 0, week = 0, day = 0;
    int32_t second_of_day = 7200;
    // UTC-like seconds of this change in `year`, on the local clock.
    [[nodiscard]] int64_t local_second(int64_t year) const;
    friend class PosixTimeRule;
  };
  static Result<Change> parse_change(std::string_view& text);

  int32_t standard_offset_ = 0;
  int32_t summer_offset_ = 0;
  bool has_summer_ = false;
  Change summer_begins_ = {}, summer_ends_ = {};
};

// Immutable, thread-safe. Memory: 9 bytes a transition, a few KiB.
class TimeZone {
 public:
  // "Asia/Tokyo" in $TZDIR or /usr/share/zoneinfo. NotFound if there is no such zone (or no
  // tzdata), Corrupt if the file is not TZif.
  static Result<std::shared_ptr<const TimeZone>> load(const std::string& name);
  // The zone of this process: $TZ, else /etc/localtime, else UTC.
  static Result<std::shared_ptr<const TimeZone>> load_system();
  // The content of a TZif file.
  static Result<std::shared_ptr<const TimeZone>> parse(std::string_view bytes);

  // Seconds east of UTC at a UTC time in seconds since 1970.
  [[nodiscard]] int32_t offset_at(int64_t utc) const;

  // A local clock reading (as seconds since 1970 of that clock) as UTC. A reading that occurs twice
  // (end of summer time) means its first occurrence; one that never occurs (its beginning) is read
  // with the offset before the change.
  [[nodiscard]] int64_t to_utc(int64_t local) const;

 private:
  std::vector<int64_t> transitions_;  // UTC, ascending
  std::vector<uint8_t> types_;        // of each transition: index into offsets_
  std::vector<int32_t> offsets_;
  int32_t first_offset_ = 0;  // before the first transition
  bool has_rule_ = false;
  PosixTimeRule rule_ = {};
};

}  // namespace noroshi

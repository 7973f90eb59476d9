// How a time is read: compile() turns the format into steps (one conversion or one literal each,
// composite conversions such as %T expanded), read() walks text and steps side by side and collects
// Fields, and resolve() completes what the fields leave open (year, date, zone) and makes a
// Timestamp of them.
#include "parser/time_format.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>

namespace noroshi {

struct TimeFormat::Fields {
  static constexpr int kUnset = -1;
  int year = kUnset, century = kUnset, year_of_century = kUnset;
  int month = kUnset, day = kUnset, day_of_year = kUnset;
  int hour = 0, minute = 0, second = 0;
  int half = kUnset;  // %p: 0 AM, 1 PM
  bool clock_read = false;
  int nanosecond = 0;
  bool has_offset = false, has_epoch = false;
  int32_t offset = 0;
  int64_t epoch = 0;
};

namespace {

constexpr char kLiteral = 0;
constexpr char kSpace = ' ';
// A literal Z right after the seconds: "…%SZ", "…%LZ". It is text, and means UTC.
constexpr char kZulu = '\x01';
constexpr int64_t kDay = 86400;
// Seconds that a Timestamp (64-bit nanoseconds) can hold, with a day to spare.
constexpr int64_t kSecondsMax = std::numeric_limits<int64_t>::max() / 1'000'000'000 - kDay;

struct Abbreviation {
  std::string_view name;
  int32_t minutes;  // east of UTC
};
// Abbreviations are ambiguous by nature; these are the meanings Fluent Bit gives them
// (src/flb_strptime.c), and BST as British Summer Time. Military letters follow in find_zone().
constexpr auto kAbbreviations = std::to_array<Abbreviation>({
    {"GMT", 0},     {"UTC", 0},     {"UT", 0},      {"Z", 0},       {"EST", -300}, {"EDT", -240},
    {"CST", -360},  {"CDT", -300},  {"MST", -420},  {"MDT", -360},  {"PST", -480}, {"PDT", -420},
    {"AKST", -540}, {"AKDT", -480}, {"HST", -600},  {"HADT", -540}, {"AST", -240}, {"ADT", -180},
    {"NST", -210},  {"NDT", -150},  {"WET", 0},     {"WEST", 60},   {"BST", 60},   {"CET", 60},
    {"CEST", 120},  {"EET", 120},   {"EEST", 180},  {"MSK", 180},   {"ART", -180}, {"BRT", -180},
    {"BRST", -120}, {"CLT", -240},  {"CLST", -180}, {"AEST", 600},  {"AEDT", 660}, {"ACST", 570},
    {"ACDT", 630},  {"AWST", 480},  {"NZST", 720},  {"NZDT", 780},  {"JST", 540},  {"KST", 540},
    {"SGT", 480},   {"HKT", 480},   {"IST", 330},   {"GST", 240},   {"ICT", 420},  {"WIB", 420},
    {"WITA", 480},  {"WIT", 540},   {"MYT", 480},   {"BDT", 360},   {"NPT", 345},  {"WAT", 60},
    {"CAT", 120},   {"EAT", 180},   {"SAST", 120},
});

constexpr std::array<std::string_view, 12> kMonths = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

bool same_any_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

// The text still to be read.
struct Cursor {
  const char* at;
  const char* end;

  [[nodiscard]] bool done() const { return at == end; }
  [[nodiscard]] bool digit() const { return at != end && is_digit(*at); }
  void skip_space() {
    while (at != end && is_space(*at)) ++at;
  }

  // As strptime reads numbers: at least one digit, and no further digit once the value could only
  // pass `high`.
  bool number(int low, int high, int& value) {
    if (!digit()) return false;
    int result = 0;
    int room = high;
    do {
      result = result * 10 + (*at++ - '0');
      room /= 10;
    } while (room > 0 && result * 10 <= high && digit());
    if (result < low || result > high) return false;
    value = result;
    return true;
  }

  // A full name or its first three letters; the index goes to `value`.
  template <size_t N>
  bool name(const std::array<std::string_view, N>& names, int& value) {
    const auto rest = std::string_view(at, static_cast<size_t>(end - at));
    for (size_t i = 0; i < N; ++i) {
      for (const std::string_view form : {names[i], names[i].substr(0, 3)}) {
        if (!same_any_case(rest.substr(0, form.size()), form)) continue;
        at += form.size();
        value = static_cast<int>(i);
        return true;
      }
    }
    return false;
  }

  // The digits after the decimal point: the first nine count.
  bool fraction(int& nanosecond) {
    if (!digit()) return false;
    int value = 0, digits = 0;
    for (; digit(); ++at) {
      if (digits == 9) continue;
      value = value * 10 + (*at - '0');
      ++digits;
    }
    for (; digits < 9; ++digits) value *= 10;
    nanosecond = value;
    return true;
  }

  bool epoch(int64_t& seconds) {
    if (!digit()) return false;
    int64_t value = 0;
    for (; digit(); ++at) {
      value = value * 10 + (*at - '0');
      if (value > kSecondsMax) return false;
    }
    seconds = value;
    return true;
  }

  bool zone_name(int32_t& offset) {
    const char* word_end = at;
    while (word_end != end && is_letter(*word_end)) ++word_end;
    const std::string_view word(at, static_cast<size_t>(word_end - at));
    for (const Abbreviation& known : kAbbreviations) {
      if (!same_any_case(word, known.name)) continue;
      at = word_end;
      offset = known.minutes * 60;
      return true;
    }
    if (word.size() != 1) return false;
    // Military: A..M without J are +1..+12, N..Y are -1..-12.
    const char letter = static_cast<char>(word[0] & ~0x20);
    if (letter == 'J') return false;
    at = word_end;
    if (letter <= 'M')
      offset = 3600 * (letter - 'A' + (letter > 'J' ? 0 : 1));
    else
      offset = -3600 * (letter - 'N' + 1);
    return true;
  }

  // +0900 +09:00 +09 Z UTC EST
  bool zone(int32_t& offset) {
    skip_space();
    if (done()) return false;
    if (*at != '+' && *at != '-') return zone_name(offset);
    const int sign = *at++ == '-' ? -1 : 1;
    if (end - at < 2 || !is_digit(at[0]) || !is_digit(at[1])) return false;
    int32_t seconds = ((at[0] - '0') * 10 + (at[1] - '0')) * 3600;
    at += 2;
    const bool colon = at != end && *at == ':';
    if (end - at >= (colon ? 3 : 2) && is_digit(at[colon ? 1 : 0]) && is_digit(at[colon ? 2 : 1])) {
      at += colon ? 1 : 0;
      seconds += ((at[0] - '0') * 10 + (at[1] - '0')) * 60;
      at += 2;
    }
    offset = sign * seconds;
    return true;
  }
};

// What a composite conversion stands for, in the C locale; empty if it is elementary.
std::string_view expansion_of(char conversion) {
  switch (conversion) {
    case 'c':
      return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
      return "%m/%d/%y";
    case 'F':
      return "%Y-%m-%d";
    case 'R':
      return "%H:%M";
    case 'r':
      return "%I:%M:%S %p";
    case 'T':
    case 'X':
      return "%H:%M:%S";
    default:
      return {};
  }
}

constexpr std::string_view kElementary = "YCymbBhdejHkIlMSsLfpzZaAuwUWVgG";
constexpr std::string_view kTimeGiving = "YCymbBhdejHkIlMSsLf";

}  // namespace

Result<TimeFormat> TimeFormat::compile(std::string_view format, TimeFormatOptions options,
                                       size_t* error_at) {
  TimeFormat result;
  result.options_ = std::move(options);
  bool gives_time = false;
  const auto wrong = [&](size_t position, std::string message) {
    if (error_at != nullptr) *error_at = position;
    return fail(ErrorCode::InvalidArgument, std::move(message));
  };
  const auto add_conversion = [&](char conversion) {
    gives_time |= kTimeGiving.find(conversion) != std::string_view::npos;
    result.steps_.push_back({conversion == 'f' ? 'L' : conversion, 0});
  };
  const auto add_literal = [&](char c) {
    if (is_space(c)) {
      result.steps_.push_back({kSpace, 0});
      return;
    }
    const char before = result.steps_.empty() ? kLiteral : result.steps_.back().conversion;
    const bool zulu = c == 'Z' && (before == 'S' || before == 'L' || before == 's');
    result.steps_.push_back({zulu ? kZulu : kLiteral, c});
  };

  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      add_literal(format[i]);
      continue;
    }
    const size_t percent = i++;
    while (i < format.size() && (format[i] == 'E' || format[i] == 'O')) ++i;
    if (i == format.size()) return wrong(percent, "the time format ends within a conversion");
    const char conversion = format[i];
    if (const std::string_view parts = expansion_of(conversion); !parts.empty()) {
      for (size_t j = 0; j < parts.size(); ++j) {
        if (parts[j] == '%')
          add_conversion(parts[++j]);
        else
          add_literal(parts[j]);
      }
    } else if (conversion == '%') {
      result.steps_.push_back({kLiteral, '%'});
    } else if (conversion == 'n' || conversion == 't') {
      result.steps_.push_back({kSpace, 0});
    } else if (kElementary.find(conversion) != std::string_view::npos) {
      add_conversion(conversion);
    } else {
      return wrong(percent, fmt::format("unknown conversion '{}' in the time format",
                                        format.substr(percent, i - percent + 1)));
    }
  }
  if (!gives_time) return wrong(0, fmt::format("the time format '{}' reads no time", format));
  return result;
}

bool TimeFormat::read(std::string_view text, Fields& fields) const {
  Cursor cursor{text.data(), text.data() + text.size()};
  int ignored = 0;
  for (const Step& step : steps_) {
    if (step.conversion == kSpace) {
      cursor.skip_space();
      continue;
    }
    if (cursor.done()) return false;
    bool ok = true;
    switch (step.conversion) {
      case kLiteral:
        ok = *cursor.at++ == step.literal;
        break;
      case kZulu:
        ok = *cursor.at++ == 'Z';
        if (ok) fields.has_offset = true, fields.offset = 0;
        break;
      case 'Y':
        ok = cursor.number(0, 9999, fields.year);
        break;
      case 'C':
        ok = cursor.number(0, 99, fields.century);
        break;
      case 'y':
        ok = cursor.number(0, 99, fields.year_of_century);
        break;
      case 'm':
        ok = cursor.number(1, 12, fields.month);
        break;
      case 'b':
      case 'B':
      case 'h':
        ok = cursor.name(kMonths, fields.month);
        if (ok) ++fields.month;
        break;
      case 'e':
        if (is_space(*cursor.at)) ++cursor.at;
        [[fallthrough]];
      case 'd':
        ok = cursor.number(1, 31, fields.day);
        break;
      case 'j':
        ok = cursor.number(1, 366, fields.day_of_year);
        break;
      case 'H':
      case 'k':
        ok = cursor.number(0, 23, fields.hour);
        fields.clock_read = true;
        break;
      case 'I':
      case 'l':
        ok = cursor.number(1, 12, fields.hour);
        fields.clock_read = true;
        break;
      case 'M':
        ok = cursor.number(0, 59, fields.minute);
        break;
      case 'S':
        ok = cursor.number(0, 61, fields.second);
        break;
      case 's':
        ok = cursor.epoch(fields.epoch);
        fields.has_epoch = ok;
        break;
      case 'L':
        ok = cursor.fraction(fields.nanosecond);
        break;
      case 'p': {
        const std::string_view half(cursor.at, std::min<size_t>(2, cursor.end - cursor.at));
        if (same_any_case(half, "am"))
          fields.half = 0;
        else if (same_any_case(half, "pm"))
          fields.half = 1;
        else
          ok = false;
        if (ok) cursor.at += 2;
        break;
      }
      case 'z':
      case 'Z':
        ok = cursor.zone(fields.offset);
        fields.has_offset = ok;
        break;
      case 'a':
      case 'A':
        ok = cursor.name(kWeekdays, ignored);
        break;
      case 'u':
        ok = cursor.number(1, 7, ignored);
        break;
      case 'w':
        ok = cursor.number(0, 6, ignored);
        break;
      case 'U':
      case 'W':
      case 'V':
        ok = cursor.number(0, 53, ignored);
        break;
      case 'g':
        ok = cursor.number(0, 99, ignored);
        break;
      case 'G':
        ok = cursor.number(0, 9999, ignored);
        break;
      default:
        ok = false;
    }
    if (!ok) return false;
  }
  return true;
}

std::optional<Timestamp> TimeFormat::resolve(const Fields& fields, Timestamp now) const {
  using namespace std::chrono;
  if (fields.has_epoch) {
    return Timestamp(Seconds(fields.epoch)) + Nanoseconds(fields.nanosecond);
  }
  int hour = fields.hour;
  if (fields.half != Fields::kUnset) {
    if (hour > 12) return std::nullopt;
    hour = hour % 12 + fields.half * 12;
  }
  const int64_t second_of_day = hour * 3600 + fields.minute * 60 + fields.second;

  // Seconds since 1970 of the clock that wrote the text, as UTC.
  const auto to_utc = [&](int64_t local) {
    if (fields.has_offset) return local - fields.offset;
    if (options_.zone) return options_.zone->to_utc(local);
    return local - options_.offset.count();
  };
  const auto complete = [&](sys_days date) -> std::optional<Timestamp> {
    const int64_t utc = to_utc(date.time_since_epoch().count() * kDay + second_of_day);
    if (utc > kSecondsMax || utc < -kSecondsMax) return std::nullopt;
    return Timestamp(Seconds(utc)) + Nanoseconds(fields.nanosecond);
  };

  int full_year = fields.year;
  if (fields.year_of_century != Fields::kUnset) {
    full_year = fields.century != Fields::kUnset ? fields.century * 100 + fields.year_of_century
                : fields.year_of_century <= 68   ? 2000 + fields.year_of_century
                                                 : 1900 + fields.year_of_century;
  }
  const auto date_in = [&](int in_year, int in_month, int in_day) -> std::optional<Timestamp> {
    if (fields.month == Fields::kUnset && fields.day_of_year != Fields::kUnset) {
      const auto date = sys_days{year(in_year) / 1 / 1} + days(fields.day_of_year - 1);
      if (year_month_day(date).year() != year(in_year)) return std::nullopt;
      return complete(date);
    }
    const auto date =
        year(in_year) / month(static_cast<unsigned>(in_month)) / day(static_cast<unsigned>(in_day));
    if (!date.ok()) return std::nullopt;
    return complete(sys_days{date});
  };

  if (full_year != Fields::kUnset) {
    return date_in(full_year, fields.month == Fields::kUnset ? 1 : fields.month,
                   fields.day == Fields::kUnset ? 1 : fields.day);
  }

  // Something is missing in front: of the dates around the present, the one nearest to `now`.
  const int64_t now_utc = floor<Seconds>(now).time_since_epoch().count();
  const int64_t now_local = now_utc + (fields.has_offset ? fields.offset
                                       : options_.zone   ? options_.zone->offset_at(now_utc)
                                                         : options_.offset.count());
  const auto today = floor<days>(sys_seconds(Seconds(now_local)));
  const year_month_day here(today);
  std::optional<Timestamp> nearest;
  const auto consider = [&](std::optional<Timestamp> candidate) {
    if (!candidate) return;
    const auto distance = [&](Timestamp time) { return time > now ? time - now : now - time; };
    if (!nearest || distance(*candidate) < distance(*nearest)) nearest = candidate;
  };
  for (const int step : {0, -1, 1}) {
    if (fields.month != Fields::kUnset || fields.day_of_year != Fields::kUnset) {
      consider(date_in(static_cast<int>(here.year()) + step, fields.month,
                       fields.day == Fields::kUnset ? 1 : fields.day));
    } else if (fields.day != Fields::kUnset) {
      const auto month_there = here.year() / here.month() + months(step);
      consider(date_in(static_cast<int>(month_there.year()),
                       static_cast<int>(static_cast<unsigned>(month_there.month())), fields.day));
    } else {
      consider(complete(today + days(step)));
    }
  }
  return nearest;
}

std::optional<Timestamp> TimeFormat::parse(std::string_view text, Timestamp now) const {
  Fields fields;
  if (!read(text, fields)) return std::nullopt;
  return resolve(fields, now);
}

std::optional<Timestamp> TimeFormat::parse_lenient(std::string_view text, Timestamp now) const {
  Fields fields;
  if (!read(text, fields)) {
    const bool date = fields.day_of_year != Fields::kUnset ||
                      (fields.month != Fields::kUnset && fields.day != Fields::kUnset);
    if (!fields.has_epoch && !date) return std::nullopt;
  }
  return resolve(fields, now);
}

}  // namespace noroshi

#include "parser/time_zone.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

namespace noroshi {
namespace {

// The largest file in tzdata is below 4 KiB; anything far above is not a zone.
constexpr size_t kZoneFileBytesMax = 1 << 20;
constexpr const char* kZoneDirectory = "/usr/share/zoneinfo";
constexpr int64_t kDay = 86400;

int64_t day_number(int64_t year, unsigned month, unsigned day) {
  using namespace std::chrono;
  return sys_days{std::chrono::year(static_cast<int>(year)) / std::chrono::month(month) /
                  std::chrono::day(day)}
      .time_since_epoch()
      .count();
}

int64_t year_of(int64_t local) {
  using namespace std::chrono;
  const auto days = sys_days(std::chrono::days((local - (local % kDay + kDay) % kDay) / kDay));
  return static_cast<int>(year_month_day(days).year());
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// At most `digits_max` digits; false if there is none.
bool take_number(std::string_view& text, int digits_max, int& value) {
  value = 0;
  int digits = 0;
  while (digits < digits_max && !text.empty() && text.front() >= '0' && text.front() <= '9') {
    value = value * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++digits;
  }
  return digits > 0;
}

// [+-]h[hh][:mm[:ss]] as seconds.
bool take_clock(std::string_view& text, int32_t& seconds) {
  int sign = 1;
  if (take(text, '-'))
    sign = -1;
  else
    take(text, '+');
  int hours = 0, minutes = 0, rest = 0;
  if (!take_number(text, 3, hours) || hours > 167) return false;
  if (take(text, ':')) {
    if (!take_number(text, 2, minutes) || minutes > 59) return false;
    if (take(text, ':') && (!take_number(text, 2, rest) || rest > 59)) return false;
  }
  seconds = sign * (hours * 3600 + minutes * 60 + rest);
  return true;
}

// "CET" or "<+0330>"; at least three letters without brackets.
bool take_zone_name(std::string_view& text) {
  if (take(text, '<')) {
    const size_t end = text.find('>');
    if (end == std::string_view::npos || end == 0) return false;
    text.remove_prefix(end + 1);
    return true;
  }
  size_t length = 0;
  while (length < text.size() && ((text[length] | 0x20) >= 'a' && (text[length] | 0x20) <= 'z')) {
    ++length;
  }
  text.remove_prefix(length);
  return length >= 3;
}

uint32_t big_endian_32(const char* at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(at);
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

int64_t big_endian_64(const char* at) {
  return static_cast<int64_t>(uint64_t{big_endian_32(at)} << 32 | big_endian_32(at + 4));
}

// Counts of one TZif data block (RFC 8536, 3.1).
struct BlockHeader {
  static constexpr size_t kSize = 44;
  uint32_t utc_flags = 0, standard_flags = 0, leaps = 0, times = 0, types = 0, characters = 0;

  [[nodiscard]] bool plausible() const {
    return std::max({utc_flags, standard_flags, leaps, times, types, characters}) <=
               kZoneFileBytesMax &&
           types > 0 && types <= 256;
  }
  [[nodiscard]] size_t data_size(size_t time_size) const {
    return size_t{times} * (time_size + 1) + size_t{types} * 6 + characters +
           size_t{leaps} * (time_size + 4) + standard_flags + utc_flags;
  }
};

bool read_header(std::string_view bytes, BlockHeader& header) {
  if (bytes.size() < BlockHeader::kSize || !bytes.starts_with("TZif")) return false;
  const char* counts = bytes.data() + 20;
  header = {big_endian_32(counts),      big_endian_32(counts + 4),  big_endian_32(counts + 8),
            big_endian_32(counts + 12), big_endian_32(counts + 16), big_endian_32(counts + 20)};
  return header.plausible();
}

Result<std::string> read_zone_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return fail(ErrorCode::NotFound,
                fmt::format("no time zone file {} (is tzdata installed?)", path));
  }
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kZoneFileBytesMax + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (bytes.empty() || bytes.size() > kZoneFileBytesMax) {
    return fail(ErrorCode::Corrupt, fmt::format("{} is not a time zone file", path));
  }
  return bytes;
}

Result<std::shared_ptr<const TimeZone>> load_file(const std::string& path) {
  NOROSHI_ASSIGN(const std::string bytes, read_zone_file(path));
  auto zone = TimeZone::parse(bytes);
  if (!zone) return std::unexpected(std::move(zone).error().with_context(path));
  return zone;
}

}  // namespace

int64_t PosixTimeRule::Change::local_second(int64_t year) const {
  const int64_t january_first = day_number(year, 1, 1);
  switch (kind) {
    case Kind::DayOfYear:  // 0..365, leap days counted
      return (january_first + day) * kDay + second_of_day;
    case Kind::JulianWithoutLeapDay: {  // 1..365, February 29 never counted
      const bool leap = std::chrono::year(static_cast<int>(year)).is_leap();
      return (january_first + day - 1 + (leap && day >= 60 ? 1 : 0)) * kDay + second_of_day;
    }
    case Kind::MonthWeekDay:
      break;
  }
  // Day `day` (0: Sunday) of week 1..4 of the month, or its last one (5).
  const int64_t first = day_number(year, static_cast<unsigned>(month), 1);
  const int64_t first_weekday = ((first + 4) % 7 + 7) % 7;
  int64_t chosen = first + (day - first_weekday + 7) % 7 + (week - 1) * 7;
  const int64_t next_month = month == 12 ? day_number(year + 1, 1, 1)
                                         : day_number(year, static_cast<unsigned>(month) + 1, 1);
  if (chosen >= next_month) chosen -= 7;
  return chosen * kDay + second_of_day;
}

Result<PosixTimeRule::Change> PosixTimeRule::parse_change(std::string_view& text) {
  Change change;
  const auto wrong = fail(ErrorCode::Corrupt, "malformed date in a POSIX time zone rule");
  if (take(text, 'M')) {
    if (!take_number(text, 2, change.month) || !take(text, '.') ||
        !take_number(text, 1, change.week) || !take(text, '.') ||
        !take_number(text, 1, change.day) || change.month < 1 || change.month > 12 ||
        change.week < 1 || change.week > 5 || change.day > 6) {
      return wrong;
    }
  } else if (take(text, 'J')) {
    change.kind = Change::Kind::JulianWithoutLeapDay;
    if (!take_number(text, 3, change.day) || change.day < 1 || change.day > 365) return wrong;
  } else {
    change.kind = Change::Kind::DayOfYear;
    if (!take_number(text, 3, change.day) || change.day > 365) return wrong;
  }
  if (take(text, '/') && !take_clock(text, change.second_of_day)) return wrong;
  return change;
}

Result<PosixTimeRule> PosixTimeRule::parse(std::string_view text) {
  PosixTimeRule rule;
  int32_t west = 0;
  if (!take_zone_name(text) || !take_clock(text, west)) {
    return fail(ErrorCode::Corrupt, "malformed POSIX time zone rule");
  }
  rule.standard_offset_ = -west;
  if (text.empty()) return rule;

  if (!take_zone_name(text)) return fail(ErrorCode::Corrupt, "malformed POSIX time zone rule");
  rule.has_summer_ = true;
  rule.summer_offset_ = rule.standard_offset_ + 3600;
  if (!text.empty() && text.front() != ',') {
    if (!take_clock(text, west)) return fail(ErrorCode::Corrupt, "malformed summer time offset");
    rule.summer_offset_ = -west;
  }
  // A rule without dates means the United States' since 2007, as glibc takes it.
  std::string_view dates = text.empty() ? std::string_view(",M3.2.0,M11.1.0") : text;
  if (!take(dates, ',')) return fail(ErrorCode::Corrupt, "malformed POSIX time zone rule");
  NOROSHI_ASSIGN(rule.summer_begins_, parse_change(dates));
  if (!take(dates, ',')) return fail(ErrorCode::Corrupt, "malformed POSIX time zone rule");
  NOROSHI_ASSIGN(rule.summer_ends_, parse_change(dates));
  if (!dates.empty()) return fail(ErrorCode::Corrupt, "malformed POSIX time zone rule");
  return rule;
}

int32_t PosixTimeRule::offset_at(int64_t utc) const {
  if (!has_summer_) return standard_offset_;
  const int64_t year = year_of(utc + standard_offset_);
  const int64_t begins = summer_begins_.local_second(year) - standard_offset_;
  const int64_t ends = summer_ends_.local_second(year) - summer_offset_;
  const bool summer = begins < ends ? (utc >= begins && utc < ends)
                                    : (utc >= begins || utc < ends);  // southern hemisphere
  return summer ? summer_offset_ : standard_offset_;
}

Result<std::shared_ptr<const TimeZone>> TimeZone::parse(std::string_view bytes) {
  const auto corrupt = fail(ErrorCode::Corrupt, "not a valid TZif time zone file");
  BlockHeader header;
  if (!read_header(bytes, header)) return corrupt;
  size_t time_size = 4;
  const bool has_second_block = bytes[4] >= '2';
  if (has_second_block) {
    const size_t skip = BlockHeader::kSize + header.data_size(4);
    if (skip > bytes.size()) return corrupt;
    bytes.remove_prefix(skip);
    if (!read_header(bytes, header)) return corrupt;
    time_size = 8;
  }
  bytes.remove_prefix(BlockHeader::kSize);
  if (header.data_size(time_size) > bytes.size()) return corrupt;

  auto zone = std::make_shared<TimeZone>();
  const char* times = bytes.data();
  const char* types = times + size_t{header.times} * time_size;
  const char* offsets = types + header.times;
  for (uint32_t i = 0; i < header.types; ++i) {
    const auto offset = static_cast<int32_t>(big_endian_32(offsets + size_t{i} * 6));
    if (offset < -kDay * 7 || offset > kDay * 7) return corrupt;
    zone->offsets_.push_back(offset);
  }
  zone->first_offset_ = zone->offsets_[0];
  for (uint32_t i = 0; i < header.times; ++i) {
    const int64_t at = time_size == 8 ? big_endian_64(times + size_t{i} * 8)
                                      : static_cast<int32_t>(big_endian_32(times + size_t{i} * 4));
    const auto type = static_cast<uint8_t>(types[i]);
    if (type >= header.types) return corrupt;
    if (!zone->transitions_.empty() && at <= zone->transitions_.back()) return corrupt;
    zone->transitions_.push_back(at);
    zone->types_.push_back(type);
  }
  if (!has_second_block) return zone;
  std::string_view footer = bytes.substr(header.data_size(time_size));
  if (take(footer, '\n')) {
    const std::string_view rule = footer.substr(0, footer.find('\n'));
    if (!rule.empty()) {
      NOROSHI_ASSIGN(zone->rule_, PosixTimeRule::parse(rule));
      zone->has_rule_ = true;
    }
  }
  return zone;
}

Result<std::shared_ptr<const TimeZone>> TimeZone::load(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find("..") != std::string::npos) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is not a time zone name", name));
  }
  const char* directory = std::getenv("TZDIR");
  if (directory == nullptr || *directory == '\0') directory = kZoneDirectory;
  return load_file(std::string(directory) + "/" + name);
}

Result<std::shared_ptr<const TimeZone>> TimeZone::load_system() {
  const char* setting = std::getenv("TZ");
  if (setting == nullptr) {
    auto zone = load_file("/etc/localtime");
    if (zone) return zone;
    return std::make_shared<TimeZone>();  // a container without /etc/localtime runs in UTC
  }
  std::string name = setting;
  if (name.starts_with(':')) name.erase(0, 1);
  if (name.empty()) return std::make_shared<TimeZone>();
  if (name.front() == '/') return load_file(name);
  if (auto zone = load(name)) return zone;
  auto zone = std::make_shared<TimeZone>();
  auto rule = PosixTimeRule::parse(name);
  if (!rule) {
    return fail(ErrorCode::InvalidArgument, fmt::format("TZ={} is not a known time zone", name));
  }
  zone->rule_ = *rule;
  zone->has_rule_ = true;
  return zone;
}

int32_t TimeZone::offset_at(int64_t utc) const {
  if (transitions_.empty() || utc < transitions_.front()) {
    return transitions_.empty() && has_rule_ ? rule_.offset_at(utc) : first_offset_;
  }
  if (has_rule_ && utc >= transitions_.back()) return rule_.offset_at(utc);
  const auto after = std::upper_bound(transitions_.begin(), transitions_.end(), utc);
  return offsets_[types_[static_cast<size_t>(after - transitions_.begin()) - 1]];
}

int64_t TimeZone::to_utc(int64_t local) const {
  const int32_t before = offset_at(local - kDay);
  const int32_t after = offset_at(local + kDay);
  if (offset_at(local - before) == before) return local - before;
  if (offset_at(local - after) == after) return local - after;
  return local - before;
}

}  // namespace noroshi

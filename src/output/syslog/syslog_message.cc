#include "output/syslog/syslog_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "config/values.h"
#include "record/json_writer.h"
#include "record/msgpack_reader.h"
#include "record/utf8.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

// RFC 5424 §6: longest HOSTNAME, APP-NAME, PROCID, MSGID and SD-NAME.
constexpr size_t kHostnameMax = 255;
constexpr size_t kAppnameMax = 48;
constexpr size_t kProcidMax = 128;
constexpr size_t kMsgidMax = 32;
constexpr size_t kNameMax = 32;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

struct Word {
  std::string_view text;
  int value;
};
constexpr std::array kSeverities = {
    Word{"emerg", 0}, Word{"emergency", 0}, Word{"panic", 0},   Word{"alert", 1},
    Word{"crit", 2},  Word{"critical", 2},  Word{"fatal", 2},   Word{"err", 3},
    Word{"error", 3}, Word{"warn", 4},      Word{"warning", 4}, Word{"notice", 5},
    Word{"info", 6},  Word{"debug", 7},     Word{"trace", 7},   Word{"informational", 6},
};
constexpr std::array kFacilities = {
    Word{"kern", 0},    Word{"user", 1},      Word{"mail", 2},      Word{"daemon", 3},
    Word{"auth", 4},    Word{"syslog", 5},    Word{"lpr", 6},       Word{"news", 7},
    Word{"uucp", 8},    Word{"cron", 9},      Word{"authpriv", 10}, Word{"ftp", 11},
    Word{"ntp", 12},    Word{"security", 13}, Word{"console", 14},  Word{"local0", 16},
    Word{"local1", 17}, Word{"local2", 18},   Word{"local3", 19},   Word{"local4", 20},
    Word{"local5", 21}, Word{"local6", 22},   Word{"local7", 23},
};

template <size_t kCount>
std::optional<int> number_or_word(std::string_view text, int highest,
                                  const std::array<Word, kCount>& words) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size())
    return number >= 0 && number <= highest ? std::optional(number) : std::nullopt;
  const std::string lower = to_lower(text);
  const auto found =
      std::ranges::find_if(words, [&](const Word& word) { return word.text == lower; });
  if (found == words.end()) return std::nullopt;
  return found->value;
}

bool is_printable(char c) { return c > ' ' && c < '\x7f'; }

// PRINTUSASCII of RFC 5424: everything else would end the field early.
void append_header_field(std::string& out, std::string_view text, size_t bytes_max) {
  if (text.empty()) text = "-";
  for (const char c : text.substr(0, bytes_max)) out += is_printable(c) ? c : '_';
}

void append_name(std::string& out, std::string_view name, bool long_names) {
  if (!long_names) name = name.substr(0, kNameMax);
  if (name.empty()) name = "_";
  for (const char c : name) {
    const bool good = is_printable(c) && c != '=' && c != ']' && c != '"';
    out += good ? c : '_';
  }
}

std::string value_text(const std::optional<RecordAccessor>& key, std::string_view record) {
  std::string text;
  if (!key) return text;
  const auto value = key->find(record);
  if (!value || value->front() == '\xc0') return text;  // nil
  (void)append_value_text(text, *value);
  return text;
}

std::string field_text(const SyslogField& field, std::string_view record) {
  std::string text = value_text(field.key, record);
  return text.empty() ? field.preset : text;
}

std::tm utc(Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t whole = seconds.time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  return parts;
}

// Ends before the UTF-8 sequence that does not fit whole.
void cut(std::string& out, size_t begin, size_t bytes_max) {
  if (out.size() - begin <= bytes_max) return;
  size_t end = begin + bytes_max;
  while (end > begin && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  out.resize(end);
}

}  // namespace

std::optional<int> parse_syslog_severity(std::string_view text) {
  return number_or_word(text, 7, kSeverities);
}

std::optional<int> parse_syslog_facility(std::string_view text) {
  return number_or_word(text, 23, kFacilities);
}

bool has_syslog_priority(std::string_view message) {
  if (!message.starts_with('<')) return false;
  const size_t end = message.find('>');
  if (end == std::string_view::npos || end < 2 || end > 4) return false;
  return std::ranges::all_of(message.substr(1, end - 1),
                             [](char c) { return c >= '0' && c <= '9'; });
}

int SyslogEncoder::priority(std::string_view record) const {
  const auto choose = [&](const std::optional<RecordAccessor>& key, auto parse, int otherwise) {
    const std::string text = value_text(key, record);
    return text.empty() ? otherwise : parse(text).value_or(otherwise);
  };
  return choose(options_.facility_key, parse_syslog_facility, options_.facility) * 8 +
         choose(options_.severity_key, parse_syslog_severity, options_.severity);
}

bool SyslogEncoder::append(std::string& out, Timestamp time, std::string_view record) const {
  if (!is_valid_record(record)) return false;
  // A record without the key is sent whole: nothing disappears.
  std::string message = value_text(options_.message_key, record);
  if (message.empty() && !(options_.message_key && options_.message_key->find(record)))
    (void)write_json(message, record);
  const size_t begin = out.size();
  if (has_syslog_priority(message)) {
    out += message;
  } else if (options_.format == SyslogMessageFormat::Rfc5424) {
    append_5424(out, time, record, message);
  } else {
    append_3164(out, time, record, message);
  }
  cut(out, begin, options_.bytes_max);
  return true;
}

void SyslogEncoder::append_5424(std::string& out, Timestamp time, std::string_view record,
                                std::string_view message) const {
  const std::tm parts = utc(time);
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(
                                time - std::chrono::floor<std::chrono::seconds>(time))
                                .count();
  fmt::format_to(std::back_inserter(out), "<{}>1 {:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z ",
                 priority(record), parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                 parts.tm_hour, parts.tm_min, parts.tm_sec, microseconds);
  append_header_field(out, field_text(options_.hostname, record), kHostnameMax);
  out += ' ';
  append_header_field(out, field_text(options_.appname, record), kAppnameMax);
  out += ' ';
  append_header_field(out, field_text(options_.procid, record), kProcidMax);
  out += ' ';
  append_header_field(out, field_text(options_.msgid, record), kMsgidMax);
  out += ' ';
  append_structured_data(out, record);
  if (message.empty()) return;
  out += ' ';
  out += kByteOrderMark;  // MSG-UTF8
  out += message;
}

void SyslogEncoder::append_structured_data(std::string& out, std::string_view record) const {
  const size_t begin = out.size();
  for (const RecordAccessor& accessor : options_.structured_data) {
    const auto value = accessor.find(record);
    if (!value) continue;
    MsgpackReader reader(*value);
    const auto pairs = reader.read_map();
    if (!pairs) continue;  // not a map
    out += '[';
    append_name(out, accessor.key(), options_.long_structured_names);
    for (uint32_t i = 0; i < *pairs; ++i) {
      const auto key = reader.read_binary();
      if (!key && !reader.skip()) break;
      const auto content = reader.skip();
      if (!content) break;
      if (!key) continue;  // no text
      std::string text;
      if (!append_value_text(text, *content)) continue;
      out += ' ';
      append_name(out, *key, options_.long_structured_names);
      out += "=\"";
      for (const char c : text) {
        if (c == '"' || c == '\\' || c == ']') out += '\\';
        out += c;
      }
      out += '"';
    }
    out += ']';
  }
  if (out.size() == begin) out += '-';
}

void SyslogEncoder::append_3164(std::string& out, Timestamp time, std::string_view record,
                                std::string_view message) const {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::tm parts = utc(time);
  fmt::format_to(std::back_inserter(out), "<{}>{} {:2} {:02}:{:02}:{:02} ", priority(record),
                 kMonths[static_cast<size_t>(parts.tm_mon)], parts.tm_mday, parts.tm_hour,
                 parts.tm_min, parts.tm_sec);
  if (const std::string hostname = field_text(options_.hostname, record); !hostname.empty()) {
    append_header_field(out, hostname, kHostnameMax);
    out += ' ';
  }
  if (const std::string appname = field_text(options_.appname, record); !appname.empty()) {
    append_header_field(out, appname, kAppnameMax);
    if (const std::string procid = field_text(options_.procid, record); !procid.empty()) {
      out += '[';
      append_header_field(out, procid, kProcidMax);
      out += ']';
    }
    out += ": ";
  }
  out += message;
}

}  // namespace noroshi

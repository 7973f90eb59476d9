// Keys, words and numbers; the rule for plain lines is in severity_line.cc, the tables in
// severity_words.h.
#include "record/severity.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>
#include <string>

#include "record/ascii.h"
#include "record/json_parser.h"
#include "record/msgpack_decode.h"
#include "record/severity_words.h"

namespace noroshi {
namespace {

using msgpack_decode::decode;
using msgpack_decode::skip_value;
namespace tables = severity_tables;

constexpr size_t kWordBytesMax = 13;  // "informational"
constexpr size_t kKeyBytesMax = 24;

// Words of up to 8 letters as one integer, so that looking one up is a few comparisons.
constexpr uint64_t packed(std::string_view word) {
  uint64_t value = 0;
  for (const char c : word) value = value << 8 | static_cast<uint8_t>(to_lower(c));
  return value;
}

struct PackedWord {
  uint64_t word;
  Severity severity;
};

constexpr auto make_short_words() {
  std::array<PackedWord, std::size(tables::kWords)> words = {};
  for (size_t i = 0; i < words.size(); ++i) {
    const tables::Word& word = tables::kWords[i];
    words[i] = {word.word.size() <= 8 ? packed(word.word) : UINT64_MAX, word.severity};
  }
  std::ranges::sort(words, {}, &PackedWord::word);
  return words;
}
constexpr auto kShortWords = make_short_words();

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<Severity> severity_of_word(std::string_view word) {
  if (word.empty() || word.size() > kWordBytesMax) return std::nullopt;
  if (word.size() <= 8) {
    const uint64_t wanted = packed(word);
    const auto found = std::ranges::lower_bound(kShortWords, wanted, {}, &PackedWord::word);
    if (found == kShortWords.end() || found->word != wanted) return std::nullopt;
    return found->severity;
  }
  for (const tables::Word& candidate : tables::kWords) {
    if (equal_ignoring_case(candidate.word, word)) return candidate.severity;
  }
  return std::nullopt;
}

// "Log-Level" becomes "loglevel"; empty if it cannot be a severity key.
struct NormalKey {
  explicit NormalKey(std::string_view key) {
    if (key.size() < 3 || key.size() > kKeyBytesMax) return;
    for (const char c : key) {
      if (c != '-' && c != '_' && c != '.' && c != ' ' && c != '@') text[size++] = to_lower(c);
    }
  }
  [[nodiscard]] std::string_view view() const { return {text, size}; }

  char text[kKeyBytesMax];
  size_t size = 0;
};

std::optional<Severity> in_ranges(std::span<const tables::Range> ranges, int64_t number) {
  for (const tables::Range& range : ranges) {
    if (number >= range.first && number <= range.last) return range.severity;
  }
  return std::nullopt;
}

std::optional<Severity> severity_of_text(std::string_view key, std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  if (is_digit(text.front())) {
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
    return severity_of_number(key, number);
  }
  return severity_of_word(text);
}

bool is_text_key(std::string_view key) { return key == "log" || key == "message" || key == "msg"; }

// Where no filter has parsed it, the line may be JSON with a level inside. `nested`: it is such a
// line already.
Severity infer(std::string_view record, bool nested) {
  const char* at = record.data();
  const char* end = at + record.size();
  MsgpackToken token;
  if (decode(at, end, token) || token.type != MsgpackType::Map) return Severity::Unknown;
  const uint32_t pairs = token.count;
  std::string_view line;
  for (uint32_t i = 0; i < pairs; ++i) {
    const char* before = at;
    if (decode(at, end, token)) return Severity::Unknown;
    if (token.type != MsgpackType::String && token.type != MsgpackType::Binary) {
      at = before;
      if (skip_value(at, end) || skip_value(at, end)) return Severity::Unknown;
      continue;
    }
    const std::string_view key = token.bytes;
    const char* value = at;
    if (skip_value(at, end)) return Severity::Unknown;
    if (is_severity_key(key)) {
      const auto severity = severity_of_value(key, {value, static_cast<size_t>(at - value)});
      if (severity) return *severity;
    } else if (line.empty() && is_text_key(key)) {
      if (!decode(value, end, token) &&
          (token.type == MsgpackType::String || token.type == MsgpackType::Binary)) {
        line = token.bytes;
      }
    }
  }
  if (line.empty()) return Severity::Unknown;
  if (line.front() == '{' && !nested) {
    thread_local JsonToMsgpack parser;
    thread_local std::string parsed;
    parsed.clear();
    if (parser.append_object(line, parsed)) return infer(parsed, true);
  }
  return severity_of_line(line).value_or(Severity::Unknown);
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::NotInferred:
    case Severity::Unknown:
      return "unknown";
    case Severity::Trace:
      return "trace";
    case Severity::Debug:
      return "debug";
    case Severity::Info:
      return "info";
    case Severity::Notice:
      return "notice";
    case Severity::Warn:
      return "warn";
    case Severity::Error:
      return "error";
    case Severity::Critical:
      return "critical";
    case Severity::Alert:
      return "alert";
    case Severity::Fatal:
      return "fatal";
  }
  return "unknown";
}

std::optional<Severity> parse_severity(std::string_view text) {
  return severity_of_text("level", text);
}

std::optional<Severity> severity_of_number(std::string_view key, int64_t number) {
  const NormalKey normal(key);
  const std::string_view name = normal.view();
  if (name == "severitynumber") return in_ranges(tables::kOpenTelemetry, number);
  if (name == "levelno") {
    if (const auto severity = in_ranges(tables::kPython, number)) return severity;
  } else if (const auto severity = in_ranges(tables::kSyslog, number)) {
    return severity;
  }
  if (const auto severity = in_ranges(tables::kLogback, number)) return severity;
  if (name == "level") {
    const auto severity = in_ranges(tables::kPino, number);
    return severity ? severity : in_ranges(tables::kMonolog, number);
  }
  if (number >= 10) {
    if (const auto severity = in_ranges(tables::kPython, number)) return severity;
    if (const auto severity = in_ranges(tables::kPino, number)) return severity;
  }
  return in_ranges(tables::kGoogleCloud, number);
}

std::optional<Severity> severity_of_value(std::string_view key, std::string_view value) {
  MsgpackToken token;
  const char* at = value.data();
  if (decode(at, at + value.size(), token)) return std::nullopt;
  switch (token.type) {
    case MsgpackType::String:
    case MsgpackType::Binary:
      return severity_of_text(key, token.bytes);
    case MsgpackType::UnsignedInteger:
      if (token.unsigned_integer > UINT32_MAX) return std::nullopt;
      return severity_of_number(key, static_cast<int64_t>(token.unsigned_integer));
    case MsgpackType::Float:
      if (!(std::fabs(token.number) < 1e9) || token.number != std::floor(token.number)) {
        return std::nullopt;
      }
      return severity_of_number(key, static_cast<int64_t>(token.number));
    default:
      return std::nullopt;
  }
}

bool is_severity_key(std::string_view key) {
  if (key.size() < 3 || key.size() > kKeyBytesMax) return false;
  // Most keys are sorted out by their first letter.
  const char first = to_lower(key[0] == '@' ? key[1] : key[0]);
  if (first != 'l' && first != 's') return false;
  const NormalKey normal(key);
  return std::ranges::find(tables::kKeys, normal.view()) != tables::kKeys.end();
}

Severity infer_severity(std::string_view record) { return infer(record, false); }

}  // namespace noroshi

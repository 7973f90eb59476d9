// The level of a plain line, from its beginning alone. What is accepted there:
//
//   ERROR:    Exception in ASGI application        a level word in capitals, or in any case before
//   a ':' [ERROR] x   [error] x   [core:error] x         … or in brackets 2026-11-23 02:53:00,123
//   ERROR module: x        after things that are no prose: times, numbers, 2026-11-23 02:53:00,123
//   - app - ERROR - x      brackets, names with . / _ : in them, and words 02:53:00.123 [main]
//   ERROR com.example - x      that are followed by a lone - or | time="…" level=error msg="…"
//   logfmt: the line begins with key= E1123 02:53:00.123456 1 file.cc:1] x           glog, klog
//   <11>Nov 23 02:53:00 host app: x                syslog priority
//   Traceback (most recent call last):             and names ending in Error, Exception or Warning
//   before java.lang.IllegalStateException: x             a ':'
//
// The first word of prose ends the search, so "error rate is fine" and "the ERROR page" say
// nothing.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "record/ascii.h"
#include "record/severity.h"
#include "record/severity_words.h"

namespace noroshi {
namespace {

// Bytes of the line that are looked at.
constexpr size_t kPrefixBytes = 200;
// Shortest word that counts in plain text: "ERR".
constexpr size_t kTextWordMin = 3;

std::optional<Severity> text_word(std::string_view word) {
  if (word.size() < kTextWordMin) return std::nullopt;
  for (const severity_tables::Word& candidate : severity_tables::kWords) {
    if (candidate.in_text && equal_ignoring_case(candidate.word, word)) return candidate.severity;
  }
  return std::nullopt;
}

bool is_space(char c) { return c == ' ' || c == '\t'; }

bool in_capitals(std::string_view word) { return std::ranges::all_of(word, is_upper); }

size_t letters(std::string_view text) {
  size_t size = 0;
  while (size < text.size() && is_letter(text[size])) ++size;
  return size;
}

// Colours: ESC [ … letter.
void skip_colours(std::string_view& text) {
  while (text.starts_with("\x1b[")) {
    size_t size = 2;
    while (size < text.size() && !is_letter(text[size])) ++size;
    text.remove_prefix(std::min(size + 1, text.size()));
  }
}

std::optional<Severity> syslog_priority(std::string_view line) {
  if (!line.starts_with('<')) return std::nullopt;
  unsigned priority = 0;
  const auto [stop, error] = std::from_chars(line.data() + 1, line.data() + line.size(), priority);
  if (error != std::errc() || stop == line.data() + line.size() || *stop != '>' || priority > 191) {
    return std::nullopt;
  }
  return severity_of_number("syslog_severity", priority & 7);
}

// "E1123 02:53": letter, month and day, time.
std::optional<Severity> glog(std::string_view line) {
  if (line.size() < 8 || !std::ranges::all_of(line.substr(1, 4), is_digit) || line[5] != ' ' ||
      !is_digit(line[6]) || !is_digit(line[7])) {
    return std::nullopt;
  }
  switch (line[0]) {
    case 'I':
      return Severity::Info;
    case 'W':
      return Severity::Warn;
    case 'E':
      return Severity::Error;
    case 'F':
      return Severity::Fatal;
    default:
      return std::nullopt;
  }
}

// Only if the line begins with `key=`; then the first severity key among its pairs.
std::optional<Severity> logfmt(std::string_view line) {
  const size_t first = line.find_first_of("= \t\"[");
  if (first == 0 || first == line.npos || line[first] != '=') return std::nullopt;
  for (size_t at = 0; at < line.size();) {
    const size_t equals = line.find_first_of("= \t", at);
    if (equals == line.npos) break;
    if (line[equals] != '=') {
      at = equals + 1;
      continue;
    }
    const std::string_view key = line.substr(at, equals - at);
    size_t from = equals + 1, to = 0;
    if (from < line.size() && line[from] == '"') {
      to = ++from;
      while (to < line.size() && line[to] != '"') to += line[to] == '\\' ? 2 : 1;
      to = std::min(to, line.size());
      at = to + 1;
    } else {
      to = std::min(line.find_first_of(" \t", from), line.size());
      at = to;
    }
    if (is_severity_key(key)) {
      if (const auto severity = parse_severity(line.substr(from, to - from))) return severity;
    }
    while (at < line.size() && is_space(line[at])) ++at;
  }
  return std::nullopt;
}

// "[error]", "[error    ]", "[core:error]": `text` begins after the bracket.
std::optional<Severity> bracketed(std::string_view text) {
  const size_t close = text.find_first_of("])");
  if (close == text.npos) return std::nullopt;
  std::string_view content = text.substr(0, close);
  while (!content.empty() && is_space(content.back())) content.remove_suffix(1);
  while (!content.empty() && is_space(content.front())) content.remove_prefix(1);
  if (const size_t colon = content.rfind(':'); colon != content.npos) {
    if (letters(content) != colon) return std::nullopt;
    content.remove_prefix(colon + 1);
  }
  return text_word(content);
}

// "ValueError:", "java.io.IOException", "DeprecationWarning:": `name` up to the ':' or the line's
// end.
std::optional<Severity> exception_name(std::string_view name) {
  if (!std::ranges::all_of(name, [](char c) {
        return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '$';
      })) {
    return std::nullopt;
  }
  if (name.ends_with("Error") || name.ends_with("Exception")) return Severity::Error;
  if (name.ends_with("Warning")) return Severity::Warn;
  return std::nullopt;
}

bool is_calendar_word(std::string_view word) {
  static constexpr std::string_view kWords =
      " Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
      " UTC GMT JST EST EDT CST CDT MST MDT PST PDT CET CEST BST IST AM PM am pm ";
  if (word.size() > 4) return false;
  const size_t at = kWords.find(word);
  return at != kWords.npos && kWords[at - 1] == ' ' && kWords[at + word.size()] == ' ';
}

// True if a token is no prose, so that the level may still follow.
bool is_context(std::string_view token, std::string_view rest) {
  bool punctuation_only = true, name = false;
  for (const char c : token) {
    if (is_digit(c) || c == '.' || c == '/' || c == '_' || c == ':' || c == '=') name = true;
    if (is_letter(c) || static_cast<uint8_t>(c) >= 0x80) punctuation_only = false;
  }
  if (punctuation_only) return true;
  // A full stop or colon at its end alone makes no name of a word: "Done." is prose, "app:" is not.
  if (name && (token.find_first_of(".") != token.size() - 1)) return true;
  if (token.size() == 2 && token[1] == ',') return true;  // Ruby's logger: "E, [2026-…"
  if (is_calendar_word(token)) return true;
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  return rest.size() >= 2 && (rest[0] == '-' || rest[0] == '|') && is_space(rest[1]);
}

std::optional<Severity> level_word(std::string_view line) {
  bool in_brackets = false;
  bool only_context = true;  // so far: a word before ':' may still be a level in any case
  while (true) {
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    skip_colours(line);
    if (line.empty()) return std::nullopt;
    if (line.front() == '[' || line.front() == '(') {
      line.remove_prefix(1);
      if (const auto severity = bracketed(line)) return severity;
      in_brackets = true;
      continue;
    }
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view token = line.substr(0, end);
    const std::string_view rest = line.substr(end);

    const size_t size = letters(token);
    if (size >= kTextWordMin) {
      const std::string_view word = token.substr(0, size);
      const char after = size < token.size() ? token[size] : ' ';
      const bool ends = std::strchr(" :]),|/-!\x1b", after) != nullptr;
      const bool colon = after == ':' && only_context && !in_brackets &&
                         (size + 1 == token.size() || in_capitals(word));
      if (ends && (in_capitals(word) || colon)) {
        if (const auto severity = text_word(word)) return severity;
      }
    }
    if (!in_brackets) {
      const size_t colon = token.find(':');
      if (colon == token.size() - 1 || (colon == token.npos && rest.empty())) {
        if (const auto severity = exception_name(token.substr(0, colon))) return severity;
      }
    }
    if (in_brackets) {
      in_brackets = token.find_first_of("])") == token.npos;
    } else if (token.find('[') != token.npos && token.find(']') == token.npos) {
      in_brackets = true;  // "app[12 …"
    } else if (!is_context(token, rest)) {
      return std::nullopt;
    }
    line = rest;
  }
}

}  // namespace

std::optional<Severity> severity_of_line(std::string_view line) {
  line = line.substr(0, std::min({line.size(), kPrefixBytes, line.find('\n')}));
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  skip_colours(line);
  if (line.empty()) return std::nullopt;
  if (line.starts_with("Traceback (most recent call last):") ||
      line.starts_with("Exception in thread ") || line.starts_with("Unhandled exception")) {
    return Severity::Error;
  }
  if (line.starts_with("fatal error: ")) return Severity::Fatal;  // Go's runtime
  if (const auto severity = syslog_priority(line)) return severity;
  if (const auto severity = glog(line)) return severity;
  if (const auto severity = logfmt(line)) return severity;
  return level_word(line);
}

}  // namespace noroshi

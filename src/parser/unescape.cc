#include "parser/unescape.h"

#include <cstdint>

namespace noroshi {
namespace {

constexpr uint32_t kReplacement = 0xfffd;

void append_utf8(std::string& out, uint32_t code) {
  if (code >= 0x110000 || (code >= 0xd800 && code < 0xe000)) code = kReplacement;
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xc0 | code >> 6));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | code >> 12));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | code >> 18));
    out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
  return 99;
}

// Up to `digits_max` digits of `base` at text[at]; returns how many there were.
size_t read_digits(std::string_view text, size_t at, size_t digits_max, int base, uint32_t& value) {
  value = 0;
  size_t digits = 0;
  while (digits < digits_max && at + digits < text.size() &&
         digit_value(text[at + digits]) < base) {
    value =
        value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit_value(text[at + digits]));
    ++digits;
  }
  return digits;
}

// The control character a letter stands for after a backslash, or 0.
char control_of(char letter) {
  switch (letter) {
    case 'n':
      return '\n';
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case 'f':
      return '\f';
    case 'r':
      return '\r';
    default:
      return 0;
  }
}

// \u at text[at] (just behind the 'u'). Returns where the escape ends.
size_t append_u_escape(std::string& out, std::string_view text, size_t at) {
  uint32_t code = 0;
  const size_t digits = read_digits(text, at, 4, 16, code);
  at += digits;
  if (digits != 4) {
    append_utf8(out, kReplacement);
    return at;
  }
  if (code >= 0xd800 && code < 0xdc00) {
    uint32_t low = 0;
    if (text.substr(at).starts_with("\\u") && read_digits(text, at + 2, 4, 16, low) == 4 &&
        low >= 0xdc00 && low < 0xe000) {
      append_utf8(out, 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00)));
      return at + 6;
    }
  }
  append_utf8(out, code);  // a lone surrogate becomes U+FFFD
  return at;
}

}  // namespace

void append_unescaped(std::string& out, std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    const char letter = text[++i];
    const char control = control_of(letter);
    out.push_back(control != 0 ? control : letter);
  }
}

void append_unescaped_utf8(std::string& out, std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i++]);
      continue;
    }
    const char letter = text[i + 1];
    uint32_t code = 0;
    if (const char control = control_of(letter); control != 0) {
      out.push_back(control);
      i += 2;
    } else if (letter == 'u') {
      i = append_u_escape(out, text, i + 2);
    } else if (letter == 'U' || letter == 'x') {
      const size_t digits = read_digits(text, i + 2, letter == 'U' ? 8 : 2, 16, code);
      if (digits == 0)
        out.push_back(letter);
      else
        append_utf8(out, code);
      i += 2 + digits;
    } else if (letter >= '0' && letter <= '7') {
      i += 1 + read_digits(text, i + 1, 3, 8, code);
      append_utf8(out, code);
    } else {
      out.push_back(letter);
      i += 2;
    }
  }
}

void append_mysql_unquoted(std::string& out, std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                      text.back() == text.front();
  if (!quoted) {
    out.append(text);
    return;
  }
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    switch (const char letter = text[++i]) {
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case '0':
        out.push_back('\0');
        break;
      case 'Z':
        out.push_back('\x1a');
        break;
      case '\\':
      case '\'':
      case '"':
        out.push_back(letter);
        break;
      default:
        out.push_back('\\'), out.push_back(letter);
    }
  }
}

}  // namespace noroshi

#include "parser/text_formats.h"

#include <array>

namespace noroshi {
namespace {

using ByteSet = std::array<bool, 256>;

// [0-9A-Za-z_.-]
constexpr ByteSet kLtsvLabel = [] {
  ByteSet set{};
  for (int c = 0; c < 256; ++c) {
    set[static_cast<size_t>(c)] = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                                  (c >= 'a' && c <= 'z') || c == '_' || c == '.' || c == '-';
  }
  return set;
}();
// Everything but NUL, tab and the line ends.
constexpr ByteSet kLtsvValue = [] {
  ByteSet set{};
  for (int c = 1; c < 256; ++c) {
    set[static_cast<size_t>(c)] = c != '\t' && c != '\n' && c != '\r';
  }
  return set;
}();
// Every byte above the space but '=' and '"'.
constexpr ByteSet kLogfmtWord = [] {
  ByteSet set{};
  for (int c = ' ' + 1; c < 256; ++c) set[static_cast<size_t>(c)] = c != '=' && c != '"';
  return set;
}();

size_t run_end(std::string_view text, size_t at, const ByteSet& set) {
  while (at < text.size() && set[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

}  // namespace

void scan_ltsv(std::string_view text, FieldWriter& fields) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t label_end = run_end(text, at, kLtsvLabel);
    if (label_end == text.size() || text[label_end] != ':') return;
    const size_t value_end = run_end(text, label_end + 1, kLtsvValue);
    if (label_end > at) {
      fields.text(text.substr(at, label_end - at),
                  text.substr(label_end + 1, value_end - label_end - 1));
    }
    if (value_end == text.size() || text[value_end] != '\t') return;
    at = value_end + 1;
  }
}

bool scan_logfmt(std::string_view text, bool no_bare_keys, FieldWriter& fields) {
  size_t at = 0;
  while (true) {
    while (at < text.size() && !kLogfmtWord[static_cast<unsigned char>(text[at])]) ++at;
    if (at == text.size()) return true;
    const size_t key_end = run_end(text, at, kLogfmtWord);
    const std::string_view key = text.substr(at, key_end - at);
    at = key_end;
    if (at == text.size() || text[at] != '=') {
      if (no_bare_keys) return false;
      fields.truth(key);
    } else if (++at < text.size() && text[at] == '"') {
      const size_t begin = ++at;
      bool escaped = false;
      while (at < text.size() && text[at] != '"') {
        if (text[at] == '\\') escaped = true, ++at;
        if (at < text.size()) ++at;
      }
      const std::string_view value = text.substr(begin, at - begin);
      if (escaped)
        fields.unescaped_text(key, value);
      else
        fields.text(key, value);
      if (at < text.size()) ++at;  // the closing quote; a text without one goes to its end
    } else {
      const size_t value_end = run_end(text, at, kLogfmtWord);
      // `key=` alone counts as true, as with Fluent Bit.
      if (value_end == at)
        fields.truth(key);
      else
        fields.text(key, text.substr(at, value_end - at));
      at = value_end;
    }
    if (at < text.size() && (text[at] == '\n' || text[at] == '\r')) return true;
  }
}

}  // namespace noroshi

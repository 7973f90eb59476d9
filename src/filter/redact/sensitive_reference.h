// What sensitive_text.h finds, once more: slowly, by trying a regular expression at every place.
// For the tests and the fuzzer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/regex.h"
#include "filter/redact/sensitive_text.h"

namespace noroshi::sensitive_reference {

inline const Regex& compiled(const std::string& pattern) {
  static std::map<std::string, Regex> cache;
  auto found = cache.find(pattern);
  if (found == cache.end()) {
    auto made = Regex::compile(pattern);
    CHECK(made.has_value(), made.error().message);
    found = cache.emplace(pattern, std::move(*made)).first;
  }
  return found->second;
}
inline bool is(const std::string& pattern, std::string_view text) {
  return compiled(pattern).matches(text);
}

// The expressions know no characters beyond ASCII, and must not stop at bytes that are no UTF-8:
// any byte that is neither letter nor separator stands in for these.
inline std::string ascii(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '\x01';
  }
  return plain;
}

// Where `pattern` (which begins with \A) matches and what stands before it is not `before`; of the
// match the first group.
inline void try_everywhere(std::string_view text, const std::string& before,
                           const std::string& pattern, std::vector<SensitiveRange>& found) {
  RegexMatch match;
  for (size_t at = 0; at < text.size(); ++at) {
    if (at > 0 && is("\\A" + before, text.substr(at - 1, 1))) continue;
    if (compiled(pattern).search(text.substr(at), match) != RegexOutcome::Match) continue;
    const auto begin = static_cast<size_t>(match[1].data() - text.data());
    found.push_back({begin, begin + match[1].size(), 0});
  }
}

inline std::vector<SensitiveRange> url_passwords(std::string_view text) {
  std::vector<SensitiveRange> found;
  RegexMatch match;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '@') continue;
    if (compiled(R"re([A-Za-z0-9_]://[^ \t\r\n"'<>/:]*:([^ \t\r\n"'<>/]+)\z)re")
            .search(text.substr(0, at), match) != RegexOutcome::Match) {
      continue;
    }
    found.push_back({static_cast<size_t>(match[1].data() - text.data()), at, 0});
  }
  return found;
}

inline std::vector<SensitiveRange> tokens(std::string_view bytes) {
  const std::string plain = ascii(bytes);
  const std::string_view text = plain;
  std::vector<SensitiveRange> found = url_passwords(text);
  try_everywhere(text, R"([A-Za-z0-9_])",
                 R"(\A[Bb]earer +((?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{16,}))", found);
  try_everywhere(text, R"([A-Za-z0-9_-])",
                 R"(\A(eyJ[A-Za-z0-9_-]{7,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]+)*))", found);
  try_everywhere(text, R"([A-Za-z0-9_])",
                 R"(\A((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})(?![A-Za-z0-9_]))", found);
  try_everywhere(text, "(?!)",
                 R"re(\A(?:secret_access_key|SECRET_ACCESS_KEY|ecretAccessKey)[\\"' \t=:>]{1,8}+)re"
                 R"re(([A-Za-z0-9/+=]{40})(?![A-Za-z0-9/+=]))re",
                 found);
  merge_ranges(found);
  return found;
}

inline std::vector<SensitiveRange> mail(std::string_view bytes) {
  const std::string plain = ascii(bytes);
  const std::string_view text = plain;
  std::vector<SensitiveRange> candidates, found;
  try_everywhere(text, R"([A-Za-z0-9._%+-])",
                 R"(\A([A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+)"
                 R"([A-Za-z]{2,24})[.-]*(?![A-Za-z0-9.-]))",
                 candidates);
  const auto passwords = url_passwords(text);
  for (const SensitiveRange& range : candidates) {
    const size_t at = text.find('@', range.begin);
    bool is_password = false;
    for (const SensitiveRange& password : passwords) is_password |= password.end == at;
    if (!is_password) found.push_back(range);
  }
  merge_ranges(found);
  return found;
}

inline bool is_card(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const int digit = digits[digits.size() - 1 - i] - '0';
    sum += i % 2 == 0 ? digit : digit * 2 / 10 + digit * 2 % 10;
  }
  return sum % 10 == 0 &&
         is(R"(\A(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|5[0678]\d{11,17}|)"
            R"((?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|)"
            R"(3[689]\d{12,17}|30[0-5]\d{11,16}|(?:352[89]|35[3-8]\d)\d{12,15}|6\d{15,18})\z)",
            digits);
}

inline std::vector<SensitiveRange> cards(std::string_view bytes) {
  const std::string plain = ascii(bytes);
  const std::string_view text = plain;
  std::vector<SensitiveRange> found;
  for (size_t begin = 0; begin < text.size();) {
    const std::string_view before = text.substr(0, begin);
    size_t best = 0;
    for (size_t size = 13; size <= 24 && begin + size <= text.size(); ++size) {
      const std::string_view candidate = text.substr(begin, size);
      if (!is(R"(\A(?:\d{13,19}|\d{4}(?:(?: \d{3,6})+|(?:-\d{3,6})+))\z)", candidate)) continue;
      std::string digits;
      for (const char c : candidate) {
        if (c >= '0' && c <= '9') digits += c;
      }
      if (digits.size() > 19 || !is_card(digits)) continue;
      if (is(R"((?:[0-9_]|[0-9]\.|(?<!\\)[A-Za-z])\z)", before)) continue;
      if (is(R"(\A(?:[A-Za-z0-9_]|\.[0-9]))", text.substr(begin + size))) continue;
      best = size;
    }
    if (best > 0) found.push_back({begin, begin + best, 0});
    begin += best > 0 ? best : 1;
  }
  return found;
}

}  // namespace noroshi::sensitive_reference

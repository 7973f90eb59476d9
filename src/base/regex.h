// Regex: PCRE2 with its JIT, taking the patterns that Fluent Bit's users wrote for Onigmo (Ruby
// syntax).
//
//   ^ and $ match at every line, as in Ruby; \h is a hexadecimal digit; (?m) lets . match a
//   newline; with named groups present, plain groups (…) do not capture; a pattern may be written
//   /pattern/ or /pattern/imx. Text is treated as UTF-8; invalid bytes never match and never fail
//   the call.
//
// A match is bounded (kRegexMatchLimit), so a catastrophic pattern costs milliseconds and says
// LimitReached. A compiled Regex is immutable and may be used by several threads, each with its own
// RegexMatch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace noroshi {

// Internal PCRE2 match calls at most: about 10 ms with the JIT.
inline constexpr uint32_t kRegexMatchLimit = 1'000'000;
inline constexpr size_t kRegexPatternBytesMax = 64 << 10;

enum class RegexOutcome : uint8_t { NoMatch, Match, LimitReached };

// The groups of the last match; views into its subject. Reuse one for many matches: it owns PCRE2's
// memory.
class RegexMatch {
 public:
  RegexMatch();
  ~RegexMatch();
  RegexMatch(RegexMatch&&) noexcept;
  RegexMatch& operator=(RegexMatch&&) noexcept;

  // Groups including group 0 (the whole match); 0 if the last search found nothing.
  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(groups_.size()); }
  // Group i < size(). A group that took no part is empty with data() == nullptr.
  [[nodiscard]] std::string_view operator[](uint32_t i) const { return groups_[i]; }
  [[nodiscard]] const std::vector<std::string_view>& groups() const { return groups_; }

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
  std::vector<std::string_view> groups_;
};

struct RegexOptions {
  bool ignore_case = false;
};

class Regex {
 public:
  // InvalidArgument with PCRE2's words and the position if the pattern does not compile;
  // `error_at`, if given, is then the index of the mistake in `pattern`.
  [[nodiscard]] static Result<Regex> compile(std::string_view pattern, RegexOptions options = {},
                                             size_t* error_at = nullptr);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // Searches anywhere in `subject`. LimitReached counts as not matched.
  [[nodiscard]] bool matches(std::string_view subject) const;
  [[nodiscard]] RegexOutcome search(std::string_view subject, RegexMatch& match) const;

  // (name, group number) in the order of the group numbers. A name may occur more than once.
  [[nodiscard]] const std::vector<std::pair<std::string, uint32_t>>& names() const {
    return names_;
  }
  [[nodiscard]] const std::string& text() const { return text_; }  // as written

 private:
  struct Code;
  Regex();
  std::unique_ptr<Code> code_;
  std::string text_;
  std::vector<std::pair<std::string, uint32_t>> names_;
};

}  // namespace noroshi

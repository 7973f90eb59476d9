#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace noroshi {
namespace {

// The JIT's stack per thread: grows to this on demand; a pattern that needs more reports
// LimitReached.
constexpr size_t kJitStackStart = 32 << 10;
constexpr size_t kJitStackMax = 1 << 20;
constexpr uint32_t kHeapLimitKib = 16 << 10;  // of the interpreter, where there is no JIT

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using CompileContext = std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Deleter<pcre2_jit_stack_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using CompiledCode = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;

// One per thread, shared by all its expressions.
struct ThreadContext {
  MatchContext context{pcre2_match_context_create(nullptr)};
  JitStack stack{pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr)};

  ThreadContext() {
    CHECK(context != nullptr, "out of memory");
    pcre2_set_match_limit(context.get(), kRegexMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);
    if (stack) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

ThreadContext& thread_context() {
  thread_local ThreadContext context;
  return context;
}

std::string error_text(int code) {
  PCRE2_UCHAR buffer[256];
  const int length = pcre2_get_error_message(code, buffer, sizeof buffer);
  return length < 0 ? fmt::format("PCRE2 error {}", code)
                    : std::string(reinterpret_cast<const char*>(buffer));
}

struct Pattern {
  std::string_view body;
  uint32_t flags = 0;
};

// "/body/" and "/body/imx" as Fluent Bit's flb_regex.c reads them; anything else is the body
// itself.
Pattern without_slashes(std::string_view text) {
  const size_t last = text.rfind('/');
  if (text.size() < 2 || text.front() != '/' || last == 0) return {text};
  Pattern pattern{text.substr(1, last - 1)};
  for (const char option : text.substr(last + 1)) {
    switch (option) {
      case 'i':
        pattern.flags |= PCRE2_CASELESS;
        break;
      case 'm':
        pattern.flags |= PCRE2_DOTALL;
        break;
      case 'x':
        pattern.flags |= PCRE2_EXTENDED;
        break;
      case 'o':
        break;
      default:
        return {text};
    }
  }
  return pattern;
}

// PCRE2 10.42 takes no longer ones; Onigmo does, and Fluent Bit's istio-envoy-proxy parser has one.
constexpr size_t kGroupNameBytesMax = 32;

struct Translation {
  std::string pattern;
  bool named_groups = false;
  std::vector<std::string> long_names;  // [i] stands in the pattern as short_name(i)

  static std::string short_name(size_t index) { return fmt::format("long_name_{}", index); }
  // `name` as it may stand in the pattern.
  std::string group_name(std::string_view name) {
    if (name.size() <= kGroupNameBytesMax) return std::string(name);
    const auto known = std::ranges::find(long_names, name);
    const auto index = static_cast<size_t>(known - long_names.begin());
    if (known == long_names.end()) long_names.emplace_back(name);
    return short_name(index);
  }
  // The name as the user wrote it.
  [[nodiscard]] std::string original_name(std::string_view in_pattern) const {
    for (size_t i = 0; i < long_names.size(); ++i) {
      if (in_pattern == short_name(i)) return long_names[i];
    }
    return std::string(in_pattern);
  }
};

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Rewrites the few constructs that mean something else, or nothing, in PCRE2: \h and \H, \uHHHH,
// and the option letter m. Refuses what PCRE2 would silently take for something else (&& in a
// class).
Result<Translation> translate_ruby(std::string_view in) {
  Translation out;
  out.pattern.reserve(in.size() + 16);
  bool in_class = false;
  size_t class_first = 0;  // where ']' is still a literal
  for (size_t i = 0; i < in.size(); ++i) {
    const char c = in[i];
    if (c == '\\' && i + 1 < in.size()) {
      const char escaped = in[++i];
      if (escaped == 'h' || escaped == 'H') {
        out.pattern += escaped == 'h' ? "\\p{AHex}" : "\\P{AHex}";
      } else if (escaped == 'u' && i + 4 < in.size() &&
                 std::ranges::all_of(in.substr(i + 1, 4), is_hex)) {
        out.pattern.append("\\x{").append(in.substr(i + 1, 4)).append("}");
        i += 4;
      } else if (escaped == 'k' && in.substr(i + 1).starts_with('<') &&
                 in.find('>', i) != in.npos) {
        const size_t close = in.find('>', i);
        const std::string name = out.group_name(in.substr(i + 2, close - i - 2));
        out.pattern.append("\\k<").append(name).append(">");
        i = close;
      } else {
        out.pattern += '\\';
        out.pattern += escaped;
      }
      continue;
    }
    if (in_class) {
      if (c == '[' && i + 1 < in.size() && in[i + 1] == ':') {
        const size_t close = in.find(":]", i + 2);
        if (close != in.npos) {  // [:alpha:]
          out.pattern.append(in.substr(i, close + 2 - i));
          i = close + 1;
          continue;
        }
      }
      if (c == '&' && i + 1 < in.size() && in[i + 1] == '&') {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("class intersection (&&) at {} is not supported", i));
      }
      if (c == ']' && i != class_first) in_class = false;
      out.pattern += c;
      continue;
    }
    out.pattern += c;
    if (c == '[') {
      in_class = true;
      class_first = i + 1;
      if (class_first < in.size() && in[class_first] == '^') {
        out.pattern += '^';
        i = class_first++;
      }
    } else if (c == '(' && in.substr(i).starts_with("(?")) {
      const std::string_view rest = in.substr(i + 2);
      if ((rest.starts_with('<') && !rest.starts_with("<=") && !rest.starts_with("<!")) ||
          rest.starts_with('\'')) {
        out.named_groups = true;
        const char close = rest.front() == '<' ? '>' : '\'';
        const size_t name_end = rest.find(close, 1);
        if (name_end != rest.npos) {
          out.pattern.append("?<").append(out.group_name(rest.substr(1, name_end - 1))).append(">");
          i += 2 + name_end;
          continue;
        }
      }
      const size_t end = rest.find_first_not_of("imx-");
      if (end != rest.npos && end > 0 && (rest[end] == ')' || rest[end] == ':')) {
        out.pattern += '?';
        for (const char option : rest.substr(0, end)) out.pattern += option == 'm' ? 's' : option;
        i += 1 + end;
      }
    }
  }
  return out;
}

// Where in `body` the translation's byte `position` came from.
size_t position_in_original(std::string_view body, size_t position) {
  size_t low = 0, high = body.size();
  while (low < high) {
    const size_t middle = (low + high + 1) / 2;
    const auto prefix = translate_ruby(body.substr(0, middle));
    if (prefix && prefix->pattern.size() <= position)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

}  // namespace

struct Regex::Code {
  CompiledCode code;
  uint32_t groups = 1;  // with group 0
};

struct RegexMatch::State {
  MatchData data;
  uint32_t pairs = 0;
};

RegexMatch::RegexMatch() = default;
RegexMatch::~RegexMatch() = default;
RegexMatch::RegexMatch(RegexMatch&&) noexcept = default;
RegexMatch& RegexMatch::operator=(RegexMatch&&) noexcept = default;

Regex::Regex() = default;
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

Result<Regex> Regex::compile(std::string_view pattern, RegexOptions options, size_t* error_at) {
  if (error_at != nullptr) *error_at = 0;
  if (pattern.size() > kRegexPatternBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("regular expression of {} bytes, at most {} are allowed",
                            pattern.size(), kRegexPatternBytesMax));
  }
  const Pattern parts = without_slashes(pattern);
  auto translated = translate_ruby(parts.body);
  if (!translated) {
    return std::unexpected(
        std::move(translated).error().with_context(fmt::format("regular expression {}", pattern)));
  }
  const CompileContext context(pcre2_compile_context_create(nullptr));
  CHECK(context != nullptr, "out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);

  uint32_t flags = parts.flags | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE |
                   PCRE2_DUPNAMES | PCRE2_NEVER_BACKSLASH_C;
  if (options.ignore_case) flags |= PCRE2_CASELESS;
  if (translated->named_groups) flags |= PCRE2_NO_AUTO_CAPTURE;
  int error = 0;
  PCRE2_SIZE error_position = 0;
  const std::string& text = translated->pattern;
  CompiledCode code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), flags,
                                  &error, &error_position, context.get()));
  if (!code) {
    const size_t mistake = static_cast<size_t>(parts.body.data() - pattern.data()) +
                           position_in_original(parts.body, error_position);
    if (error_at != nullptr) *error_at = mistake;
    return fail(ErrorCode::InvalidArgument, fmt::format("regular expression {}: {} (at byte {})",
                                                        pattern, error_text(error), mistake));
  }
  // Without executable memory the interpreter does the same work, slower.
  static_cast<void>(pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE));

  Regex regex;
  regex.text_ = pattern;
  uint32_t captures = 0, name_count = 0, entry_size = 0;
  PCRE2_SPTR table = nullptr;
  pcre2_pattern_info(code.get(), PCRE2_INFO_CAPTURECOUNT, &captures);
  pcre2_pattern_info(code.get(), PCRE2_INFO_NAMECOUNT, &name_count);
  pcre2_pattern_info(code.get(), PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
  pcre2_pattern_info(code.get(), PCRE2_INFO_NAMETABLE, &table);
  for (uint32_t i = 0; i < name_count; ++i, table += entry_size) {
    // An entry: group number, 2 bytes big-endian, then the name with a NUL.
    regex.names_.emplace_back(translated->original_name(reinterpret_cast<const char*>(table + 2)),
                              static_cast<uint32_t>(table[0] << 8 | table[1]));
  }
  std::ranges::sort(regex.names_, {}, &std::pair<std::string, uint32_t>::second);
  regex.code_ = std::make_unique<Code>(Code{std::move(code), captures + 1});
  return regex;
}

RegexOutcome Regex::search(std::string_view subject, RegexMatch& match) const {
  match.groups_.clear();
  if (!match.state_) match.state_ = std::make_unique<RegexMatch::State>();
  RegexMatch::State& state = *match.state_;
  if (state.pairs < code_->groups) {
    state.data.reset(pcre2_match_data_create(code_->groups, nullptr));
    CHECK(state.data != nullptr, "out of memory");
    state.pairs = code_->groups;
  }
  const char* begin = subject.data() != nullptr ? subject.data() : "";
  const int found =
      pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(begin), subject.size(), 0, 0,
                  state.data.get(), thread_context().context.get());
  if (found == PCRE2_ERROR_NOMATCH) return RegexOutcome::NoMatch;
  // Everything else below zero is one of PCRE2's limits: matches, heap, JIT stack.
  if (found < 0) return RegexOutcome::LimitReached;
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(state.data.get());
  for (uint32_t i = 0; i < code_->groups; ++i) {
    const PCRE2_SIZE from = offsets[2 * i], to = offsets[2 * i + 1];
    if (static_cast<int>(i) >= found || from == PCRE2_UNSET || from > to) {
      match.groups_.emplace_back();
    } else {
      match.groups_.emplace_back(begin + from, to - from);
    }
  }
  return RegexOutcome::Match;
}

bool Regex::matches(std::string_view subject) const {
  thread_local MatchData data(pcre2_match_data_create(1, nullptr));
  CHECK(data != nullptr, "out of memory");
  const char* begin = subject.data() != nullptr ? subject.data() : "";
  return pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(begin), subject.size(), 0, 0,
                     data.get(), thread_context().context.get()) >= 0;
}

}  // namespace noroshi

// What Python, logging and uvicorn print when something is raised:
//
//   ERROR:    Exception in ASGI application           Header: a line of level error or above
//   Traceback (most recent call last):                Frames
//     File "/app/main.py", line 12, in handler        … every indented line
//       raise ValueError("inner")
//       ^^^^^^^^^^^^^^^^^^^^^^^^^
//   ValueError: inner                                 Raised
//                                                     RaisedBlank
//   During handling of the above exception, another exception occurred:      Chain
//
//   Traceback (most recent call last): …              Frames again
//
// and, since 3.11, groups, all of whose lines are indented (Raised at once):
//
//     + Exception Group Traceback (most recent call last):
//     |   File …
//     | ExceptionGroup: two things (2 sub-exceptions)
//     +-+---------------- 1 ----------------
//
// Fluent Bit's rules end at the first exception line: chained exceptions come apart, the ^^^^ of
// 3.11 breaks the message, an exception without a text ("KeyboardInterrupt") never ends it, and
// "INFO:" passes for an exception's name. Ours takes all that belongs together, with the line that
// logging wrote above it. Lines that are JSON objects, and within the frames plain lines of a lower
// level, are records of their own and leave the message open: two workers share one stream.
#include <array>

#include "parser/multiline_builtin.h"
#include "record/ascii.h"
#include "record/severity.h"

namespace noroshi {
namespace {

enum PythonState : MultilineRules::State {
  kHeader = 1,
  kFrames,
  kRaised,
  kRaisedFields,  // pydantic: unindented names of fields follow
  kRaisedBlank,
  kChain,
};

constexpr std::string_view kTraceback = "Traceback (most recent call last):";
constexpr std::string_view kGroup = "+ Exception Group Traceback (most recent call last):";
constexpr auto kChains = std::to_array<std::string_view>({
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
});
// Unindented lines that libraries put into the text of their exceptions: SQLAlchemy.
constexpr auto kTextLines = std::to_array<std::string_view>({
    "[SQL: ",
    "[parameters: ",
    "[generated in ",
    "[cached since ",
    "(Background on this error at: ",
});

bool is_indented(std::string_view line) { return line.front() == ' ' || line.front() == '\t'; }
bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}
bool is_name_byte(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '<' || c == '>' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// "ValueError: text", "app.errors.Gone", "main.f.<locals>.E: x"; not "INFO: x".
bool is_exception_line(std::string_view line) {
  size_t size = 0;
  bool capitals = true;
  while (size < line.size() && is_name_byte(line[size])) capitals &= is_upper(line[size++]);
  if (size == 0 || is_digit(line[0]) || line[0] == '.') return false;
  if (size == line.size()) return true;
  if (line[size] != ':') return false;
  if (size + 1 < line.size() && line[size + 1] != ' ') return false;
  return !capitals || size < 3 || !parse_severity(line.substr(0, size));
}

// "pydantic_core._pydantic_core.ValidationError: 2 validation errors for Item"
bool lists_fields(std::string_view line) {
  const size_t at = line.find("ValidationError: ");
  return at != std::string_view::npos && line.find(" validation error", at) != line.npos;
}
bool is_field_name(std::string_view line) {
  for (const char c : line) {
    if (!is_name_byte(c) && c != '[' && c != ']' && c != '-') return false;
  }
  return true;
}

template <size_t N>
bool starts_with_one_of(std::string_view line, const std::array<std::string_view, N>& texts) {
  for (const std::string_view text : texts) {
    if (line.starts_with(text)) return true;
  }
  return false;
}

bool is_header(std::string_view line) {
  if (is_indented(line)) return false;
  const auto severity = severity_of_line(line);
  return severity && *severity >= Severity::Error;
}

class PythonRules final : public MultilineRules {
 public:
  PythonRules() : MultilineRules({.name = "python"}) { drops_blank_end_ = true; }

  LineStep step(State& state, std::string_view line) const override {
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    if (is_json_object(line)) {
      return {state == kNothingOpen ? LineRole::Other : LineRole::Passes};
    }
    const State next = after(state, line);
    if (next == state && state == kFrames && !line.empty() && !is_indented(line)) {
      return {LineRole::Passes};
    }
    if (next != kNothingOpen) {
      state = next;
      return {LineRole::Continues};
    }
    state = start(line);
    return {state == kNothingOpen ? LineRole::Other : LineRole::Starts};
  }

  bool may_start(std::string_view line) const override {
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    return !is_json_object(line) && start(line) != kNothingOpen;
  }

  bool is_probably_complete(State state) const override {
    return state == kHeader || state == kRaised || state == kRaisedFields || state == kRaisedBlank;
  }

 private:
  static State start(std::string_view line) {
    if (line.empty()) return kNothingOpen;
    if (line.back() == ':' && line.ends_with(kTraceback)) {
      return line.ends_with(kGroup) ? kRaised : kFrames;
    }
    return is_header(line) ? static_cast<State>(kHeader) : kNothingOpen;
  }

  // The state after `line` continued the message; kNothingOpen: it does not. In kFrames, kFrames
  // for an unindented line says that it passes.
  static State after(State state, std::string_view line) {
    switch (state) {
      case kHeader:
        return traceback(line);
      case kFrames:
        if (is_blank(line)) return kNothingOpen;
        if (is_indented(line)) return kFrames;
        if (is_exception_line(line)) return lists_fields(line) ? kRaisedFields : kRaised;
        if (const auto severity = severity_of_line(line); severity && *severity < Severity::Error) {
          return kFrames;
        }
        return kNothingOpen;
      case kRaised:
      case kRaisedFields:
        if (is_blank(line)) return kRaisedBlank;
        if (is_indented(line)) return state;
        if (starts_with_one_of(line, kChains)) return kChain;
        if (starts_with_one_of(line, kTextLines)) return state;
        if (state == kRaisedFields && is_field_name(line)) return state;
        return kNothingOpen;
      case kRaisedBlank:
        if (is_blank(line)) return kRaisedBlank;
        return starts_with_one_of(line, kChains) ? static_cast<State>(kChain) : kNothingOpen;
      case kChain:
        return is_blank(line) ? static_cast<State>(kChain) : traceback(line);
      default:
        return kNothingOpen;
    }
  }

  static State traceback(std::string_view line) {
    if (line == kTraceback) return kFrames;
    if (!line.ends_with(kGroup)) return kNothingOpen;
    return is_blank(line.substr(0, line.size() - kGroup.size())) ? static_cast<State>(kRaised)
                                                                 : kNothingOpen;
  }
};

}  // namespace

std::shared_ptr<const MultilineRules> make_python_rules() {
  return std::make_shared<PythonRules>();
}

}  // namespace noroshi

// The built-in multiline parsers. States and expressions are those Fluent Bit's users rely on
// (src/multiline/flb_ml_parser_*.c, which took them from fluent-plugin-detect-exceptions); where
// ours differ the comment says so. python is a program of its own: multiline_python.cc.
#include "parser/multiline_builtin.h"

#include <cstring>

#include "base/check.h"

namespace noroshi {
namespace {

bool contains(std::string_view line, std::string_view what) {
  return memmem(line.data(), line.size(), what.data(), what.size()) != nullptr;
}

// {"log":"one, ","stream":"stdout","time":"2026-11-23T02:53:00.123Z"}: Docker's json-file driver.
// A line is complete when its log ends with a line end.
std::shared_ptr<const MultilineRules> docker() {
  return *compile_multiline({.name = "docker",
                             .type = MultilineType::EndsWith,
                             .match_string = "\n",
                             .key_content = "log",
                             .key_group = "stream"},
                            {},
                            ParserOptions{.name = "docker",
                                          .format = ParserFormat::Json,
                                          .time_key = "time",
                                          .time_format = "%Y-%m-%dT%H:%M:%S.%L",
                                          .time_keep = true,
                                          .time_strict = false});
}

// 2026-11-23T02:53:00.123456789Z stdout P one, : containerd. F is a full line, P a part.
std::shared_ptr<const MultilineRules> cri() {
  return *compile_multiline(
      {.name = "cri",
       .type = MultilineType::Equal,
       .match_string = "F",
       .key_content = "log",
       .key_pattern = "_p",
       .key_group = "stream"},
      {},
      ParserOptions{.name = "cri",
                    .format = ParserFormat::Regex,
                    .regex = R"(^(?<time>.+?) (?<stream>stdout|stderr) (?<_p>F|P) (?<log>.*)$)",
                    .time_key = "time",
                    .time_format = "%Y-%m-%dT%H:%M:%S.%L%z",
                    .time_keep = true,
                    .time_strict = false,
                    .skip_empty_values = false});
}

std::shared_ptr<const MultilineRules> java() {
  // Beyond Fluent Bit: an exception without a message, which ends with its name, and the state
  // after "nested exception is:", which Fluent Bit ends there.
  const std::string with_message = R"(.(?:Exception|Error|Throwable|V8 errors stack trace)[:\r\n])";
  const std::string alone =
      R"(^(?:Exception in thread .* )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable)$)";
  const std::vector<std::string> after = {"java_after_exception", "java"};
  return *compile_multiline(
      {.name = "java",
       .rules = {{{"start_state"}, with_message, "java_after_exception"},
                 {{"start_state"}, alone, "java_after_exception"},
                 {{"java_start_exception"}, with_message, "java_after_exception"},
                 {{"java_start_exception"}, alone, "java_after_exception"},
                 {{"java_after_exception"},
                  R"(^[\t ]*nested exception is:[\t ]*)",
                  "java_start_exception"},
                 {{"java_after_exception"}, R"(^[\r\n]*$)", "java_after_exception"},
                 {after, R"(^[\t ]+(?:eval )?at )", "java"},
                 // C#
                 {after, R"(^[\t ]+--- End of inner exception stack trace ---$)", "java"},
                 {after,
                  "^--- End of stack trace from previous location where exception was thrown ---$",
                  "java"},
                 {after, R"(^[\t ]*(?:Caused by|Suppressed):)", "java_after_exception"},
                 {after, R"(^[\t ]*... \d+ (?:more|common frames omitted))", "java"}}},
      {.built_in = true,
       .could_start =
           [](std::string_view line) {
             return contains(line, "Exception") || contains(line, "Error") ||
                    contains(line, "Throwable") || contains(line, "V8 errors stack trace");
           }},
      {});
}

std::shared_ptr<const MultilineRules> go() {
  return *compile_multiline(
      {.name = "go",
       .rules = {{{"start_state"}, R"(\bpanic: )", "go_after_panic"},
                 {{"start_state"}, "http: panic serving", "go_goroutine"},
                 {{"go_after_panic", "go_after_signal", "go_frame_1"}, "^$", "go_goroutine"},
                 {{"go_after_panic"}, R"(^\[signal )", "go_after_signal"},
                 {{"go_goroutine"}, R"(^goroutine \d+ \[[^\]]+\]:$)", "go_frame_1"},
                 {{"go_frame_1"}, R"(^(?:[^\s.:]+\.)*[^\s.():]+\(|^created by )", "go_frame_2"},
                 {{"go_frame_2"}, R"(^\s)", "go_frame_1"}}},
      {.built_in = true,
       .could_start = [](std::string_view line) { return contains(line, "panic"); }},
      {});
}

std::shared_ptr<const MultilineRules> ruby() {
  return *compile_multiline(
      {.name = "ruby",
       .rules = {{{"start_state"}, R"(^.+:\d+:in\s+.*)", "ruby_after_exception"},
                 {{"ruby_after_exception", "ruby"}, R"(^\s+from\s+.*:\d+:in\s+.*)", "ruby"}}},
      {.built_in = true,
       .could_start = [](std::string_view line) { return contains(line, ":in"); }},
      {});
}

}  // namespace

const std::vector<std::string>& MultilineRules::built_in_names() {
  static const std::vector<std::string> names = {"cri", "docker", "go", "java", "python", "ruby"};
  return names;
}

std::shared_ptr<const MultilineRules> MultilineRules::built_in(std::string_view name) {
  if (name == "docker") return docker();
  if (name == "cri") return cri();
  if (name == "java") return java();
  if (name == "go") return go();
  if (name == "ruby") return ruby();
  if (name == "python") return make_python_rules();
  return nullptr;
}

}  // namespace noroshi

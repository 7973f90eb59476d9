// The engine for rules written as regular expressions between states, and for the two types that
// compare a string. Semantics are Fluent Bit's (src/multiline/flb_ml_rule.c, flb_ml.c):
//
//   - in an open message the rules of its state are tried, but never one that may start a message;
//   - a line none of them takes starts a message if a start rule matches, else it stands alone;
//   - a message is complete as soon as its new state has a start rule among its rules.
#include "parser/multiline_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/regex.h"
#include "parser/multiline_builtin.h"

namespace noroshi {
namespace {

constexpr std::string_view kStartState = "start_state";
// Of one parser: more is a mistake, and a state is 16 bits.
constexpr size_t kRulesMax = 1000;

struct CompiledRule {
  bool start = false;
  bool completes = false;
  Regex regex;
  std::vector<uint16_t> next = {};  // rules that continue after this one
};

bool begins_with(const MultilineRule& rule, std::string_view state) {
  return std::find(rule.from.begin(), rule.from.end(), state) != rule.from.end();
}

class RegexRules final : public MultilineRules {
 public:
  RegexRules(MultilineOptions options, std::vector<CompiledRule> rules, BuiltInTraits traits)
      : MultilineRules(std::move(options)), rules_(std::move(rules)), traits_(traits) {
    drops_blank_end_ = traits.built_in;
  }

  LineStep step(State& state, std::string_view line) const override {
    if (traits_.built_in && is_json_object(line)) {
      return {state == kNothingOpen ? LineRole::Other : LineRole::Passes};
    }
    if (state != kNothingOpen) {
      for (const uint16_t index : rules_[state - 1u].next) {
        if (rules_[index].regex.matches(line)) return taken(state, index, LineRole::Continues);
      }
    }
    if (!could_start(line)) return other(state);
    for (uint16_t index = 0; index < rules_.size(); ++index) {
      if (rules_[index].start && rules_[index].regex.matches(line)) {
        return taken(state, index, LineRole::Starts);
      }
    }
    return other(state);
  }

  bool may_start(std::string_view line) const override {
    if (traits_.built_in && is_json_object(line)) return false;
    return could_start(line) && std::any_of(rules_.begin(), rules_.end(), [&](const auto& rule) {
             return rule.start && rule.regex.matches(line);
           });
  }

 private:
  bool could_start(std::string_view line) const {
    return traits_.could_start == nullptr || traits_.could_start(line);
  }
  LineStep taken(State& state, uint16_t index, LineRole role) const {
    state = rules_[index].completes ? kNothingOpen : static_cast<State>(index + 1);
    return {role, rules_[index].completes};
  }
  static LineStep other(State& state) {
    state = kNothingOpen;
    return {LineRole::Other};
  }

  const std::vector<CompiledRule> rules_;
  const BuiltInTraits traits_;
};

// endswith, equal: every line belongs to a message, and says itself whether it is the last one.
class StringRules final : public MultilineRules {
 public:
  StringRules(MultilineOptions options, std::optional<ParserOptions> line_parser)
      : MultilineRules(std::move(options)) {
    line_parser_ = std::move(line_parser);
  }

  LineStep step(State& state, std::string_view line) const override {
    const bool matches = options_.type == MultilineType::Equal
                             ? line == options_.match_string
                             : line.ends_with(options_.match_string);
    const bool complete = matches != options_.negate;
    const LineRole role = state == kNothingOpen ? LineRole::Starts : LineRole::Continues;
    state = complete ? kNothingOpen : 1;
    return {role, complete};
  }
  bool may_start(std::string_view) const override { return true; }
};

Result<std::vector<CompiledRule>> compile_rules(const MultilineOptions& options) {
  if (options.rules.empty()) {
    return fail(ErrorCode::InvalidArgument, "type regex needs at least one rule");
  }
  if (options.rules.size() > kRulesMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("more than {} rules", kRulesMax));
  }
  std::vector<CompiledRule> compiled;
  bool any_start = false;
  for (const MultilineRule& rule : options.rules) {
    auto regex = Regex::compile(rule.regex);
    if (!regex) return std::unexpected(std::move(regex).error());
    compiled.push_back({.start = begins_with(rule, kStartState), .regex = std::move(*regex)});
    any_start = any_start || compiled.back().start;
  }
  if (!any_start) {
    return fail(ErrorCode::InvalidArgument,
                "no rule begins with \"start_state\": no message would ever start");
  }
  for (size_t i = 0; i < compiled.size(); ++i) {
    const std::string& to = options.rules[i].to;
    if (to.empty()) continue;
    bool known = false;
    for (size_t j = 0; j < compiled.size(); ++j) {
      if (!begins_with(options.rules[j], to)) continue;
      known = true;
      if (compiled[j].start)
        compiled[i].completes = true;
      else
        compiled[i].next.push_back(static_cast<uint16_t>(j));
    }
    if (!known) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("rule {} leads to the state \"{}\", with which no rule begins", i + 1, to));
    }
  }
  return compiled;
}

}  // namespace

bool is_json_object(std::string_view line) {
  if (line.empty() || line.front() != '{') return false;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) {
    line.remove_suffix(1);
  }
  return line.size() >= 2 && line.back() == '}';
}

Result<std::shared_ptr<const MultilineRules>> compile_multiline(
    MultilineOptions options, BuiltInTraits traits, std::optional<ParserOptions> line_parser) {
  if (options.type != MultilineType::Regex) {
    if (options.match_string.empty()) {
      return fail(ErrorCode::InvalidArgument, "types endswith and equal need match_string");
    }
    return std::make_shared<StringRules>(std::move(options), std::move(line_parser));
  }
  NOROSHI_ASSIGN(auto rules, compile_rules(options));
  return std::make_shared<RegexRules>(std::move(options), std::move(rules), traits);
}

Result<std::shared_ptr<const MultilineRules>> MultilineRules::compile(MultilineOptions options) {
  return compile_multiline(std::move(options), {}, {});
}

}  // namespace noroshi

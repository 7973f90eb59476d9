// MultilineRules: which lines belong together; one compiled [MULTILINE_PARSER] section or one of
// Fluent Bit's built-in names (docker, cri, python, java, go, ruby). Immutable and shared by all
// streams; a stream's state is one small number that the caller keeps.
//
// What the built-in names join, state by state: multiline_builtin.cc and multiline_python.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "parser/parser.h"

namespace noroshi {

enum class MultilineType : uint8_t { Regex, EndsWith, Equal };

struct MultilineRule {
  std::vector<std::string> from = {};  // states; "start_state" begins a message
  std::string regex = {};              // Ruby syntax, `/…/flags` allowed
  std::string to = {};                 // "": nothing may follow
};

struct MultilineOptions {
  std::string name = {};
  MultilineType type = MultilineType::Regex;
  std::string match_string = {};  // EndsWith, Equal: what a complete line looks like …
  bool negate = false;            // … or an incomplete one
  std::string key_content = {};   // "": the whole line; in a record: log
  std::string key_pattern = {};   // looked at in the place of key_content
  std::string key_group = {};     // messages of different values of it interleave (stream)
  std::string parser = {};        // turns the line into a record first
  Nanoseconds flush_timeout = Seconds(4);
  std::vector<MultilineRule> rules = {};
};

enum class LineRole : uint8_t {
  Other,      // not of these rules; what is open ends
  Starts,     // first line of a message; what is open ends
  Continues,  // the next line of the open message
  Passes,     // a record of its own between the lines of the open message, which stays open
};
struct LineStep {
  LineRole role = LineRole::Other;
  bool complete = false;  // the message ends with this line
};

class MultilineRules {
 public:
  using State = uint16_t;
  static constexpr State kNothingOpen = 0;

  virtual ~MultilineRules() = default;

  // What `line` (without its line end) is in a stream in `state`, which it moves on. Cost: for a
  // line that is part of nothing a few byte comparisons with the built-in names, one search per
  // start rule with the user's.
  virtual LineStep step(State& state, std::string_view line) const = 0;
  // False only if step(kNothingOpen, line) is Other: the fast path.
  [[nodiscard]] virtual bool may_start(std::string_view line) const = 0;
  // In this state the message is probably complete and waits only for a line that rarely comes.
  [[nodiscard]] virtual bool is_probably_complete(State) const { return false; }

  [[nodiscard]] const MultilineOptions& options() const { return options_; }
  // Blank lines that a message ends with are left out.
  [[nodiscard]] bool drops_blank_end() const { return drops_blank_end_; }
  // Makes the line's record before anything else looks at it (docker, cri, `parser`): its options
  // if they are built in; a user's parser is options().parser.
  [[nodiscard]] const std::optional<ParserOptions>& line_parser() const { return line_parser_; }

  // InvalidArgument, with words for the user, if a regex does not compile or a state leads nowhere.
  [[nodiscard]] static Result<std::shared_ptr<const MultilineRules>> compile(
      MultilineOptions options);
  // Null if there is none of this name.
  [[nodiscard]] static std::shared_ptr<const MultilineRules> built_in(std::string_view name);
  [[nodiscard]] static const std::vector<std::string>& built_in_names();

 protected:
  explicit MultilineRules(MultilineOptions options) : options_(std::move(options)) {}

  MultilineOptions options_;
  std::optional<ParserOptions> line_parser_;
  bool drops_blank_end_ = false;
};

}  // namespace noroshi

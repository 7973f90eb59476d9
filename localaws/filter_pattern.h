// CloudWatch Logs filter patterns, for FilterLogEvents.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
//
//   ERROR timeout         both terms (substrings bounded by no letter or digit), case matters
//   "exact phrase"        ?a ?b: one of them      -not
//   { $.level = "ERROR" && ($.status >= 500 || $.path = "/api/*") }
//                         = != < <= > >=, * in strings, IS NULL, IS TRUE, IS FALSE, EXISTS, NOT
//                         EXISTS, && || ( )
//
// Not supported, and refused: [space, delimited] patterns and %regular expressions%.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace noroshi::localaws {

// Not thread-safe (keeps a JSON parser).
class FilterPattern {
 public:
  static constexpr size_t kPatternBytesMax = 1024;
  static constexpr int kDepthMax = 16;

  // InvalidArgument with what is wrong. An empty pattern matches everything.
  [[nodiscard]] static Result<FilterPattern> parse(std::string_view pattern);
  FilterPattern(FilterPattern&&) noexcept;
  FilterPattern& operator=(FilterPattern&&) noexcept;
  ~FilterPattern();

  [[nodiscard]] bool matches(std::string_view message);

  struct State;

 private:
  explicit FilterPattern(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace noroshi::localaws

// ModifyCondition: one `Condition` line of the filter modify.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "filter/words.h"

namespace noroshi {

class ModifyCondition {
 public:
  // nullopt and an error in `diagnostics` if the line says nothing we know.
  static std::optional<ModifyCondition> parse(const LocatedText& line, Diagnostics& diagnostics);

  // `record` is one MessagePack map.
  [[nodiscard]] bool holds(std::string_view record) const;

 private:
  enum class Test {
    KeyExists,                       // a
    AKeyMatches,                     // a (regex)
    ValueEquals,                     // a, b
    ValueMatches,                    // a, b (regex)
    MatchingKeysHaveMatchingValues,  // a (regex), b (regex)
  };
  struct Form;
  static const Form* form_of(std::string_view name);

  [[nodiscard]] bool test(std::string_view record) const;

  Test test_ = Test::KeyExists;
  bool negated_ = false;
  // The negated tests of a value need the key all the same.
  bool needs_key_ = false;
  std::optional<RecordAccessor> key_ = {};
  std::optional<Regex> key_regex_ = {}, value_regex_ = {};
  std::string value_ = {};
};

}  // namespace noroshi

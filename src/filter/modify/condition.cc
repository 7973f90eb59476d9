#include "filter/modify/condition.h"

#include <array>

#include <fmt/format.h>

#include "config/nearest_name.h"
#include "config/place_in.h"
#include "record/map_pairs.h"

namespace noroshi {

struct ModifyCondition::Form {
  std::string_view name;
  Test test;
  bool negated;
  size_t operands;
};

const ModifyCondition::Form* ModifyCondition::form_of(std::string_view name) {
  static constexpr auto kForms = std::to_array<Form>({
      {"key_exists", Test::KeyExists, false, 1},
      {"key_does_not_exist", Test::KeyExists, true, 1},
      {"a_key_matches", Test::AKeyMatches, false, 1},
      {"no_key_matches", Test::AKeyMatches, true, 1},
      {"key_value_equals", Test::ValueEquals, false, 2},
      {"key_value_does_not_equal", Test::ValueEquals, true, 2},
      {"key_value_matches", Test::ValueMatches, false, 2},
      {"key_value_does_not_match", Test::ValueMatches, true, 2},
      {"matching_keys_have_matching_values", Test::MatchingKeysHaveMatchingValues, false, 2},
      {"matching_keys_do_not_have_matching_values", Test::MatchingKeysHaveMatchingValues, true, 2},
  });
  for (const Form& form : kForms) {
    if (form.name == name) return &form;
  }
  return nullptr;
}

std::optional<ModifyCondition> ModifyCondition::parse(const LocatedText& line,
                                                      Diagnostics& diagnostics) {
  const auto words = split_words(line, "\"'", 3, diagnostics);
  if (!words || words->empty()) return std::nullopt;
  const Form* form = form_of(to_lower((*words)[0].text));
  if (form == nullptr) {
    const std::array<std::string, 10> known = {"Key_exists",
                                               "Key_does_not_exist",
                                               "A_key_matches",
                                               "No_key_matches",
                                               "Key_value_equals",
                                               "Key_value_does_not_equal",
                                               "Key_value_matches",
                                               "Key_value_does_not_match",
                                               "Matching_keys_have_matching_values",
                                               "Matching_keys_do_not_have_matching_values"};
    auto& error = diagnostics.error(place_in(line, (*words)[0].index, (*words)[0].length),
                                    fmt::format("unknown condition '{}'", (*words)[0].text));
    const std::string near = nearest_name((*words)[0].text, known);
    if (!near.empty()) error.help(fmt::format("did you mean {}?", near));
    return std::nullopt;
  }
  if (words->size() != form->operands + 1) {
    diagnostics.error(line.where, fmt::format("condition {} takes {}", (*words)[0].text,
                                              form->operands == 1 ? "one word" : "two words"));
    return std::nullopt;
  }
  ModifyCondition condition;
  condition.test_ = form->test;
  condition.negated_ = form->negated;
  condition.needs_key_ =
      form->negated && (form->test == Test::ValueEquals || form->test == Test::ValueMatches);
  const Word& first = (*words)[1];
  if (form->test == Test::AKeyMatches || form->test == Test::MatchingKeysHaveMatchingValues) {
    condition.key_regex_ = compile_word(line, first, diagnostics);
    if (!condition.key_regex_) return std::nullopt;
  } else {
    condition.key_ = accessor_of_word(line, first, diagnostics);
    if (!condition.key_) return std::nullopt;
  }
  if (form->test == Test::ValueEquals) condition.value_ = (*words)[2].text;
  if (form->test == Test::ValueMatches || form->test == Test::MatchingKeysHaveMatchingValues) {
    condition.value_regex_ = compile_word(line, (*words)[2], diagnostics);
    if (!condition.value_regex_) return std::nullopt;
  }
  return condition;
}

namespace {

// Texts and booleans can match; numbers, maps and the rest cannot, as in Fluent Bit.
bool value_matches(std::string_view value, const Regex& regex) {
  const auto token = MsgpackReader(value).next();
  if (!token) return false;
  if (token->type == MsgpackType::Bool) return regex.matches(token->boolean ? "true" : "false");
  return token->type == MsgpackType::String && regex.matches(token->bytes);
}

}  // namespace

bool ModifyCondition::holds(std::string_view record) const {
  if (needs_key_ && !key_->find(record)) return false;
  return test(record) != negated_;
}

bool ModifyCondition::test(std::string_view record) const {
  switch (test_) {
    case Test::KeyExists:
      return key_->find(record).has_value();
    case Test::ValueEquals: {
      const auto value = key_->find(record);
      if (!value) return false;
      const auto token = MsgpackReader(*value).next();
      return token && (token->type == MsgpackType::String || token->type == MsgpackType::Binary) &&
             token->bytes == value_;
    }
    case Test::ValueMatches: {
      const auto value = key_->find(record);
      return value && value_matches(*value, *value_regex_);
    }
    case Test::AKeyMatches:
    case Test::MatchingKeysHaveMatchingValues:
      break;
  }
  MapPairs pairs(record);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.name.data() == nullptr || !key_regex_->matches(pair.name)) continue;
    if (test_ == Test::AKeyMatches) return true;
    if (!value_matches(pair.value, *value_regex_)) return false;
  }
  return test_ == Test::MatchingKeysHaveMatchingValues;
}

}  // namespace noroshi

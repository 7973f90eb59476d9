#include "filter/regex_rules.h"

#include <fmt/format.h>

#include "filter/words.h"
#include "record/msgpack_reader.h"

namespace noroshi {

bool RegexRule::matches(std::string_view record) const {
  const auto value = key.find(record);
  if (!value) return false;
  const auto token = MsgpackReader(*value).next();
  return token && token->type == MsgpackType::String && regex.matches(token->bytes);
}

std::optional<RegexRule> parse_regex_rule(const LocatedText& line, Diagnostics& diagnostics) {
  const auto words = split_words(line, "", 2, diagnostics);
  if (!words) return std::nullopt;
  if (words->size() != 2) {
    diagnostics.error(line.where, fmt::format("{} takes KEY REGEX", line.name));
    return std::nullopt;
  }
  auto key = accessor_of_word(line, (*words)[0], diagnostics);
  auto regex = compile_word(line, (*words)[1], diagnostics);
  if (!key || !regex) return std::nullopt;
  return RegexRule{line.name == "exclude", std::move(*key), std::move(*regex)};
}

bool chosen_in_order(std::span<const RegexRule> rules, std::string_view record) {
  for (const RegexRule& rule : rules) {
    const bool matched = rule.matches(record);
    if (!rule.exclude) return matched;
    if (matched) return false;
  }
  return true;
}

}  // namespace noroshi

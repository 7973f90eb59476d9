// From the text of an option to the member of an options struct: which types there are, and how
// each is set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "config/option_info.h"
#include "config/source.h"
#include "config/values.h"

namespace noroshi {

// An option's value with its place, for plugins that parse it further (a regex, a template, "KEY
// PATTERN").
struct LocatedText {
  std::string name = {};  // of the option, as its table spells it
  std::string text = {};
  SourceLocation where = {};  // of the value
};

// Sets a member from text; InvalidArgument says what would be right.
[[nodiscard]] Status assign_option(std::string& member, const LocatedText& given);
[[nodiscard]] Status assign_option(bool& member, const LocatedText& given);
[[nodiscard]] Status assign_option(int64_t& member, const LocatedText& given);
[[nodiscard]] Status assign_option(double& member, const LocatedText& given);
[[nodiscard]] Status assign_option(ByteSize& member, const LocatedText& given);
[[nodiscard]] Status assign_option(Nanoseconds& member, const LocatedText& given);
[[nodiscard]] Status assign_option(RetryLimit& member, const LocatedText& given);
[[nodiscard]] Status assign_option(LocatedText& member, const LocatedText& given);
[[nodiscard]] Status assign_option(std::vector<std::string>& member, const LocatedText& given);
[[nodiscard]] Status assign_option(std::vector<LocatedText>& member, const LocatedText& given);
template <typename T>
[[nodiscard]] Status assign_option(std::optional<T>& member, const LocatedText& given) {
  T value{};
  NOROSHI_TRY(assign_option(value, given));
  member = std::move(value);
  return {};
}

namespace option_table_internal {
template <typename T>
inline constexpr bool kIsVector = false;
template <typename T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <typename T>
struct Unwrapped {
  using Type = T;
};
template <typename T>
struct Unwrapped<std::optional<T>> {
  using Type = T;
};
template <typename T>
constexpr OptionType type_of() {
  using Type = typename Unwrapped<T>::Type;
  if constexpr (std::is_same_v<Type, bool>) return OptionType::Boolean;
  if constexpr (std::is_same_v<Type, int64_t>) return OptionType::Integer;
  if constexpr (std::is_same_v<Type, double>) return OptionType::Number;
  if constexpr (std::is_same_v<Type, ByteSize>) return OptionType::Size;
  if constexpr (std::is_same_v<Type, Nanoseconds>) return OptionType::Duration;
  if constexpr (std::is_same_v<Type, RetryLimit>) return OptionType::RetryLimit;
  return OptionType::Text;
}
}  // namespace option_table_internal

}  // namespace noroshi

// The part of OptionTable (option_table.h: start there) that does not depend on the options struct.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "config/values.h"

namespace noroshi {

// An option's value with its place, for plugins that parse it further (a regex, a template, "KEY
// PATTERN").
struct LocatedText {
  std::string name = {};  // of the option, as its table spells it
  std::string text = {};
  SourceLocation where = {};  // of the value
};

enum class OptionType { Text, Boolean, Integer, Number, Size, Duration, RetryLimit };

// One row of the table in README and --help.
struct OptionInfo {
  std::string name = {};
  OptionType type = OptionType::Text;
  std::string default_text = {};  // "" if it has none
  std::string help = {};
  bool required = false;
  bool repeatable = false;
  bool ignored = false;    // accepted without effect
  bool last_wins = false;  // set twice: a warning, not an error
  std::vector<std::string> choices = {};
  std::vector<std::string> aliases = {};
  std::string smallest = {}, largest = {};  // "" for no limit
  std::string warning = {};                 // of an ignored option
};

// "text", "size", "none, gzip or zstd" …
[[nodiscard]] std::string type_text(const OptionInfo& option);

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

class OptionTableBase {
 public:
  [[nodiscard]] const std::string& name() const { return name_; }        // "s3"
  [[nodiscard]] const std::string& summary() const { return summary_; }  // one line
  // In the order declared.
  [[nodiscard]] const std::vector<OptionInfo>& options() const { return infos_; }
  // By its name or an alias, lower case; null if the table has no such option ("net.x" finds
  // "net.*").
  [[nodiscard]] const OptionInfo* find(std::string_view name) const;

 protected:
  using Assign = std::function<Status(void* options, const LocatedText& given)>;

  OptionTableBase(std::string name, std::string summary)
      : name_(std::move(name)), summary_(std::move(summary)) {}

  void add(OptionInfo info, Assign assign);
  void add_ignored(std::string name, std::string help, std::string warning);
  void add_alias(std::string name);
  void add_range(std::string smallest, std::string largest);
  void add_last_wins();
  void set_defaults(void* options) const;
  void parse_into(void* options, const Section& section, Diagnostics& diagnostics) const;
  // As parse_into, without a word about keys the table does not have and without `required`.
  void parse_known(void* options, const Section& section, Diagnostics& diagnostics) const;

 private:
  void assign_all(void* options, const Section& section, bool strict,
                  Diagnostics& diagnostics) const;
  void unknown_option(const Section& section, const Property& property,
                      Diagnostics& diagnostics) const;
  void assign_value(void* options, size_t index, const PropertyValue& value,
                    const std::string& what, Diagnostics& diagnostics) const;
  [[nodiscard]] Status assign_checked(void* options, size_t index, LocatedText given) const;

  std::string name_;
  std::string summary_;
  std::vector<OptionInfo> infos_;
  std::vector<Assign> assigns_;  // of infos_, same index; empty for ignored options
};

// The rows between `<!-- options:NAME -->` and `<!-- end -->` of a plugin's README. Options that
// are only accepted come last, in one line.
[[nodiscard]] std::string render_markdown_table(const OptionTableBase& table);
// For a terminal, wrapped at 100 columns.
[[nodiscard]] std::string render_help(const OptionTableBase& table);

}  // namespace noroshi

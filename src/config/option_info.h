// OptionInfo: one option of a plugin as documentation shows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace noroshi {

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

// "a, b and c" with " and " as the last separator.
[[nodiscard]] std::string joined_words(const std::vector<std::string>& words,
                                       std::string_view last_separator);

// What stands between `<!-- options:NAME -->` and `<!-- end -->` of a plugin's README. Options that
// are only accepted come last, in one line.
[[nodiscard]] std::string render_markdown_table(const std::vector<OptionInfo>& options);
// For a terminal, wrapped at 100 columns.
[[nodiscard]] std::string render_help(std::string_view name, std::string_view summary,
                                      const std::vector<OptionInfo>& options);

}  // namespace noroshi

#include "config/option_info.h"

#include <fmt/format.h>

#include <algorithm>

namespace noroshi {

std::string joined_words(const std::vector<std::string>& words, std::string_view last_separator) {
  std::string result;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) result += i + 1 == words.size() ? last_separator : std::string_view(", ");
    result += words[i];
  }
  return result;
}

std::string type_text(const OptionInfo& option) {
  if (!option.choices.empty()) return joined_words(option.choices, " or ");
  std::string text;
  switch (option.type) {
    case OptionType::Text:
      text = "text";
      break;
    case OptionType::Boolean:
      text = "boolean";
      break;
    case OptionType::Integer:
      text = "integer";
      break;
    case OptionType::Number:
      text = "number";
      break;
    case OptionType::Size:
      text = "size";
      break;
    case OptionType::Duration:
      text = "time";
      break;
    case OptionType::RetryLimit:
      text = "retry limit";
      break;
  }
  if (!option.smallest.empty() && !option.largest.empty()) {
    text += fmt::format(", {} to {}", option.smallest, option.largest);
  } else if (!option.smallest.empty()) {
    text += fmt::format(", at least {}", option.smallest);
  } else if (!option.largest.empty()) {
    text += fmt::format(", at most {}", option.largest);
  }
  if (option.repeatable) text += ", repeatable";
  return text;
}

std::string render_markdown_table(const std::vector<OptionInfo>& options) {
  const auto cell = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == '|') out += '\\';
      out += c == '\n' ? ' ' : c;
    }
    return out;
  };
  std::string out = "| Name | Type | Default | Meaning |\n|---|---|---|---|\n";
  std::string ignored;
  for (const OptionInfo& info : options) {
    if (info.ignored) {
      ignored += fmt::format("{}`{}`", ignored.empty() ? "" : ", ", info.name);
      continue;
    }
    std::string name = "`" + info.name + "`";
    for (const std::string& alias : info.aliases) name += fmt::format(" (or `{}`)", alias);
    const std::string value = info.required               ? "**required**"
                              : info.default_text.empty() ? "–"
                                                          : "`" + cell(info.default_text) + "`";
    fmt::format_to(std::back_inserter(out), "| {} | {} | {} | {} |\n", name, cell(type_text(info)),
                   value, cell(info.help));
  }
  if (!ignored.empty()) out += fmt::format("\nAccepted without effect: {}.\n", ignored);
  return out;
}

std::string render_help(std::string_view name, std::string_view summary,
                        const std::vector<OptionInfo>& options) {
  constexpr size_t kWidth = 100;
  constexpr size_t kIndent = 6;
  std::string out = fmt::format("{}: {}\n", name, summary);
  for (const OptionInfo& info : options) {
    if (info.ignored) continue;
    std::string value = info.required ? ", required" : "";
    if (!info.default_text.empty()) value = fmt::format(", default {}", info.default_text);
    std::string names = info.name;
    for (const std::string& alias : info.aliases) names += ", " + alias;
    fmt::format_to(std::back_inserter(out), "\n  {}  ({}{})\n", names, type_text(info), value);
    std::string line(kIndent, ' ');
    std::string_view rest = info.help;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      const std::string_view word = rest.substr(0, end);
      if (line.size() > kIndent && line.size() + 1 + word.size() > kWidth) {
        out += line + "\n";
        line.assign(kIndent, ' ');
      }
      if (line.size() > kIndent) line += ' ';
      line += word;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (line.size() > kIndent) out += line + "\n";
  }
  return out;
}

}  // namespace noroshi

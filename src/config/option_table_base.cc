#include "config/option_table_base.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/check.h"
#include "base/secrets.h"
#include "config/common_options.h"
#include "config/nearest_name.h"
#include "config/secret_options.h"

namespace noroshi {
namespace {

constexpr size_t kListedNamesMax = 40;

// A limit of a range as a number; text that is none is a mistake in the table.
std::optional<long double> number_of(OptionType type, std::string_view text) {
  switch (type) {
    case OptionType::Integer:
      if (const auto value = parse_integer(text)) return static_cast<long double>(*value);
      return {};
    case OptionType::Number:
      if (const auto value = parse_double(text)) return static_cast<long double>(*value);
      return {};
    case OptionType::Size:
      if (const auto value = parse_byte_size(text)) return static_cast<long double>(value->bytes);
      return {};
    case OptionType::Duration:
      if (const auto value = parse_duration(text)) return static_cast<long double>(value->count());
      return {};
    case OptionType::Text:
    case OptionType::Boolean:
    case OptionType::RetryLimit:
      return {};
  }
  return {};
}

// "output s3", "parser json", "service": how messages name the section. The tables of a section
// (its own and the common one) say the same, so that a problem both see is one to Diagnostics.
std::string owner(const Section& section) {
  const std::string kind(to_string(section.kind));
  const std::string_view name = section.value("name");
  return name.empty() ? kind : fmt::format("{} {}", kind, name);
}

void warn_of_ignored(const Section& section, const Property& property, const OptionInfo& info,
                     Diagnostics& diagnostics) {
  if (!info.ignored || info.warning.empty()) return;
  diagnostics.warning(property.key_where,
                      fmt::format("{}: \"{}\" {}", owner(section), property.key, info.warning));
}

}  // namespace

const OptionInfo* OptionTableBase::find(std::string_view name) const {
  for (const OptionInfo& info : infos_) {
    if (info.name == name || std::ranges::find(info.aliases, name) != info.aliases.end())
      return &info;
  }
  for (const OptionInfo& info : infos_) {
    const std::string_view pattern = info.name;
    if (pattern.ends_with('*') && name.starts_with(pattern.substr(0, pattern.size() - 1)))
      return &info;
  }
  return nullptr;
}

void OptionTableBase::add(OptionInfo info, Assign assign) {
  const OptionInfo* same = find(info.name);
  CHECK((same == nullptr || same->name.ends_with('*')) && info.name == to_lower(info.name),
        info.name);
  infos_.push_back(std::move(info));
  assigns_.push_back(std::move(assign));
}

void OptionTableBase::add_ignored(std::string name, std::string help, std::string warning) {
  OptionInfo info{.name = std::move(name), .help = std::move(help)};
  info.ignored = true;
  info.last_wins = true;
  info.warning = std::move(warning);
  add(std::move(info), {});
}

void OptionTableBase::add_alias(std::string name) {
  CHECK(!infos_.empty() && find(name) == nullptr, name);
  infos_.back().aliases.push_back(std::move(name));
}

void OptionTableBase::add_range(std::string smallest, std::string largest) {
  CHECK(!infos_.empty(), "between() follows an option");
  OptionInfo& info = infos_.back();
  CHECK(smallest.empty() || number_of(info.type, smallest), info.name);
  CHECK(largest.empty() || number_of(info.type, largest), info.name);
  info.smallest = std::move(smallest);
  info.largest = std::move(largest);
}

void OptionTableBase::add_last_wins() {
  CHECK(!infos_.empty(), "last_wins() follows an option");
  infos_.back().last_wins = true;
}

Status OptionTableBase::assign_checked(void* options, size_t index, LocatedText given) const {
  const OptionInfo& info = infos_[index];
  if (!info.choices.empty()) {
    const std::string word = to_lower(trim(given.text));
    const auto choice = std::ranges::find_if(
        info.choices, [&](const std::string& c) { return to_lower(c) == word; });
    if (choice == info.choices.end()) {
      std::string message =
          fmt::format("\"{}\" is not one of {}", given.text, joined_words(info.choices, " and "));
      return fail(ErrorCode::InvalidArgument, std::move(message));
    }
    given.text = *choice;
  }
  if (!info.smallest.empty() || !info.largest.empty()) {
    if (const auto number = number_of(info.type, given.text)) {
      if (!info.smallest.empty() && *number < *number_of(info.type, info.smallest)) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{} is too small: at least {}", given.text, info.smallest));
      }
      if (!info.largest.empty() && *number > *number_of(info.type, info.largest)) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{} is too large: at most {}", given.text, info.largest));
      }
    }
  }
  return assigns_[index](options, given);
}

void OptionTableBase::set_defaults(void* options) const {
  for (size_t i = 0; i < infos_.size(); ++i) {
    if (infos_[i].default_text.empty()) continue;
    const Status status = assign_checked(options, i, {infos_[i].name, infos_[i].default_text, {}});
    CHECK(status.has_value(),
          fmt::format("{}: default of {}: {}", name_, infos_[i].name, status.error().message));
  }
}

void OptionTableBase::parse_into(void* options, const Section& section,
                                 Diagnostics& diagnostics) const {
  assign_all(options, section, true, diagnostics);
}

void OptionTableBase::parse_known(void* options, const Section& section,
                                  Diagnostics& diagnostics) const {
  assign_all(options, section, false, diagnostics);
}

void OptionTableBase::assign_value(void* options, size_t index, const PropertyValue& value,
                                   const std::string& what, Diagnostics& diagnostics) const {
  const OptionInfo& info = infos_[index];
  const Status status = assign_checked(options, index, {info.name, value.text, value.where});
  if (status) return;
  // "Flush 1 # every second": Fluent Bit reads the number and stops. There are no comments behind
  // values, but what is meant is plain.
  if (const size_t comment = value.text.find(" #");
      comment != std::string::npos && (info.type != OptionType::Text || !info.choices.empty())) {
    const std::string text(trim(std::string_view(value.text).substr(0, comment)));
    if (!text.empty() && assign_checked(options, index, {info.name, text, value.where})) {
      diagnostics
          .warning(
              value.where,
              fmt::format("{} is read as {}: there are no comments behind a value", what, text))
          .help("put the comment on a line of its own");
      return;
    }
  }
  if (is_secret_name(info.name)) {
    diagnostics.error(value.where, fmt::format("{}: its value ({}, {} bytes) is not accepted", what,
                                               kSecretMask, value.text.size()));
    return;
  }
  Diagnostic& diagnostic =
      diagnostics.error(value.where, fmt::format("{}: {}", what, status.error().message));
  if (const std::string near = nearest_name(value.text, info.choices); !near.empty()) {
    diagnostic.help(fmt::format("did you mean \"{}\"?", near));
  }
  if (value.expanded)
    diagnostic.note(fmt::format("the value after expanding variables is \"{}\"", value.text));
}

void OptionTableBase::assign_all(void* options, const Section& section, bool strict,
                                 Diagnostics& diagnostics) const {
  const std::string section_name = owner(section);
  const OptionTableBase* common = strict ? common_option_table(section.kind) : nullptr;
  std::map<const OptionInfo*, const Property*> last_set;
  for (const Property& property : section.properties) {
    const OptionInfo* info = find(property.name);
    if (info == nullptr) {
      if (!strict || property.name == "name") continue;
      const OptionInfo* shared = common == nullptr ? nullptr : common->find(property.name);
      if (shared == nullptr) unknown_option(section, property, diagnostics);
      if (shared != nullptr) warn_of_ignored(section, property, *shared, diagnostics);
      continue;
    }
    const Property*& last = last_set[info];
    if (last != nullptr && !info->repeatable && !info->ignored) {
      if (info->last_wins) {
        diagnostics
            .warning(property.key_where, fmt::format("{}: \"{}\" is set twice; this one is used",
                                                     section_name, info->name))
            .note("first set here", last->key_where);
      } else {
        diagnostics
            .error(property.key_where,
                   fmt::format("{}: \"{}\" is set twice", section_name, info->name))
            .note("first set here", last->key_where);
      }
    }
    last = &property;
    // A common option that the plugin's table has, too, is the plugin's to judge: only strict.
    if (strict) warn_of_ignored(section, property, *info, diagnostics);
  }

  set_defaults(options);
  for (const Property& property : section.properties) {
    const OptionInfo* info = find(property.name);
    if (info == nullptr || info->ignored) continue;
    if (!info->repeatable && last_set[info] != &property) continue;
    const std::string what = fmt::format("{} {}", section_name, info->name);
    const bool joinable = strict && info->type == OptionType::Text && info->choices.empty();
    if (!info->repeatable && property.values.size() > 1 && joinable) {
      // A list of YAML for an option that takes one text, such as a list of names: with commas.
      PropertyValue joined = property.values.front();
      for (size_t i = 1; i < property.values.size(); ++i)
        joined.text += "," + property.values[i].text;
      assign_value(options, static_cast<size_t>(info - infos_.data()), joined, what, diagnostics);
      continue;
    }
    if (!info->repeatable && property.values.size() > 1) {
      diagnostics.error(property.values[1].where, fmt::format("{} takes one value", what));
      continue;
    }
    for (const PropertyValue& value : property.values) {
      if (value.text.empty()) continue;
      assign_value(options, static_cast<size_t>(info - infos_.data()), value, what, diagnostics);
    }
  }

  if (!strict) return;
  for (const OptionInfo& info : infos_) {
    if (!info.required) continue;
    const auto set_at = last_set.find(&info);
    if (set_at == last_set.end()) {
      diagnostics
          .error(section.where,
                 fmt::format("{}: the required option \"{}\" is missing", section_name, info.name))
          .help(fmt::format("{}: {}", info.name, info.help));
    } else if (std::ranges::all_of(set_at->second->values,
                                   [](const auto& v) { return v.text.empty(); })) {
      diagnostics
          .error(set_at->second->where(),
                 fmt::format("{}: the required option \"{}\" is empty", section_name, info.name))
          .help(fmt::format("{}: {}", info.name, info.help));
    }
  }
}

void OptionTableBase::unknown_option(const Section& section, const Property& property,
                                     Diagnostics& diagnostics) const {
  std::vector<std::string> names;
  for (const OptionInfo& info : infos_) {
    names.push_back(info.name);
    names.insert(names.end(), info.aliases.begin(), info.aliases.end());
  }
  std::vector<std::string> own;
  for (const OptionInfo& info : infos_) {
    if (!info.ignored) own.push_back(info.name);
  }
  if (const OptionTableBase* common = common_option_table(section.kind)) {
    for (const OptionInfo& info : common->options()) names.push_back(info.name);
  }
  std::string message = fmt::format("{} has no option \"{}\"", owner(section), property.key);
  // Fluent Bit ignores unknown keys of [SERVICE]; a configuration that runs there must run here.
  Diagnostic& diagnostic =
      section.kind == SectionKind::Service
          ? diagnostics.warning(property.key_where, std::move(message) + "; it is ignored")
          : diagnostics.error(property.key_where, std::move(message));
  if (const std::string near = nearest_name(property.name, names); !near.empty()) {
    diagnostic.help(fmt::format("did you mean \"{}\"?", near));
  } else if (section.kind != SectionKind::Service) {
    if (own.empty()) {
      diagnostic.help("it has no options of its own");
    } else {
      if (own.size() > kListedNamesMax) own.resize(kListedNamesMax);
      diagnostic.help(fmt::format("its options are {}", joined_words(own, " and ")));
    }
  }
}

}  // namespace noroshi

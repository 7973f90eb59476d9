#include "parser/multiline_registry.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/regex.h"
#include "config/nearest_name.h"
#include "config/option_table.h"
#include "config/place_in.h"
#include "config/split_list.h"
#include "parser/multiline.h"
#include "parser/parser_registry.h"

namespace noroshi {
namespace {

// A [MULTILINE_PARSER] section as written; MultilineOptions is what it means.
struct MultilineSection {
  LocatedText name = {};
  std::optional<MultilineType> type = {};
  std::string match_string = {};
  bool negate = false;
  std::string key_content = {}, key_pattern = {}, key_group = {};
  LocatedText parser = {};
  int64_t flush_timeout = 4000;
  std::vector<LocatedText> rules = {};
};

const OptionTable<MultilineSection>& multiline_option_table() {
  using S = MultilineSection;
  static const auto table =
      OptionTable<S>("multiline_parser", "Which lines belong together.")
          .required("name", &S::name, "What filters and inputs call it.")
          .choice(
              "type", &S::type, "",
              {{"regex", MultilineType::Regex},
               {"endswith", MultilineType::EndsWith},
               {"equal", MultilineType::Equal},
               {"eq", MultilineType::Equal}},
              "regex: by rules. endswith, equal: a line that ends with (is) match_string is the "
              "last of its message. Required.")
          .option("match_string", &S::match_string, "With endswith and equal: the text.")
          .option("negate", &S::negate, "off",
                  "With endswith and equal: lines that do not match are the last.")
          .option(
              "key_content", &S::key_content,
              "The key whose text is joined. Default: log, or what the user of the parser says.")
          .option("key_pattern", &S::key_pattern,
                  "With endswith and equal: the key that is compared instead.")
          .option("key_group", &S::key_group,
                  "Lines with different values of this key belong to different messages.")
          .option("parser", &S::parser,
                  "A [PARSER] that makes a record of each line first, in which the keys above are.")
          .option("flush_timeout", &S::flush_timeout, "4000",
                  "Milliseconds to wait for a further line.")
          .between("100", "3600000")
          .option("rule", &S::rules,
                  "`\"STATE\" \"/REGEX/\" \"NEXT\"`: in STATE a line that matches belongs to the "
                  "message, whose state is then NEXT. start_state begins a message.");
  return table;
}

struct Token {
  std::string text;
  size_t index = 0;
};

// Words separated by blanks, perhaps in double quotes, within which \" is a quote and everything
// else as it is (flb_slist_split_tokens).
std::optional<std::vector<Token>> split_rule(std::string_view text) {
  std::vector<Token> tokens;
  for (size_t at = 0;;) {
    at = text.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) return tokens;
    Token token;
    if (text[at] == '"') {
      token.index = ++at;
      while (at < text.size() && text[at] != '"') {
        if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == '"') ++at;
        token.text += text[at++];
      }
      if (at == text.size()) return std::nullopt;
      ++at;
    } else {
      token.index = at;
      while (at < text.size() && text[at] != ' ' && text[at] != '\t') token.text += text[at++];
    }
    tokens.push_back(std::move(token));
  }
}

std::optional<MultilineRule> read_rule(const LocatedText& line, Diagnostics& diagnostics) {
  const auto tokens = split_rule(line.text);
  if (!tokens || tokens->size() < 2 || tokens->size() > 3) {
    diagnostics.error(line.where, "a rule is \"STATE\" \"/REGEX/\" \"NEXT\"")
        .help(R"(for example: rule "start_state" "/^\d{4}-/" "cont")");
    return std::nullopt;
  }
  size_t error_at = 0;
  if (const auto regex = Regex::compile((*tokens)[1].text, {}, &error_at); !regex) {
    diagnostics.error(place_in(line, (*tokens)[1].index + error_at), regex.error().message);
    return std::nullopt;
  }
  return MultilineRule{.from = split_list((*tokens)[0].text),
                       .regex = (*tokens)[1].text,
                       .to = tokens->size() == 3 ? (*tokens)[2].text : ""};
}

// YAML: rules: [{state: …, regex: …, next_state: …}]
std::optional<MultilineRule> read_rule(const Section& section, Diagnostics& diagnostics) {
  const Property* regex_property = section.find("regex");
  if (section.find("state") == nullptr || regex_property == nullptr) {
    diagnostics.error(section.where, "a rule has state, regex and next_state");
    return std::nullopt;
  }
  if (const auto regex = Regex::compile(regex_property->value()); !regex) {
    diagnostics.error(regex_property->where(), regex.error().message);
    return std::nullopt;
  }
  return MultilineRule{.from = split_list(section.value("state")),
                       .regex = regex_property->value(),
                       .to = std::string(section.value("next_state"))};
}

}  // namespace

const OptionTableBase& MultilineRegistry::option_table() { return multiline_option_table(); }

void MultilineRegistry::add(const Section& section, Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const MultilineSection read = multiline_option_table().parse(section, diagnostics);
  if (section.find("type") == nullptr && !read.name.text.empty()) {
    diagnostics
        .error(read.name.where, fmt::format("multiline parser {} has no type", read.name.text))
        .help("the types are regex, endswith and equal");
  }
  MultilineOptions options{.name = read.name.text,
                           .type = read.type.value_or(MultilineType::Regex),
                           .match_string = read.match_string,
                           .negate = read.negate,
                           .key_content = read.key_content,
                           .key_pattern = read.key_pattern,
                           .key_group = read.key_group,
                           .parser = read.parser.text,
                           .flush_timeout = Milliseconds(read.flush_timeout)};
  for (const LocatedText& line : read.rules) {
    if (auto rule = read_rule(line, diagnostics)) options.rules.push_back(std::move(*rule));
  }
  for (const Section& child : section.children) {
    if (auto rule = read_rule(child, diagnostics)) options.rules.push_back(std::move(*rule));
  }
  if (diagnostics.error_count() != errors_before) return;
  if (options.type == MultilineType::Regex) {
    for (const std::string_view name : {"match_string", "negate", "key_pattern"}) {
      if (section.find(name) == nullptr) continue;
      diagnostics.warning(section.where_of(name),
                          fmt::format("{} has no effect with type regex", name));
    }
  }
  auto rules = MultilineRules::compile(std::move(options));
  if (!rules) {
    diagnostics.error(read.name.where, fmt::format("multiline parser {}: {}", read.name.text,
                                                   rules.error().message));
    return;
  }
  const std::string name = to_lower(read.name.text);
  if (const auto before = definitions_.find(name); before != definitions_.end()) {
    diagnostics
        .warning(read.name.where,
                 fmt::format("multiline parser {} is defined twice: this definition counts",
                             read.name.text))
        .note("first defined here", before->second.where);
  }
  definitions_[name] = {*std::move(rules), read.name.where};
}

std::shared_ptr<const MultilineRules> MultilineRegistry::find(std::string_view name) const {
  const std::string lower = to_lower(name);
  const auto found = definitions_.find(lower);
  return found != definitions_.end() ? found->second.rules : MultilineRules::built_in(lower);
}

std::vector<std::string> MultilineRegistry::names() const {
  std::vector<std::string> names = MultilineRules::built_in_names();
  for (const auto& [name, definition] : definitions_) names.push_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::unique_ptr<MultilineJoiner> make_multiline_joiner(const std::vector<LocatedText>& names,
                                                       MultilineSettings settings,
                                                       const ParserRegistry& registry,
                                                       const Clock& clock,
                                                       Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  std::vector<std::shared_ptr<const MultilineRules>> rules;
  SourceLocation where;
  for (const LocatedText& list : names) {
    where = list.where;
    for (const std::string& name : split_list(list.text)) {
      auto found = registry.multiline().find(name);
      if (found == nullptr) {
        const std::vector<std::string> known = registry.multiline().names();
        Diagnostic& error = diagnostics.error(
            list.where, fmt::format("there is no multiline parser named \"{}\"", name));
        if (const std::string nearest = nearest_name(name, known); !nearest.empty()) {
          error.help(fmt::format("did you mean \"{}\"?", nearest));
        }
        error.help(fmt::format("multiline parsers are: {}", fmt::join(known, ", ")));
        continue;
      }
      if (const std::string& parser = found->options().parser;
          !parser.empty() && !registry.contains(parser)) {
        diagnostics.error(list.where, fmt::format("multiline parser {} names the parser {}, which "
                                                  "does not exist",
                                                  name, parser));
        continue;
      }
      rules.push_back(std::move(found));
    }
  }
  if (diagnostics.error_count() != errors_before) return nullptr;
  if (rules.empty()) {
    diagnostics.error(where, "no multiline parser is named")
        .help("for Python tracebacks: multiline.parser python");
    return nullptr;
  }
  settings.message_bytes_max = registry.multiline().message_bytes_max();
  auto joiner = MultilineJoiner::make(std::move(rules), std::move(settings), registry, clock);
  if (!joiner) {
    diagnostics.error(where, joiner.error().message);
    return nullptr;
  }
  return *std::move(joiner);
}

}  // namespace noroshi

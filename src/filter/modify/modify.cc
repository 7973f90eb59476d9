// A record is taken apart into its pairs (views into the chunk), the rules work on the list of
// pairs, and what changed is written anew. Rules behave as those of Fluent Bit's
// plugins/filter_modify/modify.c; a rule that renames or copies a key to itself does nothing here,
// where Fluent Bit loses the field.
#include "filter/modify/modify.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>

#include <fmt/format.h>

#include "filter/chunk_rewriter.h"
#include "filter/modify/condition.h"
#include "filter/words.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

const OptionTable<ModifyOptions>& modify_option_table() {
  using O = ModifyOptions;
  static const auto table =
      OptionTable<O>("modify", "Changes the fields of records by rules, where conditions hold.")
          .option("set", &O::rules, "`KEY VALUE`: sets the field, replacing it if it is there.")
          .option("add", &O::rules, "`KEY VALUE`: adds the field if it is not there.")
          .option("add_if_not_present", &O::rules, "The old name of add.")
          .option("remove", &O::rules, "`KEY`: removes the field.")
          .option("remove_wildcard", &O::rules, "`PREFIX`: removes fields that begin like this.")
          .option("remove_regex", &O::rules, "`REGEX`: removes fields whose key matches.")
          .option("rename", &O::rules, "`KEY NEW`: renames, if there is no field NEW.")
          .option("hard_rename", &O::rules, "`KEY NEW`: renames, replacing a field NEW.")
          .option("copy", &O::rules, "`KEY NEW`: copies, if there is no field NEW.")
          .option("hard_copy", &O::rules, "`KEY NEW`: copies, replacing a field NEW.")
          .option("move_to_start", &O::rules, "`PREFIX`: moves such fields to the start.")
          .option("move_to_end", &O::rules, "`PREFIX`: moves such fields to the end.")
          .option("condition", &O::conditions,
                  "`TEST KEY [VALUE]`: the rules apply only where all conditions hold.");
  return table;
}

namespace {

enum class Action {
  Set,
  Add,
  Remove,
  RemovePrefix,
  RemoveRegex,
  Rename,
  HardRename,
  Copy,
  HardCopy,
  MoveToStart,
  MoveToEnd
};

struct ActionForm {
  std::string_view option;
  Action action;
  size_t words;
};
constexpr auto kActions = std::to_array<ActionForm>({
    {"set", Action::Set, 2},
    {"add", Action::Add, 2},
    {"add_if_not_present", Action::Add, 2},
    {"remove", Action::Remove, 1},
    {"remove_wildcard", Action::RemovePrefix, 1},
    {"remove_regex", Action::RemoveRegex, 1},
    {"rename", Action::Rename, 2},
    {"hard_rename", Action::HardRename, 2},
    {"copy", Action::Copy, 2},
    {"hard_copy", Action::HardCopy, 2},
    {"move_to_start", Action::MoveToStart, 1},
    {"move_to_end", Action::MoveToEnd, 1},
});

struct Rule {
  Action action = Action::Set;
  std::string key = {};
  std::string value = {};        // the new key, or the value
  std::string key_bytes = {};    // MessagePack of `key`
  std::string value_bytes = {};  // MessagePack of `value`
  std::optional<Regex> regex = {};
};

class Fields {
  struct Pair {
    std::string_view name, key, value;
  };

  static auto named(std::string_view name) {
    return [name](const Pair& pair) { return pair.name.data() != nullptr && pair.name == name; };
  }
  static auto prefixed(std::string_view prefix) {
    return [prefix](const Pair& pair) {
      return pair.name.data() != nullptr && pair.name.starts_with(prefix);
    };
  }

 public:
  bool load(std::string_view record) {
    pairs_.clear();
    MapPairs walk(record);
    for (MapPair pair; walk.next(pair);) pairs_.push_back({pair.name, pair.key, pair.value});
    return walk.ok();
  }

  // True if the record is no longer what it was.
  bool apply(const Rule& rule) {
    switch (rule.action) {
      case Action::Set:
        remove(named(rule.key));
        pairs_.push_back({rule.key, rule.key_bytes, rule.value_bytes});
        return true;
      case Action::Add:
        if (count(rule.key) > 0) return false;
        pairs_.push_back({rule.key, rule.key_bytes, rule.value_bytes});
        return true;
      case Action::Remove:
        return remove(named(rule.key));
      case Action::RemovePrefix:
        return remove(prefixed(rule.key));
      case Action::RemoveRegex:
        return remove([&](const Pair& pair) {
          return pair.name.data() != nullptr && rule.regex->matches(pair.name);
        });
      case Action::Rename:
        return count(rule.key) > 0 && count(rule.value) == 0 && rename(rule);
      case Action::HardRename:
        if (rule.key == rule.value || count(rule.key) == 0) return false;
        remove(named(rule.value));
        return rename(rule);
      case Action::Copy:
        return count(rule.key) == 1 && count(rule.value) == 0 && copy(rule);
      case Action::HardCopy:
        if (rule.key == rule.value || count(rule.key) != 1 || count(rule.value) > 1) return false;
        remove(named(rule.value));
        return copy(rule);
      case Action::MoveToStart:
        return move(prefixed(rule.key));
      case Action::MoveToEnd:
        return move(std::not_fn(prefixed(rule.key)));
    }
    return false;
  }

  void append_to(std::string& body) const {
    MsgpackWriter(body).map_header(static_cast<uint32_t>(pairs_.size()));
    for (const Pair& pair : pairs_) body.append(pair.key).append(pair.value);
  }

 private:
  [[nodiscard]] size_t count(std::string_view name) const {
    return static_cast<size_t>(std::count_if(pairs_.begin(), pairs_.end(), named(name)));
  }
  template <typename Which>
  bool remove(Which which) {
    return std::erase_if(pairs_, which) > 0;
  }
  bool rename(const Rule& rule) {
    for (Pair& pair : pairs_) {
      if (named(rule.key)(pair)) pair.name = rule.value, pair.key = rule.value_bytes;
    }
    return true;
  }
  bool copy(const Rule& rule) {
    const auto source = std::find_if(pairs_.begin(), pairs_.end(), named(rule.key));
    const Pair made = {rule.value, rule.value_bytes, source->value};
    pairs_.insert(source + 1, made);
    return true;
  }
  template <typename First>
  bool move(First first) {
    if (std::is_partitioned(pairs_.begin(), pairs_.end(), first)) return false;
    moved_.clear();
    std::copy_if(pairs_.begin(), pairs_.end(), std::back_inserter(moved_), first);
    std::copy_if(pairs_.begin(), pairs_.end(), std::back_inserter(moved_), std::not_fn(first));
    pairs_.swap(moved_);
    return true;
  }

  std::vector<Pair> pairs_;
  std::vector<Pair> moved_;  // kept for its memory
};

class ModifyFilter final : public Filter {
 public:
  ModifyFilter(std::vector<Rule> rules, std::vector<ModifyCondition> conditions)
      : rules_(std::move(rules)), conditions_(std::move(conditions)) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    rewriter_.begin(chunk);
    bool changed = false;
    for (const RecordEntry& entry : chunk.records) {
      if (!modify(chunk.view().record(entry))) {
        rewriter_.keep(entry);
        continue;
      }
      fields_.append_to(rewriter_.begin_record(entry));
      rewriter_.end_record(entry.time);
      changed = true;
    }
    if (changed) rewriter_.finish();
  }

 private:
  bool modify(std::string_view record) {
    for (const ModifyCondition& condition : conditions_) {
      if (!condition.holds(record)) return false;
    }
    if (!fields_.load(record)) return false;
    bool changed = false;
    for (const Rule& rule : rules_) changed |= fields_.apply(rule);
    return changed;
  }

  const std::vector<Rule> rules_;
  const std::vector<ModifyCondition> conditions_;
  ChunkRewriter rewriter_;
  Fields fields_;
};

std::optional<Rule> parse_rule(const LocatedText& line, Diagnostics& diagnostics) {
  const auto form = std::find_if(kActions.begin(), kActions.end(), [&](const ActionForm& known) {
    return known.option == line.name;
  });
  const auto words = split_words(line, "\"'", form->words, diagnostics);
  if (!words) return std::nullopt;
  if (words->size() != form->words) {
    diagnostics.error(line.where, fmt::format("{} takes {}", line.name,
                                              form->words == 1 ? "a key" : "a key and a value"));
    return std::nullopt;
  }
  Rule rule{.action = form->action, .key = (*words)[0].text};
  const bool prefix = rule.action == Action::RemovePrefix || rule.action == Action::MoveToStart ||
                      rule.action == Action::MoveToEnd;
  if (prefix && rule.key.ends_with('*')) rule.key.pop_back();
  if (rule.action == Action::RemoveRegex) {
    rule.regex = compile_word(line, (*words)[0], diagnostics);
    if (!rule.regex) return std::nullopt;
  }
  if (form->words == 2) rule.value = (*words)[1].text;
  MsgpackWriter(rule.key_bytes).string(rule.key);
  MsgpackWriter(rule.value_bytes).string(rule.value);
  return rule;
}

std::optional<MadeFilter> make(const Section& section, const FilterContext&,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const ModifyOptions options = modify_option_table().parse(section, diagnostics);
  std::vector<Rule> rules;
  std::vector<ModifyCondition> conditions;
  MadeFilter made;
  for (const LocatedText& line : options.rules) {
    auto rule = parse_rule(line, diagnostics);
    if (!rule) continue;
    const bool gone = rule->action == Action::Remove || rule->action == Action::Rename ||
                      rule->action == Action::HardRename;
    if (gone && options.conditions.empty()) made.consumed_keys.push_back(rule->key);
    rules.push_back(std::move(*rule));
  }
  for (const LocatedText& line : options.conditions) {
    auto condition = ModifyCondition::parse(line, diagnostics);
    if (condition) conditions.push_back(std::move(*condition));
  }
  if (options.rules.empty()) {
    diagnostics.warning(section.where, "filter modify has no rule: it does nothing");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  made.description =
      fmt::format("{} rules where {} conditions hold", rules.size(), conditions.size());
  made.filter = std::make_unique<ModifyFilter>(std::move(rules), std::move(conditions));
  return made;
}

}  // namespace

const FilterPlugin kModifyFilter = {
    .name = "modify",
    .summary = "Changes the fields of records by rules, where conditions hold.",
    .options = [] { return modify_option_table().options(); },
    .make = make,
};

}  // namespace noroshi

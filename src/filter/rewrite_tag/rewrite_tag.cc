#include "filter/rewrite_tag/rewrite_tag.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "config/place_in.h"
#include "filter/chunk_rewriter.h"
#include "filter/words.h"
#include "record/msgpack_reader.h"

namespace noroshi {

const OptionTable<RewriteTagOptions>& rewrite_tag_option_table() {
  using O = RewriteTagOptions;
  static const char* kOwnEmitter = "Accepted: here rewritten records stay in the same pipeline.";
  static const auto table =
      OptionTable<O>("rewrite_tag", "Sends records on under another tag.")
          .option("rule", &O::rules,
                  "`$KEY REGEX NEW_TAG KEEP`: a record whose KEY matches goes on as NEW_TAG; KEEP "
                  "(true, false) says whether it also stays. The first rule that matches counts.")
          .ignored("emitter_name", kOwnEmitter)
          .ignored("emitter_storage.type", kOwnEmitter)
          .ignored("emitter_mem_buf_limit", kOwnEmitter);
  return table;
}

namespace {

struct Rule {
  RecordAccessor key;
  Regex regex;
  RecordTemplate tag;
  bool keep;
};

class RewriteTagFilter final : public Filter {
 public:
  RewriteTagFilter(std::vector<Rule> rules, std::string instance)
      : rules_(std::move(rules)), instance_(std::move(instance)) {}

  void apply(Chunk& chunk, FilterOutput& output, FilterMetrics& metrics) override {
    moved_.assign(chunk.records.size(), false);
    bool any_left = false;
    for (size_t i = 0; i < chunk.records.size(); ++i) {
      const RecordEntry& entry = chunk.records[i];
      const Rule* rule = rule_of(chunk, entry);
      if (rule == nullptr || !render_tag(*rule, chunk, entry)) continue;
      if (rewritten_.size() == kRewriteTagsOpenMax && find_open() == nullptr) send(output);
      copy_to_tag(chunk, entry);
      metrics.added.add();
      if (!rule->keep) moved_[i] = any_left = true;
    }
    send(output);
    if (!any_left) return;
    // What moved is not lost: it goes on under the new tag, with this chunk's acks.
    const RecordEntry* first = chunk.records.data();
    size_t gone = 0;
    keep_records_in_place(chunk, [&](const RecordEntry& entry) {
      const bool moved = moved_[static_cast<size_t>(&entry - first)];
      gone += moved ? 1 : 0;
      return !moved;
    });
    metrics.dropped.add(gone);
  }

 private:
  const Rule* rule_of(const Chunk& chunk, const RecordEntry& entry) {
    const std::string_view record = chunk.view().record(entry);
    for (const Rule& rule : rules_) {
      const auto value = rule.key.find(record);
      if (!value) continue;
      const auto token = MsgpackReader(*value).next();
      if (!token || token->type != MsgpackType::String) continue;
      if (rule.regex.search(token->bytes, match_) == RegexOutcome::Match) return &rule;
    }
    return nullptr;
  }

  // Fills tag_; false if the record stays where it is.
  bool render_tag(const Rule& rule, const Chunk& chunk, const RecordEntry& entry) {
    tag_.clear();
    rule.tag.render(
        {.tag = chunk.tag, .record = chunk.view().record(entry), .captures = match_.groups()},
        tag_);
    if (!tag_.empty() && tag_.size() <= kRewrittenTagBytesMax) return true;
    if (const uint64_t times = episode_.admit()) {
      log_warn("filter:" + instance_,
               "the new tag '{}' of a record of {} is {}; it keeps its tag "
               "({} times)",
               rule.tag.text(), chunk.tag, tag_.empty() ? "empty" : "too long", times);
    }
    return false;
  }

  Chunk* find_open() {
    for (Chunk& open : rewritten_) {
      if (open.tag == tag_) return &open;
    }
    return nullptr;
  }

  void copy_to_tag(const Chunk& chunk, const RecordEntry& entry) {
    Chunk* target = find_open();
    if (target == nullptr) {
      target = &rewritten_.emplace_back();
      target->tag = tag_;
      target->acks = chunk.acks;
    }
    target->append(entry.time, chunk.view().record(entry), chunk.view().metadata(entry),
                   entry.severity);
  }

  void send(FilterOutput& output) {
    for (Chunk& open : rewritten_) output.emit(open, true);
    rewritten_.clear();
  }

  const std::vector<Rule> rules_;
  const std::string instance_;
  std::vector<Chunk> rewritten_;
  std::vector<bool> moved_;
  std::string tag_;
  RegexMatch match_;
  LogEpisode episode_;
};

std::optional<Rule> parse_rule(const LocatedText& line, Diagnostics& diagnostics) {
  const auto words = split_words(line, "\"", 4, diagnostics);
  if (!words) return std::nullopt;
  if (words->size() != 4) {
    diagnostics.error(line.where, "rule takes $KEY REGEX NEW_TAG KEEP")
        .help("Rule $level ^ERROR$ errors.$TAG false");
    return std::nullopt;
  }
  auto key = accessor_of_word(line, (*words)[0], diagnostics);
  auto regex = compile_word(line, (*words)[1], diagnostics);
  auto tag = RecordTemplate::parse((*words)[2].text);
  if (!tag) {
    diagnostics.error(place_in(line, (*words)[2].index, (*words)[2].length), tag.error().message);
  }
  const auto keep = parse_boolean((*words)[3].text);
  if (!keep) {
    diagnostics.error(place_in(line, (*words)[3].index, (*words)[3].length),
                      "KEEP is true or false: whether the record also stays under its old tag");
  }
  if (!key || !regex || !tag || !keep) return std::nullopt;
  return Rule{std::move(*key), std::move(*regex), std::move(*tag), *keep};
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const RewriteTagOptions options = rewrite_tag_option_table().parse(section, diagnostics);
  std::vector<Rule> rules;
  for (const LocatedText& line : options.rules) {
    if (auto rule = parse_rule(line, diagnostics)) rules.push_back(std::move(*rule));
  }
  if (options.rules.empty()) {
    diagnostics.warning(section.where, "filter rewrite_tag has no rule: it does nothing");
  }
  // Of new tags that are the same for every record the pipeline itself knows whether they come back
  // here.
  const std::string_view match = section.value("match");
  const bool computed = std::any_of(rules.begin(), rules.end(),
                                    [](const Rule& rule) { return !rule.tag.is_literal(); });
  if (computed && !match.empty() && match.find_first_not_of('*') == std::string_view::npos) {
    diagnostics
        .warning(section.where_of("match"),
                 "rewritten records start again at the head of the chain and come back to this "
                 "filter: if a rule matches them again, that is a loop (stopped after 10 rounds)")
        .help("match only the tags of the input");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  if (rules.empty()) made.description = "does nothing";
  for (const Rule& rule : rules) {
    made.description +=
        fmt::format("{}{} {} → {}{}", made.description.empty() ? "" : "; ", rule.key.text(),
                    rule.regex.text(), rule.tag.text(), rule.keep ? " (copied)" : "");
  }
  made.filter = std::make_unique<RewriteTagFilter>(std::move(rules), context.instance_name);
  return made;
}

}  // namespace

const FilterPlugin kRewriteTagFilter = {
    .name = "rewrite_tag",
    .summary = "Sends records on under another tag, from the head of the chain.",
    .options = [] { return rewrite_tag_option_table().options(); },
    .make = make,
};

}  // namespace noroshi

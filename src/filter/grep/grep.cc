#include "filter/grep/grep.h"

#include <fmt/format.h>

#include "filter/chunk_rewriter.h"
#include "filter/words.h"
#include "record/map_pairs.h"

namespace noroshi {

const OptionTable<GrepOptions>& grep_option_table() {
  using O = GrepOptions;
  using Op = GrepOptions::LogicalOp;
  static const auto table =
      OptionTable<O>("grep", "Keeps or drops records by regular expressions on their fields.")
          .option("regex", &O::rules, "`KEY REGEX`: keep records whose KEY matches.")
          .option("exclude", &O::rules, "`KEY REGEX`: drop records whose KEY matches.")
          .choice(
              "logical_op", &O::logical_op, "legacy",
              {{"legacy", Op::Legacy}, {"and", Op::And}, {"or", Op::Or}},
              "How several lines combine. legacy: in their order, the first regex line decides, "
              "an exclude line that matches drops.");
  return table;
}

namespace {

struct Rule {
  bool exclude = false;
  RecordAccessor key;
  Regex regex;
};

class GrepFilter final : public Filter {
 public:
  GrepFilter(std::vector<Rule> rules, GrepOptions::LogicalOp op)
      : rules_(std::move(rules)), op_(op) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics& metrics) override {
    const size_t before = chunk.records.size();
    const size_t bytes = keep_records_in_place(chunk, [&](const RecordEntry& entry) {
      const std::string_view record = chunk.view().record(entry);
      return op_ == GrepOptions::LogicalOp::Legacy ? keep_legacy(record) : keep_combined(record);
    });
    metrics.dropped.add(before - chunk.records.size());
    metrics.dropped_bytes.add(bytes);
  }

 private:
  // Only texts match, as in Fluent Bit: a number or a map does not.
  static bool matches(const Rule& rule, std::string_view record) {
    const auto value = rule.key.find(record);
    if (!value) return false;
    const auto token = MsgpackReader(*value).next();
    return token && token->type == MsgpackType::String && rule.regex.matches(token->bytes);
  }

  bool keep_legacy(std::string_view record) const {
    for (const Rule& rule : rules_) {
      const bool matched = matches(rule, record);
      if (!rule.exclude) return matched;
      if (matched) return false;
    }
    return true;
  }

  // All rules are of one kind: checked by make().
  bool keep_combined(std::string_view record) const {
    const bool any = op_ == GrepOptions::LogicalOp::Or;
    bool result = !any;
    for (const Rule& rule : rules_) {
      if (matches(rule, record) != any) continue;
      result = any;
      break;
    }
    return rules_.empty() || result != rules_.front().exclude;
  }

  const std::vector<Rule> rules_;
  const GrepOptions::LogicalOp op_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext&,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const GrepOptions options = grep_option_table().parse(section, diagnostics);
  std::vector<Rule> rules;
  for (const LocatedText& line : options.rules) {
    const auto words = split_words(line, "", 2, diagnostics);
    if (!words) continue;
    if (words->size() != 2) {
      diagnostics.error(line.where, fmt::format("{} takes KEY REGEX", line.name));
      continue;
    }
    auto key = accessor_of_word(line, (*words)[0], diagnostics);
    auto regex = compile_word(line, (*words)[1], diagnostics);
    if (!key || !regex) continue;
    const bool exclude = line.name == "exclude";
    if (options.logical_op != GrepOptions::LogicalOp::Legacy && !rules.empty() &&
        rules.front().exclude != exclude) {
      diagnostics
          .error(line.where, "with logical_op and/or all lines are regex, or all are exclude")
          .help("use two grep filters");
      continue;
    }
    if (options.logical_op == GrepOptions::LogicalOp::Legacy && !rules.empty() &&
        !rules.back().exclude) {
      diagnostics
          .warning(line.where,
                   "this line has no effect: with logical_op legacy the first regex line decides")
          .help("write: Logical_Op and");
    }
    rules.push_back({exclude, std::move(*key), std::move(*regex)});
  }
  if (options.rules.empty()) {
    diagnostics.warning(section.where, "filter grep has no regex and no exclude: it does nothing");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  if (rules.empty()) made.description = "does nothing";
  for (const Rule& rule : rules) {
    made.description +=
        fmt::format("{}{} {} {}", made.description.empty() ? "" : "; ",
                    rule.exclude ? "drops" : "keeps", rule.key.text(), rule.regex.text());
  }
  made.filter = std::make_unique<GrepFilter>(std::move(rules), options.logical_op);
  return made;
}

}  // namespace

const FilterPlugin kGrepFilter = {
    .name = "grep",
    .summary = "Keeps or drops records by regular expressions on their fields.",
    .options = [] { return grep_option_table().options(); },
    .make = make,
};

}  // namespace noroshi

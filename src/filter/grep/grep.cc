#include "filter/grep/grep.h"

#include <fmt/format.h>

#include "filter/chunk_rewriter.h"
#include "filter/regex_rules.h"

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

class GrepFilter final : public Filter {
 public:
  GrepFilter(std::vector<RegexRule> rules, GrepOptions::LogicalOp op)
      : rules_(std::move(rules)), op_(op) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics& metrics) override {
    const size_t before = chunk.records.size();
    const size_t bytes = keep_records_in_place(chunk, [&](const RecordEntry& entry) {
      const std::string_view record = chunk.view().record(entry);
      return op_ == GrepOptions::LogicalOp::Legacy ? chosen_in_order(rules_, record)
                                                   : keep_combined(record);
    });
    metrics.dropped.add(before - chunk.records.size());
    metrics.dropped_bytes.add(bytes);
  }

 private:
  // All rules are of one kind: checked by make().
  bool keep_combined(std::string_view record) const {
    const bool any = op_ == GrepOptions::LogicalOp::Or;
    bool result = !any;
    for (const RegexRule& rule : rules_) {
      if (rule.matches(record) != any) continue;
      result = any;
      break;
    }
    return rules_.empty() || result != rules_.front().exclude;
  }

  const std::vector<RegexRule> rules_;
  const GrepOptions::LogicalOp op_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext&,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const GrepOptions options = grep_option_table().parse(section, diagnostics);
  std::vector<RegexRule> rules;
  for (const LocatedText& line : options.rules) {
    auto rule = parse_regex_rule(line, diagnostics);
    if (!rule) continue;
    if (options.logical_op != GrepOptions::LogicalOp::Legacy && !rules.empty() &&
        rules.front().exclude != rule->exclude) {
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
    rules.push_back(*std::move(rule));
  }
  if (options.rules.empty()) {
    diagnostics.warning(section.where, "filter grep has no regex and no exclude: it does nothing");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  if (rules.empty()) made.description = "does nothing";
  for (const RegexRule& rule : rules) {
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

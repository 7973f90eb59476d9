#include "filter/expect/expect.h"

#include <fmt/format.h>

#include "base/exit_request.h"
#include "base/log.h"
#include "filter/chunk_rewriter.h"
#include "filter/words.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

const OptionTable<ExpectOptions>& expect_option_table() {
  using O = ExpectOptions;
  static const auto table =
      OptionTable<O>("expect", "Says when records are not what you expect.")
          .option("key_exists", &O::rules, "`KEY`: the field is there.")
          .option("key_not_exists", &O::rules, "`KEY`: the field is not there.")
          .option("key_val_is_null", &O::rules, "`KEY`: its value is null.")
          .option("key_val_is_not_null", &O::rules, "`KEY`: it is there and not null.")
          .option("key_val_eq", &O::rules, "`KEY VALUE`: its value, as text, is VALUE.")
          .choice("action", &O::action, "warn",
                  {{"warn", O::Action::Warn},
                   {"exit", O::Action::Exit},
                   {"result_key", O::Action::ResultKey}},
                  "warn: log it. exit: end the program in order, with status 255. result_key: add "
                  "a field that says whether all rules hold.")
          .option("result_key", &O::result_key, "matched", "action result_key: the field's key.");
  return table;
}

namespace {

// Of a record in a log line.
constexpr size_t kShownBytesMax = 1024;
// Fluent Bit's.
constexpr int kExitStatus = 255;

enum class Test { Exists, NotExists, Null, NotNull, Equal };

struct Rule {
  Test test;
  std::string name;  // of the option
  RecordAccessor key;
  std::string value = {};
};

class ExpectFilter final : public Filter {
 public:
  ExpectFilter(std::vector<Rule> rules, const ExpectOptions& options, std::string name,
               std::shared_ptr<FilterCounter> failed)
      : rules_(std::move(rules)),
        action_(options.action),
        component_("filter:" + name),
        failed_(std::move(failed)) {
    MsgpackWriter(result_key_bytes_).string(options.result_key);
  }

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    if (action_ == ExpectOptions::Action::ResultKey) return add_results(chunk);
    for (const RecordEntry& entry : chunk.records) {
      const std::string_view record = chunk.view().record(entry);
      const Rule* const broken = first_broken(record);
      if (broken == nullptr) continue;
      failed_->counter.add();
      if (action_ == ExpectOptions::Action::Exit) {
        say(*broken, record, 1);
        log_error(component_, "expect check failed: the program ends, as action exit says");
        return request_exit(kExitStatus);
      }
      if (const uint64_t times = episode_.admit()) say(*broken, record, times);
    }
  }

 private:
  bool holds(const Rule& rule, std::string_view record) {
    const auto value = rule.key.find(record);
    switch (rule.test) {
      case Test::Exists:
        return value.has_value();
      case Test::NotExists:
        return !value.has_value();
      case Test::Null:
        return value && MsgpackReader(*value).peek() == MsgpackType::Nil;
      case Test::NotNull:
        return value && MsgpackReader(*value).peek() != MsgpackType::Nil;
      case Test::Equal:
        text_.clear();
        return value && append_value_text(text_, *value) && text_ == rule.value;
    }
    return false;
  }
  const Rule* first_broken(std::string_view record) {
    for (const Rule& rule : rules_) {
      if (!holds(rule, record)) return &rule;
    }
    return nullptr;
  }

  void say(const Rule& rule, std::string_view record, uint64_t times) {
    text_.clear();
    if (!write_json(text_, record)) text_ = "(not well-formed)";
    log_warn(component_, "expect check failed: {} {}{}{} does not hold. Record: {}{} ({} times)",
             rule.name, rule.key.text(), rule.value.empty() ? "" : " ", rule.value,
             std::string_view(text_).substr(0, kShownBytesMax),
             text_.size() > kShownBytesMax ? " …" : "", times);
  }

  void add_results(Chunk& chunk) {
    rewriter_.begin(chunk);
    for (const RecordEntry& entry : chunk.records) {
      const std::string_view record = chunk.view().record(entry);
      const bool matched = first_broken(record) == nullptr;
      if (!matched) failed_->counter.add();
      std::string& body = rewriter_.begin_record(entry);
      const size_t map = rewriter_.map_begin();
      body.append(record);
      body.append(result_key_bytes_);
      MsgpackWriter(body).boolean(matched);
      set_map_pairs(body, map, MapPairs(record).count() + 1);
      rewriter_.end_record(entry.time);
    }
    rewriter_.finish();
  }

  const std::vector<Rule> rules_;
  const ExpectOptions::Action action_;
  const std::string component_;
  const std::shared_ptr<FilterCounter> failed_;
  std::string result_key_bytes_;
  LogEpisode episode_;
  ChunkRewriter rewriter_;
  std::string text_;
};

std::optional<Rule> parse_rule(const LocatedText& line, Diagnostics& diagnostics) {
  const bool equal = line.name == "key_val_eq";
  const auto words = split_words(line, "", equal ? 2 : 1, diagnostics);
  if (!words) return std::nullopt;
  if (words->size() != (equal ? 2u : 1u)) {
    diagnostics.error(line.where,
                      fmt::format("{} takes {}", line.name, equal ? "KEY VALUE" : "KEY"));
    return std::nullopt;
  }
  auto key = accessor_of_word(line, (*words)[0], diagnostics);
  if (!key) return std::nullopt;
  const Test test = line.name == "key_exists"        ? Test::Exists
                    : line.name == "key_not_exists"  ? Test::NotExists
                    : line.name == "key_val_is_null" ? Test::Null
                    : equal                          ? Test::Equal
                                                     : Test::NotNull;
  return Rule{test, line.name, std::move(*key), equal ? (*words)[1].text : ""};
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const ExpectOptions options = expect_option_table().parse(section, diagnostics);
  std::vector<Rule> rules;
  for (const LocatedText& line : options.rules) {
    if (auto rule = parse_rule(line, diagnostics)) rules.push_back(std::move(*rule));
  }
  if (options.rules.empty()) {
    diagnostics.warning(section.where, "filter expect has no rule: it does nothing");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  auto failed = std::make_shared<FilterCounter>();
  failed->family = "noroshi_filter_expect_failures_total";
  failed->help = "Records for which a rule of filter expect does not hold.";
  MadeFilter made;
  made.description = fmt::format("checks {} rules", rules.size());
  made.counters = {failed};
  made.filter = std::make_unique<ExpectFilter>(std::move(rules), options, context.instance_name,
                                               std::move(failed));
  return made;
}

}  // namespace

const FilterPlugin kExpectFilter = {
    .name = "expect",
    .summary = "Says when records are not what you expect.",
    .options = [] { return expect_option_table().options(); },
    .make = make,
};

}  // namespace noroshi

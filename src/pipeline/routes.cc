#include "pipeline/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "config/nearest_name.h"
#include "config/values.h"
#include "filter/chunk_rewriter.h"

namespace noroshi {
namespace {

// Names of the record's body and metadata in a rule's `context`, as Fluent Bit has them.
constexpr std::array<std::string_view, 4> kBodyNames{"body", "record", "message", "record_body"};
constexpr std::array<std::string_view, 3> kMetadataNames{"metadata", "record_metadata",
                                                         "attributes"};

std::optional<RecordRules::Context> context_of(const Section& rule, Diagnostics& diagnostics) {
  const std::string name = to_lower(trim(rule.value("context")));
  if (name.empty() || std::ranges::find(kBodyNames, name) != kBodyNames.end())
    return RecordRules::Context::Body;
  if (std::ranges::find(kMetadataNames, name) != kMetadataNames.end())
    return RecordRules::Context::Metadata;
  Diagnostic& error =
      diagnostics.error(rule.where_of("context"), fmt::format("there is no context \"{}\"", name));
  if (name.starts_with("otel_") || name.starts_with("group_")) {
    error.help(
        "a record has its body and its metadata here: what a group of records shares stands "
        "in each record's metadata");
  } else {
    error.help("contexts are body and metadata");
  }
  return std::nullopt;
}

bool add_rule(RecordRules& rules, const Section& rule, Diagnostics& diagnostics) {
  bool complete = true;
  for (const char* needed : {"field", "op", "value"}) {
    if (rule.find(needed) != nullptr) continue;
    diagnostics.error(rule.where, fmt::format("this rule has no {}", needed))
        .help("a rule is {field: \"$level\", op: eq, value: error}");
    complete = false;
  }
  const std::optional<RecordRules::Context> context = context_of(rule, diagnostics);
  if (!complete || !context) return false;
  std::vector<std::string> values;
  for (const PropertyValue& value : rule.find("value")->values) values.push_back(value.text);
  const std::string_view op = rule.value("op");
  if (const Status added = rules.add(rule.value("field"), op, values, *context); !added) {
    const auto operators = RecordRules::operators();
    const std::vector<std::string> names(operators.begin(), operators.end());
    const bool known = std::ranges::find(names, to_lower(op)) != names.end();
    Diagnostic& error =
        diagnostics.error(rule.where_of(known ? "value" : "op"), added.error().message);
    if (const std::string near = nearest_name(op, names); !known && !near.empty())
      error.help(fmt::format("did you mean \"{}\"?", near));
    return false;
  }
  return true;
}

// Works on runs of records that fulfil the rules, one call of the filter per run.
class ConditionalFilter final : public Filter {
 public:
  ConditionalFilter(RecordRules rules, std::unique_ptr<Filter> filter)
      : rules_(std::move(rules)), filter_(std::move(filter)) {}

  void apply(Chunk& chunk, FilterOutput& output, FilterMetrics& metrics) override {
    rules_.evaluate(chunk.records, chunk.body, selected_);
    if (selected_.none()) return;
    if (selected_.all()) return filter_->apply(chunk, output, metrics);
    rewriter_.begin(chunk);
    const auto count = static_cast<uint32_t>(chunk.records.size());
    for (uint32_t i = 0; i < count;) {
      if (!selected_.test(i)) {
        rewriter_.keep(chunk.records[i++]);
        continue;
      }
      run_.clear();
      run_.tag = chunk.tag;
      run_.input = chunk.input;
      run_.acks = chunk.acks;
      for (; i < count && selected_.test(i); ++i) {
        const RecordEntry& entry = chunk.records[i];
        run_.append(entry.time, chunk.view().record(entry), chunk.view().metadata(entry),
                    entry.severity);
      }
      filter_->apply(run_, output, metrics);
      for (const RecordEntry& entry : run_.records) {
        rewriter_.begin_new_record(run_.view().metadata(entry)).append(run_.view().record(entry));
        rewriter_.end_record(entry.time);
      }
    }
    run_.clear();
    rewriter_.finish();
  }
  void on_tick(FilterOutput& output, FilterMetrics& metrics) override {
    filter_->on_tick(output, metrics);
  }
  void flush(FilterOutput& output, FilterMetrics& metrics) override {
    filter_->flush(output, metrics);
  }

 private:
  RecordRules rules_;
  std::unique_ptr<Filter> filter_;
  ChunkRewriter rewriter_;
  Bitmap selected_;
  Chunk run_;
};

// True if `signal` ("logs", "logs, metrics", "any") holds logs; an error for a word that is none.
bool carries_logs(const Section& route, Diagnostics& diagnostics) {
  static const std::vector<std::string> kSignals = {"logs", "metrics", "traces", "any"};
  const std::string text = to_lower(route.value("signal"));
  bool logs = false, known = true;
  constexpr std::string_view kSeparators = " \t,|+";
  for (size_t at = text.find_first_not_of(kSeparators); at != std::string::npos;) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const std::string word = text.substr(at, end - at);
    logs = logs || word == "logs" || word == "any";
    known = known && std::ranges::find(kSignals, word) != kSignals.end();
    at = text.find_first_not_of(kSeparators, end);
  }
  if (!known) {
    diagnostics.error(route.where_of("signal"), fmt::format("routes have no signal \"{}\"", text))
        .help("signals are logs, metrics, traces and any");
  } else if (!logs) {
    diagnostics.warning(route.where_of("signal"),
                        "this route has no effect: noroshi carries logs only");
  }
  return logs && known;
}

std::optional<PlannedRoute> read_route(const Section& section, std::string_view input,
                                       Diagnostics& diagnostics) {
  PlannedRoute route{.name = std::string(section.value("name"))};
  bool good = true;
  if (route.name.empty()) {
    diagnostics.error(section.where, fmt::format("this route of input {} has no name", input));
    good = false;
  }
  if (const Property* per_record = section.find("per_record_routing")) {
    if (const auto value = parse_boolean(per_record->value()); !value) {
      diagnostics.error(per_record->where(), value.error().message);
      good = false;
    }
  }
  if (const Section* condition = find_condition(section)) {
    if (const Property* is_default = condition->find("default")) {
      const auto value = parse_boolean(is_default->value());
      if (!value) diagnostics.error(is_default->where(), value.error().message);
      good = good && value;
      route.is_default = value.value_or(false);
    }
    if (!condition->children.empty() || !route.is_default) {
      std::optional<RecordRules> rules = compile_rules(*condition, diagnostics);
      good = good && rules;
      if (rules) route.rules = *std::move(rules);
    }
    if (route.is_default && !route.rules.empty()) {
      diagnostics.error(condition->where, "a default route has no rules")
          .help("remove \"default\" or the rules");
      good = false;
    }
  }
  for (const Section& child : section.children) {
    if (child.kind == SectionKind::Filter) {
      diagnostics
          .warning(child.where, "processors of a route have no effect (nor in Fluent Bit 5.1)")
          .help("put them on the input or on the output");
    }
    if (child.kind != SectionKind::Group || child.title != "to") continue;
    const std::string name(child.value("name"));
    if (name.empty()) {
      diagnostics.error(child.where, "this destination has no name");
      good = false;
      continue;
    }
    route.to.push_back({name, child.where_of("name"), std::string(child.value("fallback"))});
  }
  if (route.to.empty() && good) {
    diagnostics.error(section.where, fmt::format("route {} leads nowhere", route.name))
        .help("add below it \"to: {outputs: [NAME]}\", with the alias of an output");
    good = false;
  }
  if (!good) return std::nullopt;
  return route;
}

}  // namespace

const Section* find_condition(const Section& section) {
  const auto found = std::ranges::find_if(section.children, [](const Section& child) {
    return child.kind == SectionKind::Group && child.title == "condition";
  });
  return found == section.children.end() ? nullptr : &*found;
}

std::optional<RecordRules> compile_rules(const Section& condition, Diagnostics& diagnostics) {
  RecordRules::Join join = RecordRules::Join::And;
  bool good = true;
  const std::string op = to_lower(trim(condition.value("op")));
  if (op == "or") {
    join = RecordRules::Join::Or;
  } else if (!op.empty() && op != "and") {
    diagnostics.error(condition.where_of("op"), fmt::format("\"{}\" is neither and nor or", op))
        .help("op of a condition joins its rules; each rule has an op of its own, such as eq");
    good = false;
  }
  RecordRules rules(join);
  for (const Section& child : condition.children) {
    if (child.kind == SectionKind::Group) good = add_rule(rules, child, diagnostics) && good;
  }
  if (good && rules.empty()) {
    diagnostics.error(condition.where, "this condition has no rules")
        .help("add rules: [{field: \"$level\", op: eq, value: error}]");
    good = false;
  }
  if (!good) return std::nullopt;
  return rules;
}

std::unique_ptr<Filter> make_conditional(RecordRules rules, std::unique_ptr<Filter> filter) {
  return std::make_unique<ConditionalFilter>(std::move(rules), std::move(filter));
}

std::vector<PlannedRoute> read_routes(const Section& input, std::string_view name,
                                      Diagnostics& diagnostics) {
  std::vector<PlannedRoute> routes;
  std::set<std::string> names;
  bool everything = false;
  const Section* first = nullptr;
  for (const Section& child : input.children) {
    if (child.kind != SectionKind::Group || child.title != "route") continue;
    if (!names.insert(std::string(child.value("name"))).second && !child.value("name").empty()) {
      diagnostics.error(child.where_of("name"), fmt::format("input {} has two routes named \"{}\"",
                                                            name, child.value("name")));
      continue;
    }
    if (!carries_logs(child, diagnostics)) continue;
    std::optional<PlannedRoute> route = read_route(child, name, diagnostics);
    if (first == nullptr) first = &child;
    everything = everything || !route || route->is_default || route->rules.empty();
    if (route) routes.push_back(*std::move(route));
  }
  if (!routes.empty() && !everything) {
    diagnostics
        .warning(first->where,
                 fmt::format("records of input {} that none of its routes takes are dropped: an "
                             "input with routes is not routed by tag",
                             name))
        .help("add a route with \"condition: {default: true}\" for them");
  }
  return routes;
}

std::vector<const Section*> find_processors(const Section& section, Diagnostics& diagnostics) {
  std::vector<const Section*> processors;
  for (const Section& child : section.children) {
    if (child.kind != SectionKind::Filter) continue;
    if (child.title == "logs") {
      processors.push_back(&child);
      continue;
    }
    diagnostics.warning(
        child.where,
        fmt::format("this processor of {} has no effect: noroshi carries logs only", child.title));
  }
  return processors;
}

}  // namespace noroshi

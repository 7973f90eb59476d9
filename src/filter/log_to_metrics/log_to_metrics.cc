#include "filter/log_to_metrics/log_to_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include "base/log.h"
#include "base/mutex.h"
#include "config/values.h"
#include "filter/regex_rules.h"
#include "filter/words.h"
#include "metrics/metric_family.h"
#include "record/msgpack_reader.h"

namespace noroshi {

const OptionTable<LogToMetricsOptions>& log_to_metrics_option_table() {
  using O = LogToMetricsOptions;
  using Mode = O::Mode;
  static const auto table = [] {
    OptionTable<O> t("log_to_metrics", "Counts records, or measures a field of them, by labels.");
    t.choice("metric_mode", &O::mode, "counter",
             {{"counter", Mode::Counter}, {"gauge", Mode::Gauge}, {"histogram", Mode::Histogram}},
             "counter: how many records; gauge: the last value; histogram: how the values spread.")
        .required("metric_name", &O::name, "The last part of the metric's name.")
        .required("metric_description", &O::description, "Its HELP line.")
        .option("metric_namespace", &O::metric_namespace, "log_metric",
                "The first part of its name.")
        .option("metric_subsystem", &O::subsystem, "The middle part. Default: the mode.")
        .option("label_field", &O::labels,
                "A field whose value becomes the label of the same name.")
        .option("add_label", &O::labels, "`LABEL $FIELD`: the field's value under that label.")
        .option("value_field", &O::value_field, "The field to measure: gauge and histogram.")
        .option("bucket", &O::buckets,
                "An upper bound of the histogram; +Inf is always there. Default: 0.005 to 10.")
        .option("regex", &O::rules, "`KEY REGEX`: only records whose KEY matches count.")
        .option("exclude", &O::rules, "`KEY REGEX`: records whose KEY matches do not count.")
        .option("discard_logs", &O::discard_logs, "false", "Counted records go no further.");
    t.ignored("tag", "Metrics are no records here: /metrics has them.")
        .ignored("kubernetes_mode", "Accepted.",
                 "has no effect: name the fields with add_label, as in add_label pod "
                 "$kubernetes['pod_name']")
        .ignored("emitter_name", "There is no emitter.")
        .ignored("emitter_mem_buf_limit", "There is no emitter.")
        .ignored("flush_interval_sec", "Metrics are up to date whenever they are read.")
        .ignored("flush_interval_nsec", "Metrics are up to date whenever they are read.");
    return t;
  }();
  return table;
}

namespace {

using Mode = LogToMetricsOptions::Mode;

// Fluent Bit's (cmetrics' default for histograms).
const std::vector<double> kDefaultBuckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                             0.5,   1,    2.5,   5,    10};

// Written by the ingest thread, read by whoever scrapes.
class LogMetrics final : public MetricsSource {
 public:
  LogMetrics(Mode mode, std::string name, std::string help, std::vector<std::string> labels,
             std::vector<double> bounds)
      : mode_(mode),
        name_(std::move(name)),
        help_(std::move(help)),
        labels_(std::move(labels)),
        bounds_(std::move(bounds)) {}

  // False: too many combinations, counted without label values.
  bool observe(const std::vector<std::string>& values, double value) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    auto found = series_.find(values);
    const bool known = found != series_.end() || series_.size() < kLabelSetsMax;
    if (found == series_.end()) {
      Series fresh;
      fresh.buckets.assign(mode_ == Mode::Histogram ? bounds_.size() + 1 : 0, 0);
      found = series_
                  .try_emplace(known ? values : std::vector<std::string>(values.size()),
                               std::move(fresh))
                  .first;
    }
    Series& series = found->second;
    if (mode_ == Mode::Counter) {
      series.value += 1;
    } else if (mode_ == Mode::Gauge) {
      series.value = value;
    } else {
      const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value);
      ++series.buckets[static_cast<size_t>(bucket - bounds_.begin())];
      series.value += value;
    }
    return known;
  }

  void collect(MetricFamilies& families) const override EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    for (const auto& [values, series] : series_) {
      MetricLabels labels;
      for (size_t i = 0; i < labels_.size(); ++i) labels.emplace_back(labels_[i], values[i]);
      if (mode_ == Mode::Histogram) {
        families.add_histogram(name_, help_, labels, bounds_, series.buckets, series.value);
      } else {
        families.add(name_, mode_ == Mode::Counter ? MetricType::Counter : MetricType::Gauge, help_,
                     std::move(labels), series.value);
      }
    }
  }

 private:
  struct Series {
    double value = 0;  // histogram: the sum
    std::vector<uint64_t> buckets;
  };
  const Mode mode_;
  const std::string name_, help_;
  const std::vector<std::string> labels_;
  const std::vector<double> bounds_;
  mutable Mutex mutex_;
  std::map<std::vector<std::string>, Series> series_ GUARDED_BY(mutex_);
};

// A number, or a text that is one.
std::optional<double> number_of(std::string_view value) {
  const auto token = MsgpackReader(value).next();
  if (!token) return std::nullopt;
  switch (token->type) {
    case MsgpackType::UnsignedInteger:
      return static_cast<double>(token->unsigned_integer);
    case MsgpackType::NegativeInteger:
      return static_cast<double>(token->negative_integer);
    case MsgpackType::Float:
      return token->number;
    case MsgpackType::String: {
      const Result<double> parsed = parse_double(token->bytes);
      return parsed ? std::optional(*parsed) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

class LogToMetricsFilter final : public Filter {
 public:
  LogToMetricsFilter(std::vector<RegexRule> rules, std::vector<RecordAccessor> labels,
                     std::optional<RecordAccessor> value, bool discard,
                     std::shared_ptr<LogMetrics> series, std::shared_ptr<FilterCounter> refused,
                     std::shared_ptr<FilterCounter> unmeasured, std::string instance)
      : rules_(std::move(rules)),
        labels_(std::move(labels)),
        value_(std::move(value)),
        discard_(discard),
        series_(std::move(series)),
        refused_(std::move(refused)),
        unmeasured_(std::move(unmeasured)),
        instance_(std::move(instance)),
        values_(labels_.size()) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics& metrics) override {
    for (const RecordEntry& entry : chunk.records) {
      const std::string_view record = chunk.view().record(entry);
      if (chosen_in_order(rules_, record)) observe(record);
    }
    if (!discard_) return;
    metrics.dropped.add(chunk.records.size());
    metrics.dropped_bytes.add(chunk.body.size());
    chunk.records.clear();
    chunk.body.clear();
  }

 private:
  void observe(std::string_view record) {
    double value = 0;
    if (value_) {
      const auto found = value_->find(record);
      const auto number = found ? number_of(*found) : std::nullopt;
      if (!number) return unmeasured_->counter.add();
      value = *number;
    }
    for (size_t i = 0; i < labels_.size(); ++i) {
      values_[i].clear();
      if (const auto found = labels_[i].find(record)) append_value_text(values_[i], *found);
    }
    if (series_->observe(values_, value)) return;
    refused_->counter.add();
    if (const uint64_t times = episode_.admit()) {
      log_warn("filter:" + instance_,
               "more than {} combinations of label values: further ones are counted together, "
               "without values ({} times)",
               kLabelSetsMax, times);
    }
  }

  const std::vector<RegexRule> rules_;
  const std::vector<RecordAccessor> labels_;
  const std::optional<RecordAccessor> value_;
  const bool discard_;
  const std::shared_ptr<LogMetrics> series_;
  const std::shared_ptr<FilterCounter> refused_, unmeasured_;
  const std::string instance_;
  std::vector<std::string> values_;  // of the record at hand
  LogEpisode episode_;
};

// Letters, digits and underscores, no digit in front: what Prometheus takes.
std::string metric_text(std::string_view text) {
  std::string out;
  for (const char c : text) out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  if (!out.empty() && std::isdigit(static_cast<unsigned char>(out[0])) != 0) out.insert(0, "_");
  return out;
}

std::vector<double> parse_buckets(const LogToMetricsOptions& options, Diagnostics& diagnostics) {
  if (options.buckets.empty()) return kDefaultBuckets;
  std::vector<double> bounds;
  for (const LocatedText& text : options.buckets) {
    const Result<double> bound = parse_double(text.text);
    if (!bound) {
      diagnostics.error(text.where, "log_to_metrics bucket: " + bound.error().message);
    } else {
      bounds.push_back(*bound);
    }
  }
  std::ranges::sort(bounds);
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  return bounds;
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const LogToMetricsOptions options = log_to_metrics_option_table().parse(section, diagnostics);
  std::vector<RegexRule> rules;
  for (const LocatedText& line : options.rules) {
    if (auto rule = parse_regex_rule(line, diagnostics)) rules.push_back(*std::move(rule));
  }
  std::vector<std::string> label_names;
  std::vector<RecordAccessor> labels;
  for (const LocatedText& line : options.labels) {
    const bool named = line.name == "add_label";
    const auto words = split_words(line, "", 2, diagnostics);
    if (!words) continue;
    if (words->size() != (named ? 2u : 1u)) {
      diagnostics.error(line.where,
                        named ? "add_label takes LABEL $FIELD" : "label_field takes one field");
      continue;
    }
    auto field = accessor_of_word(line, words->back(), diagnostics);
    if (!field) continue;
    // Without a name of its own a nested field has that of its path.
    const std::string name = metric_text(named ? (*words)[0].text : [&] {
      std::string text = field->text();
      std::erase_if(text, [](char c) { return c == '$' || c == '\'' || c == ']'; });
      return text;
    }());
    if (std::ranges::count(label_names, name) > 0) {
      diagnostics.error(line.where, fmt::format("there are two labels named {}", name));
      continue;
    }
    label_names.push_back(name);
    labels.push_back(std::move(*field));
  }
  std::optional<RecordAccessor> value;
  if (options.mode != Mode::Counter) {
    if (options.value_field.text.empty()) {
      diagnostics.error(section.where, "log_to_metrics: gauge and histogram need a value_field")
          .help("for example value_field duration");
    } else if (Result<RecordAccessor> parsed = RecordAccessor::parse(options.value_field.text)) {
      value = *std::move(parsed);
    } else {
      diagnostics.error(options.value_field.where, parsed.error().message);
    }
  }
  std::vector<double> bounds = parse_buckets(options, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  constexpr std::string_view kModes[] = {"counter", "gauge", "histogram"};
  const std::string_view mode = kModes[static_cast<size_t>(options.mode)];
  const std::string name =
      metric_text(fmt::format("{}_{}_{}", options.metric_namespace,
                              options.subsystem.empty() ? mode : options.subsystem, options.name));
  auto series = std::make_shared<LogMetrics>(options.mode, name, options.description, label_names,
                                             std::move(bounds));
  auto refused = std::make_shared<FilterCounter>();
  refused->family = "noroshi_filter_label_sets_refused_total";
  refused->help = "Records counted without label values: too many combinations.";
  auto unmeasured = std::make_shared<FilterCounter>();
  unmeasured->family = "noroshi_filter_unmeasured_total";
  unmeasured->help = "Records whose value_field is missing or no number.";
  MadeFilter made;
  made.description =
      fmt::format("{} {}{}", mode, name,
                  label_names.empty() ? "" : fmt::format(" by {}", fmt::join(label_names, ", ")));
  made.filter = std::make_unique<LogToMetricsFilter>(std::move(rules), std::move(labels),
                                                     std::move(value), options.discard_logs, series,
                                                     refused, unmeasured, context.instance_name);
  made.metrics = std::move(series);
  made.counters = {std::move(refused)};
  if (options.mode != Mode::Counter) made.counters.push_back(std::move(unmeasured));
  return made;
}

}  // namespace

const FilterPlugin kLogToMetricsFilter = {
    .name = "log_to_metrics",
    .summary = "Counts records, or measures a field of them, by labels.",
    .options = [] { return log_to_metrics_option_table().options(); },
    .make = make,
};

}  // namespace noroshi

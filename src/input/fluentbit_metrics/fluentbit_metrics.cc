#include "input/fluentbit_metrics/fluentbit_metrics.h"

#include <fmt/format.h>

#include "config/option_table.h"
#include "input/timed_input.h"
#include "metrics/metric_family.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

struct MetricsOptions {
  std::string tag = {};
  Nanoseconds scrape_interval = Seconds(2);
  bool scrape_on_start = false;
  bool as_records = false;
};

const OptionTable<MetricsOptions>& metrics_option_table() {
  using O = MetricsOptions;
  static const auto table =
      OptionTable<O>("fluentbit_metrics", "The router's own metrics.")
          .option("tag", &O::tag, "Tag of the records. Default: the instance's name.")
          .last_wins()
          .option("scrape_interval", &O::scrape_interval, "2", "Time between two sets of records.")
          .between("1s", "1d")
          .last_wins()
          .option("scrape_on_start", &O::scrape_on_start, "false", "The first set at once.")
          .last_wins()
          .option("noroshi.as_records", &O::as_records, "false",
                  "Make one log record of every metric. Off: only prometheus_exporter and the "
                  "HTTP API show metrics.")
          .last_wins();
  return table;
}

class MetricsInput final : public TimedInput {
 public:
  MetricsInput(MetricsOptions options, std::string name, const MetricsSource* source,
               const Clock& clock)
      : TimedInput(std::move(name)), options_(std::move(options)), source_(source), clock_(clock) {}

  void start(ChunkSink& sink, InputMetrics& metrics) override {
    if (options_.as_records && source_ != nullptr) TimedInput::start(sink, metrics);
  }

 private:
  void begin() override {
    if (options_.scrape_on_start) {
      tick();
    } else {
      wait();
    }
  }
  void resumed() override { wait(); }

  void wait() {
    if (!closed()) wait_for(options_.scrape_interval);
  }

  void tick() override {
    MetricFamilies families;
    source_->collect(families);
    const Timestamp now = clock_.wall();
    chunk_.tag = options_.tag;
    for (const MetricFamily& family : families.all()) {
      for (const MetricSample& sample : family.samples) append(family, sample, now);
    }
    if (hand_on()) wait();
  }

  void append(const MetricFamily& family, const MetricSample& sample, Timestamp now) {
    record_.clear();
    MsgpackWriter writer(record_);
    writer.map_header(sample.labels.empty() ? 2 : 3);
    writer.string("metric");
    writer.string(family.name + std::string(sample.suffix));
    if (!sample.labels.empty()) {
      writer.string("labels");
      writer.map_header(static_cast<uint32_t>(sample.labels.size()));
      for (const auto& [name, value] : sample.labels) {
        writer.string(name);
        writer.string(value);
      }
    }
    writer.string("value");
    writer.number(sample.value);
    chunk_.append(now, record_);
  }

  const MetricsOptions options_;
  const MetricsSource* const source_;
  const Clock& clock_;
  std::string record_;
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  MetricsOptions options = metrics_option_table().parse(section, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  if (options.tag.empty()) options.tag = context.instance_name;
  MadeInput made;
  made.description =
      options.as_records
          ? fmt::format("makes records of the router's metrics, tagged {}", options.tag)
          : "the router's metrics, for prometheus_exporter (no records)";
  made.input = std::make_unique<MetricsInput>(std::move(options), context.instance_name,
                                              context.metrics, context.clock);
  return made;
}

}  // namespace

const InputPlugin kFluentbitMetricsInput = {
    .name = "fluentbit_metrics",
    .aliases = {},
    .summary = "The router's own metrics",
    .options = [] { return metrics_option_table().options(); },
    .make = make,
};

}  // namespace noroshi

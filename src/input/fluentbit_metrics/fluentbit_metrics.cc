#include "input/fluentbit_metrics/fluentbit_metrics.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>

#include "config/option_table.h"
#include "input/single_source.h"
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

class MetricsInput final : public Input {
 public:
  MetricsInput(MetricsOptions options, std::string name, const MetricsSource* source,
               const Clock& clock)
      : options_(std::move(options)), name_(std::move(name)), source_(source), clock_(clock) {}

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    return {};
  }

  void start(ChunkSink& sink, InputMetrics& metrics) override {
    if (!options_.as_records || source_ == nullptr) return;
    out_.emplace(*loop_, sink, metrics, "input:" + name_, [this] { wait(); });
    timer_.emplace(*loop_);
    if (options_.scrape_on_start) {
      scrape();
    } else {
      wait();
    }
  }

  void close() override {
    closed_ = true;
    if (timer_) timer_->cancel();
    if (out_) out_->close();
  }

 private:
  void wait() {
    if (closed_) return;
    timer_->expires_after(options_.scrape_interval);
    timer_->async_wait([this](boost::system::error_code error) {
      if (!error) scrape();
    });
  }

  void scrape() {
    MetricFamilies families;
    source_->collect(families);
    const Timestamp now = clock_.wall();
    chunk_.tag = options_.tag;
    for (const MetricFamily& family : families.all()) {
      for (const MetricSample& sample : family.samples) append(family, sample, now);
    }
    if (out_->hand_on(chunk_)) wait();
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
  const std::string name_;
  const MetricsSource* const source_;
  const Clock& clock_;
  boost::asio::io_context* loop_ = nullptr;
  std::optional<SingleSource> out_;
  std::optional<boost::asio::steady_timer> timer_;
  Chunk chunk_;
  std::string record_;
  bool closed_ = false;
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

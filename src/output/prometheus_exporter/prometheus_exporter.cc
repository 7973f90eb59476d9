#include "output/prometheus_exporter/prometheus_exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "base/thread_deadline.h"
#include "config/diagnostics.h"
#include "metrics/metric_family.h"
#include "net/http_server.h"

namespace noroshi {

const OptionTable<PrometheusExporterOptions>& prometheus_exporter_option_table() {
  using O = PrometheusExporterOptions;
  static const auto table = [] {
    OptionTable<O> t("prometheus_exporter", "A page of the router's metrics for scrapers.");
    t.option("host", &O::host, "0.0.0.0", "Address to listen on.")
        .last_wins()
        .option("port", &O::port, "2021", "Its port. 0: any free one.")
        .between("0", "65535")
        .last_wins()
        .option("add_label", &O::add_label, "`NAME VALUE`: a label of every sample.")
        .option("add_timestamp", &O::add_timestamp, "false",
                "The time in milliseconds behind every value.")
        .last_wins();
    return t;
  }();
  return table;
}

namespace {

// After a reload the predecessor's port is free only once it has closed.
constexpr int kListenAttempts = 5;
constexpr Nanoseconds kListenPause = Seconds(1);
constexpr Milliseconds kStopGrace{200};

class ExporterOutput final : public Output {
 public:
  ExporterOutput(PrometheusExporterOptions options, MetricLabels labels, std::string instance,
                 const MetricsSource* metrics, const Clock& clock)
      : options_(std::move(options)),
        labels_(std::move(labels)),
        instance_(std::move(instance)),
        metrics_(metrics),
        clock_(clock) {}

  BatchLimits limits() const override { return {}; }
  std::string identity() const override {
    return fmt::format("prometheus_exporter:{}:{}", options_.host, options_.port);
  }

  void start(OutputMetrics&) override {
    if (metrics_ == nullptr) return;
    HttpServerOptions server;
    server.address = options_.host == "localhost" ? "127.0.0.1" : options_.host;
    server.port = static_cast<uint16_t>(options_.port);
    server.max_connections = 64;
    server.max_body_bytes = 4096;
    for (int attempt = 1;; ++attempt) {
      auto started = HttpServer::start(
          server, HttpFunction([this](const ServerRequest& request) { return answer(request); }));
      if (started) {
        server_ = *std::move(started);
        log_info("output:" + instance_, "metrics at port {}, path /metrics", server_->port());
        return;
      }
      if (attempt == kListenAttempts) {
        log_error("output:" + instance_, "there is no /metrics: {}", started.error().message);
        return;
      }
      const Monotonic until = clock_.monotonic() + kListenPause;
      while (clock_.monotonic() < until) {
        if (clock_.monotonic() >= ThreadDeadline::current()) return;
        std::this_thread::sleep_for(kThreadDeadlineInterval);
      }
    }
  }
  void stop() override {
    if (server_) server_->stop(kStopGrace);
  }

  // No record comes here: MadeOutput::takes_records.
  void group(const ChunkView&, std::span<const uint32_t> records,
             std::vector<std::string_view>&) override {
    CHECK(records.empty(), "the exporter takes no records");
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view, const BatchStart&) override {
    return fail(ErrorCode::InvalidArgument, "the exporter takes no records");
  }
  Delivery deliver(Batch&, Monotonic) override { return Delivery::delivered(); }

 private:
  ServerResponse answer(const ServerRequest& request) const {
    ServerResponse page;
    page.status = request.path() == "/metrics" ? 200 : 404;
    if (page.status == 404) return page;
    MetricFamilies families;
    metrics_->collect(families);
    PrometheusOptions how{.timestamp_ms = {}, .labels = labels_};
    if (options_.add_timestamp) {
      how.timestamp_ms =
          std::chrono::duration_cast<Milliseconds>(clock_.wall().time_since_epoch()).count();
    }
    page.headers = {{"Content-Type", "text/plain; version=0.0.4"}};
    page.body = render_prometheus(families.all(), how);
    return page;
  }

  const PrometheusExporterOptions options_;
  const MetricLabels labels_;
  const std::string instance_;
  const MetricsSource* const metrics_;
  const Clock& clock_;
  std::unique_ptr<HttpServer> server_;
};

bool is_label_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  PrometheusExporterOptions options =
      prometheus_exporter_option_table().parse(section, diagnostics);
  MetricLabels labels;
  for (const LocatedText& line : options.add_label) {
    const size_t blank = line.text.find_first_of(" \t");
    const std::string name = line.text.substr(0, blank);
    const size_t value =
        blank == std::string::npos ? std::string::npos : line.text.find_first_not_of(" \t", blank);
    const bool twice = std::ranges::count(labels, name, &MetricLabels::value_type::first) > 0;
    if (value == std::string::npos || !is_label_name(name) || twice) {
      diagnostics
          .error(line.where, twice ? fmt::format("there are two labels named {}", name)
                                   : "add_label takes NAME VALUE")
          .help("for example add_label environment production");
      continue;
    }
    labels.emplace_back(name, line.text.substr(value));
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeOutput made;
  made.destination = fmt::format("metrics at {}:{}/metrics", options.host, options.port);
  made.takes_records = false;
  made.output = std::make_unique<ExporterOutput>(
      std::move(options), std::move(labels), context.instance_name, context.metrics, context.clock);
  return made;
}

}  // namespace

const OutputPlugin kPrometheusExporterPlugin = {
    .name = "prometheus_exporter",
    .aliases = {},
    .summary = "A page of the router's metrics for scrapers",
    .options = [] { return prometheus_exporter_option_table().options(); },
    .make = make,
};

}  // namespace noroshi

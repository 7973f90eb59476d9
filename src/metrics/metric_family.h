// MetricFamily: what a scraper sees. Made from the counters when somebody asks, rendered as
// Prometheus' text or as the lines of Fluent Bit's /api/v2/metrics.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace noroshi {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

struct MetricSample {
  MetricLabels labels = {};
  double value = 0;  // counters beyond 2^53 lose their last digits
  // Histograms: "_bucket", "_sum" or "_count"; else empty.
  std::string_view suffix = {};
};

enum class MetricType : uint8_t { Counter, Gauge, Histogram, Untyped };

struct MetricFamily {
  std::string name = {};
  std::string help = {};  // one line
  MetricType type = MetricType::Counter;
  std::vector<MetricSample> samples = {};
};

// Families in the order they are first named; a sample joins the family of its name.
class MetricFamilies {
 public:
  void add(std::string_view name, MetricType type, std::string_view help, MetricLabels labels,
           double value);
  // `counts`: of each bucket alone; one more than `bounds`, for what is above all of them.
  void add_histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                     const std::vector<double>& bounds, const std::vector<uint64_t>& counts,
                     double sum);
  void append(std::vector<MetricFamily> more);
  void sort_by_name();
  [[nodiscard]] const std::vector<MetricFamily>& all() const { return families_; }

 private:
  MetricFamily& family(std::string_view name, MetricType type, std::string_view help);
  std::vector<MetricFamily> families_;
};

struct PrometheusOptions {
  std::optional<int64_t> timestamp_ms = {};  // behind every value
  MetricLabels labels = {};                  // before those of every sample
};
// Prometheus text format 0.0.4: HELP and TYPE once a family.
[[nodiscard]] std::string render_prometheus(const std::vector<MetricFamily>& families,
                                            const PrometheusOptions& options = {});

// "2026-11-23T06:15:42.123456789Z fluentbit_input_bytes_total{name="forward.0"} = 726"
[[nodiscard]] std::string render_metric_lines(const std::vector<MetricFamily>& families,
                                              std::chrono::nanoseconds since_epoch);

// Who has metrics of his own beside the counters (filter log_to_metrics), or all of them (the
// pipeline). Thread-safe.
class MetricsSource {
 public:
  virtual ~MetricsSource() = default;
  virtual void collect(MetricFamilies& families) const = 0;
};

}  // namespace noroshi

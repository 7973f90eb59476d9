#include "metrics/metric_family.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace noroshi {
namespace {

std::string_view to_string(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Histogram:
      return "histogram";
    case MetricType::Untyped:
      break;
  }
  return "untyped";
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    out += c;
  }
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::floor(value) && std::fabs(value) < 1e15)
    return fmt::format("{}", static_cast<int64_t>(value));
  return fmt::format("{}", value);
}

void append_labels(std::string& out, const MetricLabels& first, const MetricLabels& second,
                   std::string_view between) {
  if (first.empty() && second.empty()) return;
  char before = '{';
  for (const MetricLabels* labels : {&first, &second}) {
    for (const auto& [name, value] : *labels) {
      out += before;
      out += name;
      out += "=\"";
      append_escaped(out, value, true);
      out += '"';
      before = between[0];
    }
  }
  out += '}';
}

}  // namespace

MetricFamily& MetricFamilies::family(std::string_view name, MetricType type,
                                     std::string_view help) {
  for (auto known = families_.rbegin(); known != families_.rend(); ++known) {
    if (known->name == name) return *known;
  }
  families_.push_back({std::string(name), std::string(help), type, {}});
  return families_.back();
}

void MetricFamilies::add(std::string_view name, MetricType type, std::string_view help,
                         MetricLabels labels, double value) {
  family(name, type, help).samples.push_back({std::move(labels), value, {}});
}

void MetricFamilies::add_histogram(std::string_view name, std::string_view help,
                                   const MetricLabels& labels, const std::vector<double>& bounds,
                                   const std::vector<uint64_t>& counts, double sum) {
  MetricFamily& to = family(name, MetricType::Histogram, help);
  uint64_t so_far = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    MetricLabels with_bound = labels;
    with_bound.emplace_back("le", i < bounds.size() ? number(bounds[i]) : "+Inf");
    to.samples.push_back({std::move(with_bound), static_cast<double>(so_far), "_bucket"});
  }
  to.samples.push_back({labels, sum, "_sum"});
  to.samples.push_back({labels, static_cast<double>(so_far), "_count"});
}

void MetricFamilies::append(std::vector<MetricFamily> more) {
  for (MetricFamily& one : more) {
    MetricFamily& to = family(one.name, one.type, one.help);
    std::move(one.samples.begin(), one.samples.end(), std::back_inserter(to.samples));
  }
}

void MetricFamilies::sort_by_name() {
  std::stable_sort(
      families_.begin(), families_.end(),
      [](const MetricFamily& left, const MetricFamily& right) { return left.name < right.name; });
}

std::string render_prometheus(const std::vector<MetricFamily>& families,
                              const PrometheusOptions& options) {
  std::string out;
  for (const MetricFamily& family : families) {
    out += fmt::format("# HELP {} ", family.name);
    append_escaped(out, family.help, false);
    out += fmt::format("\n# TYPE {} {}\n", family.name, to_string(family.type));
    for (const MetricSample& sample : family.samples) {
      out += family.name;
      out += sample.suffix;
      append_labels(out, options.labels, sample.labels, ",");
      out += ' ' + number(sample.value);
      if (options.timestamp_ms) out += fmt::format(" {}", *options.timestamp_ms);
      out += '\n';
    }
  }
  return out;
}

std::string render_metric_lines(const std::vector<MetricFamily>& families,
                                std::chrono::nanoseconds since_epoch) {
  const int64_t count = since_epoch.count();
  const std::string time = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z ",
                                       fmt::gmtime(static_cast<std::time_t>(count / 1'000'000'000)),
                                       count % 1'000'000'000);
  std::string out;
  for (const MetricFamily& family : families) {
    for (const MetricSample& sample : family.samples) {
      out += time + family.name;
      out += sample.suffix;
      append_labels(out, {}, sample.labels, ",");
      out += " = " + number(sample.value) + "\n";
    }
  }
  return out;
}

}  // namespace noroshi

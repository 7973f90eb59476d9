#include "admin/api_text.h"

#include <fmt/format.h>

#include "pipeline/metric_collection.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

std::string json_text(std::string_view text) {
  std::string out;
  write_json_string(out, text);
  return out;
}

template <typename Instances>
std::string section_json(const Instances& instances) {
  std::string out = "{";
  for (const auto& instance : instances) {
    if (out.size() > 1) out += ',';
    out += json_text(instance.metrics->name) + ":{";
    bool first = true;
    for (const MetricField& field : v1_fields(*instance.metrics)) {
      out += fmt::format("{}\"{}\":{}", first ? "" : ",", field.name, field.value);
      first = false;
    }
    out += '}';
  }
  return out + "}";
}

template <typename Plugins>
std::string names_json(const Plugins& plugins) {
  std::string out = "[";
  for (const auto* plugin : plugins) {
    if (out.size() > 1) out += ',';
    out += json_text(plugin->name);
  }
  return out + "]";
}

}  // namespace

std::string about_json() {
  return fmt::format(
      "{{\"fluent-bit\":{{\"version\":\"{}\",\"edition\":\"noroshi\",\"flags\":[]}},"
      "\"noroshi\":{{\"version\":\"{}\"}}}}",
      kFluentBitVersion, NOROSHI_VERSION);
}

std::string metrics_json(const Pipeline& pipeline) {
  return fmt::format("{{\"input\":{},\"filter\":{},\"output\":{}}}",
                     section_json(pipeline.inputs()), section_json(pipeline.filters()),
                     section_json(pipeline.outputs()));
}

std::string uptime_json(Seconds uptime) {
  const int64_t total = uptime.count();
  const int64_t days = total / 86400, hours = total / 3600 % 24, minutes = total / 60 % 60,
                seconds = total % 60;
  const auto plural = [](int64_t count) { return count > 1 ? "s" : ""; };
  return fmt::format(
      "{{\"uptime_sec\":{},\"uptime_hr\":\"Fluent Bit has been running:  {} day{}, {} hour{}, {} "
      "minute{} and {} second{}\"}}",
      total, days, plural(days), hours, plural(hours), minutes, plural(minutes), seconds,
      plural(seconds));
}

std::string storage_json(const Pipeline& pipeline) {
  const uint64_t segments = count_segments(pipeline);
  const bool memory = pipeline.journal()->in_memory();
  std::string inputs;
  for (const InputInstance& input : pipeline.inputs()) {
    inputs += fmt::format(
        "{}{}:{{\"status\":{{\"overlimit\":{},\"mem_size\":\"0b\",\"mem_limit\":\"0b\"}},"
        "\"chunks\":{{\"total\":0,\"up\":0,\"down\":0,\"busy\":0,\"busy_size\":\"0b\"}}}}",
        inputs.empty() ? "" : ",", json_text(input.metrics->name), pipeline.paused());
  }
  return fmt::format(
      "{{\"storage_layer\":{{\"chunks\":{{\"total_chunks\":{},\"mem_chunks\":{},\"fs_chunks\":{},"
      "\"fs_chunks_up\":0,\"fs_chunks_down\":{}}}}},\"input_chunks\":{{{}}}}}",
      segments, memory ? segments : 0, memory ? 0 : segments, memory ? 0 : segments, inputs);
}

std::string plugins_json(const PluginSet& plugins) {
  return fmt::format("{{\"plugins\":{{\"inputs\":{},\"filters\":{},\"outputs\":{}}}}}",
                     names_json(plugins.inputs), names_json(plugins.filters),
                     names_json(plugins.outputs));
}

std::string health_json(const HealthStatus& health) {
  return fmt::format(
      "{{\"status\":\"{}\",\"errors\":{},\"retries_failed\":{},\"error_limit\":{},"
      "\"retry_failure_limit\":{},\"period_limit\":{},\"degraded\":{},\"text\":{}}}",
      health.healthy ? "ok" : "error", health.errors, health.retries_failed, health.errors_max,
      health.retries_failed_max, health.period_seconds, health.degraded, json_text(health.text));
}

}  // namespace noroshi

// The counters of a pipeline as metrics, under Fluent Bit's names, so that scrapers, dashboards and
// the recipes of aws-for-fluent-bit keep working, and under noroshi_ for what Fluent Bit has no
// name for. Any thread.
#pragma once

#include <memory>
#include <string_view>

#include "metrics/metric_family.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// The Fluent Bit whose interface this is, as / and build_info say.
inline constexpr std::string_view kFluentBitVersion = "5.1.1";

// One of /api/v1/metrics' fields.
struct MetricField {
  std::string_view name;  // "proc_records"
  uint64_t value;
};
struct InputMetrics;
struct FilterMetrics;
struct OutputMetrics;
[[nodiscard]] std::vector<MetricField> v1_fields(const InputMetrics& input);
[[nodiscard]] std::vector<MetricField> v1_fields(const FilterMetrics& filter);
[[nodiscard]] std::vector<MetricField> v1_fields(const OutputMetrics& output);

// fluentbit_{input,filter,output}_…_total, sorted; the lines that have a timestamp in v1.
void collect_v1(const Pipeline& pipeline, MetricFamilies& families)
    REQUIRES_SHARED(pipeline.instances_mutex());
// fluentbit_uptime, process_start_time_seconds, fluentbit_build_info: the lines that have none.
void collect_v1_process(const Pipeline& pipeline, MetricFamilies& families);
// Everything of /api/v2/metrics.
void collect_v2(const Pipeline& pipeline, MetricFamilies& families)
    REQUIRES_SHARED(pipeline.instances_mutex());
// noroshi_…, the standard process_ metrics, and what filters count themselves.
void collect_own(const Pipeline& pipeline, MetricFamilies& families)
    REQUIRES_SHARED(pipeline.instances_mutex());

// Journal segments, of which Fluent Bit would say "chunks".
[[nodiscard]] uint64_t count_segments(const Pipeline& pipeline);

// v2 and our own, for plugins.
[[nodiscard]] std::unique_ptr<const MetricsSource> make_pipeline_metrics(const Pipeline& pipeline);

// Resident memory of this process in bytes; 0 where /proc cannot say.
[[nodiscard]] uint64_t resident_memory_bytes();

}  // namespace noroshi

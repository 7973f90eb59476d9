#include "pipeline/metric_collection.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/log_levels.h"
#include "pipeline/pipeline.h"

namespace noroshi {
namespace {

constexpr auto kCounter = MetricType::Counter;
constexpr auto kGauge = MetricType::Gauge;

double seconds_since_epoch(Timestamp time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}
double uptime_seconds(const Pipeline& pipeline) {
  return static_cast<double>(
      std::chrono::duration_cast<Seconds>(system_clock().wall() - pipeline.started()).count());
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

template <typename Instances>
void add_totals(MetricFamilies& families, std::string_view kind, const Instances& instances) {
  for (const auto& instance : instances) {
    for (const MetricField& field : v1_fields(*instance.metrics)) {
      families.add(fmt::format("fluentbit_{}_{}_total", kind, field.name), kCounter,
                   fmt::format("Fluent Bit's {} {} of an instance.", kind, field.name),
                   {{"name", instance.metrics->name}}, static_cast<double>(field.value));
    }
  }
}

void add_v2_input(const Pipeline& pipeline, const InputInstance& input, MetricFamilies& families)
    REQUIRES_SHARED(pipeline.instances_mutex()) {
  const MetricLabels name = {{"name", input.metrics->name}};
  // noroshi has no ring buffer, no rate gate and no chunks of an input: these stand still.
  for (const char* one : {"writes", "retries", "retry_failures"}) {
    families.add(fmt::format("fluentbit_input_ring_buffer_{}_total", one), kCounter,
                 "Always 0: noroshi has no ring buffer.", name, 0);
  }
  for (const char* one :
       {"rate_bytes", "rate_records", "rate_gate_limited", "rate_gate_busy_chunks",
        "rate_gate_retry_attempts", "storage_memory_bytes", "storage_chunks", "storage_chunks_up",
        "storage_chunks_down", "storage_chunks_busy", "storage_chunks_busy_bytes"}) {
    families.add(fmt::format("fluentbit_input_{}", one), kGauge,
                 "Always 0: noroshi's one buffer is the journal.", name, 0);
  }
  const double paused = pipeline.paused() ? 1 : 0;
  families.add("fluentbit_input_ingestion_paused", kGauge,
               "1 while inputs stand still because the journal takes nothing.", name, paused);
  families.add("fluentbit_input_storage_overlimit", kGauge,
               "1 while inputs stand still because the journal takes nothing.", name, paused);
}

void add_v2_output(const Pipeline& pipeline, const OutputInstance& output, MetricFamilies& families)
    REQUIRES_SHARED(pipeline.instances_mutex()) {
  const OutputMetrics& metrics = *output.metrics;
  const MetricLabels name = {{"name", metrics.name}};
  for (const char* one : {"total", "busy"}) {
    families.add(fmt::format("fluentbit_output_upstream_{}_connections", one), kGauge,
                 "Always 0: connections to destinations are not counted.", name, 0);
  }
  const Journal& journal = *pipeline.journal();
  const double used =
      static_cast<double>(journal.bytes()) / static_cast<double>(journal.bytes_max());
  families.add("fluentbit_output_chunk_available_capacity_percent", kGauge,
               "Free part of the journal.", name, 100 * std::max(0.0, 1 - used));
  // Which input a record of the journal came from is not kept: with several, they are "*".
  const std::string input =
      pipeline.inputs().size() == 1 ? pipeline.inputs().front().metrics->name : "*";
  const MetricLabels pair = {{"input", input}, {"output", metrics.name}};
  std::vector<uint64_t> counts;
  for (const Counter& bucket : metrics.latency.buckets) counts.push_back(bucket.get());
  families.add_histogram(
      "fluentbit_output_latency_seconds",
      "Time from the journal to the destination, of the first record of a batch.", pair,
      {kLatencyBounds.begin(), kLatencyBounds.end()}, counts,
      static_cast<double>(metrics.latency.sum_ns.get()) / 1e9);
  families.add("fluentbit_routing_logs_records_total", kCounter, "Records routed to the output.",
               pair, static_cast<double>(metrics.routed.get()));
  families.add("fluentbit_routing_logs_bytes_total", kCounter, "Bytes routed to the output.", pair,
               static_cast<double>(metrics.routed_bytes.get()));
  families.add("fluentbit_routing_logs_drop_records_total", kCounter,
               "Records lost for the output.", pair, static_cast<double>(metrics.dropped_total()));
  families.add("fluentbit_routing_logs_drop_bytes_total", kCounter,
               "Always 0: lost records are counted, not weighed.", pair, 0);
}

void add_own_output(const OutputInstance& output, Timestamp now, MetricFamilies& families) {
  const OutputMetrics& metrics = *output.metrics;
  const auto add = [&](std::string_view name, MetricType type, std::string_view help,
                       double value) {
    families.add(name, type, help, {{"name", metrics.name}}, value);
  };
  add("noroshi_output_routed_records_total", kCounter, "Records chosen for this output.",
      static_cast<double>(metrics.routed.get()));
  add("noroshi_output_recovered_records_total", kCounter,
      "Records that the start found waiting in the journal.",
      static_cast<double>(output.account->recovered.get()));
  add("noroshi_output_waiting_records", kGauge,
      "Records in the journal that are neither delivered nor dropped: recovered + routed - "
      "delivered - dropped.",
      static_cast<double>(output.account->waiting(metrics)));
  add("noroshi_output_unaccounted_records", kGauge,
      "Records that recovered + routed = delivered + dropped + open batches misses, or has twice, "
      "while nothing comes.",
      static_cast<double>(output.account->unaccounted()));
  add("noroshi_output_requests_total", kCounter, "Delivery attempts.",
      static_cast<double>(metrics.requests.get()));
  add("noroshi_output_log_key_missing_total", kCounter,
      "Records sent whole because log_key is absent.",
      static_cast<double>(metrics.log_key_missing.get()));
  add("noroshi_output_split_records_total", kCounter,
      "Records sent in several pieces because they are too large.",
      static_cast<double>(metrics.split.get()));
  add("noroshi_output_retrying", kGauge, "1 while the destination fails.",
      static_cast<double>(metrics.delivery_state.get()));
  const auto oldest = static_cast<int64_t>(metrics.oldest_undelivered_ns.get());
  const double age =
      oldest == 0 ? 0 : static_cast<double>(now.time_since_epoch().count() - oldest) / 1e9;
  add("noroshi_output_oldest_undelivered_seconds", kGauge,
      "Age of the oldest record this output has not delivered.", std::max(age, 0.0));
  add("noroshi_output_last_delivery_time_seconds", kGauge,
      "When something was delivered last; 0: not yet.",
      static_cast<double>(metrics.last_delivery_ns.get()) / 1e9);
  for (size_t i = 0; i < kDropReasons; ++i) {
    families.add(
        "noroshi_output_dropped_records_total", kCounter,
        "Records lost for this output, by reason.",
        {{"name", metrics.name}, {"reason", std::string(to_string(static_cast<DropReason>(i)))}},
        static_cast<double>(metrics.dropped[i].get()));
  }
}

class PipelineMetrics final : public MetricsSource {
 public:
  explicit PipelineMetrics(const Pipeline& pipeline) : pipeline_(pipeline) {}
  void collect(MetricFamilies& families) const override {
    const Pipeline::Hold hold(pipeline_.instances_mutex());
    collect_v2(pipeline_, families);
    collect_own(pipeline_, families);
  }

 private:
  const Pipeline& pipeline_;
};

}  // namespace

std::vector<MetricField> v1_fields(const InputMetrics& input) {
  return {{"records", input.records.get()}, {"bytes", input.bytes.get()}};
}
std::vector<MetricField> v1_fields(const FilterMetrics& filter) {
  return {{"drop_records", filter.dropped.get()},
          {"add_records", filter.added.get()},
          {"records", filter.records.get()},
          {"bytes", filter.bytes.get()},
          {"drop_bytes", filter.dropped_bytes.get()}};
}
std::vector<MetricField> v1_fields(const OutputMetrics& output) {
  return {{"proc_records", output.records.get()},
          {"proc_bytes", output.bytes.get()},
          {"errors", output.errors.get()},
          {"retries", output.retries.get()},
          {"retries_failed", output.retries_failed.get()},
          {"dropped_records", output.dropped_total()},
          {"retried_records", output.retried_records.get()}};
}

void collect_v1(const Pipeline& pipeline, MetricFamilies& families) {
  add_totals(families, "input", pipeline.inputs());
  add_totals(families, "filter", pipeline.filters());
  add_totals(families, "output", pipeline.outputs());
  families.sort_by_name();
}

void collect_v1_process(const Pipeline& pipeline, MetricFamilies& families) {
  families.add("fluentbit_uptime", kCounter, "Seconds since the start.", {},
               uptime_seconds(pipeline));
  families.add("process_start_time_seconds", kGauge, "Start of the process.", {},
               std::floor(seconds_since_epoch(pipeline.started())));
  families.add("fluentbit_build_info", kGauge, "The Fluent Bit whose interface this is.",
               {{"version", std::string(kFluentBitVersion)}, {"edition", "noroshi"}}, 1);
}

void collect_v2(const Pipeline& pipeline, MetricFamilies& families) {
  const std::string host = host_name();
  const double start = std::floor(seconds_since_epoch(pipeline.started()));
  families.add("fluentbit_uptime", kCounter, "Seconds since the start.", {{"hostname", host}},
               uptime_seconds(pipeline));
  families.add("fluentbit_process_start_time_seconds", kGauge, "Start of the process.",
               {{"hostname", host}}, start);
  families.add("fluentbit_build_info", kGauge, "The Fluent Bit whose interface this is.",
               {{"hostname", host}, {"version", std::string(kFluentBitVersion)}, {"os", "linux"}},
               start);
  families.add("fluentbit_hot_reloaded_times", kGauge, "Configurations loaded since the start.",
               {{"hostname", host}}, static_cast<double>(pipeline.reloads()));
  constexpr std::pair<const char*, LogLevel> kLevels[] = {{"error", LogLevel::Error},
                                                          {"warn", LogLevel::Warn},
                                                          {"info", LogLevel::Info},
                                                          {"debug", LogLevel::Debug},
                                                          {"trace", LogLevel::Trace}};
  double lines = 0;
  for (const auto& [name, level] : kLevels) {
    const auto written = static_cast<double>(log_lines_written(level));
    lines += written;
    families.add("fluentbit_logger_logs_total", kCounter, "Lines of the router's own log.",
                 {{"message_type", name}}, written);
  }
  // Lines are written at once: the queue is the write itself.
  families.add("fluentbit_logger_queue_enqueued_total", kCounter, "Log lines made.", {}, lines);
  families.add("fluentbit_logger_queue_dropped_total", kCounter, "Log lines lost.", {}, 0);
  families.add("fluentbit_logger_queue_drained_total", kCounter, "Log lines written.", {}, lines);
  add_totals(families, "input", pipeline.inputs());
  for (const InputInstance& input : pipeline.inputs()) add_v2_input(pipeline, input, families);
  add_totals(families, "filter", pipeline.filters());
  add_totals(families, "output", pipeline.outputs());
  for (const OutputInstance& output : pipeline.outputs()) add_v2_output(pipeline, output, families);
  const auto segments = static_cast<double>(count_segments(pipeline));
  const bool memory = pipeline.journal()->in_memory();
  const auto storage = [&](std::string_view name, std::string_view help, double value) {
    families.add(name, kGauge, help, {}, value);
  };
  storage("fluentbit_storage_chunks", "Segments of the journal.", segments);
  storage("fluentbit_storage_mem_chunks", "Of them in memory.", memory ? segments : 0);
  storage("fluentbit_storage_fs_chunks", "Of them on disk.", memory ? 0 : segments);
  storage("fluentbit_storage_fs_chunks_up", "Always 0: segments on disk take no memory.", 0);
  storage("fluentbit_storage_fs_chunks_down", "On disk and not in memory.", memory ? 0 : segments);
}

void collect_own(const Pipeline& pipeline, MetricFamilies& families) {
  const Timestamp now = system_clock().wall();
  families.add("noroshi_build_info", kGauge, "Version of noroshi.", {{"version", NOROSHI_VERSION}},
               1);
  for (const OutputInstance& output : pipeline.outputs()) add_own_output(output, now, families);
  for (const InputInstance& input : pipeline.inputs()) {
    const InputMetrics& metrics = *input.metrics;
    const MetricLabels name = {{"name", metrics.name}};
    families.add("noroshi_input_malformed_total", kCounter,
                 "Frames, lines or entries that could not be decoded.", name,
                 static_cast<double>(metrics.malformed.get()));
    families.add("noroshi_input_duplicate_chunks_total", kCounter,
                 "Chunks recognised by their ack id and not stored twice.", name,
                 static_cast<double>(metrics.duplicates.get()));
    families.add("noroshi_input_connections", kGauge, "Open connections.", name,
                 static_cast<double>(metrics.connections_open.get()));
    families.add("noroshi_input_paused_seconds_total", kCounter,
                 "Clients were not read because the journal took nothing.", name,
                 static_cast<double>(metrics.paused_nanoseconds.get()) / 1e9);
  }
  for (const FilterInstance& filter : pipeline.filters()) {
    for (const auto& own : filter.metrics->counters) {
      MetricLabels labels = {{"name", filter.metrics->name}};
      if (!own->label.empty()) labels.emplace_back(own->label, own->value);
      families.add(own->family, kCounter, own->help, std::move(labels),
                   static_cast<double>(own->counter.get()));
    }
    if (filter.metrics->source) filter.metrics->source->collect(families);
  }
  const Journal& journal = *pipeline.journal();
  const auto gauge = [&](std::string_view name, std::string_view help, double value) {
    families.add(name, kGauge, help, {}, value);
  };
  gauge("noroshi_journal_bytes", "Bytes the journal holds.", static_cast<double>(journal.bytes()));
  gauge("noroshi_journal_bytes_max", "Its limit.", static_cast<double>(journal.bytes_max()));
  gauge("noroshi_journal_appended_offset", "Records ever appended.",
        static_cast<double>(journal.appended_offset().value));
  gauge("noroshi_inputs_paused", "1 while inputs stand still because the journal takes nothing.",
        pipeline.paused() ? 1 : 0);
  gauge("process_resident_memory_bytes", "Resident memory of this process.",
        static_cast<double>(resident_memory_bytes()));
}

uint64_t count_segments(const Pipeline& pipeline) {
  const Journal& journal = *pipeline.journal();
  uint64_t count = 0;
  const Offset end = journal.appended_offset();
  for (Offset at = journal.first_offset(); at < end; at = journal.next_segment(at)) ++count;
  return count;
}

std::unique_ptr<const MetricsSource> make_pipeline_metrics(const Pipeline& pipeline) {
  return std::make_unique<PipelineMetrics>(pipeline);
}

uint64_t resident_memory_bytes() {
  // "size resident shared text lib data dt", in pages: man 5 proc.
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long long size = 0, resident = 0;
  const int fields = std::fscanf(file, "%llu %llu", &size, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace noroshi

#include "admin/statistics.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/metric_collection.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

// A counter that went back belongs to an instance made anew by a reload: it counts from zero.
uint64_t since(uint64_t now, uint64_t before) { return now >= before ? now - before : now; }

using OutputFacts = StatisticsFacts::OutputFacts;
using InputFacts = StatisticsFacts::InputFacts;

OutputFacts since(const OutputFacts& now, const OutputFacts& before) {
  OutputFacts out = now;
  for (const auto member :
       {&OutputFacts::routed, &OutputFacts::delivered, &OutputFacts::bytes_delivered,
        &OutputFacts::requests, &OutputFacts::retries, &OutputFacts::retries_failed,
        &OutputFacts::errors, &OutputFacts::recovered}) {
    out.*member = since(now.*member, before.*member);
  }
  for (size_t i = 0; i < kDropReasons; ++i)
    out.dropped[i] = since(now.dropped[i], before.dropped[i]);
  return out;
}

InputFacts since(const InputFacts& now, const InputFacts& before) {
  InputFacts out = now;
  for (const auto member : {&InputFacts::records, &InputFacts::bytes, &InputFacts::malformed,
                            &InputFacts::duplicates, &InputFacts::paused_ns}) {
    out.*member = since(now.*member, before.*member);
  }
  return out;
}

uint64_t sum(const std::array<uint64_t, kDropReasons>& dropped) {
  uint64_t total = 0;
  for (const uint64_t count : dropped) total += count;
  return total;
}

double age_seconds(uint64_t since_ns, Timestamp now) {
  if (since_ns == 0) return 0;
  const int64_t age = now.time_since_epoch().count() - static_cast<int64_t>(since_ns);
  return std::max(0.0, static_cast<double>(age) / 1e9);
}

std::string reasons_json(const std::array<uint64_t, kDropReasons>& dropped) {
  std::string out = "{";
  for (size_t i = 0; i < kDropReasons; ++i) {
    out += fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", to_string(static_cast<DropReason>(i)),
                       dropped[i]);
  }
  return out + "}";
}

}  // namespace

StatisticsFacts take_statistics(const Pipeline& pipeline, const HealthStatus& health) {
  StatisticsFacts facts;
  for (const InputInstance& input : pipeline.inputs()) {
    const InputMetrics& metrics = *input.metrics;
    facts.inputs.push_back({.name = metrics.name,
                            .records = metrics.records.get(),
                            .bytes = metrics.bytes.get(),
                            .malformed = metrics.malformed.get(),
                            .duplicates = metrics.duplicates.get(),
                            .paused_ns = metrics.paused_nanoseconds.get(),
                            .connections = metrics.connections_open.get()});
  }
  for (const OutputInstance& output : pipeline.outputs()) {
    const OutputMetrics& metrics = *output.metrics;
    OutputFacts facts_of{.name = metrics.name,
                         .plugin = output.plugin,
                         .routed = metrics.routed.get(),
                         .delivered = metrics.records.get(),
                         .bytes_delivered = metrics.bytes.get(),
                         .requests = metrics.requests.get(),
                         .retries = metrics.retries.get(),
                         .retries_failed = metrics.retries_failed.get(),
                         .errors = metrics.errors.get(),
                         .dropped = {},
                         .recovered = output.account->recovered.get(),
                         .waiting = output.account->waiting(metrics),
                         .oldest_undelivered_ns = metrics.oldest_undelivered_ns.get(),
                         .retrying = metrics.delivery_state.get() != 0};
    for (size_t i = 0; i < kDropReasons; ++i) facts_of.dropped[i] = metrics.dropped[i].get();
    facts.outputs.push_back(std::move(facts_of));
  }
  facts.journal_bytes = pipeline.journal()->bytes();
  facts.journal_bytes_max = pipeline.journal()->bytes_max();
  facts.resident_bytes = resident_memory_bytes();
  facts.healthy = health.healthy;
  facts.degraded = health.degraded;
  facts.paused = pipeline.paused();
  return facts;
}

Statistics::Statistics(Nanoseconds interval, const Clock& clock)
    : interval_(interval), clock_(clock), started_(clock.monotonic()), last_(started_) {}

bool Statistics::due() const {
  return interval_ > Nanoseconds(0) && clock_.monotonic() - last_ >= interval_;
}

std::string Statistics::line(const StatisticsFacts& facts) {
  const Monotonic now = clock_.monotonic();
  const Timestamp wall = clock_.wall();
  InputFacts in;
  for (const InputFacts& input : facts.inputs) {
    const InputFacts change = since(input, inputs_[input.name]);
    for (const auto member :
         {&InputFacts::records, &InputFacts::bytes, &InputFacts::malformed, &InputFacts::duplicates,
          &InputFacts::paused_ns, &InputFacts::connections}) {
      in.*member += change.*member;
    }
    inputs_[input.name] = input;
  }
  OutputFacts out;
  int retrying = 0;
  double oldest = 0;
  std::string each;
  std::map<std::string_view, OutputFacts> plugins;
  for (const OutputFacts& output : facts.outputs) {
    const OutputFacts change = since(output, outputs_[output.name]);
    OutputFacts& same_plugin = plugins[output.plugin];
    same_plugin.routed += change.routed;
    same_plugin.delivered += change.delivered;
    for (const auto member :
         {&OutputFacts::routed, &OutputFacts::delivered, &OutputFacts::bytes_delivered,
          &OutputFacts::requests, &OutputFacts::retries, &OutputFacts::retries_failed,
          &OutputFacts::errors, &OutputFacts::recovered, &OutputFacts::waiting}) {
      out.*member += change.*member;
    }
    for (size_t i = 0; i < kDropReasons; ++i) out.dropped[i] += change.dropped[i];
    const double age = age_seconds(output.oldest_undelivered_ns, wall);
    oldest = std::max(oldest, age);
    retrying += output.retrying ? 1 : 0;
    each += each.empty() ? "" : ",";
    write_json_string(each, output.name);
    each += fmt::format(
        ":{{\"records_routed\":{},\"records_delivered\":{},\"records_dropped\":{},\"retries\":{},"
        "\"retries_failed\":{},\"errors\":{},\"records_recovered\":{},\"records_waiting\":{},"
        "\"oldest_undelivered_s\":{:.3f},\"retrying\":{}}}",
        change.routed, change.delivered, sum(change.dropped), change.retries, change.retries_failed,
        change.errors, change.recovered, change.waiting, age, output.retrying ? 1 : 0);
    outputs_[output.name] = output;
  }
  std::string by_plugin;
  for (const auto& [plugin, sums] : plugins) {
    by_plugin += by_plugin.empty() ? "" : ",";
    write_json_string(by_plugin, plugin);
    by_plugin += fmt::format(":{{\"records_routed\":{},\"records_delivered\":{}}}", sums.routed,
                             sums.delivered);
  }
  const double used = facts.journal_bytes_max == 0
                          ? 0
                          : 100.0 * static_cast<double>(facts.journal_bytes) /
                                static_cast<double>(facts.journal_bytes_max);
  const auto seconds = [](Nanoseconds time) { return std::chrono::duration<double>(time).count(); };
  const auto milliseconds = std::chrono::duration_cast<Milliseconds>(wall.time_since_epoch());
  std::string line = fmt::format(
      "{{\"noroshi\":\"statistics\",\"time\":\"{:%Y-%m-%dT%H:%M:%S}.{:03}Z\",\"version\":\"{}\","
      "\"uptime_s\":{:.3f},\"interval_s\":{:.3f},",
      fmt::gmtime(static_cast<std::time_t>(milliseconds.count() / 1000)),
      milliseconds.count() % 1000, NOROSHI_VERSION, seconds(now - started_), seconds(now - last_));
  line += fmt::format(
      "\"records_in\":{},\"bytes_in\":{},\"malformed\":{},\"duplicate_chunks\":{},\"paused_s\":{:."
      "3f},"
      "\"records_routed\":{},\"records_delivered\":{},\"bytes_delivered\":{},\"records_dropped\":{}"
      ","
      "\"dropped\":{},\"requests\":{},\"retries\":{},\"retries_failed\":{},\"errors\":{},",
      in.records, in.bytes, in.malformed, in.duplicates,
      seconds(Nanoseconds(static_cast<int64_t>(in.paused_ns))), out.routed, out.delivered,
      out.bytes_delivered, sum(out.dropped), reasons_json(out.dropped), out.requests, out.retries,
      out.retries_failed, out.errors);
  line += fmt::format(
      "\"records_recovered\":{},\"records_waiting\":{},"
      "\"oldest_undelivered_s\":{:.3f},\"outputs_retrying\":{},\"inputs_paused\":{},"
      "\"connections\":{},\"journal_bytes\":{},\"journal_bytes_max\":{},"
      "\"journal_used_percent\":{:.1f},\"resident_bytes\":{},\"healthy\":{},\"degraded\":{},"
      "\"plugins\":{{{}}},\"outputs\":{{{}}}}}\n",
      out.recovered, out.waiting, oldest, retrying, facts.paused ? 1 : 0, in.connections,
      facts.journal_bytes, facts.journal_bytes_max, used, facts.resident_bytes,
      facts.healthy ? 1 : 0, facts.degraded ? 1 : 0, by_plugin, each);
  last_ = now;
  return line;
}

}  // namespace noroshi

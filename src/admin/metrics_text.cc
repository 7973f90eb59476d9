#include "admin/metrics_text.h"

#include <fmt/format.h>

#include <functional>
#include <map>

#include "record/json_writer.h"

namespace noroshi {
namespace {

std::string json_text(std::string_view text) {
  std::string out;
  write_json_string(out, text);
  return out;
}

struct Field {
  std::string_view name;
  uint64_t value;
};

std::vector<Field> fields(const InputMetrics& input) {
  return {{"records", input.records.get()}, {"bytes", input.bytes.get()}};
}
std::vector<Field> fields(const FilterMetrics& filter) {
  return {{"drop_records", filter.dropped.get()},
          {"add_records", filter.added.get()},
          {"records", filter.records.get()},
          {"bytes", filter.bytes.get()},
          {"drop_bytes", filter.dropped_bytes.get()}};
}
std::vector<Field> fields(const OutputMetrics& output) {
  return {{"proc_records", output.records.get()},
          {"proc_bytes", output.bytes.get()},
          {"errors", output.errors.get()},
          {"retries", output.retries.get()},
          {"retries_failed", output.retries_failed.get()},
          {"dropped_records", output.dropped_total()},
          {"retried_records", output.retried_records.get()}};
}

template <typename Instances>
std::string section_json(const Instances& instances) {
  std::string out = "{";
  for (const auto& instance : instances) {
    if (out.size() > 1) out += ',';
    out += json_text(instance.metrics->name) + ":{";
    bool first = true;
    for (const Field& field : fields(*instance.metrics)) {
      out += fmt::format("{}\"{}\":{}", first ? "" : ",", field.name, field.value);
      first = false;
    }
    out += '}';
  }
  return out + "}";
}

// One metric family: HELP and TYPE once, then its samples.
class Families {
 public:
  void sample(const std::string& name, std::string_view type, std::string_view help,
              std::string line) {
    Family& family = families_[name];
    if (family.head.empty())
      family.head = fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
    family.lines += std::move(line);
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (const auto& [name, family] : families_) out += family.head + family.lines;
    return out;
  }

 private:
  struct Family {
    std::string head, lines;
  };
  std::map<std::string, Family> families_;
};

std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

template <typename Instances>
void add_fluent_bit(Families& families, std::string_view kind, const Instances& instances,
                    int64_t now_ms) {
  for (const auto& instance : instances) {
    for (const Field& field : fields(*instance.metrics)) {
      const std::string name = fmt::format("fluentbit_{}_{}_total", kind, field.name);
      families.sample(name, "counter",
                      fmt::format("Fluent Bit's {} {} of an instance.", kind, field.name),
                      fmt::format("{}{{name=\"{}\"}} {} {}\n", name, label(instance.metrics->name),
                                  field.value, now_ms));
    }
  }
}

void add_own(Families& families, const Pipeline& pipeline, Timestamp now) {
  const auto output_sample = [&](const OutputInstance& output, const std::string& name,
                                 std::string_view type, std::string_view help, auto value) {
    families.sample(
        name, type, help,
        fmt::format("{}{{name=\"{}\"}} {}\n", name, label(output.metrics->name), value));
  };
  for (const OutputInstance& output : pipeline.outputs()) {
    const OutputMetrics& metrics = *output.metrics;
    output_sample(output, "noroshi_output_routed_records_total", "counter",
                  "Records chosen for this output and stored in the journal.",
                  metrics.routed.get());
    output_sample(output, "noroshi_output_requests_total", "counter", "Delivery attempts.",
                  metrics.requests.get());
    output_sample(output, "noroshi_output_log_key_missing_total", "counter",
                  "Records sent whole because log_key is absent.", metrics.log_key_missing.get());
    output_sample(output, "noroshi_output_split_records_total", "counter",
                  "Records sent in several pieces because they are too large.",
                  metrics.split.get());
    output_sample(output, "noroshi_output_retrying", "gauge", "1 while the destination fails.",
                  metrics.delivery_state.get());
    const uint64_t oldest = metrics.oldest_undelivered_ns.get();
    const double age =
        oldest == 0
            ? 0
            : static_cast<double>(now.time_since_epoch().count() - static_cast<int64_t>(oldest)) /
                  1e9;
    output_sample(output, "noroshi_output_oldest_undelivered_seconds", "gauge",
                  "Age of the oldest record this output has not delivered.",
                  fmt::format("{:.3f}", std::max(age, 0.0)));
    for (size_t i = 0; i < kDropReasons; ++i) {
      const auto reason = static_cast<DropReason>(i);
      families.sample(
          "noroshi_output_dropped_records_total", "counter",
          "Records lost for this output, by reason.",
          fmt::format("noroshi_output_dropped_records_total{{name=\"{}\",reason=\"{}\"}} {}\n",
                      label(metrics.name), to_string(reason), metrics.dropped[i].get()));
    }
  }
  for (const InputInstance& input : pipeline.inputs()) {
    const auto sample = [&](const std::string& name, std::string_view type, std::string_view help,
                            uint64_t value) {
      families.sample(
          name, type, help,
          fmt::format("{}{{name=\"{}\"}} {}\n", name, label(input.metrics->name), value));
    };
    sample("noroshi_input_malformed_total", "counter",
           "Frames, lines or entries that could not be decoded.", input.metrics->malformed.get());
    sample("noroshi_input_duplicate_chunks_total", "counter",
           "Chunks recognised by their ack id and not stored twice.",
           input.metrics->duplicates.get());
    sample("noroshi_input_connections", "gauge", "Open connections.",
           input.metrics->connections_open.get());
  }
  for (const FilterInstance& filter : pipeline.filters()) {
    for (const auto& own : filter.metrics->counters) {
      const std::string more =
          own->label.empty() ? "" : fmt::format(",{}=\"{}\"", own->label, label(own->value));
      families.sample(own->family, "counter", own->help,
                      fmt::format("{}{{name=\"{}\"{}}} {}\n", own->family,
                                  label(filter.metrics->name), more, own->counter.get()));
    }
  }
  const Journal& journal = *pipeline.journal();
  const auto journal_sample = [&](const std::string& name, std::string_view help, uint64_t value) {
    families.sample(name, "gauge", help, fmt::format("{} {}\n", name, value));
  };
  journal_sample("noroshi_journal_bytes", "Bytes the journal holds.", journal.bytes());
  journal_sample("noroshi_journal_bytes_max", "Its limit.", journal.bytes_max());
  journal_sample("noroshi_journal_appended_offset", "Records ever appended.",
                 journal.appended_offset().value);
  journal_sample("noroshi_inputs_paused",
                 "1 while inputs stand still because the journal takes nothing.",
                 pipeline.paused() ? 1 : 0);
}

}  // namespace

std::string metrics_json(const Pipeline& pipeline) {
  return fmt::format("{{\"input\":{},\"filter\":{},\"output\":{}}}",
                     section_json(pipeline.inputs()), section_json(pipeline.filters()),
                     section_json(pipeline.outputs()));
}

std::string metrics_prometheus(const Pipeline& pipeline, Timestamp now, Timestamp started) {
  const int64_t now_ms = std::chrono::duration_cast<Milliseconds>(now.time_since_epoch()).count();
  Families fluent_bit, own;
  add_fluent_bit(fluent_bit, "input", pipeline.inputs(), now_ms);
  add_fluent_bit(fluent_bit, "filter", pipeline.filters(), now_ms);
  add_fluent_bit(fluent_bit, "output", pipeline.outputs(), now_ms);
  add_own(own, pipeline, now);
  std::string text = fluent_bit.text();
  text += fmt::format(
      "# HELP fluentbit_uptime Seconds since the start.\n# TYPE fluentbit_uptime "
      "counter\nfluentbit_uptime {}\n",
      std::chrono::duration_cast<Seconds>(now - started).count());
  text += fmt::format(
      "# HELP process_start_time_seconds Start of the process.\n# TYPE process_start_time_seconds "
      "gauge\n"
      "process_start_time_seconds {}\n",
      std::chrono::duration_cast<Seconds>(started.time_since_epoch()).count());
  text += fmt::format(
      "# HELP fluentbit_build_info Version.\n# TYPE fluentbit_build_info gauge\n"
      "fluentbit_build_info{{version=\"{}\",edition=\"noroshi\"}} 1\n",
      NOROSHI_VERSION);
  return text + own.text();
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

}  // namespace noroshi

#include "pipeline/missing_plugins.h"

#include <array>

namespace noroshi {
namespace {

constexpr std::string_view kHostMetrics =
    "it makes metrics of the host: let the CloudWatch agent or an OpenTelemetry collector do that";
constexpr std::string_view kPrometheus =
    "it carries metrics, noroshi carries logs: scrape or write them with an OpenTelemetry "
    "collector";
constexpr std::string_view kWindows = "noroshi runs on Linux only";
constexpr std::string_view kAzure =
    "send to a Fluent Bit or collector there with output forward, "
    "http or opentelemetry";
constexpr std::string_view kMetricsProcessor =
    "it works on metrics, noroshi carries logs: remove it";
constexpr std::string_view kKubernetes =
    "noroshi serves ECS tasks: on Kubernetes, stay with Fluent Bit and let it send to noroshi with "
    "output forward";

// The plugins of Fluent Bit 5.1 (plugins/ in its repository), by kind and name.
constexpr std::array kMissing = std::to_array<MissingPlugin>({
    {"input", "blob", "copy files to S3 with the AWS CLI"},
    {"input", "calyptia_fleet", "a reload of a file or S3 object takes its place (SIGHUP)"},
    {"input", "collectd", kPrometheus},
    {"input", "cpu", kHostMetrics},
    {"input", "disk", kHostMetrics},
    {"input", "docker", kHostMetrics},
    {"input", "docker_events", "use input exec with `docker events --format json`"},
    {"input", "dummy_thread", "use input dummy"},
    {"input", "ebpf", "there is nothing like it here"},
    {"input", "elasticsearch", "let the client send to input http instead"},
    {"input", "etw", kWindows},
    {"input", "event_type", "it is a test of Fluent Bit's own"},
    {"input", "exec_wasi", "use input exec with a program"},
    {"input", "fluentbit_logs",
     "noroshi's own log goes to stderr; give its container the log driver "
     "awslogs"},
    {"input", "gpu_metrics", kHostMetrics},
    {"input", "head", "use input tail"},
    {"input", "health", "use a health check of the container or of CloudWatch Synthetics"},
    {"input", "kafka", "let a consumer send to input forward or http; output kafka exists"},
    {"input", "kmsg", "use input tail on the kernel's log file"},
    {"input", "kubernetes_events", kKubernetes},
    {"input", "mem", kHostMetrics},
    {"input", "mqtt", "let a bridge of the broker send to input http"},
    {"input", "netif", kHostMetrics},
    {"input", "nginx_metrics", kPrometheus},
    {"input", "node_exporter_metrics", kHostMetrics},
    {"input", "podman_metrics", kHostMetrics},
    {"input", "proc", kHostMetrics},
    {"input", "process_exporter_metrics", kHostMetrics},
    {"input", "prometheus_remote_write", kPrometheus},
    {"input", "prometheus_scrape", kPrometheus},
    {"input", "prometheus_textfile", kPrometheus},
    {"input", "serial", "use input exec with a program that reads the device"},
    {"input", "splunk", "let the client send to input http instead"},
    {"input", "statsd", kPrometheus},
    {"input", "storage_backlog", "the journal is read again by itself"},
    {"input", "systemd",
     "use input exec with `journalctl -o json -f`, or the log driver awsfirelens"},
    {"input", "thermal", kHostMetrics},
    {"input", "unix_socket", "use input forward or syslog on a unix socket"},
    {"input", "windows_exporter_metrics", kWindows},
    {"input", "winevtlog", kWindows},
    {"input", "winlog", kWindows},
    {"input", "winstat", kWindows},
    {"filter", "alter_size", "it is a test of Fluent Bit's own"},
    {"filter", "checklist", "use grep for a short list of values, lua for a long one"},
    {"filter", "geoip2", "look addresses up where the logs are read (Athena, OpenSearch)"},
    {"filter", "kubernetes", kKubernetes},
    {"filter", "nightfall", "filter redact masks known patterns without a service"},
    {"filter", "sysinfo", "use record_modifier with ${HOSTNAME} and other variables"},
    {"filter", "tensorflow", "there is nothing like it here"},
    {"filter", "throttle_size", "use filter throttle, which counts records"},
    {"filter", "wasm", "use filter lua"},
    {"output", "azure", kAzure},
    {"output", "azure_blob", kAzure},
    {"output", "azure_kusto", kAzure},
    {"output", "azure_logs_ingestion", kAzure},
    {"output", "bigquery", "write to S3 and transfer from there"},
    {"output", "calyptia", "use opentelemetry or http"},
    {"output", "chronicle", "write to S3: Chronicle reads buckets"},
    {"output", "counter", "the counts are at /api/v1/metrics and /api/v2/metrics/prometheus"},
    {"output", "exit", "stop the process with SIGTERM"},
    {"output", "flowcounter", "the counts are at /api/v1/metrics and /api/v2/metrics/prometheus"},
    {"output", "gcs", "write to S3 and transfer from there"},
    {"output", "gelf", "use http with Format json or syslog: Graylog has inputs for both"},
    {"output", "influxdb", "use http"},
    {"output", "kafka-rest", "use output kafka"},
    {"output", "lib", "it is for programs that embed Fluent Bit"},
    {"output", "logdna", "use output http with the address of its ingestion API"},
    {"output", "nats", "use output kafka or http"},
    {"output", "oracle_log_analytics", "use output http"},
    {"output", "pgsql", "write to S3 and query with Athena, or load from there"},
    {"output", "plot", "use output file with Format plain"},
    {"output", "prometheus_remote_write", kPrometheus},
    {"output", "retry", "it is a test of Fluent Bit's own"},
    {"output", "skywalking", "use output opentelemetry"},
    {"output", "slack", "let a CloudWatch alarm or subscription notify: a chat is no log store"},
    {"output", "stackdriver", "use output opentelemetry or http"},
    {"output", "td", "use output http"},
    {"output", "udp", "use output syslog with Mode udp"},
    {"output", "vivo_exporter", "use output http"},
    {"output", "websocket", "use output http"},
    {"processor", "cumulative_to_delta", kMetricsProcessor},
    {"processor", "labels", kMetricsProcessor},
    {"processor", "metrics_selector", kMetricsProcessor},
    {"processor", "sampling", "it samples traces; for logs use filter throttle"},
    {"processor", "sql", "use grep to choose records and modify or nest to shape them"},
    {"processor", "tda", kMetricsProcessor},
    {"processor", "template", "it is an example of Fluent Bit's own"},
});

}  // namespace

std::span<const MissingPlugin> missing_plugins() { return kMissing; }

std::string_view advice_for_missing(std::string_view kind, std::string_view name) {
  for (const MissingPlugin& plugin : kMissing) {
    if (plugin.kind == kind && plugin.name == name) return plugin.advice;
  }
  return {};
}

}  // namespace noroshi

#!/usr/bin/python3
"""The HTTP API answers what Fluent Bit 5.1 answers: paths, statuses, bodies, metric names and label sets."""

import json
import re
import signal
import time
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from harness import SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

# The lists of Fluent Bit 5.1.1 (src/flb_metrics_exporter.c, src/http_server): name -> labels of its samples.
INPUT_TOTALS = ["records", "bytes"]
FILTER_TOTALS = ["records", "bytes", "add_records", "drop_records", "drop_bytes"]
OUTPUT_TOTALS = ["proc_records", "proc_bytes", "errors", "retries", "retries_failed", "dropped_records",
                 "retried_records"]
TOTALS = ([f"fluentbit_input_{name}_total" for name in INPUT_TOTALS] +
          [f"fluentbit_filter_{name}_total" for name in FILTER_TOTALS] +
          [f"fluentbit_output_{name}_total" for name in OUTPUT_TOTALS])
V1 = {**{name: {"name"} for name in TOTALS},
      "fluentbit_uptime": set(), "process_start_time_seconds": set(), "fluentbit_build_info": {"version", "edition"}}
PAIR = {"input", "output"}
V2 = {**{name: {"name"} for name in TOTALS},
      "fluentbit_uptime": {"hostname"}, "fluentbit_process_start_time_seconds": {"hostname"},
      "fluentbit_build_info": {"hostname", "version", "os"}, "fluentbit_hot_reloaded_times": {"hostname"},
      "fluentbit_logger_logs_total": {"message_type"},
      **{f"fluentbit_logger_queue_{name}_total": set() for name in ("enqueued", "dropped", "drained")},
      **{f"fluentbit_input_ring_buffer_{name}_total": {"name"} for name in ("writes", "retries", "retry_failures")},
      **{f"fluentbit_input_{name}": {"name"} for name in (
          "rate_bytes", "rate_records", "rate_gate_limited", "rate_gate_busy_chunks", "rate_gate_retry_attempts",
          "ingestion_paused", "storage_overlimit", "storage_memory_bytes", "storage_chunks", "storage_chunks_up",
          "storage_chunks_down", "storage_chunks_busy", "storage_chunks_busy_bytes")},
      **{f"fluentbit_output_{name}": {"name"} for name in (
          "upstream_total_connections", "upstream_busy_connections", "chunk_available_capacity_percent")},
      "fluentbit_output_latency_seconds_bucket": PAIR | {"le"}, "fluentbit_output_latency_seconds_sum": PAIR,
      "fluentbit_output_latency_seconds_count": PAIR,
      **{f"fluentbit_routing_logs_{name}_total": PAIR for name in ("records", "bytes", "drop_records", "drop_bytes")},
      **{f"fluentbit_storage_{name}": set() for name in (
          "chunks", "mem_chunks", "fs_chunks", "fs_chunks_up", "fs_chunks_down")}}
RECORDS = 7


def samples_of(text):
    """Parsed as Prometheus itself parses: (name, labels) -> sample."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser gives every counter the ending that OpenMetrics wants; Fluent Bit's uptime has none.
            name = sample.name.replace("fluentbit_uptime_total", "fluentbit_uptime")
            key = (name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} stands twice"
            found[key] = sample
    return found


def labels_by_name(samples, prefix):
    names = {}
    for (name, labels) in samples:
        if name.startswith(prefix):
            names.setdefault(name, set()).add(frozenset(key for key, _ in labels))
    return {name: set(next(iter(sets))) if len(sets) == 1 else sets for name, sets in names.items()}


class HttpApi(SystemTest):
    def setUp(self):
        super().setUp()
        self.port, self.admin = free_port(), free_port()
        self.config = self.directory / "router.conf"
        self.write_config()
        self.router = self.start_router(self.config, self.admin)

    def write_config(self, service=""):
        self.config.write_text(f"""
[SERVICE]
    HTTP_Port {self.admin}
    noroshi.statistics_interval off
{service}
[INPUT]
    Name forward
    Port {self.port}
[FILTER]
    Name  modify
    Match *
    Add   added yes
[OUTPUT]
    Name  null
    Match *
    Alias "quoted \\ alias"
[OUTPUT]
    Name  file
    Match *
    Path  {self.directory}
    File  out
""")

    def get(self, path, data=None, method=None):
        return fetch(f"http://127.0.0.1:{self.admin}{path}", data, method)

    def send(self):
        client = self.connect(self.port)
        ack = new_ack_id()
        client.send(packed_forward("app", [entry(time.time(), {"log": f"line {n}"}) for n in range(RECORDS)], ack))
        client.wait_ack()
        client.close()
        wait_for("delivery", lambda: json.loads(self.get("/api/v1/metrics")[1])["output"]["file.1"]["proc_records"] == RECORDS)

    def test_version_1(self):
        self.send()
        about = json.loads(self.get("/")[1])
        self.assertEqual(set(about["fluent-bit"]), {"version", "edition", "flags"})
        uptime = json.loads(self.get("/api/v1/uptime")[1])
        self.assertRegex(uptime["uptime_hr"], r"^Fluent Bit has been running:  0 day, 0 hour, 0 minute and \d+ seconds?$")
        metrics = json.loads(self.get("/api/v1/metrics")[1])
        self.assertEqual(set(metrics), {"input", "filter", "output"})
        self.assertEqual(set(metrics["input"]["forward.0"]), set(INPUT_TOTALS))
        self.assertEqual(set(metrics["filter"]["modify.0"]), set(FILTER_TOTALS))
        self.assertEqual(set(metrics["output"]["file.1"]), set(OUTPUT_TOTALS))
        storage = json.loads(self.get("/api/v1/storage")[1])
        self.assertEqual(storage["storage_layer"]["chunks"], {
            "total_chunks": 1, "mem_chunks": 0, "fs_chunks": 1, "fs_chunks_up": 0, "fs_chunks_down": 1})
        self.assertEqual(storage["input_chunks"]["forward.0"], {
            "status": {"overlimit": False, "mem_size": "0b", "mem_limit": "0b"},
            "chunks": {"total": 0, "up": 0, "down": 0, "busy": 0, "busy_size": "0b"}})
        plugins = json.loads(self.get("/api/v1/plugins")[1])["plugins"]
        self.assertEqual(set(plugins), {"inputs", "filters", "outputs"})
        self.assertIn("cloudwatch_logs", plugins["outputs"])
        self.assertEqual(self.get("/api/v1/health"), (200, b"ok\n"))

    def test_version_1_prometheus(self):
        self.send()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/api/v1/metrics/prometheus") as answer:
            self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4")
            text = answer.read().decode()
        samples = samples_of(text)
        own = {name for name in labels_by_name(samples, "") if name.startswith(("noroshi_", "process_resident"))}
        self.assertEqual({name: labels for name, labels in labels_by_name(samples, "").items() if name not in own}, V1)
        self.assertIn("noroshi_output_dropped_records_total", own)
        records = samples[("fluentbit_output_proc_records_total", (("name", "file.1"),))]
        self.assertEqual(records.value, RECORDS)
        self.assertIsNotNone(records.timestamp)
        self.assertIn(("fluentbit_output_errors_total", (("name", '"quoted \\ alias"'),)), samples)
        # The parser of AWS' recipe (ecs-firelens "fluent-bit metrics in CloudWatch") wants name{labels} value time.
        recipe = re.compile(r'^(?P<metric>[^ ]+)\{(?P<label>[^ ]+)\} (?P<value>[^ ]+) (?P<time>[0-9]+)$')
        lines = [line for line in text.splitlines() if line.startswith("fluentbit_input_records_total{")]
        match = recipe.match(lines[0])
        self.assertEqual(match["value"], str(RECORDS))
        self.assertLess(abs(int(match["time"]) / 1000 - time.time()), 60)
        names = [line.split("{")[0] for line in text.splitlines() if line.startswith("fluentbit_") and "{name" in line]
        self.assertEqual(names, sorted(names))

    def test_version_2(self):
        self.send()
        text = self.get("/api/v2/metrics/prometheus")[1].decode()
        samples = samples_of(text)
        self.assertEqual(labels_by_name(samples, "fluentbit_"), V2)
        self.assertTrue(all(sample.timestamp is None for sample in samples.values()))
        pair = (("input", "forward.0"), ("output", "file.1"))
        self.assertEqual(samples[("fluentbit_routing_logs_records_total", pair)].value, RECORDS)
        self.assertGreater(samples[("fluentbit_routing_logs_bytes_total", pair)].value, RECORDS)
        bounds = [dict(labels)["le"] for name, labels in samples
                  if name == "fluentbit_output_latency_seconds_bucket" and ("output", "file.1") in labels]
        self.assertEqual([float(bound) for bound in bounds], [.5, 1, 1.5, 2.5, 5, 10, 20, 30, float("inf")])
        self.assertGreaterEqual(samples[("fluentbit_output_latency_seconds_count", pair)].value, 1)
        lines = self.get("/api/v2/metrics")[1].decode().splitlines()
        pattern = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (?P<name>\w+)(\{.*\})? = \S+$")
        self.assertEqual({pattern.match(line)["name"] for line in lines if "fluentbit_" in line}, set(V2))
        health = json.loads(self.get("/api/v2/health")[1])
        for key, value in {"status": "ok", "errors": 0, "retries_failed": 0, "error_limit": 5,
                           "retry_failure_limit": 5, "period_limit": 60}.items():
            self.assertEqual(health[key], value)

    def test_exporter_and_log_to_metrics(self):
        """As configured for Fluent Bit: metrics in, exporter out; and a filter that counts records."""
        port = free_port()
        self.stop_router(self.router)
        self.write_config()
        self.config.write_text(self.config.read_text() + f"""
[INPUT]
    Name fluentbit_metrics
    Tag  internal
[FILTER]
    Name               log_to_metrics
    Match              app
    Tag                metrics
    Metric_Mode        counter
    Metric_Name        lines
    Metric_Description Lines of the application
    Label_Field        log
[OUTPUT]
    Name      prometheus_exporter
    Match     *
    Host      127.0.0.1
    Port      {port}
    Add_Label environment "te st"
    Add_Timestamp on
""")
        self.router = self.start_router(self.config, self.admin)
        self.send()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            samples = samples_of(answer.read().decode())
        self.assertEqual(labels_by_name(samples, "fluentbit_"),
                         {name: labels | {"environment"} for name, labels in V2.items()})
        everywhere = ("environment", '"te st"')
        line = samples[("log_metric_counter_lines_total", tuple(sorted([everywhere, ("log", "line 3")])))]
        self.assertEqual(line.value, 1)
        self.assertLess(abs(line.timestamp - time.time()), 60)
        routed = samples[("fluentbit_routing_logs_records_total", tuple(sorted(
            [everywhere, ("input", "*"), ("output", "prometheus_exporter.2")])))]
        self.assertEqual(routed.value, 0, "log records are not for the exporter")
        self.assertIn(b"log_metric_counter_lines{", self.get("/api/v2/metrics/prometheus")[1])
        self.assertEqual(fetch(f"http://127.0.0.1:{port}/")[0], 404)

    def test_the_rest(self):
        for path in ("/nothing", "/api/v1/metrics/", "/api/v1/uptime/"):
            self.assertEqual(self.get(path), (404, b""))
        self.assertEqual(self.get("/api/v1/trace/forward.0")[0], 501)
        self.assertEqual(self.get("/api/v1/traces/")[0], 501)
        self.assertEqual(self.get("/api/v1/uptime", b"")[0], 200)
        self.assertEqual(json.loads(self.get("/api/v2/reload")[1]), {"hot_reload_count": 0})
        self.assertEqual(self.get("/api/v2/reload", method="DELETE")[0], 405)
        for method in ("POST", "PUT"):
            status, body = self.get("/api/v2/reload", b"", method)
            self.assertEqual((status, json.loads(body)), (200, {"reload": "not enabled", "status": -1}))
        self.router.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        self.assertTrue(self.alive(self.router), "a hang-up without hot_reload changes nothing")
        self.assertEqual(self.get("/api/v1/health")[0], 200)


if __name__ == "__main__":
    run_tests()

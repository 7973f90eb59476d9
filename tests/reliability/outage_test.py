#!/usr/bin/python3
"""Every way a destination can fail, under load: nothing is lost, S3 holds each record once, the other output is not
delayed, waiting costs no CPU and no storm of requests, and afterwards the backlog shrinks faster than it grew.

    NOROSHI_OUTAGE_SECONDS=60 tests/reliability/outage_test.py     one minute for each fault (default: 3 s)
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from load import Load, cpu_seconds
from harness import BIN, SystemTest, fetch, free_port, run_tests, wait_for

SECONDS = float(os.environ.get("NOROSHI_OUTAGE_SECONDS", "3"))
RATE = int(os.environ.get("NOROSHI_OUTAGE_RATE", "5000"))

# name: (fault, may the events of CloudWatch be repeated?)
FAULTS = {
    "resets before it stores": ({"action": "reset_before"}, False),
    "stores, and the answer is lost": ({"action": "reset_after"}, True),
    "answers 500": ({"error": "InternalError", "status": 500}, False),
    "answers 503 in half of the requests": ({"error": "ServiceUnavailable", "status": 503, "rate": 0.5}, False),
    "throttles": ({"error": {"s3": "SlowDown", "logs": "ThrottlingException"}}, False),
    "throttles half of the requests": ({"error": {"s3": "SlowDown", "logs": "ThrottlingException"}, "rate": 0.5}, False),
    "is slow": ({"latency_ms": 800}, False),
    "accepts and never answers": ({"action": "half_open"}, False),
    "stores and never answers": ({"action": "half_open_after"}, True),
    "answers garbage": ({"action": "garbage"}, True),
    "answers half": ({"action": "truncate"}, True),
    "says the credentials have expired": ({"error": "ExpiredToken", "status": 400}, False),
    "refuses the credentials": ({"error": "AccessDenied", "status": 403}, False),
}
# Requests of one output while its destination refuses: full jitter from 200 ms to 20 s, or 1 s to 30 s.
REQUESTS_PER_SECOND_MAX = 12


class Outages(SystemTest):
    def start(self, environment=lambda endpoint: {}, prefix=(), credentials_lifetime=0):
        self.start_aws()
        if credentials_lifetime:
            fetch(f"{self.endpoint}/_localaws/credentials", json.dumps({"lifetime_seconds": credentials_lifetime}).encode())
        self.port, self.admin = free_port(), free_port()
        self.config = self.specified_config(self.port, self.admin)
        # Small objects, often: their number is what can go wrong.
        self.config.write_text(self.config.read_text().replace("upload_timeout   10m", "upload_timeout   1s"))
        self.router = self.spawn("router", [*prefix, BIN / "noroshi", "-c", self.config],
                                 {**self.router_environment(), **environment(self.endpoint)})
        wait_for("the router's health", lambda: self.alive(self.router) and fetch(
            f"http://127.0.0.1:{self.admin}/api/v1/health")[0] == 200)

    def inject(self, **fault):
        status, body = fetch(f"{self.endpoint}/_localaws/faults", json.dumps(fault).encode())
        self.assertIn(status, (200, 201), body)

    def heal(self):
        fetch(f"{self.endpoint}/_localaws/faults", method="DELETE")

    def requests(self, service):
        counts = collections.Counter()
        for row in json.loads(fetch(f"{self.endpoint}/_localaws/requests?limit=1000")[1])["requests"]:
            counts[row["service"]] += 1
        return counts[service]

    def metric(self, name, output):
        text = fetch(f"http://127.0.0.1:{self.admin}/api/v2/metrics/prometheus")[1].decode()
        for row in text.splitlines():
            if row.startswith(f"{name}{{") and f'name="{output}' in row:
                return float(row.rsplit(" ", 1)[1])
        raise AssertionError(f"{name} of {output} is not among the metrics")

    def age(self, output):
        return self.metric("noroshi_output_oldest_undelivered_seconds", output)

    def settle(self, seconds=90):
        """Waits until both outputs deliver as fast as records come; returns how long that took."""
        began = time.monotonic()
        wait_for("the end of the backlog", lambda: self.alive(self.router) and self.age("cloudwatch_logs") < 1
                 and self.age("s3") < 3, seconds)
        return time.monotonic() - began

    def finish(self, load, repeats_in_cloudwatch):
        load.stop()
        status, last = self.stop_router(self.router, 120)
        self.assertEqual(status, 0, last)
        numbers = collections.Counter(record["n"] for record in self.s3_records())
        self.assertEqual(set(range(load.sent)) - set(numbers), set(), "records missing in S3")
        self.assertEqual([n for n, times in numbers.items() if times > 1], [], "records twice in S3")
        events = collections.Counter(json.loads(event["message"])["n"] for event in self.log_events())
        self.assertEqual(set(events) ^ set(load.errors), set(), "CloudWatch Logs holds exactly the errors")
        repeated = sum(events.values()) - len(events)
        if not repeats_in_cloudwatch:
            self.assertEqual(repeated, 0, "events repeated although no answer was lost")
        self.assertEqual(load.reconnects, 0, "a destination's trouble closed the client's connection")
        self.assertIn("0 dropped, 0 left", last)
        return repeated

    def fail_in_every_way(self, service):
        self.start()
        output, other = {"s3": ("s3", "cloudwatch_logs"), "logs": ("cloudwatch_logs", "s3")}[service]
        load = Load(self.port, RATE)
        time.sleep(1)
        busy = cpu_seconds(self.router.pid)
        time.sleep(2)
        usual = (cpu_seconds(self.router.pid) - busy) / 2
        print(f"\n{RATE} records/s; usual CPU {usual:.1%} of a core")
        repeats = False
        for name, (fault, repeats_events) in FAULTS.items():
            with self.subTest(f"{service} {name}"):
                fault = {**fault, "service": service}
                if isinstance(fault.get("error"), dict):
                    fault["error"] = fault["error"][service]
                repeats |= repeats_events
                fetch(f"{self.endpoint}/_localaws/requests", method="DELETE")
                self.inject(**fault)
                before, began = cpu_seconds(self.router.pid), time.monotonic()
                oldest_of_other = 0.0
                while time.monotonic() - began < SECONDS:
                    time.sleep(0.1)
                    oldest_of_other = max(oldest_of_other, self.age(other))
                cpu = (cpu_seconds(self.router.pid) - before) / SECONDS
                requests = self.requests(service)
                lag = self.age(output)
                self.heal()
                caught_up = self.settle()
                print(f"{service} {name}: {requests} requests, CPU {cpu:.1%}, lag {lag:.1f} s, "
                      f"other output {oldest_of_other:.1f} s, caught up in {caught_up:.1f} s")
                self.assertLess(oldest_of_other, {"cloudwatch_logs": 1, "s3": 3}[other], "the other output was delayed")
                self.assertLess(cpu, 2 * usual + 0.05, "waiting costs CPU")
                self.assertLess(requests, REQUESTS_PER_SECOND_MAX * SECONDS + 5, "a storm of requests")
        repeated = self.finish(load, repeats)
        print(f"{load.sent} records, {len(load.errors)} errors: none lost, none twice in S3, {repeated} events repeated")

    def test_s3_fails_in_every_way(self):
        self.fail_in_every_way("s3")

    def test_cloudwatch_logs_fails_in_every_way(self):
        self.fail_in_every_way("logs")

    def test_both_are_down_and_the_backlog_shrinks_faster_than_it_grew(self):
        self.start()
        load = Load(self.port, RATE)
        time.sleep(1)
        self.inject(action="refuse", duration_ms=int(SECONDS * 2000))
        time.sleep(SECONDS * 2)
        caught_up = self.settle(60)
        print(f"\n{SECONDS * 2:.0f} s down at {RATE} records/s, caught up {caught_up:.1f} s after the first success")
        self.assertLess(caught_up, SECONDS * 2 + 20, "retries wait 20 s at most; then the backlog goes fast")
        self.finish(load, True)

    def test_credentials_that_expire_while_their_endpoint_fails(self):
        self.start(lambda endpoint: {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
                                     "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint}/v2/credentials/task"},
                   credentials_lifetime=4)
        load = Load(self.port, RATE)
        time.sleep(6)  # they were renewed at least once
        self.settle()
        for fault in ({"error": "AccessDenied", "status": 403}, {"action": "garbage"}, {"action": "half_open"},
                      {"error": "InternalError", "status": 500}):
            self.inject(service="credentials", **fault)
            time.sleep(6)
            self.heal()
            caught_up = self.settle()
            print(f"\ncredentials {fault}: caught up in {caught_up:.1f} s")
        self.finish(load, True)

    def test_the_name_of_the_destination_does_not_resolve(self):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            self.skipTest("needs a mount namespace of its own")
        hosts, resolver = self.directory / "hosts", self.directory / "resolv.conf"
        hosts.write_text("127.0.0.1 localhost\n")
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")  # nobody answers there
        inside = f'mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf && exec "$@"'
        named = lambda endpoint: endpoint.replace("127.0.0.1", "destination.test")
        self.start(lambda endpoint: {"AWS_ENDPOINT_URL_S3": named(endpoint),
                                     "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": named(endpoint)},
                   prefix=("unshare", "-m", "sh", "-c", inside, "sh"))
        load = Load(self.port, RATE)
        time.sleep(SECONDS)
        self.assertGreater(self.age("cloudwatch_logs"), 1, "the name was not needed: the test tests nothing")
        self.assertIn(b"degraded", fetch(f"http://127.0.0.1:{self.admin}/api/v1/health")[1])
        hosts.write_text("127.0.0.1 localhost destination.test\n")
        print(f"\nno name: caught up in {self.settle():.1f} s")
        self.finish(load, True)

    def test_the_clock_is_set_by_hours(self):
        library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        self.assertIsNotNone(library, "package faketime is missing")
        offset = self.directory / "offset"
        offset.write_text("+0\n")
        self.start(lambda endpoint: {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset),
                                     "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"})
        load = Load(self.port, RATE // 5)  # every call of the clock reads a file here
        for hours in (3, -5, 0):
            offset.write_text(f"{hours:+d}h\n")
            time.sleep(SECONDS)
            wait_for(f"delivery with a clock {hours:+d} h off", lambda: self.alive(self.router) and fetch(
                f"http://127.0.0.1:{self.admin}/api/v1/health")[1] == b"ok\n", 60)
        offset.write_text("+0\n")
        time.sleep(1)
        self.finish(load, True)


if __name__ == "__main__":
    run_tests()

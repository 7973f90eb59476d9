#!/usr/bin/python3
"""Every way a destination can fail, under load: nothing is lost, S3 holds each record once, the other output is not
delayed, waiting costs no CPU and no storm of requests, and afterwards the backlog goes, several times faster than it came.

    NOROSHI_OUTAGE_SECONDS=60 tests/reliability/outage_test.py     one minute for each fault (default: 3 s)
"""

import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from load import Load, cpu_seconds
from network import NameServer, Proxy
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
# Seconds between a record's arrival and its delivery: Flush, and for S3 upload_timeout, is a second here.
ON_TIME = {"cloudwatch_logs": 1, "s3": 3}
# Requests of one output while its destination refuses: full jitter from 200 ms to 20 s, or 1 s to 30 s.
REQUESTS_PER_SECOND_MAX = 12
# An attempt that nobody answers ends after 30 s: only a peer that hangs for longer is given up and tried again.
FREEZE_SECONDS = max(SECONDS, 40)
NAMELESS_SECONDS = max(SECONDS, 15)
# The least share of the inflow by which a backlog must shrink while the inflow goes on.
CATCH_UP_FACTOR = 2
# Of a core, while everything waits and nothing comes in, and while the load goes on (2 to 3 % are usual).
IDLE_CPU_MAX = 0.01
BUSY_CPU_MAX = 0.15


class Outages(SystemTest):
    def start(self, environment=lambda endpoint: {}, prefix=(), credentials_lifetime=0):
        self.aws = self.start_aws()
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

    def health(self):
        return fetch(f"http://127.0.0.1:{self.admin}/api/v1/health")[1].decode()

    def proxy(self):
        proxy = Proxy(int(self.endpoint.rsplit(":", 1)[1]))
        self.addCleanup(proxy.close)
        return proxy

    def stay(self, seconds, other):
        """Waits, and says how much CPU that cost and how late the `other` output was at most."""
        before, began, oldest = cpu_seconds(self.router.pid), time.monotonic(), 0.0
        while time.monotonic() - began < seconds:
            time.sleep(0.1)
            if other:
                oldest = max(oldest, self.age(other))
        return (cpu_seconds(self.router.pid) - before) / (time.monotonic() - began), oldest

    def age(self, output):
        return self.metric("noroshi_output_oldest_undelivered_seconds", output)

    def settle(self, seconds=90):
        """Waits until both outputs deliver as fast as records come; returns how long that took."""
        began = time.monotonic()
        wait_for("the end of the backlog", lambda: self.alive(self.router) and all(
            self.age(output) < seconds for output, seconds in ON_TIME.items()), seconds)
        return time.monotonic() - began

    def finish(self, load, repeats_in_cloudwatch):
        load.stop()
        status, last = self.stop_router(self.router, 120)
        self.assertEqual(status, 0, last)
        times = bytearray(load.sent)  # a byte for each record: a minute for each fault are millions
        for record in self.each_s3_record():
            times[record["n"]] = min(times[record["n"]] + 1, 255)
        self.assertEqual(times.count(0), 0, f"records missing in S3, the first is {times.find(0)}")
        self.assertEqual(times.count(1), load.sent, "records twice in S3")
        events = collections.Counter(json.loads(event["message"])["n"] for event in self.each_log_event())
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
                cpu, oldest_of_other = self.stay(SECONDS, other)
                requests = self.requests(service)
                lag = self.age(output)
                self.heal()
                caught_up = self.settle()
                print(f"{service} {name}: {requests} requests, CPU {cpu:.1%}, lag {lag:.1f} s, "
                      f"other output {oldest_of_other:.1f} s, caught up in {caught_up:.1f} s")
                self.assertLess(oldest_of_other, ON_TIME[other], "the other output was delayed")
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
        down = SECONDS * 2
        self.inject(action="refuse", duration_ms=int(down * 1000))
        time.sleep(down)
        # Each output comes back after its own wait (20 s at most); from then on it must be faster than what still comes in.
        begun, ended, samples = {}, {}, {output: [] for output in ON_TIME}
        wait_until = time.monotonic() + 60
        while len(ended) < len(ON_TIME):
            self.assertLess(time.monotonic(), wait_until, f"no end of the backlog: {samples}")
            now = time.monotonic()
            for output in ON_TIME:
                delivered = self.metric("fluentbit_output_proc_records_total", output)
                waiting = self.metric("noroshi_output_waiting_records", output)
                seen = samples[output]
                if seen and output not in begun and delivered > seen[-1][1]:
                    begun[output] = seen[-1]
                seen.append((now, delivered, waiting))
                if output in begun and output not in ended and self.age(output) < ON_TIME[output]:
                    ended[output] = seen[-1]
            time.sleep(0.05)
        print(f"\n{down:.0f} s down at {RATE} records/s")
        for output, inflow in (("s3", RATE), ("cloudwatch_logs", RATE / 20)):
            (first, before, backlog), (last, after, left) = begun[output], ended[output]
            rate = (after - before) / (last - first)
            print(f"{output}: {backlog:,.0f} records waited, {left:,.0f} are left {last - first:.1f} s after the first success: "
                  f"{rate:,.0f} delivered/s while {inflow:,.0f}/s came")
            self.assertGreater(backlog, inflow * down * 0.8, "there was no backlog: the test tests nothing")
            self.assertGreater(rate, CATCH_UP_FACTOR * inflow, f"{output} does not catch up")
        # And it stays so.
        time.sleep(2)
        self.assertEqual([output for output in ON_TIME if self.age(output) > ON_TIME[output]], [])
        self.finish(load, True)

    def test_waiting_without_input_costs_nothing(self):
        self.start()
        measured = max(SECONDS, 10)
        load = Load(self.port, RATE)
        for name, fault in {"refuses connections": {"action": "refuse", "duration_ms": int((measured + 5) * 1000)},
                            "accepts and never answers": {"action": "half_open"},
                            "refuses the credentials": {"error": "AccessDenied", "status": 403}}.items():
            with self.subTest(name):
                load.resume()
                self.inject(**fault)
                time.sleep(2)
                load.pause()
                time.sleep(1)
                waiting = self.metric("noroshi_output_waiting_records", "s3")
                cpu, _ = self.stay(measured, None)
                print(f"\n{name}: {waiting:,.0f} records wait, CPU {cpu:.2%} of a core")
                self.assertGreater(waiting, RATE, "there is no backlog: the test tests nothing")
                self.assertEqual(self.metric("noroshi_output_waiting_records", "s3"), waiting)
                self.assertLess(cpu, IDLE_CPU_MAX, "waiting costs CPU")
                if fault.get("action") != "refuse":  # that ends by itself
                    self.heal()
                self.settle()
        cpu, _ = self.stay(measured, None)
        print(f"\nnothing to do: CPU {cpu:.2%} of a core")
        self.assertLess(cpu, IDLE_CPU_MAX, "having nothing to do costs CPU")
        self.finish(load, True)

    def check_that_s3_waits_alone(self, what, seconds):
        """While S3 is in trouble: CloudWatch goes on, on time, and the router's interface says what it is."""
        cpu, late = self.stay(seconds, "cloudwatch_logs")
        lag, health = self.age("s3"), self.health()
        print(f"\n{what} for {seconds:.0f} s: S3 {lag:.1f} s behind, CloudWatch Logs {late:.1f} s, CPU {cpu:.1%}; {health.strip()}")
        self.assertLess(late, ON_TIME["cloudwatch_logs"], "the other output was delayed")
        self.assertLess(cpu, BUSY_CPU_MAX, "waiting costs CPU")
        self.assertGreater(lag, seconds - 3, "S3 went on: the test tests nothing")
        self.assertIn("degraded: s3.1 has failed for", health)
        return health

    def test_s3_alone_denies_access(self):
        """As a task role without s3:PutObject: it is said, with the action and the resource, and repaired from outside."""
        self.start()
        load = Load(self.port, RATE)
        time.sleep(2)
        fetch(f"{self.endpoint}/_localaws/requests", method="DELETE")
        self.inject(service="s3", error="AccessDenied", status=403)
        seconds = max(SECONDS, 6)
        health = self.check_that_s3_waits_alone("S3 denies access", seconds)
        self.assertIn("AccessDenied", health)
        self.assertIn("s3:PutObject", health)
        self.assertIn("backend-logs", health)
        self.assertLess(self.requests("s3"), seconds / 2 + 5, "a storm of requests")
        self.heal()
        # The wait for somebody's repair may have grown to a minute.
        print(f"caught up in {self.settle():.1f} s")
        self.finish(load, False)

    def test_a_host_that_hangs(self):
        """Its connections stay established, the kernel even takes new ones, and nobody reads or answers (SIGSTOP)."""
        self.start()
        load = Load(self.port, RATE)
        time.sleep(2)
        os.kill(self.aws.pid, signal.SIGSTOP)
        began = time.monotonic()
        cpu, _ = self.stay(FREEZE_SECONDS, None)
        self.assertLess(cpu, BUSY_CPU_MAX, "waiting costs CPU")
        lags = {output: self.age(output) for output in ON_TIME}
        self.assertIn("degraded", self.health())
        self.assertLess(load.longest_wait, 5, "the client had to wait")
        os.kill(self.aws.pid, signal.SIGCONT)
        print(f"\nboth hang for {time.monotonic() - began:.0f} s: behind by {lags}, CPU {cpu:.1%}, "
              f"caught up in {self.settle():.1f} s")
        self.assertGreater(min(lags.values()), FREEZE_SECONDS - 5, "the destinations were not needed: the test tests nothing")
        self.finish(load, True)  # what it finds in its sockets when it goes on had been given up

    def test_a_network_that_hangs_before_s3(self):
        """A peer that is frozen on its way: what was sent before arrives after the router gave it up and sent it again."""
        self.start(lambda endpoint: {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.s3_proxy().port}"})
        load = Load(self.port, RATE)
        time.sleep(2)
        self.s3_way.freeze()
        health = self.check_that_s3_waits_alone("the way to S3 hangs", FREEZE_SECONDS)
        self.assertIn("timed out", health)
        self.s3_way.thaw()
        print(f"caught up in {self.settle():.1f} s")
        self.finish(load, False)

    def s3_proxy(self):
        self.s3_way = self.proxy()
        return self.s3_way

    def test_credentials_that_expire_while_their_endpoint_fails(self):
        """It answers with trouble, answers nothing, or is gone; the credentials in hand expire meanwhile."""
        lifetime = 4
        self.start(lambda endpoint: {
            "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self.credentials_proxy().port}/v2/credentials/task"},
            credentials_lifetime=lifetime)
        load = Load(self.port, RATE)
        time.sleep(6)  # they were renewed at least once
        self.settle()
        for name, fault in {"denies": {"error": "AccessDenied", "status": 403}, "answers garbage": {"action": "garbage"},
                            "never answers": {"action": "half_open"}, "fails": {"error": "InternalError", "status": 500},
                            "is gone": None}.items():
            with self.subTest(name):
                if fault:
                    self.inject(service="credentials", **fault)
                else:
                    self.credentials_way.vanish()
                # Who never answers is given up after 15 s.
                cpu, _ = self.stay(lifetime + max(SECONDS, 20 if name == "never answers" else 4), None)
                lags, health = {output: self.age(output) for output in ON_TIME}, self.health()
                if fault:
                    self.heal()
                else:
                    self.credentials_way.appear()
                caught_up = self.settle()
                print(f"\nthe credentials' endpoint {name}: behind by {lags}, CPU {cpu:.1%}, caught up in {caught_up:.1f} s; "
                      f"{health.strip()}")
                self.assertGreater(min(lags.values()), 1, "the endpoint was not needed: the test tests nothing")
                self.assertIn("degraded", health)
                self.assertRegex(health, "(?i)credential|expired")
                self.assertLess(cpu, BUSY_CPU_MAX, "waiting costs CPU")
        self.finish(load, True)

    def credentials_proxy(self):
        self.credentials_way = self.proxy()
        return self.credentials_way

    def start_with_names(self, hosts, resolver):
        """The destinations have a name, which the router looks up in files of its own."""
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            self.skipTest("needs a mount namespace of its own")
        inside = f'mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf && exec "$@"'
        named = lambda endpoint: endpoint.replace("127.0.0.1", "destination.test")
        self.start(lambda endpoint: {"AWS_ENDPOINT_URL_S3": named(endpoint),
                                     "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": named(endpoint)},
                   prefix=("unshare", "-m", "sh", "-c", inside, "sh"))

    def test_the_name_of_the_destination_does_not_resolve(self):
        hosts, resolver = self.directory / "hosts", self.directory / "resolv.conf"
        hosts.write_text("127.0.0.1 localhost\n")
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")  # nobody answers there
        self.start_with_names(hosts, resolver)
        load = Load(self.port, RATE)
        time.sleep(SECONDS)
        self.assertGreater(self.age("cloudwatch_logs"), 1, "the name was not needed: the test tests nothing")
        self.assertIn("degraded", self.health())
        hosts.write_text("127.0.0.1 localhost destination.test\n")
        print(f"\nno name: caught up in {self.settle():.1f} s")
        self.finish(load, True)

    def test_the_name_server_goes_away_and_comes_back(self):
        """While it runs: no connection that ends can be made again, then all is as before."""
        try:
            names = NameServer("destination.test", "127.0.0.1")
        except OSError as error:
            self.skipTest(f"needs port 53 of a loopback address: {error}")
        self.addCleanup(names.close)
        hosts, resolver = self.directory / "hosts", self.directory / "resolv.conf"
        hosts.write_text("127.0.0.1 localhost\n")
        resolver.write_text(f"nameserver {names.ip}\noptions timeout:1 attempts:1\n")
        self.start_with_names(hosts, resolver)
        load = Load(self.port, RATE)
        time.sleep(2)
        self.settle()
        self.assertGreater(names.asked, 0, "the name server was not asked: the test tests nothing")
        # A connection that is kept needs no name.
        self.inject(action="reset_before", duration_ms=2000)
        for names.mode in ("no such name", "fails", "silent"):
            cpu, _ = self.stay(NAMELESS_SECONDS, None)
            lags, health = {output: self.age(output) for output in ON_TIME}, self.health()
            print(f"\n{names.mode}: behind by {lags}, CPU {cpu:.1%}; {health.strip()}")
            self.assertGreater(min(lags.values()), NAMELESS_SECONDS - 5, "the name was not needed: the test tests nothing")
            self.assertIn("degraded", health)
            self.assertRegex(health, "(?i)resolve")
            self.assertLess(cpu, BUSY_CPU_MAX, "waiting costs CPU")
        names.mode = "answers"
        print(f"caught up in {self.settle():.1f} s")
        self.finish(load, True)

    def test_the_clock_is_set_by_hours(self):
        library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        self.assertIsNotNone(library, "package faketime is missing")
        offset = self.directory / "offset"
        offset.write_text("+0\n")
        self.start(lambda endpoint: {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset),
                                     "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"})
        load = Load(self.port, RATE // 5)  # every call of the clock reads a file here
        time.sleep(2)
        for hours in (3, -5, 0):
            offset.write_text(f"{hours:+d}h\n")
            sent, began = load.sent, time.monotonic()
            # What comes after the step is delivered, by both.
            wanted = {"s3": sent + RATE // 5, "cloudwatch_logs": (sent + RATE // 5) // 20}
            wait_for(f"delivery with a clock {hours:+d} h off", lambda: self.alive(self.router) and all(
                self.metric("fluentbit_output_proc_records_total", output) >= count for output, count in wanted.items()), 60)
            print(f"\nthe clock {hours:+d} h off: delivered what came {time.monotonic() - began:.1f} s later")
            time.sleep(SECONDS)
            wait_for(f"health with a clock {hours:+d} h off", lambda: self.health() == "ok\n", 60)
        time.sleep(1)
        self.finish(load, True)


if __name__ == "__main__":
    run_tests()

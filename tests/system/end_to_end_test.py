#!/usr/bin/python3
"""The specified pipeline with the real programs: a million records, crashes, clients, shutdown, the HTTP API."""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import (BIN, PATIENCE, SANITIZED, SPECIFIED_CONFIG, SystemTest, entry, event_time, fetch, free_port,
                     new_ack_id, packed_forward, run_tests, wait_for)

import msgpack

LEVELS = ["INFO"] * 17 + ["DEBUG", "WARNING", "ERROR"]


def line(number, level):
    """A JSON line of about 300 bytes with a sequence number, as the application writes them."""
    return json.dumps({
        "timestamp": "2026-11-23T02:53:00.123456Z", "level": level, "logger": "backend.orders", "n": number,
        "message": "order accepted and queued for packing in the warehouse, carrier assigned, customer notified",
        "request_id": "1f0c5c5e-8e8a-4a52-9d0a-3f7f3a5b6c7d", "path": "/orders", "status": 200,
        "duration_ms": 12.345})


def docker_record(text):
    return {"container_id": "0" * 64, "container_name": "/ecs-backend-1", "source": "stdout", "log": text}


def batches_repeated(errors, events):
    """Runs of errors, in the order they were sent, that are there once more than the others: a batch is one run at least."""
    runs = 0
    for times in range(2, max(events.values()) + 1):
        before = False
        for number in errors:
            there = events[number] >= times
            runs += there and not before
            before = there
    return runs


class Specified(SystemTest):
    def start(self, **arguments):
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        self.config = self.specified_config(self.port, self.admin, **arguments)
        return self.start_router(self.config, self.admin)

    def check_counts(self, count, errors, duplicates_in_logs=0):
        numbers = collections.Counter(record["n"] for record in self.s3_records())
        self.assertEqual(set(numbers), set(range(count)), "records missing in S3")
        self.assertEqual([n for n, times in numbers.items() if times > 1], [], "records twice in S3")
        events = collections.Counter(json.loads(event["message"])["n"] for event in self.log_events())
        self.assertEqual(set(events), set(errors), "CloudWatch Logs holds exactly the errors")
        self.assertLessEqual(sum(events.values()) - len(events), duplicates_in_logs)

    def test_one_million_records_none_lost_none_twice_none_misrouted(self):
        count = int(os.environ.get("NOROSHI_TEST_RECORDS", "1000000" if not SANITIZED else "200000"))
        router = self.start()
        client = self.connect(self.port)
        errors, entries, waiting, base = [], [], 0, time.time()
        started = time.monotonic()
        for number in range(count):
            level = LEVELS[number % 20]
            if level == "ERROR":
                errors.append(number)
            entries.append(entry(base + number / 1e6, docker_record(line(number, level))))
            if len(entries) == 1000 or number == count - 1:
                client.send(packed_forward("backend-firelens-1", entries, new_ack_id()))
                entries, waiting = [], waiting + 1
                while waiting > 16 or (number == count - 1 and waiting):
                    client.wait_ack()
                    waiting -= 1
        client.close()
        seconds = time.monotonic() - started
        with open(f"/proc/{router.pid}/status") as status:
            memory = {key: int(value.split()[0]) for key, value in (
                row.split(":") for row in status if row.startswith(("VmHWM", "RssAnon")))}
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        print(f"\n{count} records in {seconds:.1f} s (the client's speed), memory {memory} kB\n{last}")
        self.check_counts(count, errors)
        self.assertIn(f"accepted {count:,} records", last)
        self.assertIn(f"{count:,} delivered, 0 dropped, 0 left", last)
        self.assertIn(f"{len(errors):,} delivered, 0 dropped, 0 left", last)
        # The specification reserves 50 MB.
        if not SANITIZED:
            self.assertLess(memory["VmHWM"], 50_000)

    def test_kill_9_loses_no_acknowledged_record_and_repeats_none_in_s3(self):
        self.kill_again_and_again()

    def test_kill_9_with_storage_sync_full(self):
        """An ack means fsynced: the same promise, and the client waits for the disk."""
        self.kill_again_and_again("    storage.sync full\n")

    def kill_again_and_again(self, service=""):
        rng = random.Random(os.environ.get("NOROSHI_TEST_SEED", "20261123"))
        rounds = int(os.environ.get("NOROSHI_TEST_KILLS", "20"))
        router = self.start(service=service)
        # Objects every second, and answers that come 100 ms after the request was carried out: half of the kills hit
        # between what a destination stored and the checkpoint that says so.
        self.config.write_text(self.config.read_text().replace("upload_timeout   10m", "upload_timeout   1s"))
        self.stop_router(router)
        router = self.start_router(self.config, self.admin)
        fetch(f"{self.endpoint}/_localaws/faults", json.dumps({"latency_ms": 100}).encode())
        number, errors, repeated, objects = 0, [], 0, []
        pending = collections.deque()  # (ack id, frame) sent and not acknowledged: repeated after a crash, as clients do
        client = self.connect(self.port)
        for kill in range(rounds):
            alive = 0.05 + rng.random() * 0.6 if kill % 2 else 1 + rng.random() * 1.2  # with a first object or without
            killer = threading.Timer(alive, lambda process=router: process.kill())
            killer.start()
            try:
                while True:
                    level = rng.choice(LEVELS)
                    if level == "ERROR":
                        errors.append(number)
                    ack_id = new_ack_id()
                    frame = packed_forward("backend-firelens-1", [entry(time.time(), docker_record(line(number, level)))], ack_id)
                    number += 1
                    pending.append((ack_id, frame))
                    client.send(frame)
                    while len(pending) > 64:
                        self.assertEqual(client.wait_ack(), pending[0][0])
                        pending.popleft()
            except OSError:
                pass
            killer.join()
            router.wait()
            client.close()
            objects.append(len(self.s3_keys()))
            router = self.start_router(self.config, self.admin)
            client = self.connect(self.port)
            repeated += len(pending)
            for ack_id, frame in pending:
                client.send(frame)
            while pending:
                self.assertEqual(client.wait_ack(), pending[0][0])
                pending.popleft()
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.assertGreater(objects[-1], rounds // 10, "the kills were to hit a router that sends objects")
        # What was stored but not acknowledged when the router died is repeated by the client, and known by its receipt.
        seen = collections.Counter(record["n"] for record in self.s3_records())
        self.assertEqual(set(seen), set(range(number)), "acknowledged records missing in S3")
        self.assertEqual({record: times for record, times in seen.items() if times > 1}, {}, "records twice in S3")
        events = collections.Counter(json.loads(event["message"])["n"] for event in self.log_events())
        self.assertEqual(set(events), set(errors))
        batches = batches_repeated(errors, events)
        self.assertLessEqual(batches, rounds, "more than one batch repeated for a kill")
        print(f"\n{rounds} kills, {number} records, {objects[-1]} objects before the last stop, {repeated} records repeated by "
              f"the client after lost acks, none twice in S3; {batches} batches of "
              f"{sum(events.values()) - len(errors)} of {len(errors)} errors twice in CloudWatch")

    def test_an_outage_of_both_destinations_loses_nothing_and_health_stays_200(self):
        router = self.start()
        fault = {"service": "*", "action": "reset_before"}
        fetch(f"{self.endpoint}/_localaws/faults", json.dumps(fault).encode())
        client = self.connect(self.port)
        for number in range(2000):
            client.send(msgpack.packb(["backend-firelens-1", event_time(time.time()),
                                       docker_record(line(number, "ERROR" if number % 10 == 0 else "INFO")), {}]))
        health = f"http://127.0.0.1:{self.admin}/api/v1/health"
        wait_for("degraded", lambda: b"degraded" in fetch(health)[1])
        self.assertEqual(fetch(health)[0], 200)
        fetch(f"{self.endpoint}/_localaws/faults", method="DELETE")
        wait_for("recovery", lambda: fetch(health)[1] == b"ok\n", 60)
        client.close()
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.check_counts(2000, range(0, 2000, 10), duplicates_in_logs=200)

    def test_an_error_is_visible_within_a_second_and_sigterm_waits_for_the_last_words(self):
        router = self.start()
        client = self.connect(self.port)
        client.send(msgpack.packb(["backend-firelens-1", event_time(time.time()), docker_record(line(0, "ERROR")), {}]))
        sent = time.monotonic()
        wait_for("the error in CloudWatch Logs", lambda: self.log_events(), 5)
        self.assertLess(time.monotonic() - sent, 1.0 * PATIENCE)
        router.send_signal(signal.SIGTERM)
        for number in range(1, 200):  # the application is still writing
            client.send(msgpack.packb(["backend-firelens-1", event_time(time.time()), docker_record(line(number, "INFO")), {}]))
            time.sleep(0.005)
        client.close()
        self.assertEqual(router.wait(30 * PATIENCE), 0, self.log_of("router"))
        self.check_counts(200, [0])

    def test_several_clients_and_message_mode_at_once(self):
        router = self.start()

        def send(first):
            client = self.connect(self.port)
            for number in range(first, first + 5000):
                client.send(msgpack.packb([f"backend-firelens-{first}", event_time(time.time()),
                                           docker_record(line(number, LEVELS[number % 20])), {}]))
            client.close()

        threads = [threading.Thread(target=send, args=(first,)) for first in range(0, 20000, 5000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.check_counts(20000, [n for n in range(20000) if n % 20 == 19])
        streams = {stream["logStreamName"] for stream in
                   self.logs.describe_log_streams(logGroupName="/ecs/backend/errors")["logStreams"]}
        self.assertEqual(streams, {f"fargate-backend-firelens-{first}" for first in range(0, 20000, 5000)})

    def test_the_journal_verbs_work_beside_the_running_router(self):
        router = self.start()
        client = self.connect(self.port)
        client.send(packed_forward("app", [entry(1763866380, docker_record(line(n, "INFO"))) for n in range(10)], "id"))
        client.wait_ack()
        state = self.directory / "state"
        listing = subprocess.run([BIN / "noroshi", "journal", "ls", state], capture_output=True, text=True, check=True)
        self.assertIn("s3", listing.stdout)
        dump = subprocess.run([BIN / "noroshi", "journal", "dump", state, "--from", "3", "--count", "2"],
                              capture_output=True, text=True, check=True)
        records = [json.loads(row) for row in dump.stdout.splitlines()]
        self.assertEqual([record["offset"] for record in records], [3, 4])
        self.assertEqual(records[0]["record"]["n"], 3)
        verify = subprocess.run([BIN / "noroshi", "journal", "verify", state], capture_output=True, text=True)
        self.assertEqual(verify.returncode, 0, verify.stdout)
        client.close()
        self.assertEqual(self.stop_router(router)[0], 0)

    def test_the_http_api(self):
        router = self.start()
        api = f"http://127.0.0.1:{self.admin}"
        client = self.connect(self.port)
        client.send(packed_forward("app", [entry(time.time(), docker_record(line(n, "ERROR"))) for n in range(7)], "id"))
        client.wait_ack()
        wait_for("delivery", lambda: len(self.log_events()) == 7)
        metrics = json.loads(fetch(f"{api}/api/v1/metrics")[1])
        self.assertEqual(metrics["input"]["forward.0"]["records"], 7)
        self.assertEqual(metrics["output"]["cloudwatch_logs.0"]["proc_records"], 7)
        self.assertEqual(metrics["output"]["s3.1"]["proc_records"], 0)
        text = fetch(f"{api}/api/v1/metrics/prometheus")[1].decode()
        self.assertRegex(text, r'(?m)^fluentbit_output_proc_records_total\{name="cloudwatch_logs.0"\} 7 \d{13}$')
        self.assertIn('noroshi_output_routed_records_total{name="s3.1"} 7', text)
        self.assertIn('noroshi_output_unaccounted_records{name="s3.1"} 0', text)
        self.assertEqual(fetch(f"{api}/api/v1/health"), (200, b"ok\n"))
        self.assertIn("uptime_sec", json.loads(fetch(f"{api}/api/v1/uptime")[1]))
        self.assertEqual(fetch(f"{api}/nothing")[0], 404)
        # A proxy for the world outside does not stand between it and the router.
        asked = subprocess.run([BIN / "noroshi", "health", f"{api}/api/v1/health"], capture_output=True,
                               env={**os.environ, "http_proxy": "http://127.0.0.1:1"})
        self.assertEqual(asked.returncode, 0, asked.stderr)
        fetch(f"{api}/api/v1/deliver", b"")
        wait_for("the S3 object", lambda: len(self.s3_records()) == 7)
        client.close()
        self.assertEqual(self.stop_router(router)[0], 0)
        self.assertEqual(subprocess.run([BIN / "noroshi", "health", f"{api}/api/v1/health"], capture_output=True).returncode, 1)


class Check(SystemTest):
    def check(self, text, *flags):
        path = self.directory / "test.conf"
        path.write_text(text)
        return subprocess.run([BIN / "noroshi", *(flags or ["check"]), "-c", path], capture_output=True, text=True,
                              env={**os.environ, **self.router_environment()})

    def test_the_specified_configuration_is_good_and_its_trap_is_named(self):
        for flags in (["check"], ["--dry-run"]):
            result = self.check(SPECIFIED_CONFIG.read_text(), *flags)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("configuration test is successful", result.stderr)
            self.assertIn("log_key log is gone", result.stderr)
            self.assertIn("forward.0", result.stdout)
            self.assertIn("/ecs/backend/errors", result.stdout)

    def test_every_problem_is_shown_with_its_place(self):
        result = self.check("""[INPUT]
    Name forwrad
[FILTER]
    Name parser
    Match *
    Key_Name log
    Parser jsno
[FILTER]
    Name grep
    Match *
    Regex log [a-
[OUTPUT]
    Name s3
    Match *
    bucket backend-logs
    total_file_sise 10M
    compression zip
""")
        self.assertEqual(result.returncode, 1)
        for place in ("test.conf:2:", "test.conf:7:", "test.conf:11:", "test.conf:16:", "test.conf:17:"):
            self.assertIn(place, result.stderr)
        for suggestion in ('did you mean "forward"', 'did you mean "json"', 'did you mean "total_file_size"'):
            self.assertIn(suggestion, result.stderr)
        self.assertIn("^~", result.stderr)

    def test_traps(self):
        result = self.check("""[INPUT]
    Name forward
    Port 24999
[INPUT]
    Name dummy
    Tag known
[FILTER]
    Name rewrite_tag
    Match app*
    Rule $level ^ERROR$ app.error true
[OUTPUT]
    Name forward
    Match *
    Host log-router
    Port 24999
    Retry_Limit 2
[OUTPUT]
    Name stdout
    Match *
    Retry_Limit 1
[OUTPUT]
    Name s3
    Match *
    region eu-west-1
    bucket backend-logs
    s3_key_format /logs/%Y/%m/%d.gz
""")
        self.assertEqual(result.returncode, 0, result.stderr)
        for warning in ("back to this router", "come back to this filter", "after 1 retry records are lost", "may name several objects"):
            self.assertIn(warning, result.stderr)


if __name__ == "__main__":
    run_tests()

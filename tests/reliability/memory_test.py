#!/usr/bin/python3
"""Fifty megabytes, page cache included, whatever happens: the router runs in a memory cgroup of its own.

    NOROSHI_OUTAGE_RECORDS=18000000 tests/reliability/memory_test.py    the whole hour at 5,000 records/s

The kernel kills what goes over the limit, so each test's first finding is that the router is still there.
"""

import collections
import contextlib
import json
import os
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from load import LEVELS, docker_record, line
from memory_group import LIMIT_BYTES, MemoryGroup, anonymous_bytes
from harness import BIN, SystemTest, entry, event_time, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

import msgpack

ANONYMOUS_BYTES_MAX = 24 << 20
# Bytes are what counts, not the hour. A million records are three minutes of it, and 20 times what memory could hold.
RECORDS = int(os.environ.get("NOROSHI_OUTAGE_RECORDS", "1000000"))


class Memory(SystemTest):
    def start(self, service=""):
        try:
            self.group = MemoryGroup(f"noroshi-test-{os.getpid()}-{time.monotonic_ns()}")
        except OSError as error:
            self.skipTest(f"no memory cgroup can be made here: {error.strerror or error}")
        self.addCleanup(self.group.remove)
        self.addCleanup(self._stop_everything)  # before the group is removed
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        config = self.specified_config(self.port, self.admin, service=service)
        self.router = self.spawn("router", [*self.group.prefix(), BIN / "noroshi", "-c", config],
                                 self.router_environment())
        wait_for("the router's health", lambda: self.alive(self.router) and fetch(
            f"http://127.0.0.1:{self.admin}/api/v1/health")[0] == 200)
        self.anonymous_peak = 0

    def measure(self):
        self.alive(self.router)
        self.note_anonymous_memory()

    def note_anonymous_memory(self):
        self.anonymous_peak = max(self.anonymous_peak, anonymous_bytes(self.router.pid))

    def report(self, what):
        self.measure()
        print(f"\n{what}: anonymous memory at most {self.anonymous_peak / 1e6:.1f} MB, "
              f"cgroup (page cache included) {self.group.peak() / 1e6:.1f} of {LIMIT_BYTES / 1e6:.1f} MB")
        self.assertFalse(self.group.killed(), "the kernel killed the router")
        self.assertLess(self.anonymous_peak, ANONYMOUS_BYTES_MAX)

    def fault(self, **fault):
        fetch(f"{self.endpoint}/_localaws/faults", json.dumps(fault).encode())

    def recover(self, seconds=300):
        fetch(f"{self.endpoint}/_localaws/faults", method="DELETE")
        status, last = self.stop_router(self.router, seconds)
        self.assertEqual(status, 0, last)
        return last

    def check(self, count, errors):
        """A byte for each record: the hour has 18 million."""
        times = bytearray(count)
        for record in self.each_s3_record():
            times[record["n"]] += 1
        self.assertEqual(times.count(0), 0, "records missing in S3")
        self.assertEqual(times.count(1), count, "records twice in S3")
        events = collections.Counter(json.loads(event["message"])["n"] for event in self.each_log_event())
        self.assertEqual(set(events) ^ set(errors), set(), "CloudWatch Logs holds exactly the errors")
        self.assertEqual(sum(events.values()), len(errors), "events twice in CloudWatch Logs")
        print(f"{count:,} records in S3 and {len(errors):,} events in CloudWatch Logs: none missing, none twice")

    def test_an_hour_without_destinations(self):
        self.start("    Grace 280\n    storage.limit 16G\n")
        self.fault(service="*", action="reset_before")
        client, errors, waiting = self.connect(self.port), [], 0
        began = time.monotonic()
        for first in range(0, RECORDS, 1000):
            entries, now = [], time.time()
            for number in range(first, min(first + 1000, RECORDS)):
                level = LEVELS[number % len(LEVELS)]
                if level == "ERROR":
                    errors.append(number)
                entries.append(entry(now, docker_record(line(number, level))))
            client.send(packed_forward("backend-firelens-1", entries, new_ack_id()))
            waiting += 1
            if waiting > 8:
                client.wait_ack()
                waiting -= 1
                self.measure()
        while waiting:
            client.wait_ack()
            waiting -= 1
        client.close()
        self.report(f"{RECORDS:,} records in {time.monotonic() - began:.0f} s without destinations")
        began = time.monotonic()
        fetch(f"{self.endpoint}/_localaws/faults", method="DELETE")
        self.router.send_signal(15)
        while self.router.poll() is None and time.monotonic() - began < 300:
            with contextlib.suppress(OSError):  # it ends while we look
                self.note_anonymous_memory()
            time.sleep(0.02)
        self.assertEqual(self.router.poll(), 0, self.log_of("router")[-2000:])
        print(f"delivered in {time.monotonic() - began:.1f} s, anonymous memory at most "
              f"{self.anonymous_peak / 1e6:.1f} MB, cgroup {self.group.peak() / 1e6:.1f} MB")
        self.assertFalse(self.group.killed())
        self.assertLess(self.anonymous_peak, ANONYMOUS_BYTES_MAX)
        self.check(RECORDS, errors)

    def test_a_storm_of_lines_of_300_kilobytes(self):
        self.start("    Grace 120\n")
        client, count = self.connect(self.port), 400
        pieces, piece_bytes = 19, 16384  # as Docker's driver cuts them
        for number in range(count):
            text = json.dumps({"level": "ERROR" if number % 10 == 0 else "INFO", "n": number,
                               "message": "x" * (pieces * piece_bytes - 200)})
            for index in range(0, len(text), piece_bytes):
                last = index + piece_bytes >= len(text)
                record = {**docker_record(text[index:index + piece_bytes]), "partial_message": "true",
                          "partial_id": f"{number:064x}", "partial_ordinal": str(index // piece_bytes + 1),
                          "partial_last": "true" if last else "false"}
                client.send(msgpack.packb(["backend-firelens-1", event_time(time.time()), record, {}]))
            if number % 10 == 0:
                self.measure()
        client.close()
        self.report(f"{count} lines of 300 KB")
        last = self.recover()
        self.assertFalse(self.group.killed(), "the kernel killed the router")
        numbers = collections.Counter(record["n"] for record in self.s3_records())
        self.assertEqual(numbers, collections.Counter(range(count)), last)

    def test_a_thousand_idle_connections_and_a_hundred_slow_ones(self):
        self.start()
        idle = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(1000)]
        slow = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(100)]
        big = packed_forward("slow", [entry(1, docker_record("y" * 1000))] * 1000)  # 1 MB, never finished
        for connection in idle + slow:
            connection.setblocking(False)
            self.addCleanup(connection.close)
        sent = [0] * len(slow)
        began = time.monotonic()
        client, count = self.connect(self.port), 0
        while time.monotonic() - began < 10:
            for index, connection in enumerate(slow):
                with contextlib.suppress(OSError):
                    sent[index] += connection.send(big[sent[index]:min(sent[index] + 20_000, len(big) - 1)])
            ack_id = new_ack_id()
            client.send(packed_forward("backend-firelens-1", [entry(time.time(), docker_record(line(count, "INFO")))],
                                       ack_id))
            self.assertEqual(client.wait_ack(), ack_id, "a good client suffers from bad ones")
            count += 1
            self.measure()
        self.report(f"1,000 idle and 100 slow connections, {sum(sent) / 1e6:.0f} MB unfinished, {count} records beside")
        self.recover()
        self.assertEqual(collections.Counter(record["n"] for record in self.s3_records() if "n" in record),
                         collections.Counter(range(count)))


if __name__ == "__main__":
    run_tests()

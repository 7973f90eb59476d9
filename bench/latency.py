#!/usr/bin/python3
"""How long an error takes to CloudWatch Logs at a steady rate, and what the router costs while it does that, and idle.

    ./dev bench latency                10,000 records/s, one in a hundred an error, default settings
    ./dev bench latency --vs PATH      beside a Fluent Bit binary, in the same run

The time of sending stands in each error's message ("sent=…"); bench/sink.py notes when PutLogEvents arrived. Records
come as Docker's log driver sends them, one a frame, every millisecond a few. CPU time is the scheduler's, to the ns.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

import bench
import frames
import results
from harness import REGION, fetch, free_port, wait_for

PLACEHOLDER = "sent=" + "0" * 10 + "." + "0" * 6
TICK_SECONDS = 0.001
TARGETS = {"cpu_percent": 3, "p99_ms": 200, "requests_per_second_max": 10, "idle_rss_mb": 12, "listening_ms": 15}


class Router:
    """The specified pipeline on its core, with a sink; a directory of its own. Use it in a with statement."""

    def __init__(self, product):
        self.binary = product.binary
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="noroshi-bench-"))
        self.sink, self.sink_port = bench.start_sink()
        self.port, self.admin = free_port(), free_port()
        self.config = self.directory / "bench.conf"
        self.config.write_text(product.config(bench.Case(delivery="specified"), self.directory, self.port, self.admin, self.sink_port))
        self.environment = {
            **os.environ, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.sink_port}",
            "NOROSHI_STORAGE_PATH": str(self.directory / "state")}
        self.process = None

    def start(self, wrapper=()):
        """Starts it (as an argument of `wrapper`) and returns the seconds from exec until it accepts a connection."""
        with open(self.directory / "log", "ab") as log:
            os.sched_setaffinity(0, {bench.ROUTER_CORE})  # a child has its parent's cores; taskset: a second exec
            started = time.monotonic()
            self.process = subprocess.Popen([*wrapper, self.binary, "-c", self.config], env=self.environment, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, close_fds=False)
            os.sched_setaffinity(0, bench.OTHER_CORES)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return time.monotonic() - started
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() - started > 30:
                    raise AssertionError("the router did not start:\n" + (self.directory / "log").read_text())
                time.sleep(0.0002)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if status := self.process.wait(60):
            raise AssertionError(f"the router ended with {status}:\n" + (self.directory / "log").read_text()[-2000:])

    def report(self):
        return json.loads(fetch(f"http://127.0.0.1:{self.sink_port}/report")[1])

    def memory_mb(self, field):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(row.split()[1]) / 1024 for row in status.splitlines() if row.startswith(field + ":"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.process, self.sink):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def pieces(rate, seconds):
    """What is sent in each tick, packed: lists of bytes with the time to be put between them."""
    per_tick = max(1, round(rate * TICK_SECONDS))
    now, number = time.time(), 0
    for _ in range(round(rate * seconds / per_tick)):
        buffer = b""
        for _ in range(per_tick):
            record = frames.record(number)
            if number % 100 == 0:
                record["log"] = record["log"].replace("order accepted", PLACEHOLDER)
            buffer += frames.msgpack.packb([frames.TAG, frames.event_time(now), record, {}])
            number += 1
        yield buffer.split(PLACEHOLDER.encode())


def send_steadily(port, ticks, rate):
    """One tick after the other at its time; the seconds it took."""
    interval = max(TICK_SECONDS, 1 / rate)
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    started = time.monotonic()
    for number, tick in enumerate(ticks):
        wait = started + number * interval - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        client.sendall(f"sent={time.time():017.6f}".encode().join(tick))
    seconds = time.monotonic() - started
    client.close()
    return seconds


def measure(product, rate, seconds, idle_seconds, starts):
    listening = []
    for _ in range(starts):
        with Router(product) as router:
            listening.append(router.start())
    with Router(product) as router:
        router.start()
        time.sleep(1)
        before = bench.cpu_seconds(router.process.pid)
        time.sleep(idle_seconds)
        row = {"rate": rate, "listening_ms": statistics.median(listening) * 1000,
               "idle_cpu_percent": (bench.cpu_seconds(router.process.pid) - before) / idle_seconds * 100,
               "idle_rss_mb": router.memory_mb("VmRSS"), "idle_anonymous_mb": router.memory_mb("RssAnon")}
        ticks = list(pieces(rate, seconds))
        before = bench.cpu_seconds(router.process.pid)
        took = send_steadily(router.port, ticks, rate)
        errors = sum(len(tick) - 1 for tick in ticks)
        wait_for("the last error", lambda: time.sleep(0.1) or router.report()["log_events"] >= errors)
        row |= {"cpu_percent": (bench.cpu_seconds(router.process.pid) - before) / took * 100,
                "sent_per_s": rate * seconds / took, "rss_mb": router.memory_mb("VmHWM"),
                "delivered_rss_mb": router.memory_mb("VmRSS"),
                "anonymous_mb": router.memory_mb("RssAnon")}
        router.stop()
        report = router.report()
        times = sorted(report["latencies"])
        row |= {"p50_ms": statistics.median(times) * 1000, "p99_ms": times[int(len(times) * 0.99)] * 1000,
                "requests_per_second": report["put_log_events"] / took,
                "requests_per_second_max": report["requests_per_second_max"], "errors": errors,
                "log_events": report["log_events"], "records": round(rate * seconds),
                "s3_records": report["s3_records"]}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--rate", type=int, default=10_000, help="records a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--vs", type=pathlib.Path, help="a Fluent Bit binary, measured in turns with ours")
    parser.add_argument("--save", action="store_true", help="keep the rows in bench/results.json")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, bench.OTHER_CORES)
    rows = []
    for product, median in bench.medians(bench.products(arguments.bin, arguments.vs), arguments.runs, lambda product: measure(
            product, arguments.rate, arguments.seconds, arguments.idle_seconds, arguments.starts)):
        print(product.name)
        for name, value in median.items():
            target = f"   target: at most {TARGETS[name]}" if name in TARGETS and not product.fluent_bit else ""
            print(f"  {name:24} {value:12,.3f}{target}")
        rows.append({"router": product.name, "runs": arguments.runs, **median})
    if arguments.save:
        results.save("latency", rows, key=("rate", "router"))


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""What a record costs, end to end: the real router, fed with frames packed beforehand, delivers to a sink that counts.

    ./dev bench e2e                          the four cases of the specification, medians of --runs
    ./dev bench e2e --all                    every case: modes, connections, outputs, sizes, depth, an outage
    ./dev bench e2e packed-null --vs PATH    with a Fluent Bit binary beside it, in the same run

The router has one core, the generator and the sink the others. The clock runs from the first byte sent until everything
is delivered: until the router has nothing left to do, and then while it stops and uploads what is open, less what an
idle router takes to stop. The sink's count is compared. Ratios are to the first row: only those travel.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import frames
import results
from harness import REGION, fetch, free_port, wait_for
import router_config

CORES = sorted(os.sched_getaffinity(0))
ROUTER_CORE, OTHER_CORES = CORES[0], set(CORES[1:]) or set(CORES)
SINK = pathlib.Path(__file__).resolve().parent / "sink.py"
BUFFER_RECORDS = 20_000


@dataclasses.dataclass(frozen=True)
class Case:
    mode: str = "packed"       # of frames.MODES
    delivery: str = "null"     # "specified": errors to CloudWatch Logs, everything to S3 with gzip
    connections: int = 1
    idle_outputs: int = 0      # outputs that match every record's tag and whose Grep selects none
    unmatched_outputs: int = 0  # outputs that match no tag
    size: int = 300            # bytes of a line
    deep: bool = False         # JSON nested six levels deep
    varied: bool = False       # lines that differ as real ones do: gzip has more to do
    outage: bool = False       # the destinations fail until everything was sent
    cores: int = 1             # the router's; beyond those of the machine's others it shares them with the load


CASES = {
    "packed-null": Case(),
    "message-null": Case("message"),
    "packed-specified": Case(delivery="specified"),
    "message-specified": Case("message", "specified"),
}
DEFAULT_CASES = list(CASES)
CASES |= {
    "forward-null": Case("forward"),
    "gzip-null": Case("gzip"),
    **{f"{mode}-null-{count}-connections": Case(mode, connections=count)
       for mode in ("packed", "message") for count in (8, 64)},
    **{f"packed-null-{count}-idle": Case(idle_outputs=count) for count in (1, 3, 7)},
    "packed-null-7-unmatched": Case(unmatched_outputs=7),
    "packed-specified-1-idle": Case(delivery="specified", idle_outputs=1),
    **{f"packed-specified-{name}": Case(delivery="specified", size=size)
       for name, size in (("100B", 100), ("4KB", 4096), ("64KB", 65536))},
    "packed-specified-deep": Case(delivery="specified", deep=True),
    "packed-specified-varied": Case(delivery="specified", varied=True),
    "packed-specified-outage": Case(delivery="specified", outage=True),
    "packed-null-2-cores": Case(cores=2),
    "packed-specified-2-cores": Case(delivery="specified", cores=2),
    "message-specified-2-cores": Case("message", "specified", cores=2),
}


@dataclasses.dataclass
class Product:
    """Which router is measured: ours, or a Fluent Bit."""
    name: str
    binary: pathlib.Path
    fluent_bit: bool = False

    def config(self, *what):
        return (router_config.fluent_bit if self.fluent_bit else router_config.noroshi)(*what)


def ours(binaries):
    return Product("noroshi", pathlib.Path(binaries).resolve() / "noroshi")


def products(binaries, fluent_bit):
    """Ours, and the Fluent Bit that --vs names, if any."""
    return [ours(binaries)] + ([Product(fluent_bit.name, fluent_bit.resolve(), fluent_bit=True)] if fluent_bit else [])


def medians(compared, runs, measure):
    """[(product, the median of each field of measure(product))]: in turns, so that a busy minute falls on all of them."""
    rows = [[measure(product) for product in compared] for _ in range(runs)]
    return [(product, {key: statistics.median(one[key] for one in own) for key in own[0]})
            for product, own in zip(compared, zip(*rows))]


class PeakMemory(threading.Thread):
    """Reads /proc of a process 50 times a second: the kernel keeps no peak of anonymous memory."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.done = pathlib.Path(f"/proc/{pid}/status"), threading.Event()
        self.rss_mb = self.anonymous_mb = 0

    def run(self):
        while not self.done.wait(0.02):
            try:
                rows = dict(row.split(":", 1) for row in self.path.read_text().splitlines())
                self.anonymous_mb = max(self.anonymous_mb, int(rows["RssAnon"].split()[0]) / 1024)
                self.rss_mb = int(rows["VmHWM"].split()[0]) / 1024
            except (OSError, KeyError, ValueError):  # it has ended
                return


def start_sink():
    """bench/sink.py on the other cores: (process, its port)."""
    process = subprocess.Popen([sys.executable, SINK], stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(process.pid, OTHER_CORES)
    return process, int(process.stdout.readline())


def send(port, buffer, connections, rounds):
    """Every connection sends the whole buffer `rounds` times, as fast as the router reads."""
    selector = selectors.DefaultSelector()
    view = memoryview(buffer)
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        selector.register(client, selectors.EVENT_WRITE, [0, rounds])
    while selector.get_map():
        for key, _ in selector.select():
            position, left = key.data
            position += key.fileobj.send(view[position:position + (1 << 20)])
            if position == len(view):
                position, left = 0, left - 1
            if left == 0:
                selector.unregister(key.fileobj)
                key.fileobj.close()
            else:
                key.data[:] = position, left


def input_records(admin):
    metrics = json.loads(fetch(f"http://127.0.0.1:{admin}/api/v1/metrics")[1])
    return sum(one["records"] for one in metrics["input"].values())


def thread_seconds(pid):
    """CPU time of each thread."""
    return [int(task.read_text().split()[0]) / 1e9 for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")]


def cpu_seconds(pid):
    return sum(thread_seconds(pid))


def wait_until_idle(pid, seconds=600):
    """When it began to do nothing: less than 5 ms of CPU in 100 ms."""
    window, deadline = collections.deque([(time.monotonic(), cpu_seconds(pid))]), time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)
        window.append((time.monotonic(), cpu_seconds(pid)))
        if window[-1][0] - window[0][0] > 0.1:
            if window[-1][1] - window[0][1] < 0.005:
                return window[0][0]
            window.popleft()
    raise AssertionError(f"the router is still busy after {seconds} s")


def run(case, binaries, records, wrapper=None, product=None, idle_stop=0, beside=None):
    """One measurement of CASES[case]. `wrapper` stands before the router's command; `beside` profiles a pid."""
    name, case = case, CASES[case]
    wrapper = wrapper or ("taskset", "-c", ",".join(map(str, CORES[:case.cores])))
    product = product or ours(binaries)
    records = max(1, records * 300 // max(case.size, 300))
    count = min(BUFFER_RECORDS, max(1, records // case.connections))
    buffer, batch = packed(case.mode, count, case.size, case.deep, case.varied)
    rounds = max(1, records // (batch * case.connections))
    sent = rounds * batch * case.connections
    directory = pathlib.Path(tempfile.mkdtemp(prefix="noroshi-bench-"))
    processes, memory = [], None
    try:
        sink, sink_port = start_sink()
        processes.append(sink)
        environment = {**os.environ, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                       "AWS_ENDPOINT_URL": f"http://127.0.0.1:{sink_port}",
                       "NOROSHI_STORAGE_PATH": str(directory / "state")}
        port, admin = free_port(), free_port()
        config = directory / "bench.conf"
        config.write_text(product.config(case, directory, port, admin, sink_port))
        with open(directory / "log", "wb") as log:
            router = subprocess.Popen([*wrapper, product.binary, "-c", config], env=environment, stderr=log, stdout=log)
        processes.append(router)
        wait_for("the router", lambda: fetch(f"http://127.0.0.1:{admin}/api/v1/metrics")[0] == 200)
        memory = PeakMemory(router.pid)
        memory.start()
        if beside:
            processes.append(beside(router.pid))
        if case.outage:
            fetch(f"http://127.0.0.1:{sink_port}/fail", b"")
        started = time.monotonic()
        send(port, buffer, case.connections, rounds)
        wait_for("ingest", lambda: time.sleep(0.03) or input_records(admin) >= sent, 600)
        if case.outage:
            fetch(f"http://127.0.0.1:{sink_port}/heal", b"")
        busy = wait_until_idle(router.pid) - started
        busiest = max(thread_seconds(router.pid))
        stopping = time.monotonic()
        router.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(router.pid, 0)
        router.returncode = status
        stop = time.monotonic() - stopping
        memory.done.set()
        if status != 0:
            sys.exit(f"{name}: the router ended with status {status}:\n" + (directory / "log").read_text()[-2000:])
        report = json.loads(fetch(f"http://127.0.0.1:{sink_port}/report")[1])
        arrived, errors = (report["s3_records"], report["log_events"]), -(-batch // 100) * sent // batch
        if case.delivery == "specified" and arrived != (sent, errors):
            print(f"{name}, {product.name}: {sent} sent with {errors} errors, {arrived} arrived", file=sys.stderr)
        if beside:
            processes[-1].wait(60)  # it ends with the router
        return {"us_per_record": (usage.ru_utime + usage.ru_stime) / sent * 1e6,
                "busiest_thread_us": busiest / sent * 1e6,
                "records_per_s": sent / (busy + max(0, stop - idle_stop)),
                "rss_mb": memory.rss_mb, "anonymous_mb": memory.anonymous_mb, "stop_s": stop, "records": sent,
                "s3_records": report["s3_records"], "log_events": report["log_events"],
                "gzip_ratio": report["gzip_ratio"]}
    finally:
        if memory:
            memory.done.set()
        for process in processes:
            if process.returncode is None:
                process.kill()
                process.wait()
        shutil.rmtree(directory, ignore_errors=True)


PACKED = {}


def packed(*what):
    """frames.pack, kept: packing takes longer than a run."""
    if what not in PACKED:
        PACKED.clear()
        PACKED[what] = frames.pack(*what)
    return PACKED[what]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--records", type=int, default=1_000_000, help="of 300 bytes; fewer of larger ones")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="every case")
    parser.add_argument("--vs", type=pathlib.Path, help="a Fluent Bit binary, measured in the same run")
    parser.add_argument("--save", action="store_true", help="keep the rows in bench/results.json")
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help=", ".join(CASES))
    arguments = parser.parse_args()
    os.sched_setaffinity(0, OTHER_CORES)
    compared = products(arguments.bin, arguments.vs)
    binaries = arguments.bin.resolve()
    idle_stop = {product.name: run("packed-null", binaries, 1, product=product)["stop_s"] for product in compared}
    first, rows = None, []
    print(f"{'case':28} {'router':12} {'CPU µs/record':>14} {'ratio':>6} {'busiest thread':>14} {'records/s':>10} {'ratio':>6} "
          f"{'peak RSS MB':>12} {'anonymous MB':>13}")
    for name in arguments.cases or (CASES if arguments.all else DEFAULT_CASES):
        for product, median in medians(compared, arguments.runs, lambda product: run(
                name, binaries, arguments.records, product=product, idle_stop=idle_stop[product.name])):
            first = first or median
            rows.append({"case": name, "router": product.name, "runs": arguments.runs, **median})
            print(f"{name:28} {product.name:12} {median['us_per_record']:14.2f} "
                  f"{median['us_per_record'] / first['us_per_record']:6.2f} {median['busiest_thread_us']:14.2f} "
                  f"{median['records_per_s']:10,.0f} "
                  f"{median['records_per_s'] / first['records_per_s']:6.2f} {median['rss_mb']:12.1f} "
                  f"{median['anonymous_mb']:13.1f}", flush=True)
    if arguments.save:
        results.save("e2e", rows, key=("case", "router"))


if __name__ == "__main__":
    main()

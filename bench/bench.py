#!/usr/bin/python3
"""What a record costs: the real router, fed with frames packed beforehand, so that the sender costs next to nothing.

    ./dev bench                 every case below, medians of --runs
    ./dev bench packed-null     one case

Each case starts a fresh router on one core, sends --records records of about 300 bytes (the JSON lines of the
specification) from the other core, stops it, and reads its CPU time and memory from /proc. Prints ratios to the
first case as well: only those compare across machines.
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
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
import msgpack
from harness import REGION, entry, event_time, fetch, free_port, wait_for

FILTER = "[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n    Parser json\n    Reserve_Data On\n"
NULL = "[OUTPUT]\n    Name null\n    Match *\n"
SPECIFIED = """[OUTPUT]
    Name cloudwatch_logs
    Match *
    log_group_name /ecs/backend/errors
    log_stream_prefix fargate-
    auto_create_group true
    Grep level ERROR,CRITICAL,FATAL
[OUTPUT]
    Name s3
    Match *
    bucket bench
    total_file_size 100M
    s3_key_format /logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.gz
    compression gzip
    store_dir {directory}/s3
"""
CASES = {  # name: (records in a frame; 0: Message mode, filter, outputs)
    "packed-null": (1000, FILTER, NULL),
    "message-null": (0, FILTER, NULL),
    "packed-specified": (1000, FILTER, SPECIFIED),
    "message-specified": (0, FILTER, SPECIFIED),
}


def line(number):
    return json.dumps({
        "timestamp": "2026-11-23T02:53:00.123456Z", "level": "ERROR" if number % 100 == 0 else "INFO",
        "logger": "backend.orders", "message": "order accepted and queued for packing in the warehouse",
        "request_id": "1f0c5c5e-8e8a-4a52-9d0a-3f7f3a5b6c7d", "path": "/orders", "status": 200, "duration_ms": 12.345,
        "n": number})


def frames(records_per_frame, count):
    """One buffer of `count` records, to be sent again and again."""
    def record(number):
        return {"container_id": "0" * 64, "container_name": "/ecs-backend-1", "source": "stdout", "log": line(number)}
    now = time.time()
    if records_per_frame == 0:
        return b"".join(msgpack.packb(["backend-firelens-1", event_time(now), record(n), {}]) for n in range(count))
    buffer = b""
    for first in range(0, count, records_per_frame):
        entries = b"".join(entry(now, record(n)) for n in range(first, first + records_per_frame))
        buffer += msgpack.packb(["backend-firelens-1", entries, {"size": records_per_frame}])
    return buffer


def run(case, binaries, records, wrapper=("taskset", "-c", "0")):
    records_per_frame, filters, outputs = CASES[case]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="noroshi-bench-"))
    processes = []
    try:
        environment = {**os.environ, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                       "NOROSHI_STORAGE_PATH": str(directory / "state")}
        if outputs is SPECIFIED:
            port_file = directory / "port"
            processes.append(subprocess.Popen(["taskset", "-c", "1", binaries / "noroshi-localaws", "--data", directory / "aws", "--port", "0",
                                               "--port-file", port_file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            endpoint = "http://127.0.0.1:" + wait_for("localaws", lambda: port_file.exists() and port_file.read_text().strip())
            environment["AWS_ENDPOINT_URL"] = endpoint
            import boto3
            boto3.client("s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test").create_bucket(
                Bucket="bench", CreateBucketConfiguration={"LocationConstraint": REGION})
        port, admin = free_port(), free_port()
        config = directory / "bench.conf"
        config.write_text(f"[SERVICE]\n    HTTP_Port {admin}\n    Log_Level warn\n[INPUT]\n    Name forward\n    Port {port}\n"
                          + filters + outputs.replace("{directory}", str(directory)))
        with open(directory / "log", "wb") as log:
            router = subprocess.Popen([*wrapper, binaries / "noroshi", "-c", config], env=environment, stderr=log, stdout=log)
        processes.append(router)
        metrics_url = f"http://127.0.0.1:{admin}/api/v1/metrics"
        wait_for("the router", lambda: fetch(metrics_url)[0] == 200)
        batch = min(20_000, records)
        buffer = frames(records_per_frame, batch)
        connection = socket.create_connection(("127.0.0.1", port))
        started = time.monotonic()
        for _ in range(records // batch):
            connection.sendall(buffer)
        sent = records // batch * batch
        last = 0 if outputs is NULL else 1
        name = list(json.loads(fetch(metrics_url)[1])["output"])[last]
        if outputs is NULL:
            wait_for("delivery", lambda: json.loads(fetch(metrics_url)[1])["output"][name]["proc_records"] >= sent, 300)
        else:
            wait_for("ingest", lambda: json.loads(fetch(metrics_url)[1])["input"]["forward.0"]["records"] >= sent, 300)
        memory = dict(row.split(":", 1) for row in pathlib.Path(f"/proc/{router.pid}/status").read_text().splitlines())
        connection.close()
        router.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(router.pid, 0)
        seconds = time.monotonic() - started
        if status != 0:
            sys.exit(f"{case}: the router ended with status {status}:\n" + (directory / "log").read_text()[-2000:])
        return {"us_per_record": (usage.ru_utime + usage.ru_stime) / sent * 1e6, "records_per_s": sent / seconds,
                "rss_mb": int(memory["VmHWM"].split()[0]) / 1024, "anonymous_mb": int(memory["RssAnon"].split()[0]) / 1024}
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                try:
                    process.wait()
                except ChildProcessError:
                    pass
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help=", ".join(CASES))
    arguments = parser.parse_args()
    first = None
    print(f"{'case':20} {'CPU µs/record':>14} {'ratio':>6} {'records/s':>10} {'peak RSS MB':>12} {'anonymous MB':>13}")
    for case in arguments.cases or CASES:
        runs = [run(case, pathlib.Path(arguments.bin).resolve(), arguments.records) for _ in range(arguments.runs)]
        median = {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        first = first or median["us_per_record"]
        print(f"{case:20} {median['us_per_record']:14.2f} {median['us_per_record'] / first:6.2f} {median['records_per_s']:10,.0f} "
              f"{median['rss_mb']:12.1f} {median['anonymous_mb']:13.1f}", flush=True)


if __name__ == "__main__":
    main()

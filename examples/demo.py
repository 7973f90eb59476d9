#!/usr/bin/python3
"""The specified pipeline on one machine, with nothing mocked that noroshi does.

    FastAPI -> noroshi ship -> Forward protocol -> noroshi (the specified fluent-bit.conf) -> S3 and CloudWatch Logs

S3 and CloudWatch Logs are `noroshi-localaws`, read back here through boto3. `./dev demo` calls this. With --once
it ends by itself: exit 0 only if every line the application wrote is where the specification wants it,
exactly once; otherwise 1, with the difference.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import datetime
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import botocore.config

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = ROOT / "cdk/docker/fluent-bit/fluent-bit.conf"
REGION, BUCKET, GROUP = "ap-northeast-1", "backend-logs", "/ecs/backend/errors"
ERROR_LEVELS = {"ERROR", "CRITICAL", "FATAL"}  # what the specification sends to CloudWatch Logs
FORWARD_PORT, ADMIN_PORT = 24224, 2020  # both come from the specified configuration

tty = sys.stdout.isatty()


def bold(text):
    return f"\033[1m{text}\033[0m" if tty else text


def progress(text):
    if tty:
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def die(text):
    if tty:
        print(file=sys.stderr)
    sys.exit(f"demo: {text}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_use(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


def wait_for(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        time.sleep(0.02)
    die(f"{what} did not happen within {seconds} s")


def fetch(url, data=None):
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Demo:
    def __init__(self, arguments):
        self.arguments = arguments
        self.bin = pathlib.Path(arguments.bin).resolve()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="noroshi-demo-"))
        self.processes = {}
        self.requests = collections.Counter()

    # -- processes ---------------------------------------------------------------------------------------------

    def start(self, name, command, environment=None, stdout=None):
        output = open(stdout or self.directory / f"{name}.stdout", "wb")
        error = open(self.directory / f"{name}.log", "wb")
        self.processes[name] = subprocess.Popen(
            [str(part) for part in command], env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=error, start_new_session=True)
        return self.processes[name]

    def alive(self, name):
        if self.processes[name].poll() is not None:
            die(f"{name} ended with status {self.processes[name].returncode}:\n"
                + (self.directory / f"{name}.log").read_text(errors="replace")[-2000:])
        return True

    def stop(self, name, seconds=30):
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                die(f"{name} did not stop within {seconds} s of SIGTERM")
        return process.returncode

    def close(self):
        # SIGTERM first: `noroshi ship` passes it on to the application. Then whatever is left of its group.
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start_aws(self):
        port_file = self.directory / "localaws.port"
        self.start("localaws", [self.bin / "noroshi-localaws", "--data", self.directory / "aws", "--port", 0,
                                "--port-file", port_file, "--region", REGION])
        port = wait_for("noroshi-localaws listening",
                        lambda: self.alive("localaws") and port_file.exists() and port_file.read_text().strip())
        self.endpoint = f"http://127.0.0.1:{port}"
        self.aws_environment = {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.endpoint,
        }
        common = dict(endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="test",
                      aws_secret_access_key="test")
        self.s3 = boto3.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}), **common)
        self.logs = boto3.client("logs", **common)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def start_router(self):
        for port in (FORWARD_PORT, ADMIN_PORT):
            if in_use(port):
                die(f"port {port} is in use, and the specified configuration needs it: stop what listens there "
                    f"(`ss -ltnp 'sport = {port}'` names it)")
        router = self.start("router", [self.bin / "noroshi", "-c", CONFIG], {
            **self.aws_environment, "LOG_BUCKET_NAME": BUCKET, "NOROSHI_STORAGE_PATH": str(self.directory / "journal")})
        wait_for("the router's health check", lambda: self.alive("router") and fetch(
            f"http://localhost:{ADMIN_PORT}/api/v1/health")[0] == 200)
        return router

    def written_lines(self):
        """What the application wrote: both its streams, without what `noroshi ship` says of itself on stderr."""
        own = re.compile(r"noroshi ship: |\[\d{4}/\d\d/\d\d .*\] \[ship\] ")
        lines = [(self.directory / name).read_text(errors="replace").splitlines() for name in ("backend.stdout", "backend.log")]
        return lines[0] + [line for line in lines[1] if not own.match(line)]

    def start_backend(self):
        self.backend_port = free_port()
        # --tee copies every line here, stdout and stderr apart: the truth that S3 and CloudWatch are compared with.
        self.start("backend", [
            self.bin / "noroshi", "ship", "--container", "backend", "--port", FORWARD_PORT, "--tee", "--",
            "/usr/bin/python3", "-u", "-m", "uvicorn", "--app-dir", ROOT / "examples/backend", "app:app",
            "--port", self.backend_port, "--no-use-colors"])
        self.backend_url = f"http://127.0.0.1:{self.backend_port}"
        wait_for("the backend", lambda: self.alive("backend") and fetch(f"{self.backend_url}/health")[0] == 200)
        self.requests["GET /health 200"] += 1

    def send_requests(self, count):
        rng = random.Random(20261123)
        kinds = [("GET", "/items/1"), ("GET", "/items/2"), ("GET", "/items/9"), ("POST", "/orders"),
                 ("POST", "/orders big"), ("GET", "/payment"), ("GET", "/crash")]
        plan = rng.choices(kinds, weights=[30, 30, 10, 20, 2, 5, 3], k=count)

        def one(kind):
            method, path = kind
            body = None
            if method == "POST":
                body = json.dumps({"sku": 1, "quantity": 500 if "big" in path else 1}).encode()
                path = "/orders"
            status, _ = fetch(self.backend_url + path, body)
            return f"{method} {path} {status}"

        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for done, result in enumerate(pool.map(one, plan), 1):
                self.requests[result] += 1
                if done % 100 == 0 or done == count:
                    progress(f"requests {done}/{count}  {done / (time.monotonic() - started):.0f}/s")

    # -- reading back ------------------------------------------------------------------------------------------

    def router_memory(self):
        fields = dict(re.findall(r"^(VmHWM|RssAnon|VmRSS):\s+(\d+) kB", pathlib.Path(
            f"/proc/{self.processes['router'].pid}/status").read_text(), re.M))
        return {name: int(value) / 1024 for name, value in fields.items()}

    def read_s3(self):
        objects, records = [], []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page.get("Contents", []):
                body = self.s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
                text = gzip.decompress(body)
                lines = [json.loads(line) for line in text.decode().splitlines()]
                objects.append((entry["Key"], len(body), len(lines), len(text) / len(body)))
                records += lines
        return objects, records

    def read_logs(self):
        try:
            pages = list(self.logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP))
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [event for page in pages for event in page["events"]]


# -- the expected, computed without noroshi's help -------------------------------------------------------------


def expected_level(line):
    """The level of one written line by the letter of the specification and docs/severity.md."""
    with contextlib.suppress(ValueError):
        parsed = json.loads(line)
        if isinstance(parsed, dict):
            return parsed.get("level", "(none)")
    if prefix := re.match(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):", line):
        return prefix[1]
    if line.startswith("Traceback (most recent call last):") or re.match(r"\w+(Error|Exception):", line):
        return "ERROR"
    return "(none)"


def identity(record):
    """What makes a record comparable with the line it came from."""
    if "log" in record:
        return record["log"]
    return json.dumps({key: value for key, value in record.items()
                       if key not in ("date", "container_id", "container_name", "source")}, sort_keys=True)


def event_record(event):
    """An event is the record as JSON, or, where log_key found the line itself, that line."""
    with contextlib.suppress(ValueError):
        parsed = json.loads(event["message"])
        if isinstance(parsed, dict):
            return parsed
    return {"log": event["message"]}


def line_identity(line):
    with contextlib.suppress(ValueError):
        parsed = json.loads(line)
        if isinstance(parsed, dict):
            return json.dumps(parsed, sort_keys=True)
    return line


def difference(name, expected, actual):
    missing, extra = expected - actual, actual - expected
    problems = []
    if missing:
        problems.append(f"{name}: {sum(missing.values())} missing, for example: {next(iter(missing))[:160]}")
    if extra:
        problems.append(f"{name}: {sum(extra.values())} too many, for example: {next(iter(extra))[:160]}")
    return problems


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def latencies(events):
    """Seconds from the application's own `timestamp` to the moment CloudWatch Logs held the event."""
    result = []
    for event in events:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            written = datetime.datetime.fromisoformat(json.loads(event["message"])["timestamp"].replace("Z", "+00:00"))
            result.append(event["ingestionTime"] / 1000 - written.timestamp())
    return result


def report(demo, memory, shutdown_line):
    lines = demo.written_lines()
    written = collections.Counter(expected_level(line) for line in lines)
    objects, s3_records = demo.read_s3()
    events = demo.read_logs()

    expected_s3 = collections.Counter(line_identity(line) for line in lines)
    expected_logs = collections.Counter(line_identity(line) for line in lines if expected_level(line) in ERROR_LEVELS)
    actual_s3 = collections.Counter(identity(record) for record in s3_records)
    actual_logs = collections.Counter(identity(event_record(event)) for event in events)
    problems = difference("S3", expected_s3, actual_s3) + difference("CloudWatch Logs", expected_logs, actual_logs)
    layout = re.compile(r"logs/year=\d{4}/month=\d\d/day=\d\d/hour=\d\d/\d{6}-[0-9A-Za-z-]+\.gz$")
    problems += [f"S3 key outside the specified layout: {key}" for key, *_ in objects if not layout.fullmatch(key)]

    print(bold("\nRequests made"))
    for request, count in sorted(demo.requests.items(), key=lambda item: -item[1]):
        print(f"  {count:6}  {request}")
    print(bold("Lines written by the application"))
    print("  " + "  ".join(f"{level} {count}" for level, count in written.most_common()) + f"  = {len(lines)}")
    print(bold(f"S3 holds (s3://{BUCKET})"))
    for key, size, records, ratio in objects:
        print(f"  {key}\n          {size:,} bytes, {records:,} records, gzip {ratio:.1f} : 1")
    print(bold(f"CloudWatch Logs holds ({GROUP})"))
    for stream, count in collections.Counter(event["logStreamName"] for event in events).items():
        print(f"  {stream}: {count} events")
    errors = sum(expected_logs.values())
    info = sum(expected_level(event_line(event)) not in ERROR_LEVELS for event in events)
    print(bold("Checks"))
    for good, text in [
        (not difference("", expected_s3, actual_s3), f"S3 holds every one of the {len(lines)} lines exactly once"),
        (not difference("", expected_logs, actual_logs), f"every one of the {errors} errors is in both places, exactly once"),
        (info == 0, "nothing below ERROR is in CloudWatch Logs"),
    ]:
        print(f"  {'yes' if good else 'NO '}  {text}")
    waits = latencies(events)
    print(bold("Cost and speed"))
    print(f"  written to visible in CloudWatch Logs: p50 {percentile(waits, .5) * 1000:.0f} ms, "
          f"p99 {percentile(waits, .99) * 1000:.0f} ms; S3: at 100 MB, after 10 minutes, or on stop, as configured")
    print(f"  memory of the router: peak {memory.get('VmHWM', 0):.1f} MB resident, "
          f"{memory.get('RssAnon', 0):.1f} MB anonymous now (limit of the specification: 50 MB)")
    if shutdown_line:
        print(f"  its last line: {shutdown_line}")
    for problem in problems:
        print(f"DIFFERENCE: {problem}")
    return problems


def event_line(event):
    record = event_record(event)
    return record["log"] if "log" in record else event["message"]


def next_steps(demo):
    credentials = f"AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION={REGION}"
    print(bold("Try next"))
    print(f"  export {credentials}")
    print(f"  aws --endpoint-url {demo.endpoint} s3 ls --recursive s3://{BUCKET}/")
    print(f"  aws --endpoint-url {demo.endpoint} logs filter-log-events --log-group-name {GROUP} --max-items 3")
    print(f"  curl {demo.backend_url}/crash; curl localhost:{ADMIN_PORT}/api/v1/metrics")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="folder of noroshi and noroshi-localaws")
    parser.add_argument("--once", action="store_true", help="check the counts and exit")
    parser.add_argument("--requests", type=int, default=500)
    arguments = parser.parse_args()

    # However it ends, no process of the demo stays behind on the specified ports.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    demo = Demo(arguments)
    try:
        progress("starting noroshi-localaws, noroshi and the FastAPI backend")
        demo.start_aws()
        demo.start_router()
        demo.start_backend()
        demo.send_requests(arguments.requests)
        memory = demo.router_memory()
        shutdown_line = ""
        if arguments.once:
            progress("stopping the backend, then the router (SIGTERM: it delivers what it has)")
            demo.stop("backend")
            status = demo.stop("router")
            log = (demo.directory / "router.log").read_text(errors="replace").splitlines()
            shutdown_line = log[-1] if log else ""
            if status != 0 or any("accounting differs" in line for line in log):
                print("\n".join(log[-20:]), file=sys.stderr)
                die(f"the router exited with status {status}")
        else:
            progress("asking the router to deliver what it holds for S3 now")
            settle(demo)
            fetch(f"http://localhost:{ADMIN_PORT}/api/v1/deliver", b"")
            settle(demo)
        if tty:
            progress("")
        problems = report(demo, memory, shutdown_line)
        if not arguments.once:
            next_steps(demo)
            print("\nEverything stays up until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        sys.exit(1 if problems else 0)
    finally:
        demo.close()


def settle(demo):
    """Waits until the router has nothing more to deliver, as far as its own numbers say."""
    previous = None
    for _ in range(50):
        current = fetch(f"http://localhost:{ADMIN_PORT}/api/v1/metrics")[1]
        if current == previous:
            return
        previous = current
        time.sleep(0.3)


if __name__ == "__main__":
    main()

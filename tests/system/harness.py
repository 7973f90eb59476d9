"""What the system tests share: the real programs on free ports, real AWS clients, a Forward client that counts.

NOROSHI_BIN_DIR says where the programs are. Every process started here is ended with its test. Of every router, whether
the test stops it or not, the books are looked at: SystemTest.spawn() knows one by its program.
"""

import atexit
import base64
import contextlib
import gzip
import json
import os
import pathlib
import shutil
import signal
import socket
import re
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import boto3
import botocore.config
import msgpack

import reporting

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("NOROSHI_BIN_DIR", ROOT / "build/release/bin"))
SPECIFIED_CONFIG = ROOT / "cdk/docker/fluent-bit/fluent-bit.conf"
# The programs are built with a sanitizer (tests/CMakeLists.txt says so): they are several times slower, and its memory
# is not theirs. Limits on memory do not hold then, and whatever is waited for has PATIENCE times as long.
SANITIZED = "NOROSHI_SANITIZED" in os.environ
PATIENCE = 5 if SANITIZED else 1
REGION, BUCKET, GROUP = "ap-northeast-1", "backend-logs", "/ecs/backend/errors"
# A second SIGTERM cuts short what is under way: a router that the test left running is gone by then.
SECONDS_TO_END = 60 if SANITIZED else 20


# What sanitizers of all programs report, also of those that a test kills: a file each.
REPORTS = pathlib.Path(tempfile.mkdtemp(prefix="noroshi-sanitizer-")) if SANITIZED else None
if SANITIZED:
    atexit.register(shutil.rmtree, REPORTS, ignore_errors=True)
    for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
        os.environ[name] = f"{os.environ.get(name, '')}:log_path={REPORTS}/report:print_stacktrace=1"


def take_reports():
    """What sanitizers have found since the last call, as text."""
    found = []
    for path in sorted(REPORTS.iterdir()) if SANITIZED else []:
        found.append(f"{path.name}:\n{path.read_text(errors='replace')}")
        path.unlink()
    return "\n".join(found)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url, data=None, method=None):
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10 * PATIENCE) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def wait_for(what, condition, seconds=30):
    deadline = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds * PATIENCE} s")


class SystemTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="noroshi-test-"))
        self.processes = []
        self.addCleanup(self._stop_everything)

    def _stop_everything(self):
        try:
            self.end_processes()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.assertEqual(take_reports(), "", "a sanitizer found something")

    def end_processes(self):
        """Ends everything that was started here, and looks at the books of the routers among it. May be called again."""
        processes, self.processes = self.processes, []
        try:
            # What routers deliver to goes last: the newest process first.
            for router in [process for process in reversed(processes) if getattr(process, "router", False)]:
                self.check_router(router)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def spawn(self, name, command, environment=None, **arguments):
        path = self.directory / f"{name}.log"
        log_begin = path.stat().st_size if path.exists() else 0
        with open(path, "ab") as log:
            process = subprocess.Popen([str(part) for part in command], env={**os.environ, **(environment or {})},
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, **arguments)
        process.name, process.log_begin = name, log_begin
        process.router = any(pathlib.Path(str(part)).resolve() == (BIN / "noroshi").resolve() for part in command)
        self.processes.append(process)
        return process

    # -- the books: recovered + routed = delivered + dropped + left, for each output (src/pipeline/accounting.h) ------

    def check_router(self, router):
        """Ends a router that the test did not end, and checks what it says of its books. One that was killed is excepted
        from all but what it had said by then."""
        if router.poll() is None:
            self.check_running_books(router)
            # Twice: it need not wait for destinations that may be gone.
            for _ in range(2):
                router.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            router.send_signal(signal.SIGCONT)
            try:
                router.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self.fail(f"{router.name} is still there {SECONDS_TO_END} s after a second SIGTERM:\n"
                          f"{self.log_since(router)[-3000:]}")
        self.check_written_books(router)
        if router.returncode < 0 and router.returncode not in (-signal.SIGKILL, -signal.SIGTERM):
            self.fail(f"{router.name} died of signal {-router.returncode}:\n{self.log_since(router)[-3000:]}")

    def check_running_books(self, router):
        """No output misses a record, or has one twice. Not asked where there is no HTTP server."""
        port = re.findall(r"\[admin\] listening on port (\d+)", self.log_since(router))
        if not port:
            return
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port[-1]}/api/v2/metrics/prometheus", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:  # it is stopped, or ends just now
            return
        rows = [row for row in text.splitlines() if row.startswith("noroshi_output_unaccounted_records{")]
        self.assertEqual([row for row in rows if not row.endswith(" 0")], [], self.log_since(router)[-3000:])

    def check_written_books(self, router):
        log = self.log_since(router)
        self.assertEqual([line for line in log.splitlines() if "accounting differs" in line], [], log[-3000:])

    def log_since(self, process):
        """What was written to its log since it was started."""
        path = self.directory / f"{process.name}.log"
        return path.read_bytes()[process.log_begin:].decode(errors="replace") if path.exists() else ""

    def log_of(self, name):
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def alive(self, process):
        self.assertIsNone(process.poll(), f"{process.name} ended:\n{self.log_of(process.name)[-3000:]}")
        return True

    def connect(self, port):
        client = ForwardClient(port)
        self.addCleanup(client.close)
        return client

    # -- the pieces ------------------------------------------------------------------------------------------------

    def start_aws(self):
        port_file = self.directory / "localaws.port"
        process = self.spawn("localaws", [BIN / "noroshi-localaws", "--data", self.directory / "aws", "--port", 0,
                                          "--port-file", port_file, "--region", REGION])
        port = wait_for("localaws", lambda: self.alive(process) and port_file.exists() and port_file.read_text().strip())
        self.endpoint = f"http://127.0.0.1:{port}"
        common = dict(endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="test",
                      aws_secret_access_key="test")
        self.s3 = boto3.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}), **common)
        self.logs = boto3.client("logs", **common)
        self.addCleanup(self.s3.close)
        self.addCleanup(self.logs.close)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        return process

    def router_environment(self):
        return {"AWS_REGION": REGION, "LOG_BUCKET_NAME": BUCKET, "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL_S3": getattr(self, "endpoint", ""),
                "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": getattr(self, "endpoint", ""),
                "NOROSHI_STORAGE_PATH": str(self.directory / "state")}

    def specified_config(self, port, admin_port, service="", s3_options=""):
        """The specified configuration on other ports, for tests that run beside each other."""
        text = SPECIFIED_CONFIG.read_text().replace("24224", str(port)).replace(
            "/tmp/fluent-bit/s3", str(self.directory / "s3"))
        text += s3_options  # the last section is the S3 output
        path = self.directory / "fluent-bit.conf"
        path.write_text(f"[SERVICE]\n    HTTP_Port {admin_port}\n{service}\n{text}")
        return path

    def start_router(self, config, admin_port=2020, environment=None, wait=True):
        process = self.spawn("router", [BIN / "noroshi", "-c", config], {**self.router_environment(), **(environment or {})})
        if wait:
            wait_for("the router's health", lambda: self.alive(process) and fetch(
                f"http://127.0.0.1:{admin_port}/api/v1/health")[0] == 200)
        return process

    def stop_router(self, process, seconds=60):
        """Its exit status and last line."""
        self.check_running_books(process)
        process.send_signal(signal.SIGTERM)
        status = process.wait(seconds * PATIENCE)
        self.check_written_books(process)
        lines = self.log_of(process.name).splitlines()
        return status, lines[-1] if lines else ""

    # -- reading back ----------------------------------------------------------------------------------------------

    def s3_keys(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def each_s3_record(self):
        for key in self.s3_keys():
            body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for line in gzip.decompress(body).splitlines():
                yield json.loads(line)

    def s3_records(self):
        return list(self.each_s3_record())

    def each_log_event(self, group=GROUP):
        try:
            for page in self.logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                yield from page["events"]
        except self.logs.exceptions.ResourceNotFoundException:
            return

    def log_events(self, group=GROUP):
        return list(self.each_log_event(group))


class ForwardClient:
    """A client of the Forward protocol that waits for acks, as fluentd's out_forward does."""

    def __init__(self, port, timeout=30):
        self.port, self.timeout = port, timeout * PATIENCE
        self.connect()

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unpacker = msgpack.Unpacker()

    def send(self, frame):
        self.socket.sendall(frame)

    def wait_ack(self):
        while True:
            for answer in self.unpacker:
                return answer["ack"]
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the router closed the connection")
            self.unpacker.feed(data)

    def close(self):
        self.socket.close()


def event_time(seconds):
    whole = int(seconds)
    return msgpack.ExtType(0, struct.pack(">II", whole, int((seconds - whole) * 1e9)))


def entry(seconds, record):
    return msgpack.packb([event_time(seconds), record])


def packed_forward(tag, entries, ack_id=None):
    option = {"size": len(entries)}
    if ack_id is not None:
        option["chunk"] = ack_id
    return msgpack.packb([tag, b"".join(entries), option])


def new_ack_id():
    return base64.b64encode(os.urandom(16)).decode()


def run_tests(verbosity=2):
    """The tests of the program that was started: reporting.run_tests(), and what sanitizers have found besides."""
    reporting.run_tests(verbosity, take_reports)

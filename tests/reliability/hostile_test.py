#!/usr/bin/python3
"""Garbage, bombs, slow senders and floods on every listening socket, beside good senders on the same sockets: who sends them
loses the connection or the message, memory stays bounded, the counters and one line an episode tell it, and nobody else
notices: not a record of a good sender is missing, late or there twice.
"""

import collections
import contextlib
import gzip
import http.client
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from load import Load, docker_record, line
from memory_group import MemoryGroup, anonymous_bytes
from harness import BIN, SANITIZED, SystemTest, entry, event_time, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

import msgpack

DEPTH = 10_000
# Its own memory; beside it there is the program's text. Where a memory cgroup can be made the router runs in one of 50 MB.
ANONYMOUS_BYTES_MAX = (1024 if SANITIZED else 42) << 20
# A good sender's answer while others misbehave.
ON_TIME_SECONDS = 20 if SANITIZED else 5
BOMB_PLAIN_BYTES = 10 << 30
DECOMPRESSED_MAX = 4 << 20  # here; 256 MiB if not said
# The same where it needs memory that slow senders hold: they have 10 s to finish (unfinished_wait_max), and those behind them.
SLOW_SECONDS_MAX = 2 * 10 + 5
HTTP_HEAD_SECONDS_MAX = 10 + 5
TAG = "backend-firelens-1"


# ---- Bombs ------------------------------------------------------------------------------------------------------------


def gzip_member(bytes_inside):
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"\0" * (1 << 20)
    return b"".join(compressor.compress(block) for _ in range(bytes_inside >> 20)) + compressor.flush()


def gzip_bomb(plain_bytes):
    """Members one after another, 1 to 1000: 10 MB hold 10 GB."""
    part = 100 << 20
    return gzip_member(part) * (plain_bytes // part)


def zstd_bomb(plain_bytes):
    part = 100 << 20
    frame = subprocess.run(["zstd", "-q", "-c"], input=bytes(part), capture_output=True, check=True).stdout
    return frame * (plain_bytes // part)


def nested_otlp(depth):
    """LogsData whose body is an array in an array in …"""
    def field(number, payload):
        length, prefix = len(payload), b""
        while length > 127:
            prefix, length = prefix + bytes([length & 127 | 128]), length >> 7
        return bytes([number << 3 | 2]) + prefix + bytes([length]) + payload
    value = field(1, b"x")
    for _ in range(depth):
        value = field(5, field(1, value))  # AnyValue.array_value.values
    return field(1, field(2, field(2, field(5, value))))  # resource_logs.scope_logs.log_records.body


# ---- What is sent: name, bytes, and what becomes of the connection ------------------------------------------------------
# CLOSED: by the router, though the sender would stay. KEPT: the next message on the same connection is taken.

CLOSED, KEPT = "closed", "kept"


def forward_attacks():
    tag = msgpack.packb("attack")
    yield "a length of 1 GB", b"\x92" + tag + b"\xc6\x40\x00\x00\x00", CLOSED
    yield "a length of 4 GB", b"\x93" + tag + msgpack.packb(1) + b"\xdf\xff\xff\xff\xff", CLOSED
    yield "an array of 4 billion entries", b"\x92" + tag + b"\xdd\xff\xff\xff\xff", CLOSED
    yield "MessagePack nested 10,000 deep", b"\x93" + tag + msgpack.packb(1) + b"\x81\xa1a" * DEPTH + b"\xc0", KEPT
    yield "arrays nested 10,000 deep", b"\x93" + tag + msgpack.packb(1) + b"\x91" * DEPTH + b"\xc0", KEPT
    bomb = gzip_bomb(BOMB_PLAIN_BYTES)
    yield "a gzip bomb of 10 GB", msgpack.packb(["attack", bomb, {"compressed": "gzip"}]), CLOSED
    yield "a zstd bomb of 10 GB", msgpack.packb(["attack", zstd_bomb(BOMB_PLAIN_BYTES), {"compressed": "zstd"}]), CLOSED
    records = entry(1, {}) * (DECOMPRESSED_MAX // 10)  # of 12 bytes
    yield "more records than a frame may have", msgpack.packb(
        ["attack", gzip.compress(records, 1), {"compressed": "gzip"}]), CLOSED
    yield "broken gzip", msgpack.packb(["attack", gzip.compress(b"x" * 100)[:-9] + b"123456789", {"compressed": "gzip"}]), KEPT
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: router\r\n\r\n", CLOSED
    yield "TLS", bytes.fromhex("16030100c8010000c40303") + os.urandom(190), CLOSED
    yield "a frame without a record", msgpack.packb(["attack"]), KEPT
    yield "a record that is no map", msgpack.packb(["attack", 1, "text"]), KEPT
    yield "a time that is no time", msgpack.packb(["attack", {"a": 1}, {"log": "x"}]), KEPT
    for seed in range(20):
        noise = random.Random(seed).randbytes(20_000)
        yield f"noise {seed}", noise, CLOSED


def json_attacks():
    yield "noise", random.Random(1).randbytes(100_000) + b"\n", KEPT
    yield "JSON nested 10,000 deep", b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}\n", KEPT
    yield "only brackets", b"[" * (4 << 20) + b"\n", KEPT
    yield "a document of 100 MB", b'{"a":"' + b"x" * (100 << 20) + b'"}\n', KEPT
    yield "HTTP", b"POST / HTTP/1.1\r\nHost: router\r\n\r\n", KEPT
    yield "TLS", bytes.fromhex("16030100c8010000c40303") + os.urandom(190) + b"\n", KEPT
    yield "not UTF-8", b'{"a":"\xff\xfe\xc0\xaf"}\n', KEPT
    yield "numbers beyond measure", b'{"a":' + b"9" * 100_000 + b',"b":1e999999}\n', KEPT


def line_attacks():
    yield "noise", random.Random(2).randbytes(100_000) + b"\n", KEPT
    yield "a line of 10 MB", b"x" * (10 << 20) + b"\n", KEPT
    yield "a million empty lines", b"\n" * 1_000_000, KEPT


def syslog_attacks():
    yield "noise", random.Random(3).randbytes(100_000) + b"\n", KEPT
    yield "a line of 10 MB", b"<14>1 " + b"x" * (10 << 20) + b"\n", KEPT
    yield "a priority without end", b"<" + b"1" * 100_000 + b"\n", KEPT
    yield "structured data nested", b"<14>1 2026-12-01T00:00:00Z h a - - " + b"[" * DEPTH + b"\n", KEPT
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: router\r\n\r\n", KEPT


def post(path, body, content_type="application/json", encoding=None, length=None):
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {length or len(body)}\r\n"
    if encoding:
        head += f"Content-Encoding: {encoding}\r\n"
    return head.encode() + b"\r\n" + body


def head_attacks():
    yield "a header of 1 MB", b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n", 431
    yield "a thousand headers", b"GET /x HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", 431
    yield "a negative body", post("/x", b"", length=-1), 400
    yield "MessagePack", msgpack.packb(["tag", 1, {"log": "x"}]) + b"\r\n\r\n", 400
    yield "TLS", bytes.fromhex("16030100c8010000c40303") + os.urandom(190) + b"\r\n\r\n", 400
    yield "noise", random.Random(1).randbytes(100_000) + b"\r\n\r\n", 400


def body_attacks(path, content_type, other):
    yield from head_attacks()
    yield "a body of 1 TB", post(path, b"x", content_type, length=1 << 40), 413
    yield "a chunk of 1 GB", (f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n40000000\r\n").encode() + b"x" * (8 << 20), 413
    yield "a body of 10 MB", post(path, b" " * (10 << 20), content_type), 413
    yield "a gzip bomb of 10 GB", post(path, gzip_bomb(BOMB_PLAIN_BYTES), content_type, "gzip"), 413
    yield "a gzip bomb of 3 GB in what a body may have", post(path, gzip_bomb(3 << 30), content_type, "gzip"), 413
    yield "a zstd bomb of 10 GB", post(path, zstd_bomb(BOMB_PLAIN_BYTES), content_type, "zstd"), 413
    yield "broken gzip", post(path, gzip.compress(b"{}")[:-9] + b"123456789", content_type, "gzip"), 400
    yield "noise as gzip", post(path, os.urandom(1000), content_type, "gzip"), 400
    yield "noise as a body", post(path, random.Random(4).randbytes(20_000), content_type), 400
    yield "another encoding", post(path, b"{}", content_type, "br"), 415
    yield from other


HTTP_OWN = [
    ("JSON nested 10,000 deep", post("/x", b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}"), 400),
    ("a million unclosed brackets", post("/x", b"[" * 1_000_000), 400),
    ("a body that is cut off", post("/x", b'{"a":"b'), 400),
    ("five million empty records", post("/x", gzip.compress(b"{}," * 5_000_000 + b"{}", 9), encoding="gzip"), 413),
    ("an object of a million numbers", post("/x", gzip.compress(b'{"a":[' + b"1," * 5_000_000 + b"1]}"), encoding="gzip"), 413),
    ("brackets in brackets", post("/x", b"[" + b"[]," * 1_000_000 + b"[]]"), 400),
    ("a million fields in a form", post("/x", b"a=&" * 1_000_000, "application/x-www-form-urlencoded"), 201),
]
OTLP_OWN = [
    ("protobuf nested 10,000 deep", post("/v1/logs", nested_otlp(DEPTH), "application/x-protobuf"), 400),
    ("a length of 1 GB", post("/v1/logs", b"\x0a\x80\x80\x80\x80\x04", "application/x-protobuf"), 400),
    ("a varint without end", post("/v1/logs", b"\xff" * 100_000, "application/x-protobuf"), 400),
    ("a million empty records", post("/v1/logs", gzip.compress(
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 1_000_000 + b"{}]}]}]}"), encoding="gzip"), (200, 413)),
    ("JSON nested 10,000 deep", post("/v1/logs", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":' +
                                     b'{"arrayValue":{"values":[' * DEPTH + b"]}}" * DEPTH + b"}]}]}]}"), 400),
]


def datagrams():
    yield "nothing", b""
    yield "noise", random.Random(5).randbytes(60_000)
    yield "JSON nested 10,000 deep", b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}"
    yield "a document that is cut off", b'{"a":"' + b"x" * 50_000
    yield "a priority without end", b"<" + b"1" * 50_000


# ---- Good senders -------------------------------------------------------------------------------------------------------


def syslog_line(text):
    return f"<14>1 2026-12-01T00:00:00Z host app - - - {text}".encode()


class Good(threading.Thread):
    """Sends 20 numbered records a second and does not expect any trouble."""

    def __init__(self, name, send):
        super().__init__(daemon=True)
        self.via, self.send = name, send
        self.sent, self.slowest, self.failure = 0, 0.0, None
        self.halt = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.halt.wait(0.05):
                began = time.monotonic()
                self.send(f"good {self.via} {self.sent}.")
                self.sent += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
        except Exception as failure:  # shown by the test's own thread
            self.failure = failure

    def stop(self):
        self.halt.set()
        self.join(60)


class HostileTest(SystemTest):
    limits = ""

    def setUp(self):
        super().setUp()
        self.start_aws()
        names = ("forward", "admin", "http", "otlp", "tcp", "lines", "syslog", "udp", "syslog_udp")
        self.ports = {name: free_port() for name in names}
        self.unix = {name: str(self.directory / f"{name}.sock") for name in ("forward", "syslog")}
        forward = f"    decompressed_max_size {DECOMPRESSED_MAX}\n{self.limits}"
        one = lambda name, **options: "[INPUT]\n" + "".join(f"    {key} {value}\n" for key, value in {
            "Name": name, "Tag": TAG, "Listen": "127.0.0.1", **options}.items()) + self.limits
        inputs = "".join((
            f"[INPUT]\n    Name forward\n    Unix_Path {self.unix['forward']}\n{forward}",
            one("http", Port=self.ports["http"]), one("opentelemetry", Port=self.ports["otlp"]),
            one("tcp", Port=self.ports["tcp"]), one("tcp", Port=self.ports["lines"], Format="none"),
            one("syslog", Mode="tcp", Port=self.ports["syslog"]),
            one("udp", Port=self.ports["udp"]),
            one("syslog", Mode="udp", Port=self.ports["syslog_udp"]),
            f"[INPUT]\n    Name syslog\n    Tag {TAG}\n    Mode unix_udp\n    Path {self.unix['syslog']}\n"))
        config = self.specified_config(self.ports["forward"], self.ports["admin"], inputs)
        text = config.read_text()
        self.assertEqual(text.count("    Name        forward\n"), 1)
        config.write_text(text.replace("    Name        forward\n", f"    Name        forward\n{forward}"))
        self.group, prefix = None, ()
        with contextlib.suppress(OSError):
            if not SANITIZED:
                self.group = MemoryGroup(f"noroshi-test-{os.getpid()}-{time.monotonic_ns()}")
                self.addCleanup(self.group.remove)
                self.addCleanup(self.end_processes)
                prefix = self.group.prefix()
        self.router = self.spawn("router", [*prefix, BIN / "noroshi", "-c", config], self.router_environment())
        wait_for("the router's health", lambda: self.alive(self.router) and fetch(
            f"http://127.0.0.1:{self.ports['admin']}/api/v1/health")[0] == 200)
        self.good, self.on_time, self.anonymous_peak = [], ON_TIME_SECONDS, 0

    # -- senders --------------------------------------------------------------------------------------------------

    def address(self, name):
        return self.unix[name.removesuffix(" (unix)")] if name.endswith("(unix)") else ("127.0.0.1", self.ports[name])

    def dial(self, name, kind=socket.SOCK_STREAM):
        address = self.address(name)
        connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, kind)
        self.addCleanup(connection.close)
        connection.settimeout(30)
        connection.connect(address)
        return connection

    def good_stream(self, name, encode):
        connection = self.dial(name)
        return Good(name.replace(" ", "_"), lambda text: connection.sendall(encode(text)))

    def good_datagrams(self, name, encode):
        connection = self.dial(name, socket.SOCK_DGRAM)
        return Good(name.replace(" ", "_") + "_datagrams", lambda text: connection.send(encode(text)))

    def good_requests(self, name, path, encode):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=30)
        self.addCleanup(connection.close)

        def send(text):
            deadline = time.monotonic() + 30
            while True:
                connection.request("POST", path, encode(text), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status in (200, 201):
                    return
                # Full: the client is asked to come again.
                if answer.status != 503 or time.monotonic() > deadline:
                    raise AssertionError(f"{name}: {answer.status} {body}")
                time.sleep(0.1)
        return Good(name, send)

    def good_forward(self, name):
        connection, unpacker = self.dial(name), msgpack.Unpacker()

        def send(text):
            ack = new_ack_id()
            connection.sendall(packed_forward(TAG, [entry(time.time(), {"log": text})], ack))
            unpacker.feed(connection.recv(4096))
            assert next(unpacker)["ack"] == ack
        return Good(name.replace(" ", "_"), send)

    def start_good_senders(self):
        self.load = Load(self.ports["forward"], 500)
        as_json = lambda text: json.dumps({"message": text}).encode() + b"\n"
        as_otlp = lambda text: json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [
            {"body": {"stringValue": text}}]}]}]}).encode()
        self.good += [
            self.good_forward("forward (unix)"), self.good_requests("http", "/good", as_json),
            self.good_requests("otlp", "/v1/logs", as_otlp), self.good_stream("tcp", as_json),
            self.good_stream("lines", lambda text: text.encode() + b"\n"),
            self.good_stream("syslog", lambda text: syslog_line(text) + b"\n"),
            self.good_datagrams("udp", as_json), self.good_datagrams("syslog_udp", syslog_line),
            self.good_datagrams("syslog (unix)", syslog_line)]

    def check(self, datagrams_may_be_lost=()):
        """Ends everything; each record of each good sender is there once, and none had to wait."""
        self.alive(self.router)
        for sender in self.good:
            sender.stop()
        self.load.stop()
        for sender in self.good:
            self.assertIsNone(sender.failure, f"{sender.via}: {sender.failure!r}")
            self.assertGreater(sender.sent, 0, sender.via)
        self.check_memory()
        if self.group:
            self.assertFalse(self.group.killed(), "the kernel killed the router")
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        there = collections.Counter()
        numbers = collections.Counter()
        for record in self.each_s3_record():
            if "n" in record:
                numbers[record["n"]] += 1
            elif found := re.search(r"good (\S+) (\d+)\.", str(record)):
                there[found[1], int(found[2])] += 1
        self.assertEqual(numbers, collections.Counter(range(self.load.sent)), "records of a good client")
        slowest = {sender.via: round(sender.slowest, 2) for sender in self.good}
        print(f"\n{self.load.sent} records of the good client, and {dict((s.via, s.sent) for s in self.good)}; slowest answer "
              f"{self.load.longest_wait:.2f} s and {slowest}; {self.memory()}")
        for sender in self.good:
            missing = [n for n in range(sender.sent) if there[sender.via, n] != 1]
            if sender.via not in datagrams_may_be_lost:
                self.assertEqual(missing, [], f"records of the good sender by {sender.via}")
            self.assertLess(sender.slowest, self.on_time, f"the good sender by {sender.via} waited")
        self.assertEqual(self.load.reconnects, 0, "a good client lost its connection")
        self.assertLess(self.load.longest_wait, self.on_time, "a good client waited")
        return there

    # -- what the router says --------------------------------------------------------------------------------------

    def metric(self, name, number):
        """Of input `number` of the configuration."""
        text = fetch(f"http://127.0.0.1:{self.ports['admin']}/api/v2/metrics/prometheus")[1].decode()
        found = re.findall(rf'^{name}\{{name="\w+\.{number}"[^}}]*\}} (\S+)$', text, re.M)
        self.assertEqual(len(found), 1, f"{name} of input {number}")
        return float(found[0])

    NUMBERS = {"forward (unix)": 0, "http": 1, "otlp": 2, "tcp": 3, "lines": 4, "syslog": 5, "udp": 6, "syslog_udp": 7,
               "syslog (unix)": 8, "forward": 9}

    def malformed(self, name):
        return self.metric("noroshi_input_malformed_total", self.NUMBERS[name])

    def check_memory(self):
        self.alive(self.router)
        now = anonymous_bytes(self.router.pid)
        self.anonymous_peak = max(self.anonymous_peak, now)
        self.assertLess(now, ANONYMOUS_BYTES_MAX)

    def memory(self):
        text = f"anonymous memory at most {self.anonymous_peak / 1e6:.1f} MB"
        return f"{text}, cgroup {self.group.peak() / 1e6:.1f} MB" if self.group else text

    def check_lines(self, began, kinds_max):
        """One line an episode of a minute: for each input and kind of trouble."""
        kinds = collections.Counter()
        for row in self.log_since(self.router).splitlines():
            if found := re.search(r"\[(?: warn|error)\] \[(input:\S+|http|net)\] (.*)", row):
                kinds[found[1], re.sub(r"\d+|unix:\S+|from \S+:", "#", found[2])[:40]] += 1
        self.assertGreater(len(kinds), 0, "nothing was said")
        self.assertLess(len(kinds), kinds_max, kinds)
        self.assertLessEqual(max(kinds.values()), (time.monotonic() - began) // 60 + 1, kinds)

    # -- attacks ---------------------------------------------------------------------------------------------------

    def attack(self, connection, data, patience):
        """Sends; True if the router closes within `patience`."""
        connection.settimeout(patience)
        try:
            connection.sendall(data)
            while connection.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def attack_streams(self, name, attacks, good_frame):
        self.start_good_senders()
        began, survivors = time.monotonic(), 0
        before = self.malformed(name)
        for what, data, outcome in attacks:
            with self.subTest(what):
                connection, started = self.dial(name), time.monotonic()
                closed = self.attack(connection, data, 20 if outcome == CLOSED else 0.3)
                print(f"{name}, {what}: {time.monotonic() - started:.2f} s, {'closed' if closed else 'kept'}")
                self.assertEqual(CLOSED if closed else KEPT, outcome)
                if not closed:
                    connection.sendall(good_frame(f"good survivor {survivors}."))
                    survivors += 1
                    connection.close()
                self.check_memory()
        # Cut off in the middle, and gone.
        connection = self.dial(name)
        connection.sendall(attacks[0][1][:5])
        connection.close()
        wait_for("the counter", lambda: self.malformed(name) > before)
        print(f"{name}: {self.malformed(name) - before:.0f} counted as malformed")
        self.check_lines(began, 8)
        there = self.check()
        self.assertEqual([n for n in range(survivors) if there["survivor", n] != 1], [],
                         "what a sender sent after its mistake on the connection that was kept")


class Hostile(HostileTest):
    def test_hostile_streams_on_the_forward_port(self):
        self.attack_streams("forward", list(forward_attacks()), self.forward_frame)

    def test_hostile_streams_on_the_unix_socket(self):
        self.attack_streams("forward (unix)", list(forward_attacks()), self.forward_frame)

    @staticmethod
    def forward_frame(text):
        return msgpack.packb([TAG, event_time(time.time()), {"log": text}])

    def test_hostile_streams_of_json(self):
        self.attack_streams("tcp", list(json_attacks()), lambda text: json.dumps({"message": text}).encode() + b"\n")

    def test_hostile_lines(self):
        self.attack_streams("lines", list(line_attacks()), lambda text: text.encode() + b"\n")

    def test_hostile_syslog(self):
        self.attack_streams("syslog", list(syslog_attacks()), lambda text: syslog_line(text) + b"\n")

    def attack_requests(self, name, attacks):
        self.start_good_senders()
        began, before = time.monotonic(), self.malformed(name)
        for what, data, wanted in attacks:
            with self.subTest(what):
                started = time.monotonic()
                connection = self.dial(name)
                connection.settimeout(20)
                with contextlib.suppress(OSError):  # it may have answered, and closed, before it has read all
                    connection.sendall(data)
                answer = b""
                with contextlib.suppress(OSError):
                    while b"\r\n" not in answer and (more := connection.recv(65536)):
                        answer += more
                took = time.monotonic() - started
                print(f"{name}, {what}: {took:.2f} s, {answer[:40]}")
                self.assertRegex(answer.decode(errors="replace"), r"^HTTP/1\.1 \d+")
                self.assertIn(int(answer.split()[1]), wanted if isinstance(wanted, tuple) else (wanted,))
                self.assertLess(took, ON_TIME_SECONDS)
                connection.close()
                self.check_memory()
        self.assertGreater(self.malformed(name), before)
        print(f"{name}: {self.malformed(name) - before:.0f} counted as malformed")
        self.check_lines(began, 6)
        self.check()

    def test_hostile_requests_of_http(self):
        self.attack_requests("http", body_attacks("/x", "application/json", HTTP_OWN))

    def test_hostile_requests_of_opentelemetry(self):
        self.attack_requests("otlp", body_attacks("/v1/logs", "application/x-protobuf", OTLP_OWN))

    def test_hostile_requests_on_the_admin_port(self):
        self.start_good_senders()
        for what, data, _ in [*head_attacks(), ("a body of 1 TB", post("/api/v2/reload", b"x", length=1 << 40), 413)]:
            with self.subTest(what):
                self.attack(self.dial("admin"), data, 3)
                self.assertEqual(fetch(f"http://127.0.0.1:{self.ports['admin']}/api/v1/health")[0], 200)
                self.check_memory()
        self.check()

    def test_hostile_datagrams_and_a_flood_of_them(self):
        self.start_good_senders()
        began = time.monotonic()
        for name in ("udp", "syslog_udp", "syslog (unix)"):
            with self.subTest(name):
                before = self.malformed(name)
                sender = self.dial(name, socket.SOCK_DGRAM)
                for _, data in datagrams():
                    with contextlib.suppress(OSError):  # longer than the socket takes
                        sender.send(data)
                wait_for("the counter", lambda: self.malformed(name) > before)
                sent, ends = 0, time.monotonic() + 3
                while time.monotonic() < ends:
                    for _ in range(100):
                        sender.send(b'{"flood":')
                    sent += 100
                self.check_memory()
                wait_for("the end of the flood", lambda: self.malformed(name) > before + sent * 0.01)
                print(f"{name}: {sent} datagrams in 3 s, {self.malformed(name) - before:.0f} counted as malformed or lost, "
                      f"{self.memory()}")
        self.check_lines(began, 8)
        # UDP loses what the kernel has no room for; a Unix socket makes its senders wait.
        self.check(datagrams_may_be_lost=("udp_datagrams", "syslog_udp_datagrams"))

    def test_json_nested_10000_deep_in_one_line_is_kept_as_text(self):
        deep = '{"level":"ERROR","a":' + "[" * DEPTH + "]" * DEPTH + "}"
        client = self.connect(self.ports["forward"])
        client.send(msgpack.packb([TAG, event_time(time.time()), docker_record(deep), {}]))
        client.send(msgpack.packb([TAG, event_time(time.time()), docker_record(line(1, "INFO")), {}]))
        client.close()
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        records = self.s3_records()
        self.assertEqual([record.get("log") for record in records if "n" not in record], [deep])
        self.assertEqual([record["n"] for record in records if "n" in record], [1])

    def test_a_flood_of_connections(self):
        self.start_good_senders()
        deadline = time.monotonic() + 5
        opened = collections.Counter()
        while time.monotonic() < deadline:
            for name in ("forward", "forward (unix)", "tcp", "syslog", "http", "otlp"):
                address = self.address(name)
                with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as connection:
                    connection.settimeout(5)
                    connection.connect(address)
                    connection.send(b"\x93")
                opened[name] += 1
        print(f"\n{dict(opened)} connections in 5 s, {self.memory()}")
        self.check_memory()
        self.check()


class Slow(HostileTest):
    """Many connections that begin a message and do not end it."""

    def go_on(self, connections, seconds):
        """Sends what the sockets take, and then nothing; how many are closed within `seconds`, and when the first."""
        began, first = time.monotonic(), None
        sent = [0] * len(connections)
        dead = set()
        while time.monotonic() - began < seconds:
            for index, (connection, data) in enumerate(connections):
                if index in dead:
                    continue
                try:
                    if sent[index] < len(data):
                        with contextlib.suppress(BlockingIOError):
                            sent[index] += connection.send(data[sent[index]:sent[index] + 65536])
                    with contextlib.suppress(BlockingIOError):
                        if connection.recv(4096) == b"":
                            raise ConnectionResetError
                except OSError:
                    dead.add(index)
                    first = first or time.monotonic() - began
            self.check_memory()
            time.sleep(0.05)
        return len(dead), first

    def check_that_large_messages_go_on(self, name, data, large, count_of_slow=40):
        """They hold all the memory there is for unfinished messages; a good sender needs some for its own."""
        self.start_good_senders()
        self.on_time = SLOW_SECONDS_MAX  # the frames of the good client are larger than what is read without memory
        began, before = time.monotonic(), self.malformed(name)
        slow = [[self.dial(name), data] for _ in range(count_of_slow)]
        for connection, _ in slow:
            connection.setblocking(False)
        hog = threading.Thread(target=lambda: setattr(self, "outcome", self.go_on(slow, 40)), daemon=True)
        hog.start()
        time.sleep(2)
        sender, slowest, count = large(), 0.0, 0
        while hog.is_alive():
            started = time.monotonic()
            sender(f"good large {count}.")
            count += 1
            slowest = max(slowest, time.monotonic() - started)
            time.sleep(0.2)
        closed, first = self.outcome
        print(f"\n{name}: {closed} of {len(slow)} slow senders were closed, the first after {first} s; "
              f"{count} large messages beside, {slowest:.1f} s at most; {self.memory()}")
        self.assertGreater(closed, 0, "slow senders keep their connections though others wait for the memory")
        self.assertLess(slowest, SLOW_SECONDS_MAX, "a good sender of large messages waited")
        self.assertGreater(self.malformed(name), before)
        self.check_lines(began, 4)
        there = self.check()
        self.assertEqual([n for n in range(count) if there["large", n] != 1], [])

    def test_slow_frames(self):
        frame = packed_forward("slow", [entry(1, docker_record("y" * 1000))] * 1000)

        def sender():
            client = self.connect(self.ports["forward"])

            def send(text):
                ack = new_ack_id()
                client.send(packed_forward(TAG, [entry(time.time(), {"log": text, "padding": "x" * 600_000})], ack))
                assert client.wait_ack() == ack
            return send
        self.check_that_large_messages_go_on("forward", frame[:-1], sender)

    def test_slow_documents(self):
        def sender():
            connection = self.dial("tcp")

            def send(text):
                taken = lambda: self.metric("fluentbit_input_bytes_total", self.NUMBERS["tcp"])
                before = taken()
                connection.sendall(json.dumps({"message": text, "padding": "x" * 600_000}).encode() + b"\n")
                wait_for("the large document", lambda: taken() > before + 600_000, 60)
            return send
        self.check_that_large_messages_go_on("tcp", b'{"a":"' + b"x" * 900_000, sender)

    def test_slow_heads_of_http(self):
        self.start_good_senders()
        slow = [self.dial(name) for name in ("http", "otlp") for _ in range(50)]
        began, dead = time.monotonic(), set()
        while time.monotonic() - began < HTTP_HEAD_SECONDS_MAX and len(dead) < len(slow):
            for index, connection in enumerate(slow):
                if index not in dead:
                    connection.setblocking(False)
                    try:
                        connection.send(b"P" if time.monotonic() - began < 0.5 else b"O")
                        with contextlib.suppress(BlockingIOError):
                            if connection.recv(4096) == b"":
                                raise ConnectionResetError
                    except OSError:
                        dead.add(index)
            time.sleep(0.5)
            self.check_memory()
        print(f"\n{len(dead)} of {len(slow)} slow heads are closed after {time.monotonic() - began:.1f} s")
        self.assertEqual(len(dead), len(slow))
        self.check()

    def test_slow_bodies_of_http(self):
        """A few clients could hold all the memory there is for bodies: who begins is refused, and they must come to an end."""
        def sender():
            connection = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=30)
            self.addCleanup(connection.close)

            def send(text):
                body, deadline = json.dumps({"message": text, "padding": "x" * (5 << 19)}), time.monotonic() + 60
                while time.monotonic() < deadline:
                    with contextlib.suppress(OSError, http.client.HTTPException):  # refused, and closed, within the body
                        connection.request("POST", "/large", body, {"Content-Type": "application/json"})
                        answer = connection.getresponse()
                        answer.read()
                        if answer.status == 201:
                            return
                    connection.close()
                    time.sleep(0.5)
                raise AssertionError("a large request is refused for a minute")
            return send
        self.check_that_large_messages_go_on(
            "http", post("/x", b'{"a":"' + b"x" * 3_900_000, length=4 << 20), sender, count_of_slow=2)

    def test_many_bodies_at_once(self):
        """Each may have what a body may have; together they may not."""
        self.start_good_senders()
        body = post("/x", b'{"a":"' + b"x" * (3 << 20), length=4 << 20)
        slow = [[self.dial("http"), body] for _ in range(40)]
        for connection, _ in slow:
            connection.setblocking(False)
        closed, first = self.go_on(slow, 5)
        print(f"\n{closed} of {len(slow)} were refused, the first after {first} s; {self.memory()}")
        self.assertGreater(closed, 30)
        self.assertIn("requests are answered 503: the bodies", self.log_since(self.router))
        self.check()

class Limits(HostileTest):
    """More connections than net.max_connections."""

    limits = "    net.max_connections 20\n"

    def test_connections_over_the_limit(self):
        self.start_good_senders()
        began = time.monotonic()
        for name in ("forward", "forward (unix)", "tcp", "syslog", "http"):
            with self.subTest(name):
                flood = [self.dial(name) for _ in range(60)]
                time.sleep(0.5)
                if name == "http":
                    self.assertIn(b" 503 ", flood[-1].recv(4096))
                else:
                    self.assertEqual(self.metric("noroshi_input_connections", self.NUMBERS[name]), 20)
                self.check_memory()
                for connection in flood:
                    connection.close()
                if name == "http":
                    continue
                wait_for("the end of the flood", lambda: self.metric("noroshi_input_connections", self.NUMBERS[name]) <= 3)
                # There is room again.
                if name.startswith("forward"):
                    self.good_forward(name).stop()
        log = self.log_since(self.router)
        self.assertEqual(len(re.findall(r"as many as net.max_connections allows", log)), 4, log[-3000:])
        self.assertEqual(len(re.findall(r"has as many connections as it takes", log)), 1, log[-3000:])
        self.check_lines(began, 8)
        self.check()


if __name__ == "__main__":
    run_tests()

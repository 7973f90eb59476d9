#!/usr/bin/python3
"""Garbage, bombs and floods on every listening socket, beside a good client: the sender loses its connection, nobody else
anything."""

import gzip
import os
import pathlib
import random
import socket
import struct
import sys
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from load import Load, docker_record, line
from harness import PATIENCE, SANITIZED, SystemTest, entry, event_time, fetch, free_port, run_tests, wait_for

import msgpack

DEPTH = 10_000
RESIDENT_BYTES_MAX = (1024 if SANITIZED else 50) << 20


def gzip_bomb(bytes_inside):
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"\0" * (1 << 20)
    return b"".join(compressor.compress(block) for _ in range(bytes_inside >> 20)) + compressor.flush()


def forward_attacks():
    """Names and bytes. After them the sender half-closes, so that the router has no reason to keep the connection."""
    tag = msgpack.packb("attack")
    yield "a length of 1 GB", b"\x92" + tag + b"\xc6\x40\x00\x00\x00"
    yield "a length of 4 GB", b"\x93" + tag + msgpack.packb(1) + b"\xdf\xff\xff\xff\xff"
    yield "an array of 4 billion entries", b"\x92" + tag + b"\xdd\xff\xff\xff\xff"
    yield "MessagePack nested 10,000 deep", b"\x93" + tag + msgpack.packb(1) + b"\x81\xa1a" * DEPTH + b"\xc0"
    yield "arrays nested 10,000 deep", b"\x93" + tag + msgpack.packb(1) + b"\x91" * DEPTH + b"\xc0"
    yield "a gzip bomb of 1 GB", msgpack.packb(["attack", gzip_bomb(1 << 30), {"compressed": "gzip"}])
    yield "broken gzip", msgpack.packb(["attack", gzip.compress(b"x" * 1000)[:-9] + b"123456789", {"compressed": "gzip"}])
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: router\r\n\r\n"
    yield "TLS", bytes.fromhex("16030100c8010000c40303") + os.urandom(190)
    yield "a frame without a record", msgpack.packb(["attack"])
    yield "a record that is no map", msgpack.packb(["attack", 1, "text"])
    yield "a time that is no time", msgpack.packb(["attack", {"a": 1}, {"log": "x"}])
    for seed in range(20):
        yield f"noise {seed}", random.Random(seed).randbytes(20_000)


def http_attacks():
    yield "a header of 1 MB", b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n"
    yield "a body of 1 TB", b"POST /api/v2/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 1099511627776\r\n\r\nx"
    yield "a negative body", b"POST /api/v2/reload HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"
    yield "a request of one byte", b"G"
    yield "MessagePack", msgpack.packb(["tag", 1, {"log": "x"}])
    yield "noise", random.Random(1).randbytes(20_000)


class Hostile(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        self.router = self.start_router(self.specified_config(self.port, self.admin), self.admin)

    def attack(self, port, data, patience=2):
        """Sends, waits until the router closes or `patience` has passed; True if it closed."""
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(patience * PATIENCE)
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
                return True
            except TimeoutError:
                return False
            except OSError:
                return True

    def resident_bytes(self):
        return int(pathlib.Path(f"/proc/{self.router.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def check(self, load):
        self.alive(self.router)
        load.stop()
        self.assertEqual(load.reconnects, 0, "a good client lost its connection")
        self.assertLess(load.longest_wait, 5 * PATIENCE, "a good client waited")
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        numbers = sorted(record["n"] for record in self.s3_records() if "n" in record)
        self.assertEqual(numbers, list(range(load.sent)))

    def test_hostile_streams_on_the_forward_port(self):
        load = Load(self.port, 500)
        for name, data in forward_attacks():
            with self.subTest(name):
                began = time.monotonic()
                closed = self.attack(self.port, data)
                print(f"{name}: {time.monotonic() - began:.2f} s")
                self.alive(self.router)
                self.assertTrue(closed, "the connection stays open")
                self.assertLess(self.resident_bytes(), RESIDENT_BYTES_MAX)
        self.check(load)

    def test_hostile_requests_on_the_admin_port(self):
        load = Load(self.port, 500)
        for name, data in http_attacks():
            with self.subTest(name):
                self.attack(self.admin, data)
                self.assertEqual(fetch(f"http://127.0.0.1:{self.admin}/api/v1/health")[0], 200)
        self.check(load)

    def test_json_nested_10000_deep_in_one_line_is_kept_as_text(self):
        deep = '{"level":"ERROR","a":' + "[" * DEPTH + "]" * DEPTH + "}"
        client = self.connect(self.port)
        client.send(msgpack.packb(["backend-firelens-1", event_time(time.time()), docker_record(deep), {}]))
        client.send(msgpack.packb(["backend-firelens-1", event_time(time.time()), docker_record(line(1, "INFO")), {}]))
        client.close()
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        records = self.s3_records()
        self.assertEqual([record.get("log") for record in records if "n" not in record], [deep])
        self.assertEqual([record["n"] for record in records if "n" in record], [1])

    def test_a_flood_of_connections(self):
        load = Load(self.port, 500)
        deadline = time.monotonic() + 5
        opened = 0
        while time.monotonic() < deadline:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.send(b"\x93")
            opened += 1
        print(f"\n{opened} connections in 5 s, resident memory {self.resident_bytes() / 1e6:.1f} MB")
        self.assertLess(self.resident_bytes(), RESIDENT_BYTES_MAX)
        self.check(load)


if __name__ == "__main__":
    run_tests()

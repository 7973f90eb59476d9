#!/usr/bin/python3
"""Writes the seeds of the Forward protocol's fuzz targets into fuzz/corpus/: /usr/bin/python3 fuzz/forward_seeds.py

One file per shape of the protocol; libFuzzer finds the rest. Needs python3-msgpack.
"""

import gzip
import pathlib
import struct

import msgpack

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def event_time(seconds=1_700_000_000, nanoseconds=5):
    return msgpack.ExtType(0, struct.pack(">II", seconds, nanoseconds))


def entry(record, time=None, metadata=None):
    time = event_time() if time is None else time
    return msgpack.packb([time if metadata is None else [time, metadata], record])


def zstd(data):
    """A frame of one raw block (RFC 8878 §3.1): single segment, one byte of size, last block."""
    assert len(data) < 256
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def write(target, seeds):
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (directory / name).write_bytes(data)


ENTRIES = entry({"log": "one"}) + entry({"log": "two", "n": 2}, metadata={"m": 1})
RECORD = {"log": "text", "source": "stdout", "container_id": "c" * 64}

# The first byte chooses where the stream is cut.
write("frames_fuzz", {name: bytes([step]) + data for name, step, data in (
    ("message", 60, msgpack.packb(["tag", event_time(), RECORD, {}])),
    ("message_integer_nil_option", 3, msgpack.packb(["tag", 1, RECORD, None])),
    ("message_three_elements", 0, msgpack.packb(["tag", 1.5, RECORD])),
    ("message_metadata_ack", 7, msgpack.packb(["tag", 1, RECORD, {"metadata": {"m": 1}, "chunk": "id"}])),
    ("forward", 11, msgpack.packb(["tag", [[1, RECORD], [event_time(), {}], [[1, {}], {}]], {"chunk": b"id"}])),
    ("forward_bad_entry", 5, msgpack.packb(["tag", [[1, RECORD], 7, [2, {}]], {"chunk": "id"}])),
    ("packed_bin", 20, msgpack.packb(["tag", ENTRIES, {"size": 2, "chunk": "a" * 24, "fluent_signal": 0}])),
    ("packed_gzip", 30, msgpack.packb(["tag", gzip.compress(ENTRIES, mtime=0), {"compressed": "gzip"}])),
    ("packed_zstd", 30, msgpack.packb(["tag", zstd(ENTRIES), {"compressed": "zstd"}])),
    ("heartbeats_between", 1, b"\xc0" + msgpack.packb(["a", 1, {}]) + b"\xc0\xc0" + msgpack.packb(["b", 2, {}])),
    ("metrics_signal", 4, msgpack.packb(["tag", ENTRIES, {"fluent_signal": 1}])),
    ("same_ack_twice", 9, 2 * msgpack.packb(["tag", [[1, {}]], {"chunk": "same"}])),
    ("too_large", 2, b"\x93\xa3tag\xc6\x7f\xff\xff\xff"),
    ("http", 8, b"GET / HTTP/1.1\r\n\r\n"),
)})

# The first byte: even gzip, odd zstd.
BOMB = gzip.compress(bytes(1 << 20), mtime=0)
write("payload_fuzz", {
    "gzip": b"\0" + gzip.compress(ENTRIES, mtime=0),
    "gzip_two_members": b"\0" + gzip.compress(ENTRIES, mtime=0) + gzip.compress(ENTRIES, mtime=0) + bytes(4),
    "gzip_cut": b"\0" + gzip.compress(ENTRIES, mtime=0)[:-6],
    "gzip_wrong_checksum": b"\0" + gzip.compress(ENTRIES, mtime=0)[:-8] + bytes(8),
    "gzip_zeros": b"\0" + BOMB,
    "gzip_named": b"\0\x1f\x8b\x08\x08\0\0\0\0\0\xffname\0" + gzip.compress(ENTRIES, mtime=0)[10:],
    "zstd": b"\1" + zstd(ENTRIES),
    "zstd_two_frames": b"\1" + zstd(ENTRIES) + zstd(entry({})),
    "zstd_skippable": b"\1" + b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstd(ENTRIES),
    "zstd_cut": b"\1" + zstd(ENTRIES)[:-3],
    "zstd_rle": b"\1" + b"\x28\xb5\x2f\xfd\x20\xff" + struct.pack("<I", 255 << 3 | 1 << 1 | 1)[:3] + b"\x80",
})

# The first byte chooses the message: HELO, PING, PONG.
DIGEST = "0123456789abcdef" * 8
write("forward_handshake_fuzz", {
    "helo": b"\0" + msgpack.packb(["HELO", {"nonce": bytes(16), "auth": bytes(range(16)), "keepalive": True}]),
    "helo_str": b"\0" + msgpack.packb(["HELO", {"nonce": "n" * 16, "auth": "", "other": [1, {}]}]),
    "helo_nil": b"\0" + msgpack.packb(["HELO", None]),
    "ping": b"\1" + msgpack.packb(["PING", "host", bytes(16), DIGEST, "user", DIGEST]),
    "ping_no_user": b"\1" + msgpack.packb(["PING", "host", "salt", DIGEST, None, ""]),
    "ping_cut": b"\1" + msgpack.packb(["PING", "host", bytes(16), DIGEST, "user", DIGEST])[:40],
    "pong": b"\2" + msgpack.packb(["PONG", True, "", "server", DIGEST]),
    "pong_refused": b"\2" + msgpack.packb(["PONG", False, "shared_key mismatch", "", ""]),
})

write("ack_fuzz", {
    "ack": msgpack.packb({"ack": "a" * 24}),
    "ack_bin_behind_other": msgpack.packb({"other": [1, None], "ack": b"id"}),
    "ack_cut": msgpack.packb({"ack": "a" * 24})[:12],
    "no_ack": msgpack.packb({"error": "no"}),
})

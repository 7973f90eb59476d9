"""What the benchmarks send: JSON lines as an application writes them, packed as each mode of the Forward protocol.

Everything is packed before the clock starts, so that the generator only hands bytes to the kernel.
"""

import gzip
import json
import pathlib
import random
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
import msgpack
from harness import entry, event_time

TAG = "backend-firelens-1"
MODES = ("message", "forward", "packed", "gzip")
RECORDS_PER_FRAME = 1000
FRAME_BYTES = 1_000_000   # frames of large records hold fewer of them: the router refuses frames over 12 MiB
BUFFER_BYTES = 32_000_000
WORDS = ("order", "accepted", "queued", "packing", "warehouse", "payment", "timeout", "customer", "retry", "handler",
         "connection", "response", "cache", "invoice", "shipment", "session")


def line(number, size=300, deep=False, varied=False):
    """One line; 300 is that of the issue (260 bytes). One in a hundred is an error.

    Those lines are all but the same, and gzip makes 1/50 of them; `varied` ones differ as real ones do.
    """
    level = "ERROR" if number % 100 == 0 else "INFO"
    if deep:
        return json.dumps({
            "timestamp": "2026-11-23T02:53:00.123456Z", "level": level, "message": "order accepted", "context": {
                "request": {"path": "/orders", "headers": {
                    "accept": ["json", "text"], "host": {"name": "a", "port": 80}}},
                "user": {"id": number, "roles": [{"name": "buyer", "since": {"year": 2026}}]},
                "n": [[1, 2], [3, [4]]]}})
    fields = {"timestamp": "2026-11-23T02:53:00.123456Z", "level": level}
    if size < 200:
        return json.dumps({**fields, "message": "order accepted", "n": number})
    fields |= {
        "logger": "backend.orders", "message": "order accepted and queued for packing in the warehouse",
        "request_id": "1f0c5c5e-8e8a-4a52-9d0a-3f7f3a5b6c7d", "path": "/orders", "status": 200, "duration_ms": 12.345,
        "n": number}
    if varied:
        chosen = random.Random(number)
        fields |= {
            "timestamp": f"2026-11-23T02:53:{number // 1000 % 60:02}.{chosen.randrange(10 ** 6):06}Z",
            "message": " ".join(chosen.choices(WORDS, k=7)), "request_id": str(uuid.UUID(int=chosen.getrandbits(128))),
            "path": f"/{chosen.choice(WORDS)}s/{chosen.randrange(1000)}", "status": chosen.choice((200, 200, 201, 404)),
            "duration_ms": round(chosen.expovariate(0.05), 3)}
    if size > 300:
        chosen = random.Random(number)
        fields["stack"] = ""
        fields["stack"] = " ".join(chosen.choices(WORDS, k=size // 4))[:size - len(json.dumps(fields))]
    return json.dumps(fields)


def record(number, *kind):
    return {"container_id": "0" * 64, "container_name": "/ecs-backend-1", "source": "stdout",
            "log": line(number, *kind)}


def per_frame(size):
    return max(1, min(RECORDS_PER_FRAME, FRAME_BYTES // (size + 130)))


def pack(mode, count, size=300, deep=False, varied=False):
    """One buffer of about `count` records, to be sent again and again: (bytes, records in it)."""
    kind = size, deep, varied
    now, step = time.time(), 1 if mode == "message" else per_frame(size)
    step = min(step, count)
    count = max(1, min(count, BUFFER_BYTES // (size + 130)) // step) * step
    frames = []
    for first in range(0, count, step):
        numbers = range(first, first + step)
        if mode == "message":
            frames.append(msgpack.packb([TAG, event_time(now), record(first, *kind), {}]))
            continue
        if mode == "forward":
            records = [[event_time(now), record(number, *kind)] for number in numbers]
            frames.append(msgpack.packb([TAG, records, {"size": step}]))
            continue
        entries, option = b"".join(entry(now, record(number, *kind)) for number in numbers), {"size": step}
        if mode == "gzip":
            entries, option["compressed"] = gzip.compress(entries, 6), "gzip"
        frames.append(msgpack.packb([TAG, entries, option]))
    return b"".join(frames), count

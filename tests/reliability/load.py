"""A steady load with a sequence number in every record, and what became of it.

The client is a good one: it waits for acks, and sends again on a new connection what was not acknowledged.
"""

import json
import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from harness import PATIENCE, ForwardClient, entry, new_ack_id, packed_forward

# One record in twenty is an error: the share the specification counts with.
LEVELS = ["INFO"] * 17 + ["DEBUG", "WARNING", "ERROR"]


def line(number, level):
    return json.dumps({
        "timestamp": "2026-11-23T02:53:00.123456Z", "level": level, "logger": "backend.orders", "n": number,
        "sent": time.time(),
        "message": "order accepted and queued for packing in the warehouse, carrier assigned, customer notified",
        "request_id": "1f0c5c5e-8e8a-4a52-9d0a-3f7f3a5b6c7d", "path": "/orders", "status": 200, "duration_ms": 12.345})


def docker_record(text):
    return {"container_id": "0" * 64, "container_name": "/ecs-backend-1", "source": "stdout", "log": text}


class Load:
    """`rate` records a second in chunks of 20 ms, from a thread of its own, until stop()."""

    WINDOW = 64  # chunks sent and not acknowledged

    def __init__(self, port, rate, tag="backend-firelens-1", timeout=60):
        self.port, self.rate, self.tag = port, rate, tag
        self.timeout = timeout  # seconds without an answer, before it sends again on a new connection
        self.sent = 0  # records, numbered from 0
        self.errors = []
        self.reconnects = 0
        self.longest_wait = 0.0  # seconds the client could not go on: backpressure
        self.failure = None
        self._stop, self._paused, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        """Returns when everything sent is acknowledged."""
        self._stop.set()
        self._thread.join(120 * PATIENCE)
        if self._thread.is_alive():
            raise AssertionError("the router acknowledges no more")
        if self.failure:
            raise self.failure

    def pause(self):
        """Returns when everything sent is acknowledged; the connection stays, and nothing is sent until resume()."""
        self._paused.set()
        if not self._idle.wait(120):
            raise AssertionError("the router acknowledges no more")

    def resume(self):
        self._paused.clear()
        self._idle.clear()

    def _run(self):
        try:
            self._send_until_stopped()
        except Exception as failure:  # shown by stop(), in the test's own thread
            self.failure = failure

    def _chunk(self, count):
        now = time.time()
        entries = []
        for number in range(self.sent, self.sent + count):
            level = LEVELS[number % len(LEVELS)]
            if level == "ERROR":
                self.errors.append(number)
            entries.append(entry(now, docker_record(line(number, level))))
        self.sent += count
        ack_id = new_ack_id()
        return ack_id, packed_forward(self.tag, entries, ack_id)

    def _send_until_stopped(self):
        client, pending = None, {}  # ack id: frame, in the order sent
        due = time.monotonic()
        while not self._stop.is_set() or pending:
            try:
                if client is None:
                    client = ForwardClient(self.port, timeout=self.timeout)
                    for frame in pending.values():
                        client.send(frame)
                quiet = self._stop.is_set() or self._paused.is_set()
                if not quiet:
                    ack_id, frame = self._chunk(max(1, self.rate // 50))
                    pending[ack_id] = frame
                    client.send(frame)
                while len(pending) > (0 if quiet else self.WINDOW):
                    began = time.monotonic()
                    acknowledged = client.wait_ack()
                    self.longest_wait = max(self.longest_wait, time.monotonic() - began)
                    pending.pop(acknowledged, None)  # a repeated chunk may be acknowledged twice
                if quiet:
                    self._idle.set()
            except OSError:
                if client is not None:
                    client.close()
                client = None
                self.reconnects += 1
                time.sleep(0.05)
                continue
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1)  # what a stall cost is not caught up in one burst
        if client is not None:
            client.close()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

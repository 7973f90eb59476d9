#!/usr/bin/python3
"""Dead letters come back: refused by the destination, kept with the reason, replayed once it takes them again."""

import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from harness import BIN, PATIENCE, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

CONFIG = """
[SERVICE]
    Flush 1
    HTTP_Server On
    HTTP_Listen 127.0.0.1
    HTTP_Port {admin}
    Grace 20
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port {port}
{more}
[OUTPUT]
    Name cloudwatch_logs
    Alias logs
    Match *
    region ap-northeast-1
    log_group_name /app
    log_stream_prefix of-
    auto_create_group true
"""
# A larger batch that is refused record by record makes CloudWatch Logs itself suspect: it is tried again then.
BATCH, COUNT = 5, 20


def record(n):
    return {"n": n, "text": f"行 {n}", "nested": {"list": [1, -2, 0.5, None, True]}}


class Replay(SystemTest):
    base = None

    def start(self, more=""):
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        config = self.directory / "fluent-bit.conf"
        config.write_text(CONFIG.format(port=self.port, admin=self.admin, more=more))
        self.router = self.start_router(config, self.admin)
        self.letters = self.directory / "state/dead-letter/logs.jsonl"

    def refuse(self):
        fault = {"service": "logs", "operation": "PutLogEvents", "error": "InvalidParameterException", "status": 400}
        self.assertIn(fetch(f"{self.endpoint}/_localaws/faults", json.dumps(fault).encode())[0], (200, 201))

    def heal(self):
        fetch(f"{self.endpoint}/_localaws/faults", method="DELETE")

    def send_and_lose(self, count):
        """Every batch is refused for good; the next goes when the one before is a dead letter."""
        client = self.connect(self.port)
        self.base = self.base or float(int(time.time())) - 60
        for first in range(0, count, BATCH):
            ack = new_ack_id()
            client.send(packed_forward("app.web", [entry(self.base + n / 1000, record(n)) for n in
                                                   range(first, first + BATCH)], ack))
            self.assertEqual(client.wait_ack(), ack)
            wait_for("the dead letters", lambda: len(self.lines()) == first + BATCH)
        client.close()

    def lines(self):
        return self.letters.read_text().splitlines() if self.letters.exists() else []

    def replay(self, *arguments, to=None):
        done = subprocess.run([str(BIN / "noroshi"), "journal", "replay-dead-letters", *map(str, arguments), "--to",
                               to or f"127.0.0.1:{self.port}", "--timeout", "20"], capture_output=True, text=True,
                              timeout=60 * PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def test_refused_kept_replayed_delivered(self):
        self.start(f"[INPUT]\n    Name forward\n    Unix_Path {self.directory}/forward.sock\n")
        self.refuse()
        self.send_and_lose(COUNT)
        letter = json.loads(self.lines()[0])
        self.assertEqual((letter["output"], letter["reason"], letter["tag"]), ("logs", "rejected", "app.web"))
        self.assertEqual(self.log_events("/app"), [])
        self.heal()

        # Another reason: nothing is sent, the file stays.
        status, out, _ = self.replay(self.letters, "--reason", "too_old")
        self.assertEqual((status, self.letters.exists()), (0, True), out)
        self.assertIn(f"{COUNT} dead letters, 0 sent, 0 acknowledged, {COUNT} of another reason; the file stays", out)

        status, out, _ = self.replay(self.letters, "--reason", "rejected", to=f"unix:{self.directory}/forward.sock")
        self.assertEqual(status, 0, out)
        replayed = pathlib.Path(f"{self.letters}.replayed")
        self.assertIn(f"{COUNT} dead letters, {COUNT} sent, {COUNT} acknowledged; renamed to {replayed}", out)
        self.assertFalse(self.letters.exists())
        wait_for("all of them in CloudWatch Logs", lambda: len(self.log_events("/app")) == COUNT)

        # The router goes on with a new file.
        self.refuse()
        self.send_and_lose(BATCH)
        self.assertEqual(len(replayed.read_text().splitlines()), COUNT)
        self.heal()

        # The same file to the same input again: known by its ack ids, acknowledged, not stored twice.
        status, out, _ = self.replay(replayed, to=f"unix:{self.directory}/forward.sock")
        self.assertEqual(status, 0, out)
        self.assertIn(f"{COUNT} sent, {COUNT} acknowledged", out)
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        events = self.log_events("/app")
        self.assertEqual(len(events), COUNT, last)
        for event in events:
            n = json.loads(event["message"])["n"]
            self.assertEqual(json.loads(event["message"]), record(n))
            self.assertLessEqual(abs(event["timestamp"] - (self.base * 1000 + n)), 1, "the record's own time")
            self.assertEqual(event["logStreamName"], "of-app.web", "the record's own tag")

    def test_nobody_there_keeps_the_file(self):
        self.start()
        self.refuse()
        self.send_and_lose(COUNT)
        before = self.letters.read_text()
        done = subprocess.run([str(BIN / "noroshi"), "journal", "replay-dead-letters", str(self.letters), "--to",
                               f"127.0.0.1:{free_port()}", "--timeout", "1"], capture_output=True, text=True, timeout=30 * PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("20 sent, 0 acknowledged; the file stays", done.stdout)
        self.assertEqual(self.letters.read_text(), before)

    def test_damaged_lines_are_told_and_keep_the_file(self):
        self.start()
        path = self.directory / "letters.jsonl"
        good = {"output": "logs", "reason": "rejected", "detail": "", "offset": 7, "tag": "t",
                "time": "2026-11-23T02:53:00.123456789Z", "record": {"n": 1}}
        path.write_text("\n".join([json.dumps(good), "{\"tag\":", json.dumps({**good, "time": "yesterday"}),
                                   json.dumps({**good, "record": None}), "[]", "", json.dumps({**good, "offset": 8})]) + "\n")
        status, out, err = self.replay(path)
        self.assertEqual(status, 1)
        self.assertIn("6 dead letters, 2 sent, 2 acknowledged, 4 unreadable; the file stays", out)
        self.assertIn("line 2 is no dead letter", err)
        self.assertTrue(path.exists())
        status, _, err = self.replay(self.directory / "none.jsonl")
        self.assertEqual(status, 1)
        self.assertIn("cannot be read", err)
        for to in ("nowhere", ":24224", "host:", "host:0", "host:99999", "unix:"):
            status, _, err = self.replay(path, to=to)
            self.assertEqual(status, 1)
            self.assertIn("is not HOST:PORT or unix:PATH", err)

    def test_the_nanoseconds_stay(self):
        self.start("[OUTPUT]\n    Name file\n    Match *\n    Path %s\n    File out\n" % self.directory)
        path = self.directory / "letters.jsonl"
        path.write_text(json.dumps({"output": "x", "reason": "rejected", "detail": "", "offset": 7, "tag": "t",
                                    "time": "2026-11-23T02:53:00.123456789Z", "record": {"n": 1}}) + "\n")
        self.assertEqual(self.replay(path)[0], 0)
        wait_for("the file", lambda: "0.123456789" in (self.directory / "out").read_text())


if __name__ == "__main__":
    run_tests()

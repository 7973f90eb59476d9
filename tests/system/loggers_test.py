#!/usr/bin/python3
"""Clients nobody here wrote feed the specified pipeline: python3-fluent-logger, npm fluent-logger, @fluent-org/logger.

Every record carries a number. S3 must hold each one once, unchanged and with the client's time; CloudWatch Logs
exactly the errors. The npm clients need `npm ci` in tests/system/forward_clients (./dev test does it).
"""

import collections
import datetime
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import SystemTest, fetch, free_port, run_tests, wait_for

import fluent.asyncsender
import fluent.handler
import fluent.sender

CLIENTS = pathlib.Path(__file__).resolve().parent / "forward_clients"
LEVELS = ["INFO"] * 17 + ["DEBUG", "WARNING", "ERROR"]


def record(number):
    """The record of forward_clients/record.js."""
    return {"n": number, "level": LEVELS[number % 20], "logger": "backend.orders",
            "message": f"注文 {number} を受け付けました 🚚", "duration_ms": number / 8,
            "items": [number, "two", {"three": None}], "status": 200, "cached": number % 2 == 0}


class Loggers(SystemTest):
    def start(self, service=""):
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        self.socket = self.directory / "fluent.sock"
        # ECS adds the Unix socket that Docker's driver writes to.
        self.config = self.specified_config(
            self.port, self.admin, service=f"{service}\n[INPUT]\n    Name forward\n    unix_path {self.socket}\n")
        self.router = self.start_router(self.config, self.admin)
        self.started = time.time()
        self.next = 0
        self.wanted, self.tags = {}, collections.defaultdict(set)

    def received(self):
        metrics = json.loads(fetch(f"http://127.0.0.1:{self.admin}/api/v1/metrics")[1])
        return sum(counters["records"] for counters in metrics["input"].values())

    def take(self, tag, count):
        """Numbers for `count` records that the caller sends with `tag`."""
        first, self.next = self.next, self.next + count
        for number in range(first, self.next):
            self.wanted[number] = record(number)
            self.tags[tag].add(number)
        return first

    def spawn_node(self, script, **settings):
        process = subprocess.Popen(["node", script, json.dumps({"port": self.port, **settings})], cwd=CLIENTS,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.processes.append(process)
        self.addCleanup(process.stdout.close)
        return process

    def outcome_of(self, process, seconds=120):
        output = process.communicate(timeout=seconds)[0]
        self.assertEqual(process.returncode, 0, output)
        return json.loads(output.splitlines()[-1])

    def run_node(self, script, count, **settings):
        first = self.take(settings["tag"], count)
        outcome = self.outcome_of(self.spawn_node(script, first=first, count=count, **settings))
        self.assertEqual(outcome, {"confirmed": count, "failed": 0, "errors": []}, settings)

    def stop_and_check(self, may_repeat=0, whole_seconds=()):
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        ended = time.time()
        seen = collections.Counter()
        for got in self.s3_records():
            self.assertEqual(next(iter(got)), "date")
            date = datetime.datetime.fromisoformat(got.pop("date").replace("Z", "+00:00")).timestamp()
            number = got["n"]
            slack = 1 if number in whole_seconds else 0.001
            self.assertTrue(self.started - slack <= date <= ended, (number, date, self.started, ended))
            self.assertEqual(got, self.wanted[number], "the record changed on its way")
            self.assertEqual({key: type(value) for key, value in got.items() if key != "duration_ms"},
                             {key: type(value) for key, value in self.wanted[number].items() if key != "duration_ms"})
            seen[number] += 1
        self.assertEqual(set(self.wanted) - set(seen), set(), "records missing in S3")
        repeated = sum(seen.values()) - len(seen)
        self.assertLessEqual(repeated, may_repeat, "records twice in S3")
        errors = {number for number, value in self.wanted.items() if value["level"] in ("ERROR", "CRITICAL", "FATAL")}
        events = collections.Counter()
        for event in self.log_events():
            number = json.loads(event["message"])["n"]
            events[number] += 1
            tag = event["logStreamName"].removeprefix("fargate-")
            self.assertIn(number, self.tags[tag], f"in the stream of {tag}")
        self.assertEqual(set(events), errors, "CloudWatch Logs holds exactly the errors")
        self.assertLessEqual(sum(events.values()) - len(events), may_repeat, "errors twice in CloudWatch Logs")
        return last, repeated

    def test_python_fluent_logger(self):
        self.start()
        whole_seconds = set()
        for name, module, host, precise in (
                ("tcp", fluent.sender, "127.0.0.1", True), ("unix", fluent.sender, f"unix://{self.socket}", True),
                ("seconds", fluent.sender, "127.0.0.1", False), ("async", fluent.asyncsender, "127.0.0.1", True)):
            count, tag = 3000, f"python.{name}"
            first = self.take(tag, count)
            if not precise:
                whole_seconds.update(range(first, first + count))
            settings = {"queue_maxsize": 0} if module is fluent.asyncsender else {}
            sender = module.FluentSender("python", host=host, port=self.port, nanosecond_precision=precise, **settings)
            for number in range(first, first + count):
                self.assertTrue(sender.emit(name, record(number)), sender.last_error)
            sender.close()
        self.stop_and_check(whole_seconds=whole_seconds)

    def test_python_logging_handler(self):
        self.start()
        handler = fluent.handler.FluentHandler("python.logging", host="127.0.0.1", port=self.port,
                                               nanosecond_precision=True)
        handler.setFormatter(fluent.handler.FluentRecordFormatter(
            {"level": "%(levelname)s", "logger": "%(name)s"}))
        log = logging.Logger("backend")
        log.addHandler(handler)
        for number in range(2000):
            level = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)[number % 5]
            log.log(level, {"n": number, "message": "二行の\nメッセージ"})
            self.wanted[number] = {"level": logging.getLevelName(level), "logger": "backend", "n": number,
                                   "message": "二行の\nメッセージ"}
            self.tags["python.logging"].add(number)
        handler.close()
        self.stop_and_check()

    def test_npm_fluent_logger(self):
        self.start()
        for mode in ("Message", "PackedForward", "CompressedPackedForward"):  # it has no Forward mode
            for ack in (False, True):
                self.run_node("fluent_logger.js", 2000, tag=f"node.{mode}.{ack}", eventMode=mode, ack=ack)
        self.stop_and_check()

    def test_npm_fluent_org_logger(self):
        self.start()
        for mode in ("Message", "Forward", "PackedForward", "CompressedPackedForward"):
            for ack in (False, True):
                self.run_node("fluent_org_logger.js", 2000, tag=f"org.{mode}.{ack}", eventMode=mode, ack=ack)
            self.run_node("fluent_org_logger.js", 500, tag=f"org.{mode}.unix", eventMode=mode, ack=True,
                          path=str(self.socket))
        self.stop_and_check()

    def test_clients_with_acks_lose_nothing_when_the_router_restarts_or_dies(self):
        """All clients that wait for acks at once, while the router is killed once and stopped once.

        A client that got no ack sends its records again under a new id, so those may be there twice; at most what
        was on its way: 500 records for each client and interruption.
        """
        self.start("    Grace 2\n")
        count, clients = 50_000, []
        for mode in ("Forward", "PackedForward", "CompressedPackedForward"):
            tag = f"org.{mode}"
            first = self.take(tag, count)
            clients.append(self.spawn_node("fluent_org_logger.js", tag=tag, first=first, count=count, eventMode=mode,
                                           ack=True, ackTimeout=5000))
        for interrupt in (signal.SIGKILL, signal.SIGTERM):
            wait_for("records arriving", lambda: self.received() > 5000)
            self.assertTrue(any(client.poll() is None for client in clients), "too late to interrupt anything")
            self.router.send_signal(interrupt)
            self.router.wait(60)
            self.router = self.start_router(self.config, self.admin)
        for client in clients:
            outcome = self.outcome_of(client)
            self.assertEqual((outcome["confirmed"], outcome["failed"]), (count, 0), outcome["errors"][-3:])
        _, repeated = self.stop_and_check(may_repeat=500 * 2 * len(clients))
        print(f"\n{count * len(clients)} records, two interruptions, {repeated} repeated by the clients")


if __name__ == "__main__":
    if not (CLIENTS / "node_modules").is_dir():
        sys.exit(f"run `npm ci` in {CLIENTS} first (./dev test does)")
    run_tests()

#!/usr/bin/python3
"""The messages of docs/troubleshoot.md (and cost.md), each provoked: a router is brought into the trouble, and says what the page shows.

A block ```log begins with `# NAME`; the scenario test_NAME below must print each of its other lines, apart from times,
ports, directories, durations and ids. `--show` prints what the scenarios say.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import BIN, BUCKET, ROOT, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

PAGE = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("troubleshoot", "cost"))
SHOW = "--show" in sys.argv
ERROR = json.dumps({"level": "ERROR", "message": "payment failed"})


def shown(name):
    block = re.search(rf"^```log\n# {name}\n(.*?)^```$", PAGE, re.S | re.M)
    return block[1].splitlines() if block else []


def comparable(line, directory=""):
    """What differs between two runs, taken out."""
    if directory:
        line = line.replace(f"{directory}/state", "/tmp/fluent-bit").replace(str(directory), "/tmp/fluent-bit")
    line = re.sub(r"^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+\] ", "", line)
    line = re.sub(r"(127\.0\.0\.1|0\.0\.0\.0):\d+", r"\1:PORT", line)
    line = re.sub(r"port \d+", "port PORT", line)
    line = re.sub(r"\b\d+(\.\d+)? (ms|s)\b", "TIME", line)
    line = re.sub(r"\b\d+ %", "SHARE", line)
    line = re.sub(r"\b[0-9A-F]{16}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[0-9a-v]{16}(?=\.gz)", "ID", line)
    line = re.sub(r"\b\d+/\d\d/\d\d\b|year=\d+/month=\d+/day=\d+/hour=\d+/\d+", "DATE", line)
    line = re.sub(r"[\d.]+ (B|KB|KiB|MB|MiB|GB|GiB)\b", "SIZE", line)
    return line.strip()


class Messages(SystemTest):
    def said(self, name, *more):
        """Checks the page's block against the router's log and the answers given."""
        lines = [*self.log_of("router").splitlines(), *more]
        if SHOW:
            print(f"--- {name}", *lines, sep="\n")
            return
        wanted = shown(name)
        self.assertTrue(wanted, f"the pages have no block # {name}")
        got = [comparable(line, self.directory) for line in lines]
        for line in wanted:
            self.assertIn(comparable(line), got)

    def start(self, environment=None, service="", s3_options="", wait=True):
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        return self.start_router(self.specified_config(self.port, self.admin, service, s3_options), self.admin, environment, wait)

    def send(self, line=ERROR, count=1, moment=None):
        client = self.connect(self.port)
        client.send(packed_forward("backend-firelens-1", [entry(moment or time.time(), {"source": "stdout", "log": line})] * count,
                                   new_ack_id()))
        client.wait_ack()
        client.close()

    def fault(self, **what):
        self.assertEqual(fetch(f"{self.endpoint}/_localaws/faults", json.dumps(what).encode())[0], 200)

    def deliver(self):
        fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")

    def health(self):
        return fetch(f"http://127.0.0.1:{self.admin}/api/v1/health")[1].decode().rstrip()

    def wait_for_log(self, text):
        wait_for(f"{text!r} in the log", lambda: text in self.log_of("router"), 60)

    def wait_for_degraded(self):
        return wait_for("degraded", lambda: (self.health().startswith("degraded") and self.health()), 60)

    def test_logs_denied(self):
        self.start()
        self.fault(service="logs", operation="PutLogEvents", error="AccessDeniedException",
                   message="User: arn:aws:sts::123456789012:assumed-role/backend-task/1 is not authorized to perform: "
                           "logs:PutLogEvents on resource: /ecs/backend/errors")
        self.send()
        self.wait_for_log("[ warn]")
        self.said("logs_denied", self.wait_for_degraded())

    def test_s3_denied(self):
        self.start()
        self.fault(service="s3", operation="PutObject", error="AccessDenied")
        self.send()
        self.deliver()
        self.wait_for_log("AccessDenied")
        self.said("s3_denied", self.wait_for_degraded())

    def test_no_bucket(self):
        self.start({"LOG_BUCKET_NAME": "backend-log"})
        self.send()
        self.deliver()
        self.wait_for_log("NoSuchBucket")
        self.said("no_bucket", self.wait_for_degraded())

    def test_refused(self):
        closed = free_port()
        self.start({"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": f"http://127.0.0.1:{closed}"})
        self.send()
        self.wait_for_log("[ warn]")
        self.said("refused", self.wait_for_degraded())

    def test_unresolved(self):
        self.start({"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://logs.ap-northeast-1.invalid"})
        self.send()
        self.wait_for_log("[ warn]")
        self.said("unresolved", self.wait_for_degraded())

    def test_no_credentials(self):
        self.start({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"})
        self.send()
        self.wait_for_log("[ warn]")
        self.said("no_credentials", self.wait_for_degraded())

    def test_throttled(self):
        self.start()
        self.fault(service="logs", operation="PutLogEvents", error="ThrottlingException")
        self.send()
        self.wait_for_log("[ warn]")
        self.said("throttled", self.wait_for_degraded())

    def test_too_old(self):
        self.start()
        self.send(moment=time.time() - 20 * 86400)
        self.wait_for_log("LOST")
        self.said("too_old", self.health())

    def test_stopped(self):
        router = self.start()
        self.send(count=3)
        status, _ = self.stop_router(router)
        self.assertEqual(status, 0)
        self.said("stopped")

    def test_left_behind(self):
        closed = free_port()
        router = self.start({"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{closed}"}, service="    Grace 2")
        self.send(count=3)
        self.stop_router(router)
        self.said("left_behind")

    def test_port_taken(self):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("0.0.0.0", 0))
            other.listen()
            self.start_aws()
            config = self.specified_config(other.getsockname()[1], free_port())
            router = self.start_router(config, wait=False)
            self.assertNotEqual(router.wait(30), 0)
        self.said("port_taken")

    def test_cost_too_early(self):
        self.start()
        status, answer = fetch(f"http://127.0.0.1:{self.admin}/api/noroshi/v1/cost")
        self.assertEqual(status, 503)
        self.said("cost_too_early", answer.decode())

    def test_cost_is_that_of_noroshi_cost(self):
        self.start()
        self.send(count=2000)
        self.send(json.dumps({"level": "INFO", "message": "x" * 200}), count=2000)
        time.sleep(60)  # before that it refuses
        status, answer = fetch(f"http://127.0.0.1:{self.admin}/api/noroshi/v1/cost")
        self.assertEqual((status, "no object has been delivered" in answer.decode()), (503, True), answer)
        self.deliver()
        wait_for("the object", lambda: len(self.s3_records()) == 4000)
        wait_for("its counters", lambda: fetch(f"http://127.0.0.1:{self.admin}/api/noroshi/v1/cost")[0] == 200)
        report = json.loads(fetch(f"http://127.0.0.1:{self.admin}/api/noroshi/v1/cost?region=us-east-1")[1])
        measured, month = report["measured"], report["per_month"]
        self.assertEqual((report["region"], measured["records"], measured["s3_objects"], measured["s3_records_waiting"]),
                         ("us-east-1", 4000, 1, 0))
        charged = sum(len(event["message"].encode()) + 26 for event in self.log_events())
        self.assertEqual(measured["cloudwatch_logs_bytes"], charged)
        stored = sum(item["Size"] for item in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"])
        self.assertEqual(measured["s3_bytes"], stored)
        self.assertAlmostEqual(month["log_text_gb"], measured["log_text_bytes"] * 730 * 3600 / measured["uptime_s"] / 1e9,
                               delta=0.02 * month["log_text_gb"])  # uptime is shown in whole seconds
        printed = json.loads(subprocess.run(
            [BIN / "noroshi", "cost", "--json", "--region", "us-east-1", "--tasks", "1",
             "--gb-per-month", str(month["log_text_gb"]), "--error-share", str(month["cloudwatch_logs_gb"] / month["log_text_gb"]),
             "--gzip-ratio", str(month["log_text_gb"] / month["s3_gb"]), "--upload-minutes", str(730 * 60 / month["s3_objects"])],
            capture_output=True, text=True, check=True).stdout)
        for mine, its in zip(report["lines"], printed["lines"], strict=True):
            self.assertEqual(mine["name"], its["name"])
            for column in ("before", "after"):
                self.assertAlmostEqual(mine[column], its[column], delta=0.01 + 0.01 * its[column], msg=mine["name"])
        self.assertEqual(fetch(f"http://127.0.0.1:{self.admin}/api/noroshi/v1/cost?region=mars-1")[0], 400)

    def test_journal_full(self):
        self.start(service="    storage.limit 1M")
        self.fault(action="error", error="InternalError", service="s3")
        self.fault(action="error", error="ServiceUnavailableException", service="logs")
        client = self.connect(self.port)
        client.socket.settimeout(3)
        with contextlib.suppress(OSError):
            for _ in range(64):
                client.send(packed_forward("backend-firelens-1", [entry(time.time(), {"source": "stdout", "log": "x" * 60000})]))
        wait_for("an unhealthy router", lambda: "journal" in self.health(), 30)
        self.said("journal_full", *self.health().splitlines())


if __name__ == "__main__":
    sys.argv = [argument for argument in sys.argv if argument != "--show"]
    run_tests(verbosity=0 if SHOW else 2)

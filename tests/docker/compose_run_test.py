#!/usr/bin/python3
"""docker-compose.yml brought up: the application, Docker's own fluentd driver, the router and localaws in containers.

The file itself is used, with its ports and its network; only the images are named, since they were built here: the
router's and localaws' by image_test.py's means, the backend's from its own Dockerfile on a base made with debootstrap.
Exits 77 (skipped) with the reason where no docker daemon with a network can run or no mirror can be reached.
"""

import contextlib
import gzip
import json
import re
import shutil
import socket
import subprocess
import sys
import unittest

import boto3

import image_test
from engine import NoEngine, run_tests
from harness import REGION, ROOT, fetch, wait_for

BACKEND = "noroshi-compose-backend"
ERRORS = ("ERROR", "CRITICAL", "FATAL")
PORTS = (4566, 8000, 24224)  # of the file, on 127.0.0.1


def prepare(engine):
    if not shutil.which("docker-compose"):
        raise NoEngine("no docker-compose (apt-get install docker-compose)")
    for port in PORTS:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise NoEngine(f"port {port} of docker-compose.yml is taken")
    image_test.engine = engine
    image_test.prepare(engine)
    archive = image_test.base_archive(["ca-certificates", "python3-fastapi", "python3-uvicorn"])
    engine.docker("import", archive, "debian:12-slim")  # what its Dockerfile is FROM
    built = engine.docker("build", "--network", "host", "-t", BACKEND, ROOT / "examples/backend", check=False)
    if built.returncode != 0:
        raise NoEngine(f"the backend's image cannot be built here: {built.stdout[-300:]}{built.stderr[-300:]}")


class ComposeRun(unittest.TestCase):
    def compose(self, *arguments):
        done = subprocess.run(["docker-compose", "-f", ROOT / "docker-compose.yml", "-f", self.images, "-p", "noroshi",
                               *arguments], env=engine.environment, capture_output=True, text=True, timeout=180)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout

    def setUp(self):
        self.images = engine.directory / "images.yml"
        self.images.write_text(f"""version: "3.4"
services:
  localaws: {{image: noroshi-localaws}}
  router: {{image: {image_test.IMAGE}}}
  backend: {{image: {BACKEND}}}
""")
        self.addCleanup(self.compose, "down", "--volumes")
        self.compose("up", "--no-build", "-d")

    def client(self, service):
        return boto3.client(service, endpoint_url="http://127.0.0.1:4566", region_name=REGION, aws_access_key_id="test",
                            aws_secret_access_key="test")

    def s3_records(self):
        s3, records = self.client("s3"), []
        for entry in s3.list_objects_v2(Bucket="backend-logs").get("Contents", []):
            body = s3.get_object(Bucket="backend-logs", Key=entry["Key"])["Body"].read()
            records += [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return records

    def log_events(self):
        logs = self.client("logs")
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            return logs.filter_log_events(logGroupName="/ecs/backend/errors")["events"]
        return []

    def test_what_the_application_writes_is_where_it_belongs(self):
        backend = "http://127.0.0.1:8000"
        wait_for("the application", lambda: fetch(f"{backend}/items/1")[0] == 200, 60)
        for _ in range(20):
            self.assertEqual(fetch(f"{backend}/items/1")[0], 200)
        for _ in range(3):
            self.assertEqual(fetch(f"{backend}/crash")[0], 500)
        wait_for("three errors in CloudWatch Logs", lambda: len(self.log_events()) >= 3, 30)
        self.compose("stop", "backend")
        self.compose("stop", "router")  # delivers what is there
        log = self.compose("logs", "--no-color", "router")
        self.assertNotIn("accounting differs", log)
        last = log.splitlines()[-1]
        accepted = re.search(r"accepted ([0-9,]+) records.*cloudwatch_logs.0: .* 0 dropped, 0 left.*s3.1: .* 0 dropped, 0 left",
                             last)
        self.assertTrue(accepted, last)
        records = self.s3_records()
        self.assertGreaterEqual(len(records), 23)
        self.assertLessEqual(len(records), int(accepted[1].replace(",", "")))
        self.assertEqual({record["source"] for record in records} - {"stdout", "stderr"}, set())
        in_s3 = [record for record in records if record.get("level") in ERRORS]
        in_logs = [json.loads(event["message"]) for event in self.log_events() if event["message"].startswith("{")]
        self.assertGreaterEqual(len(in_s3), 3)
        levels = [record for record in in_logs if record.get("level") in ERRORS]
        self.assertEqual(len(levels), len(in_s3))


if __name__ == "__main__":
    run_tests(sys.modules["__main__"], prepare, network=True)

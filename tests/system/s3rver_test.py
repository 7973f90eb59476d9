#!/usr/bin/python3
"""The S3 output against s3rver, an S3 that nobody here wrote: it checks signatures, digests and the parts of an upload.

Needs `npm ci` in tests/system/s3rver (./dev test does it) and the programs gzip and zstd.
"""

import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import boto3
import botocore.config

sys.path.insert(0, os.path.dirname(__file__))
from harness import BUCKET, REGION, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

S3RVER = pathlib.Path(__file__).resolve().parent / "s3rver"
KEY = r"^logs/year=\d{4}/month=\d\d/day=\d\d/hour=\d\d/\d{6}-[0-9a-v]{16}\.(gz|zst)$"
PARTS = ["multipart_threshold 5M", "upload_chunk_size 5MiB"]


class S3rver(SystemTest):
    def start_s3rver(self, port=0):
        log = self.directory / "s3rver.log"
        log.unlink(missing_ok=True)
        process = self.spawn("s3rver", ["node", S3RVER / "serve.js", self.directory / "s3rver", port, BUCKET])
        port = int(wait_for("s3rver", lambda: self.alive(process) and log.read_text().partition("\n")[0]))
        self.endpoint, self.s3_port = f"http://127.0.0.1:{port}", port
        self.s3 = boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="S3RVER",
                               aws_secret_access_key="S3RVER",
                               config=botocore.config.Config(s3={"addressing_style": "path"}))
        self.addCleanup(self.s3.close)
        return process

    def router_environment(self):
        return {**super().router_environment(), "AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}

    def start(self, options, suffix="gz"):
        self.port, self.admin, self.number = free_port(), free_port(), 0
        self.random = random.Random(os.environ.get("NOROSHI_TEST_SEED", "20261123"))
        self.config = self.directory / "s3.conf"
        options = "".join(f"    {option}\n" for option in options)
        self.config.write_text(f"""[SERVICE]
    HTTP_Port {self.admin}
    Grace 60
[INPUT]
    Name forward
    Port {self.port}
[OUTPUT]
    Name s3
    Match *
    bucket {BUCKET}
    s3_key_format /logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.{suffix}
    store_dir {self.directory}/s3
{options}""")
        self.router = self.start_router(self.config, self.admin)

    def send(self, count):
        """Numbered records of 300 bytes that hardly compress, all acknowledged."""
        client = self.connect(self.port)
        frames, now = 0, time.time()
        for start in range(0, count, 1000):
            size = min(1000, count - start)
            entries = [entry(now + i / 1e6, {"n": self.number + i, "message": self.random.randbytes(130).hex()})
                       for i in range(size)]
            self.number += size
            client.send(packed_forward("app", entries, new_ack_id()))
            frames += 1
        for _ in range(frames):
            client.wait_ack()
        client.close()

    def stop(self):
        status, last = self.stop_router(self.router, 120)
        self.assertEqual(status, 0, last)

    def check(self, program="gzip"):
        """Every record is there exactly once; answers the objects."""
        objects, numbers = [], collections.Counter()
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", []):
                self.assertRegex(item["Key"], KEY)
                got = self.s3.get_object(Bucket=BUCKET, Key=item["Key"])
                text = subprocess.run([program, "-dc"], input=got["Body"].read(), capture_output=True, check=True).stdout
                hour = item["Key"].split("/")[1:5]
                for line in text.splitlines():
                    record = json.loads(line)
                    numbers[record["n"]] += 1
                    date = record["date"]
                    self.assertEqual(hour, [f"year={date[:4]}", f"month={date[5:7]}", f"day={date[8:10]}",
                                            f"hour={date[11:13]}"])
                objects.append(item)
                self.assertEqual(got["ContentType"], "application/x-ndjson")
        self.assertEqual(set(range(self.number)) - set(numbers), set(), "records missing")
        self.assertEqual([n for n, times in numbers.items() if times > 1], [], "records twice")
        self.assertEqual(len(numbers), self.number)
        return objects

    def put_object(self, program, suffix):
        self.start_s3rver()
        self.start([f"compression {program}", "total_file_size 500K"], suffix)
        self.send(20_000)
        wait_for("objects that were full", lambda: self.s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] >= 3)
        self.stop()
        for item in self.check(program):
            self.assertLess(item["Size"], 700_000)
        self.assertNotIn("uploads", self.log_of("s3rver"))

    def test_put_object_gzip(self):
        self.put_object("gzip", "gz")

    def test_put_object_zstd(self):
        self.put_object("zstd", "zst")

    def multipart(self, program, suffix):
        self.start_s3rver()
        self.start([f"compression {program}", "total_file_size 12M", *PARTS], suffix)
        self.send(110_000)
        self.stop()
        objects = self.check(program)
        requests = self.log_of("s3rver").splitlines()
        for item in objects:
            uploads = [row for row in requests if item["Key"].rpartition("/")[2] in row and "GET" not in row]
            kinds = collections.Counter(re.sub(r"=[^& ]*", "", row.partition("?")[2]) for row in uploads)
            if item["Size"] >= 12_000_000:  # three parts of 5 MiB at most
                self.assertEqual(sorted(kinds.values()), [1, 1, 3], uploads)
        self.assertTrue(any(item["Size"] >= 12_000_000 for item in objects), objects)

    def test_multipart_gzip(self):
        self.multipart("gzip", "gz")

    def test_multipart_zstd(self):
        self.multipart("zstd", "zst")

    def test_specified_configuration(self):
        self.start_s3rver()
        port, admin = free_port(), free_port()
        text = self.specified_config(port, admin).read_text()
        # s3rver is S3 alone: without the section of CloudWatch Logs.
        before, _, rest = text.partition("[OUTPUT]")
        config = self.directory / "s3-only.conf"
        config.write_text(before + "[OUTPUT]" + rest.partition("[OUTPUT]")[2])
        self.router = self.start_router(config, admin)
        self.port, self.number, self.random = port, 0, random.Random(1)
        self.send(5000)
        self.stop()
        self.assertEqual(len({item["Key"].rsplit("/", 1)[0] for item in self.check()}), len(self.check()))

    def kill_while_uploading(self, count, options):
        kills = int(os.environ.get("NOROSHI_TEST_KILLS", "6"))
        self.start_s3rver()
        self.start(["compression gzip", *options])
        for _ in range(kills):
            # All acknowledged, so that no client repeats anything; uploads are under way.
            self.send(count)
            time.sleep(self.random.random() * 0.5)
            self.router.kill()
            self.router.wait()
            self.router = self.start_router(self.config, self.admin)
        self.stop()
        print(f"\n{kills} kills: {self.number} records once each in {len(self.check())} objects")

    def test_kill_9_between_puts_repeats_and_loses_nothing(self):
        self.kill_while_uploading(15_000, ["total_file_size 200K"])

    def test_kill_9_between_parts_repeats_and_loses_nothing(self):
        self.kill_while_uploading(45_000, ["total_file_size 6M", *PARTS])
        self.assertRegex(self.log_of("s3rver"), r"POST \S*uploadId\S* 200")

    def test_an_s3_that_dies_and_comes_back(self):
        s3rver = self.start_s3rver()
        self.start(["compression gzip", "total_file_size 6M", *PARTS])
        for _ in range(3):
            self.send(20_000)
            s3rver.kill()
            s3rver.wait()
            self.send(20_000)
            wait_for("degraded", lambda: b"degraded" in fetch(f"http://127.0.0.1:{self.admin}/api/v1/health")[1])
            s3rver = self.start_s3rver(self.s3_port)
        self.stop()
        self.check()


if __name__ == "__main__":
    if not (S3RVER / "node_modules").is_dir():
        sys.exit(f"run `npm ci` in {S3RVER} first (./dev test does)")
    run_tests()

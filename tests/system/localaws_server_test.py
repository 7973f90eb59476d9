#!/usr/bin/python3
"""noroshi-localaws itself: whom it lets in, the faults it is told to have, what a kill leaves, what it costs.

Prints "N passed, N failed"; exits 1 if anything failed.
"""
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import boto3
import botocore
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import botocore.parsers
from botocore.config import Config

from harness import run_tests
from localaws_harness import BIN, KEY, REGION, SECRET, LocalAwsTest, Server


class Identity(LocalAwsTest):
    def test_wrong_secret_and_unknown_key(self):
        self.assertEqual(self.refused("SignatureDoesNotMatch", self.client("s3", secret="wrong").list_buckets)
                         ["ResponseMetadata"]["HTTPStatusCode"], 403)
        self.refused("InvalidAccessKeyId", self.client("s3", key="AKIAUNKNOWN").list_buckets)
        self.refused("InvalidSignatureException", self.client("logs", secret="wrong").describe_log_groups)
        self.refused("UnrecognizedClientException", self.client("logs", key="AKIAUNKNOWN").describe_log_groups)
        self.refused("SignatureDoesNotMatch", self.client("sts", secret="wrong").get_caller_identity)
        unsigned = boto3.client("s3", endpoint_url=self.server.url, region_name=REGION,
                                config=Config(signature_version=botocore.UNSIGNED))
        self.refused("AccessDenied", unsigned.list_buckets)

    def test_skewed_clock(self):
        stale = botocore.awsrequest.AWSRequest("GET", self.server.url + "/")
        signer = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), "s3", REGION)
        real = botocore.auth.datetime
        class Past(real.datetime):
            @classmethod
            def utcnow(cls):
                return real.datetime.utcnow() - real.timedelta(minutes=16)
        class Module:
            datetime = Past
        botocore.auth.datetime = Module
        try:
            signer.add_auth(stale)
        finally:
            botocore.auth.datetime = real
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(stale.url, headers=dict(stale.headers)))
        self.assertEqual(caught.exception.code, 403)
        self.assertIn(b"RequestTimeTooSkewed", caught.exception.read())
        self.assertIsNotNone(caught.exception.headers["Date"])

    def test_assume_role(self):
        sts = self.client("sts")
        self.assertEqual(sts.get_caller_identity()["Account"], "000000000000")
        role = {"RoleArn": "arn:aws:iam::000000000000:role/logs/writer", "RoleSessionName": "me@host"}
        issued = sts.assume_role(**role)["Credentials"]
        temporary = {"key": issued["AccessKeyId"], "secret": issued["SecretAccessKey"],
                     "token": issued["SessionToken"]}
        self.assertEqual(self.client("sts", **temporary).get_caller_identity()["Arn"],
                         "arn:aws:sts::000000000000:assumed-role/writer/me@host")
        self.client("s3", **temporary).list_buckets()
        self.client("logs", **temporary).describe_log_groups()
        self.refused("InvalidAccessKeyId", self.client("s3", **{**temporary, "token": None}).list_buckets)
        self.refused("SignatureDoesNotMatch", self.client("s3", **{**temporary, "secret": "x"}).list_buckets)
        self.refused("InvalidToken", self.client("s3", **{**temporary, "token": "AAAA"}).list_buckets)
        self.refused("ValidationError", sts.assume_role, **{**role, "RoleArn": "arn:aws:iam::0:user/noroleatall"})
        self.refused("ValidationError", sts.assume_role, DurationSeconds=43201, **role)
        web = boto3.client("sts", endpoint_url=self.server.url, region_name=REGION,
                           config=Config(signature_version=botocore.UNSIGNED))
        issued = web.assume_role_with_web_identity(WebIdentityToken="token", **role)["Credentials"]
        self.client("s3", key=issued["AccessKeyId"], secret=issued["SecretAccessKey"],
                    token=issued["SessionToken"]).list_buckets()

    def test_expiry(self):
        self.server.admin("credentials", "POST", {"lifetime_seconds": 1})
        try:
            issued = self.client("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/r",
                                                    RoleSessionName="short")["Credentials"]
        finally:
            self.server.admin("credentials", "POST", {"lifetime_seconds": 0})
        time.sleep(1.2)
        temporary = {"key": issued["AccessKeyId"], "secret": issued["SecretAccessKey"],
                     "token": issued["SessionToken"]}
        self.refused("ExpiredToken", self.client("s3", **temporary).list_buckets)
        self.refused("ExpiredTokenException", self.client("logs", **temporary).describe_log_groups)

    def test_container_credentials(self):
        environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.server.url}/v2/credentials/some-id"}
        script = ("import boto3; print(boto3.client('sts', endpoint_url='%s', region_name='eu-west-1')"
                  ".get_caller_identity()['Arn'])" % self.server.url)
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60,
                                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment})
        self.assertEqual(result.stdout.strip(),
                         "arn:aws:sts::000000000000:assumed-role/localaws-task/container", result.stderr)
        with urllib.request.urlopen(f"{self.server.url}/v4/abc/task") as answer:
            self.assertTrue(json.load(answer)["TaskARN"].startswith("arn:aws:ecs:"))


class Region(LocalAwsTest):
    options = ("--region", REGION, "--bucket", "made-at-start", "--log-group", "/made/at/start")

    def test_other_regions_are_refused(self):
        self.assertEqual([b["Name"] for b in self.client("s3").list_buckets()["Buckets"]], ["made-at-start"])
        self.assertEqual(self.client("logs").describe_log_groups()["logGroups"][0]["logGroupName"], "/made/at/start")
        def elsewhere(service):
            return boto3.client(service, endpoint_url=self.server.url, region_name="us-west-2", aws_access_key_id=KEY,
                                aws_secret_access_key=SECRET, config=Config(signature_version="s3v4" if service == "s3"
                                                                            else "v4"))
        answer = self.refused("AuthorizationHeaderMalformed", elsewhere("s3").list_buckets)
        self.assertEqual(answer["Error"]["Region"], REGION)
        self.refused("InvalidSignatureException", elsewhere("logs").describe_log_groups)


class Faults(LocalAwsTest):
    def setUp(self):
        self.s3 = self.client("s3")
        self.logs = self.client("logs")
        for make in (lambda: self.s3.create_bucket(Bucket="faulty"),
                     lambda: self.logs.create_log_group(logGroupName="faulty"),
                     lambda: self.logs.create_log_stream(logGroupName="faulty", logStreamName="s")):
            try:
                make()
            except botocore.exceptions.ClientError:
                pass

    def put(self, message="m"):
        return self.logs.put_log_events(logGroupName="faulty", logStreamName="s",
                                        logEvents=[{"timestamp": int(time.time() * 1000), "message": message}])

    def messages(self):
        return [e["message"] for e in self.client("logs").filter_log_events(logGroupName="faulty")["events"]]

    def test_errors_by_code_and_count(self):
        self.server.fault(service="s3", operation="PutObject", error="SlowDown", count=2)
        answer = self.refused("SlowDown", self.s3.put_object, Bucket="faulty", Key="k", Body=b"x" * 100_000)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 503)
        self.s3.list_buckets()
        self.refused("SlowDown", self.s3.put_object, Bucket="faulty", Key="k", Body=b"x")
        self.s3.put_object(Bucket="faulty", Key="k", Body=b"x")
        self.server.fault(service="logs", error="ThrottlingException", count=1)
        answer = self.refused("ThrottlingException", self.put)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 400)
        self.server.fault(service="logs", error="ServiceUnavailableException", count=2)
        self.client("logs", attempts=4).describe_log_groups()  # the SDK's own retries get through

    def test_rate(self):
        self.server.fault(service="s3", operation="HeadBucket", error="InternalError", rate=0.5)
        outcomes = []
        for _ in range(100):
            try:
                self.s3.head_bucket(Bucket="faulty")
                outcomes.append(True)
            except botocore.exceptions.ClientError:
                outcomes.append(False)
        self.assertTrue(25 < sum(outcomes) < 75, sum(outcomes))

    def test_resets(self):
        self.server.fault(service="s3", operation="PutObject", action="reset_before", count=1)
        with self.assertRaises(botocore.exceptions.HTTPClientError):
            self.s3.put_object(Bucket="faulty", Key="reset-before", Body=b"x")
        self.refused("404", self.s3.head_object, Bucket="faulty", Key="reset-before")
        self.server.fault(service="s3", operation="PutObject", action="reset_after", count=1)
        with self.assertRaises(botocore.exceptions.HTTPClientError):
            self.s3.put_object(Bucket="faulty", Key="reset-after", Body=b"x")
        self.assertEqual(self.s3.get_object(Bucket="faulty", Key="reset-after")["Body"].read(), b"x")
        self.server.fault(service="logs", operation="PutLogEvents", action="reset_after", count=1)
        with self.assertRaises(botocore.exceptions.HTTPClientError):
            self.put("committed, answer lost")
        self.assertIn("committed, answer lost", self.messages())

    def test_half_open_garbage_truncated_latency(self):
        quick = boto3.client("s3", endpoint_url=self.server.url, region_name=REGION, aws_access_key_id=KEY,
                             aws_secret_access_key=SECRET,
                             config=Config(read_timeout=1, retries={"total_max_attempts": 1}))
        self.server.fault(service="s3", action="half_open", count=1)
        with self.assertRaises(botocore.exceptions.ReadTimeoutError):
            quick.list_buckets()
        self.server.fault(service="s3", operation="ListBuckets", action="garbage", count=1)
        with self.assertRaises(botocore.parsers.ResponseParserError):
            self.s3.list_buckets()
        self.s3.put_object(Bucket="faulty", Key="long", Body=b"x" * 500_000)
        self.server.fault(service="s3", operation="GetObject", action="truncate", count=1)
        with self.assertRaises((botocore.exceptions.IncompleteReadError, botocore.exceptions.ResponseStreamingError)):
            self.s3.get_object(Bucket="faulty", Key="long")["Body"].read()
        self.server.fault(service="s3", latency_ms=300, count=1)
        start = time.monotonic()
        self.s3.list_buckets()
        self.assertGreater(time.monotonic() - start, 0.3)

    def test_error_in_200_on_complete(self):
        create = self.s3.create_multipart_upload(Bucket="faulty", Key="m")
        where = {"Bucket": "faulty", "Key": "m", "UploadId": create["UploadId"]}
        tag = self.s3.upload_part(PartNumber=1, Body=b"x", **where)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
        self.server.fault(service="s3", operation="CompleteMultipartUpload", action="error_in_200",
                          error="InternalError", count=1)
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.s3.complete_multipart_upload(MultipartUpload=parts, **where)
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 200)
        self.refused("404", self.s3.head_object, Bucket="faulty", Key="m")
        self.server.fault(service="s3", operation="CompleteMultipartUpload", action="error_in_200",
                          error="InternalError", count=1)
        self.client("s3", attempts=3).complete_multipart_upload(MultipartUpload=parts, **where)
        self.assertEqual(self.s3.get_object(Bucket="faulty", Key="m")["Body"].read(), b"x")

    def test_outage(self):
        self.server.fault(action="refuse", duration_ms=1500)
        time.sleep(0.3)
        with self.assertRaises(botocore.exceptions.EndpointConnectionError):
            self.client("s3").list_buckets()
        time.sleep(1.6)
        self.client("s3").list_buckets()

    def test_admin(self):
        self.assertEqual(self.server.admin("health")["status"], "ok")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.server.fault(service="s3", eror="SlowDown")
        self.assertIn("eror", json.load(caught.exception)["error"])
        self.server.admin("requests", "DELETE")
        self.s3.put_object(Bucket="faulty", Key="seen", Body=b"12345")
        entry = self.server.admin("requests")["requests"][-1]
        self.assertEqual((entry["service"], entry["operation"], entry["target"], entry["status"],
                          entry["request_bytes"]), ("s3", "PutObject", "faulty/seen", 200, 5))
        summary = self.server.admin("summary")
        bucket = next(b for b in summary["buckets"] if b["name"] == "faulty")
        self.assertIn({"key": "seen", "size": 5, "etag": hashlib.md5(b"12345").hexdigest()}, bucket["keys"])
        self.assertIn("faulty", [g["name"] for g in summary["groups"]])


class Durability(LocalAwsTest):
    def test_everything_survives_a_kill(self):
        s3, logs = self.client("s3"), self.client("logs")
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="a/b c+日", Body=b"old")
        s3.put_object(Bucket="kept", Key="a/b c+日", Body=b"new", Metadata={"m": "v"}, ContentType="text/x")
        s3.put_object(Bucket="kept", Key="gone", Body=b"x")
        s3.delete_object(Bucket="kept", Key="gone")
        upload = s3.create_multipart_upload(Bucket="kept", Key="parts")
        where = {"Bucket": "kept", "Key": "parts", "UploadId": upload["UploadId"]}
        tag = s3.upload_part(PartNumber=1, Body=b"part", **where)["ETag"]
        logs.create_log_group(logGroupName="/kept", tags={"k": "v"})
        logs.put_retention_policy(logGroupName="/kept", retentionInDays=7)
        logs.create_log_stream(logGroupName="/kept", logStreamName="s/1")
        now = int(time.time() * 1000)
        logs.put_log_events(logGroupName="/kept", logStreamName="s/1",
                            logEvents=[{"timestamp": now, "message": f"line {n}"} for n in range(100)])
        self.server.stop(kill=True)
        # A torn append, as a kill in its middle leaves it.
        directory = os.path.join(self.temporary.name, "data", "logs")
        path = next(os.path.join(d, f) for d, _, files in os.walk(directory) for f in files if f.endswith(".log"))
        with open(path, "ab") as file:
            file.write(b"BTCH\x00\x10\x00\x00torn")
        type(self).server = Server(self.temporary.name)
        s3, logs = self.client("s3"), self.client("logs")
        got = s3.get_object(Bucket="kept", Key="a/b c+日")
        self.assertEqual((got["Body"].read(), got["Metadata"], got["ContentType"]), (b"new", {"m": "v"}, "text/x"))
        self.assertEqual([o["Key"] for o in s3.list_objects_v2(Bucket="kept")["Contents"]], ["a/b c+日"])
        s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}, **where)
        self.assertEqual(s3.get_object(Bucket="kept", Key="parts")["Body"].read(), b"part")
        self.assertEqual(logs.describe_log_groups(logGroupNamePrefix="/kept")["logGroups"][0]["retentionInDays"], 7)
        logs.put_log_events(logGroupName="/kept", logStreamName="s/1",
                            logEvents=[{"timestamp": now + 1, "message": "after"}])
        messages = [e["message"] for e in logs.get_log_events(logGroupName="/kept", logStreamName="s/1",
                                                              startFromHead=True)["events"]]
        self.assertEqual(messages, [f"line {n}" for n in range(100)] + ["after"])
        self.assertEqual(len(os.listdir(os.path.join(self.temporary.name, "data", "tmp"))), 0)

    def test_one_process_per_directory(self):
        second = subprocess.run([BIN, "--data", os.path.join(self.temporary.name, "data"), "--port", "0"],
                                capture_output=True, text=True, timeout=20)
        self.assertEqual(second.returncode, 1)
        self.assertIn("running", second.stderr)


class Volume(LocalAwsTest):
    def test_a_million_records_in_flat_memory(self):
        logs = self.client("logs", max_pool_connections=4)
        logs.create_log_group(logGroupName="big")
        base = int(time.time() * 1000) - 1_000_000
        batches = list(range(0, 1_000_000, 5000))
        lock = threading.Lock()

        def work(stream):
            logs.create_log_stream(logGroupName="big", logStreamName=stream)
            while True:
                with lock:
                    if not batches:
                        return
                    start = batches.pop(0)
                logs.put_log_events(logGroupName="big", logStreamName=stream, logEvents=[
                    {"timestamp": base + n, "message": f"{n:07} " + "x" * 92} for n in range(start, start + 5000)])
        before = self.server.memory_kib()
        threads = [threading.Thread(target=work, args=(f"s{i}",)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        grown = self.server.memory_kib() - before
        group = next(g for g in self.server.admin("summary")["groups"] if g["name"] == "big")
        self.assertEqual(group["events"], 1_000_000)
        self.assertLess(grown, 60_000, "KiB of growth for a million records")
        page = logs.filter_log_events(logGroupName="big", startTime=base + 499_990, limit=20)
        self.assertEqual([int(e["message"][:7]) for e in page["events"]], list(range(499_990, 500_010)))
        print(f"    a million records: {grown} KiB of growth", file=sys.stderr)


if __name__ == "__main__":
    run_tests()

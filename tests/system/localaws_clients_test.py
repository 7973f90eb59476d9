#!/usr/bin/python3
"""noroshi-localaws, proved by clients nobody here wrote: boto3 (Debian's) and the AWS CLI.

Starts build/…/bin/noroshi-localaws (NOROSHI_BIN_DIR) on a free port with an empty data directory for each test
class. Prints "N passed, N failed"; exits 1 if anything failed.
"""
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
from botocore.config import Config

BIN = os.path.join(os.environ["NOROSHI_BIN_DIR"], "noroshi-localaws")
AWS = "/usr/bin/aws" if os.path.exists("/usr/bin/aws") else "aws"
KEY, SECRET = "AKIALOCALAWSTEST0001", "a/secret+with=signs"
REGION = "eu-west-1"


class Server:
    def __init__(self, directory, *options):
        self.directory = directory
        self.port_file = os.path.join(directory, "port")
        if os.path.exists(self.port_file):
            os.unlink(self.port_file)
        self.process = subprocess.Popen(
            [BIN, "--data", os.path.join(directory, "data"), "--port", "0", "--port-file", self.port_file,
             "--access-key", KEY, "--secret-key", SECRET, "--seed", "7", *options],
            stdout=subprocess.PIPE, text=True)
        self.line = self.process.stdout.readline()
        with open(self.port_file) as file:
            self.port = int(file.read())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self, kill=False):
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code

    def admin(self, what, method="GET", body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/_localaws/{what}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def fault(self, **members):
        return self.admin("faults", "POST", members)["id"]

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class LocalAwsTest(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="localaws-")
        cls.server = Server(cls.temporary.name, *cls.options)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.temporary.cleanup()
        assert code == 0, f"noroshi-localaws ended with {code}"

    def tearDown(self):
        self.server.admin("faults", "DELETE")

    def client(self, service, key=KEY, secret=SECRET, token=None, attempts=1, style="path", **options):
        config = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, signature_version=(
            "s3v4" if service == "s3" else "v4"), s3={"addressing_style": style}, read_timeout=10, connect_timeout=5,
            **options)
        return boto3.client(service, endpoint_url=self.server.url, region_name=REGION, aws_access_key_id=key,
                            aws_secret_access_key=secret, aws_session_token=token, config=config)

    def refused(self, code, function, *arguments, **keywords):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(*arguments, **keywords)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response

    def aws(self, *arguments, **environment):
        return subprocess.run(
            [AWS, *arguments, "--endpoint-url", self.server.url], capture_output=True, text=True, timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": self.temporary.name, "AWS_ACCESS_KEY_ID": KEY,
                 "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "", **environment})


class S3(LocalAwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bucket = "the-bucket"

    def setUp(self):
        self.s3 = self.client("s3")
        try:
            self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        except self.s3.exceptions.BucketAlreadyOwnedByYou:
            pass

    def test_buckets(self):
        self.refused("InvalidBucketName", self.s3.create_bucket, Bucket="192.168.1.1")
        self.assertIn(self.bucket, [b["Name"] for b in self.s3.list_buckets()["Buckets"]])
        self.assertEqual(self.s3.get_bucket_location(Bucket=self.bucket)["LocationConstraint"], REGION)
        self.assertEqual(self.s3.head_bucket(Bucket=self.bucket)["ResponseMetadata"]["HTTPStatusCode"], 200)
        self.refused("404", self.s3.head_bucket, Bucket="nothing-here")
        self.refused("NoSuchBucket", self.s3.put_object, Bucket="nothing-here", Key="k", Body=b"x")
        self.s3.create_bucket(Bucket="short-lived")
        self.s3.put_object(Bucket="short-lived", Key="k", Body=b"x")
        self.refused("BucketNotEmpty", self.s3.delete_bucket, Bucket="short-lived")
        self.s3.delete_object(Bucket="short-lived", Key="k")
        self.s3.delete_bucket(Bucket="short-lived")
        self.refused("404", self.s3.head_bucket, Bucket="short-lived")

    def test_put_get_with_metadata(self):
        body = os.urandom(300_000)
        put = self.s3.put_object(
            Bucket=self.bucket, Key="a/b.gz", Body=body, ContentType="application/gzip", ContentEncoding="gzip",
            Metadata={"origin": "a test"}, StorageClass="STANDARD_IA", ServerSideEncryption="AES256",
            Tagging="team=logs&stage=dev", ACL="bucket-owner-full-control", ExpectedBucketOwner="000000000000")
        self.assertEqual(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
        self.assertEqual(put["ServerSideEncryption"], "AES256")
        got = self.s3.get_object(Bucket=self.bucket, Key="a/b.gz")
        self.assertEqual(got["Body"].read(), body)
        self.assertEqual(got["Metadata"], {"origin": "a test"})
        self.assertEqual((got["ContentType"], got["ContentEncoding"], got["StorageClass"], got["TagCount"]),
                         ("application/gzip", "gzip", "STANDARD_IA", 2))
        head = self.s3.head_object(Bucket=self.bucket, Key="a/b.gz")
        self.assertEqual(head["ContentLength"], len(body))
        self.refused("NoSuchKey", self.s3.get_object, Bucket=self.bucket, Key="a/none")
        self.refused("404", self.s3.head_object, Bucket=self.bucket, Key="a/none")
        self.refused("AccessDenied", self.s3.put_object, Bucket=self.bucket, Key="x", Body=b"",
                     ExpectedBucketOwner="111111111111")
        self.refused("InvalidStorageClass", self.s3.put_object, Bucket=self.bucket, Key="x", Body=b"",
                     StorageClass="WARM")

    def test_ranges_and_conditions(self):
        self.s3.put_object(Bucket=self.bucket, Key="digits", Body=b"0123456789")

        def part(text):
            answer = self.s3.get_object(Bucket=self.bucket, Key="digits", Range=text)
            return answer["Body"].read(), answer.get("ContentRange")
        self.assertEqual(part("bytes=2-4"), (b"234", "bytes 2-4/10"))
        self.assertEqual(part("bytes=7-"), (b"789", "bytes 7-9/10"))
        self.assertEqual(part("bytes=-3"), (b"789", "bytes 7-9/10"))
        self.assertEqual(part("bytes=8-100"), (b"89", "bytes 8-9/10"))
        self.refused("InvalidRange", part, "bytes=10-")
        etag = self.s3.head_object(Bucket=self.bucket, Key="digits")["ETag"]
        self.refused("304", self.s3.get_object, Bucket=self.bucket, Key="digits", IfNoneMatch=etag)
        self.refused("PreconditionFailed", self.s3.get_object, Bucket=self.bucket, Key="digits", IfMatch='"0"')

    def test_write_only_if_absent(self):
        def add(request, **_):
            request.headers["If-None-Match"] = "*"
        client = self.client("s3")
        client.meta.events.register("before-sign.s3.PutObject", add)
        client.put_object(Bucket=self.bucket, Key="once", Body=b"first")
        self.refused("PreconditionFailed", client.put_object, Bucket=self.bucket, Key="once", Body=b"second")
        self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="once")["Body"].read(), b"first")

    def test_integrity(self):
        bad_md5 = {"Bucket": self.bucket, "Key": "bad", "Body": b"body"}
        self.refused("BadDigest", self.s3.put_object, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==", **bad_md5)
        self.refused("InvalidDigest", self.s3.put_object, ContentMD5="short", **bad_md5)
        for name in ("CRC32", "CRC32C", "SHA1", "SHA256"):
            try:
                put = self.s3.put_object(Bucket=self.bucket, Key=name, Body=b"123456789", ChecksumAlgorithm=name)
            except botocore.exceptions.MissingDependencyException:
                put = self.s3.put_object(Bucket=self.bucket, Key=name, Body=b"123456789", ChecksumCRC32C="4waSgw==")
            got = self.s3.get_object(Bucket=self.bucket, Key=name, ChecksumMode="ENABLED")
            self.assertEqual(got["Checksum" + name], put["Checksum" + name])
            self.assertEqual(got["Body"].read(), b"123456789")
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="CRC32", ChecksumMode="ENABLED")["ChecksumCRC32"],
                         "y/Q5Jg==")
        self.refused("BadDigest", self.s3.put_object, ChecksumCRC32="AAAAAA==", **bad_md5)
        self.refused("404", self.s3.head_object, Bucket=self.bucket, Key="bad")

    def test_keys_as_hard_as_they_come(self):
        keys = ["plain", "a b", "a+b", "a%2Fb", "a//b", "/leading", "a/./b", "a/../b", "日本語/ログ.gz", "~!*'()",
                "q?x=1&y", "#hash", "a" * 1024, "trailing/", "年=2026/é", ".", "..", "x;y:z@w,v$"]
        for key in keys:
            if key in (".", ".."):
                continue  # the client's URL library would not send them
            body = key.encode()
            self.s3.put_object(Bucket=self.bucket, Key="hard/" + key[:1019], Body=body)
            self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="hard/" + key[:1019])["Body"].read(), body)
        listed = [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.bucket, Prefix="hard/")["Contents"]]
        wanted = sorted(("hard/" + k[:1019] for k in keys if k not in (".", "..")), key=lambda k: k.encode())
        self.assertEqual(listed, wanted)
        self.refused("KeyTooLongError", self.s3.put_object, Bucket=self.bucket, Key="k" * 1025, Body=b"")

    def test_listing(self):
        self.s3.create_bucket(Bucket="listed")
        names = [f"logs/year=2026/hour={h:02}/{n:03}" for h in range(3) for n in range(5)] + ["other", "logs.txt"]
        for name in names:
            self.s3.put_object(Bucket="listed", Key=name, Body=b"x")
        top = self.s3.list_objects_v2(Bucket="listed", Delimiter="/")
        self.assertEqual([o["Key"] for o in top["Contents"]], ["logs.txt", "other"])
        self.assertEqual([p["Prefix"] for p in top["CommonPrefixes"]], ["logs/"])
        pages = list(self.s3.get_paginator("list_objects_v2").paginate(Bucket="listed",
                                                                       PaginationConfig={"PageSize": 4}))
        self.assertEqual([o["Key"] for page in pages for o in page["Contents"]], sorted(names))
        self.assertEqual(len(pages), 5)
        hours = list(self.s3.get_paginator("list_objects_v2").paginate(
            Bucket="listed", Prefix="logs/year=2026/", Delimiter="/", PaginationConfig={"PageSize": 2}))
        self.assertEqual([p["Prefix"] for page in hours for p in page.get("CommonPrefixes", [])],
                         [f"logs/year=2026/hour={h:02}/" for h in range(3)])
        after = self.s3.list_objects_v2(Bucket="listed", StartAfter="logs/year=2026/hour=02/003")
        self.assertEqual([o["Key"] for o in after["Contents"]], ["logs/year=2026/hour=02/004", "other"])
        first = self.s3.get_paginator("list_objects").paginate(Bucket="listed", PaginationConfig={"PageSize": 6})
        self.assertEqual([o["Key"] for page in first for o in page["Contents"]], sorted(names))
        deleted = self.s3.delete_objects(Bucket="listed", Delete={"Objects": [{"Key": n} for n in names]})
        self.assertEqual(len(deleted["Deleted"]), len(names))
        self.assertEqual(self.s3.list_objects_v2(Bucket="listed")["KeyCount"], 0)

    def test_multipart(self):
        mib = 1 << 20
        create = self.s3.create_multipart_upload(Bucket=self.bucket, Key="parts", Metadata={"m": "1"})
        where = {"Bucket": self.bucket, "Key": "parts", "UploadId": create["UploadId"]}
        bodies = {1: os.urandom(5 * mib), 2: os.urandom(5 * mib), 3: b"the end"}
        tags = {n: self.s3.upload_part(PartNumber=n, Body=b, **where)["ETag"] for n, b in bodies.items()}
        self.assertEqual([p["PartNumber"] for p in self.s3.list_parts(**where)["Parts"]], [1, 2, 3])
        listed = self.s3.list_parts(MaxParts=2, **where)
        self.assertEqual((listed["IsTruncated"], listed["NextPartNumberMarker"]), (True, 2))
        open_uploads = self.s3.list_multipart_uploads(Bucket=self.bucket)["Uploads"]
        self.assertIn(create["UploadId"], [u["UploadId"] for u in open_uploads])

        def complete(numbers, **changed):
            return self.s3.complete_multipart_upload(
                MultipartUpload={"Parts": [{"PartNumber": n, "ETag": changed.get(f"tag{n}", tags[n])}
                                           for n in numbers]}, **where)
        self.refused("InvalidPartOrder", complete, [2, 1, 3])
        self.refused("InvalidPart", complete, [1, 2, 3], tag2='"00000000000000000000000000000000"')
        self.refused("EntityTooSmall", self.complete_two_small_parts)
        done = complete([1, 2, 3])
        joined = b"".join(hashlib.md5(bodies[n]).digest() for n in (1, 2, 3))
        self.assertEqual(done["ETag"], f'"{hashlib.md5(joined).hexdigest()}-3"')
        got = self.s3.get_object(Bucket=self.bucket, Key="parts")
        self.assertEqual(got["Body"].read(), b"".join(bodies.values()))
        self.assertEqual(got["Metadata"], {"m": "1"})
        self.refused("NoSuchUpload", complete, [1, 2, 3])

    def complete_two_small_parts(self):
        small = self.s3.create_multipart_upload(Bucket=self.bucket, Key="small")
        at = {"Bucket": self.bucket, "Key": "small", "UploadId": small["UploadId"]}
        tags = [self.s3.upload_part(PartNumber=n, Body=b"x" * 100, **at)["ETag"] for n in (1, 2)]
        try:
            self.s3.complete_multipart_upload(
                MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": t} for n, t in enumerate(tags)]}, **at)
        finally:
            self.s3.abort_multipart_upload(**at)
            self.refused("NoSuchUpload", self.s3.abort_multipart_upload, **at)

    def test_upload_file_in_parts(self):
        body = random.Random(1).randbytes(21 * (1 << 20) + 17)
        self.s3.upload_fileobj(io.BytesIO(body), self.bucket, "big")
        self.assertRegex(self.s3.head_object(Bucket=self.bucket, Key="big")["ETag"], r'^"[0-9a-f]{32}-3"$')
        target = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "big", target)
        self.assertEqual(hashlib.sha256(target.getvalue()).digest(), hashlib.sha256(body).digest())

    def test_presigned(self):
        self.s3.put_object(Bucket=self.bucket, Key="pre signed+", Body=b"hello")
        url = self.s3.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "pre signed+",
                                                            "ResponseContentType": "text/x-test"}, ExpiresIn=60)
        with urllib.request.urlopen(url) as answer:
            self.assertEqual((answer.read(), answer.headers["Content-Type"]), (b"hello", "text/x-test"))
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url.replace("text%2Fx-test", "text%2Fhtml"))
        self.assertEqual(caught.exception.code, 403)
        self.assertIn(b"SignatureDoesNotMatch", caught.exception.read())
        put = self.s3.generate_presigned_url("put_object", {"Bucket": self.bucket, "Key": "by-url"}, ExpiresIn=60)
        urllib.request.urlopen(urllib.request.Request(put, data=b"put", method="PUT",
                                                      headers={"Content-Type": ""})).close()
        self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="by-url")["Body"].read(), b"put")
        short = self.s3.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "by-url"}, ExpiresIn=1)
        time.sleep(2.1)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(short)
        self.assertIn(b"Request has expired", caught.exception.read())

    def test_virtual_hosts(self):
        self.s3.put_object(Bucket=self.bucket, Key="hosted/key", Body=b"v")
        request = botocore.awsrequest.AWSRequest(
            "GET", f"http://127.0.0.1:{self.server.port}/hosted/key",
            headers={"Host": f"{self.bucket}.s3.localhost:{self.server.port}"})
        botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), "s3", REGION).add_auth(request)
        with urllib.request.urlopen(urllib.request.Request(request.url, headers=dict(request.headers))) as answer:
            self.assertEqual(answer.read(), b"v")

    def test_what_is_missing_says_so(self):
        self.s3.put_object(Bucket=self.bucket, Key="whole", Body=b"whole")
        self.refused("NotImplemented", self.s3.put_object_tagging, Bucket=self.bucket, Key="whole",
                     Tagging={"TagSet": []})
        self.refused("NotImplemented", self.s3.copy_object, Bucket=self.bucket, Key="whole",
                     CopySource=f"{self.bucket}/other")
        self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="whole")["Body"].read(), b"whole")

    def test_awscli(self):
        path = os.path.join(self.temporary.name, "file.bin")
        body = random.Random(2).randbytes(9 * (1 << 20))
        with open(path, "wb") as file:
            file.write(body)
        for arguments in (["s3", "cp", path, f"s3://{self.bucket}/cli/file.bin"],
                          ["s3", "cp", f"s3://{self.bucket}/cli/file.bin", path + ".back"],
                          ["s3", "cp", __file__, f"s3://{self.bucket}/cli/small.py"]):
            result = self.aws(*arguments)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        with open(path + ".back", "rb") as file:
            self.assertEqual(file.read(), body)
        listed = self.aws("s3", "ls", f"s3://{self.bucket}/cli/")
        self.assertIn("file.bin", listed.stdout, listed.stderr)
        self.assertEqual(self.aws("s3", "rm", "--recursive", f"s3://{self.bucket}/cli/").returncode, 0)
        self.assertEqual(self.s3.list_objects_v2(Bucket=self.bucket, Prefix="cli/")["KeyCount"], 0)
        wrong = self.aws("s3", "ls", AWS_SECRET_ACCESS_KEY="wrong")
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("SignatureDoesNotMatch", wrong.stderr)


class Logs(LocalAwsTest):
    def setUp(self):
        self.logs = self.client("logs")
        self.group = f"/test/{self.id().rsplit('.', 1)[-1]}"
        self.logs.create_log_group(logGroupName=self.group)
        self.logs.create_log_stream(logGroupName=self.group, logStreamName="s")
        self.now = int(time.time() * 1000)

    def put(self, events, stream="s", client=None):
        return (client or self.logs).put_log_events(
            logGroupName=self.group, logStreamName=stream,
            logEvents=[{"timestamp": t, "message": m} for t, m in events])

    def filtered(self, **keywords):
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group, **keywords)
        return [e["message"] for page in pages for e in page["events"]]

    def test_groups(self):
        self.refused("ResourceAlreadyExistsException", self.logs.create_log_group, logGroupName=self.group)
        self.refused("ResourceAlreadyExistsException", self.logs.create_log_stream, logGroupName=self.group,
                     logStreamName="s")
        self.refused("ResourceNotFoundException", self.logs.create_log_stream, logGroupName="/none", logStreamName="s")
        self.refused("InvalidParameterException", self.logs.create_log_group, logGroupName="with space")
        self.refused("InvalidParameterException", self.logs.create_log_group, logGroupName="aws/x")
        self.refused("InvalidParameterException", self.logs.create_log_stream, logGroupName=self.group,
                     logStreamName="a:b")
        self.refused("InvalidParameterException", self.logs.put_retention_policy, logGroupName=self.group,
                     retentionInDays=2)
        self.logs.put_retention_policy(logGroupName=self.group, retentionInDays=30)
        for n in range(60):
            self.logs.create_log_group(logGroupName=f"/many/{n:02}", tags={"n": str(n)})
        pages = list(self.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/many/"))
        self.assertEqual([len(p["logGroups"]) for p in pages], [50, 10])
        described = self.logs.describe_log_groups(logGroupNamePrefix=self.group)["logGroups"][0]
        self.assertEqual(described["retentionInDays"], 30)
        self.assertEqual(described["arn"], f"arn:aws:logs:{REGION}:000000000000:log-group:{self.group}:*")
        self.assertEqual(self.logs.list_tags_log_group(logGroupName="/many/07")["tags"], {"n": "7"})
        self.logs.delete_log_group(logGroupName="/many/00")
        self.refused("ResourceNotFoundException", self.logs.delete_log_group, logGroupName="/many/00")
        self.logs.delete_log_stream(logGroupName=self.group, logStreamName="s")
        self.refused("ResourceNotFoundException", self.put, [(self.now, "x")])

    def test_streams(self):
        for n in range(60):
            self.logs.create_log_stream(logGroupName=self.group, logStreamName=f"task/{n:02}")
        self.put([(self.now, "latest")], "task/30")
        pages = list(self.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=self.group, logStreamNamePrefix="task/"))
        self.assertEqual([s["logStreamName"] for p in pages for s in p["logStreams"]],
                         [f"task/{n:02}" for n in range(60)])
        self.put([(self.now + 5000, "later than every creation")], "task/31")
        newest = self.logs.describe_log_streams(logGroupName=self.group, orderBy="LastEventTime", descending=True,
                                                limit=1)["logStreams"][0]
        self.assertEqual((newest["logStreamName"], newest["lastEventTimestamp"]), ("task/31", self.now + 5000))

    def test_batch_limits(self):
        t = self.now
        def error(events):
            return self.refused("InvalidParameterException", self.put, events)["Error"]["Message"]
        exactly = 1_048_576 - 26
        self.put([(t, "x" * exactly)])
        self.assertIn("too large", error([(t, "x" * (exactly + 1))]))
        half = 1_048_576 // 2 - 26
        self.put([(t, "x" * half), (t, "y" * half)])
        self.assertIn("Upload too large", error([(t, "x" * half), (t, "y" * (half + 1))]))
        self.put([(t, "é" * ((1_048_576 - 26) // 2))])  # bytes are counted, not characters
        self.assertIn("too large", error([(t, "é" * ((1_048_576 - 26) // 2 + 1))]))
        self.put([(t, "m")] * 10_000)
        self.assertIn("10000", error([(t, "m")] * 10_001))
        self.assertIn("chronological", error([(t, "a"), (t - 1, "b")]))
        self.assertIn("24 hours", error([(t - 86_400_001, "a"), (t, "b")]))
        self.put([(t - 86_400_000, "exactly a day"), (t, "b")])
        client = boto3.client("logs", endpoint_url=self.server.url, region_name=REGION, aws_access_key_id=KEY,
                              aws_secret_access_key=SECRET, config=Config(parameter_validation=False))
        self.refused("InvalidParameterException", self.put, [(t, "a"), (t, "")], client=client)
        self.refused("InvalidParameterException", self.put, [(-1, "a")], client=client)
        self.refused("InvalidParameterException", self.put, [], client=client)
        self.refused("SerializationException", self.put, [("soon", "a")], client=client)

    def test_rejected_by_time(self):
        day = 86_400_000
        t = self.now
        answer = self.put([(t - 15 * day, "old"), (t - 1000, "fine"), (t, "fine too"), (t + 3 * 3_600_000, "new")])
        self.assertEqual(answer["rejectedLogEventsInfo"],
                         {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 3})
        self.assertEqual(self.filtered(), ["fine", "fine too"])
        self.logs.put_retention_policy(logGroupName=self.group, retentionInDays=3)
        answer = self.put([(t - 15 * day, "old"), (t - 5 * day, "expired"), (t, "fine")])
        self.assertEqual(answer["rejectedLogEventsInfo"],
                         {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2})
        self.assertNotIn("rejectedLogEventsInfo", self.put([(t, "good")]))
        answer = self.put([(t - 20 * day, "all"), (t - 19 * day, "too old")])
        self.assertEqual(answer["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"], 2)
        self.assertEqual(self.filtered(), ["fine", "fine too", "fine", "good"])

    def test_gzip_bodies(self):
        def compress(request, **_):
            request.data = gzip.compress(request.data if isinstance(request.data, bytes) else request.data.encode())
            request.headers["Content-Encoding"] = "gzip"
        client = self.client("logs")
        client.meta.events.register("before-sign.logs.PutLogEvents", compress)
        answer = self.put([(self.now, "compressed " + "x" * 1000)], client=client)
        self.assertIn("x-amzn-requestid", answer["ResponseMetadata"]["HTTPHeaders"])
        self.assertEqual(len(self.filtered()), 1)

    def test_get_log_events_pages_both_ways(self):
        base = self.now - 10_000
        for start in (1000, 0, 2000):  # batches arrive out of order, one overlaps
            self.put([(base + start + n * 2, f"{start + n * 2:04}") for n in range(600)])
        wanted = sorted((f"{s + n * 2:04}" for s in (0, 1000, 2000) for n in range(600)))
        got, token = [], None
        while True:
            page = self.logs.get_log_events(logGroupName=self.group, logStreamName="s", startFromHead=True, limit=250,
                                            **({"nextToken": token} if token else {}))
            got += [e["message"] for e in page["events"]]
            if page["nextForwardToken"] == token:
                break
            token = page["nextForwardToken"]
        self.assertEqual(got, wanted)
        got, token = [], None
        while True:
            page = self.logs.get_log_events(logGroupName=self.group, logStreamName="s", limit=250,
                                            **({"nextToken": token} if token else {}))
            got = [e["message"] for e in page["events"]] + got
            if page["nextBackwardToken"] == token:
                break
            token = page["nextBackwardToken"]
        self.assertEqual(got, wanted)
        window = self.logs.get_log_events(logGroupName=self.group, logStreamName="s", startTime=base + 10,
                                          endTime=base + 14)
        self.assertEqual([e["message"] for e in window["events"]], ["0010", "0012"])  # the end is exclusive

    def test_filter(self):
        t = self.now - 1000
        self.logs.create_log_stream(logGroupName=self.group, logStreamName="other")
        lines = ['{"level": "ERROR", "status": 500, "path": "/api/x"}', '{"level": "INFO", "status": 200}',
                 "plain ERROR here", "ERRORS are not ERR", 'a "quoted phrase" b', '{"level": "ERROR", "status": 404}']
        self.put([(t + n, line) for n, line in enumerate(lines)])
        self.put([(t + 2, "other stream ERROR")], "other")
        self.assertEqual(self.filtered(filterPattern='{ $.level = "ERROR" }'), [lines[0], lines[5]])
        self.assertEqual(self.filtered(filterPattern='{ $.level = "ERROR" && $.status >= 500 }'), [lines[0]])
        self.assertEqual(self.filtered(filterPattern='{ $.path = "/api/*" || $.status = 200 }'), lines[:2])
        self.assertEqual(self.filtered(filterPattern="{ $.path NOT EXISTS }"), [lines[1], lines[5]])
        self.assertEqual(self.filtered(filterPattern="ERROR -plain", logStreamNames=["s"]), [lines[0], lines[5]])
        self.assertEqual(self.filtered(filterPattern="?plain ?phrase"), [lines[2], lines[4]])
        self.assertEqual(self.filtered(filterPattern='"quoted phrase"'), [lines[4]])
        self.assertEqual(self.filtered(logStreamNamePrefix="oth"), ["other stream ERROR"])
        self.assertEqual(self.filtered(startTime=t + 4, endTime=t + 5), [lines[4], lines[5]])  # inclusive
        merged = self.filtered(PaginationConfig={"PageSize": 2})
        self.assertEqual(merged[:4], [lines[0], lines[1], "other stream ERROR", lines[2]])
        self.assertEqual(len(merged), 7)
        self.refused("InvalidParameterException", self.filtered, filterPattern="{ $.level = }")

    def test_awscli(self):
        self.put([(self.now, '{"level":"ERROR","message":"from boto"}'), (self.now, '{"level":"INFO"}')])
        result = self.aws("logs", "filter-log-events", "--log-group-name", self.group, "--filter-pattern",
                          '{ $.level = "ERROR" }', "--query", "events[].message", "--output", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout), ['{"level":"ERROR","message":"from boto"}'])
        result = self.aws("logs", "put-log-events", "--log-group-name", self.group, "--log-stream-name", "s",
                          "--log-events", f"timestamp={self.now},message=cli")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("cli", self.filtered())


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
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    if len(sys.argv) > 1:
        suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:], sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed or result.testsRun == 0 else 0)

#!/usr/bin/python3
"""noroshi-localaws as S3: objects, listings, uploads, signed requests.

Prints "N passed, N failed"; exits 1 if anything failed.
"""
import hashlib
import io
import os
import random
import time
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions

from harness import run_tests
from localaws_harness import KEY, REGION, SECRET, LocalAwsTest


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


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""Prints signatures of random requests made by botocore, for sigv4_test.cc to compare with ours.

usage: sigv4_vectors.py SEED COUNT

One JSON object a line: service, region, key id, secret, token, time, method, url, headers, body, and the
Authorization header botocore made. python3-botocore (Debian) is an implementation nobody here wrote.
"""
import datetime
import hashlib
import json
import random
import sys
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HARD = ["a b", "+", "a+b", "//", "x//y", ".", "..", "a/../b", "./c", "ログ", "日本/語", "%", "%41", "~",
        "a~b", "'", "(x)", "*", "!", "@", "a=b", "a&b", ":", ";", ",", "$", "\\", '"', "<>", "é", "😀",
        "year=2026/month=11", "", "logs", "trailing/", " lead", "tab\there", "#", "?q", "[0]", "{1}", "|"]


class FrozenTime(datetime.datetime):
    now_is = None

    @classmethod
    def utcnow(cls):
        return cls.now_is


def word(rng):
    if rng.random() < 0.6:
        return rng.choice(HARD)
    return "".join(chr(rng.choice([rng.randint(32, 126), rng.randint(0x3041, 0x3096)]))
                   for _ in range(rng.randint(1, 12)))


def vector(rng):
    service = rng.choice(["s3", "s3", "s3", "logs", "sts", "monitoring"])
    region = rng.choice(["eu-west-1", "us-east-1", "ap-northeast-1", "cn-north-1", "us-gov-west-1"])
    host = rng.choice([f"{service}.{region}.amazonaws.com", "localhost:9000", "[::1]:4566",
                       f"bucket.s3.{region}.amazonaws.com", "127.0.0.1:80", "Example.COM:443"])
    scheme = "https" if "443" in host else "http" if ":80" in host else rng.choice(["http", "https"])
    path = "/" + "/".join(word(rng) for _ in range(rng.randint(0, 4)))
    query = [(word(rng) or "q", word(rng)) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    url = f"{scheme}://{host}" + quote(path, safe="/-_.~")
    if query:
        url += "?" + "&".join(quote(k, safe="-_.~") + "=" + quote(v, safe="-_.~") for k, v in query)
    method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
    body = bytes(rng.getrandbits(8) for _ in range(rng.choice([0, 1, 100]))) if method in ("PUT", "POST") else b""
    headers = {}
    for _ in range(rng.randint(0, 5)):
        name = rng.choice(["Content-Type", "x-amz-acl", "X-Amz-Target", "x-amz-meta-note", "Content-MD5",
                           "x-amz-tagging", "X-Zebra", "x-amz-storage-class", "Expect", "User-Agent"])
        headers[name] = rng.choice(["a", "  two  blanks ", "a\tb", "application/x-amz-json-1.1", "x=1&y=2",
                                    "AES256", "  ", "a   b   c", "日本"])
    credentials = Credentials("AKID" + str(rng.randint(0, 9999)),
                              "".join(rng.choice("abcXYZ/+=09") for _ in range(40)),
                              rng.choice([None, "token/+==" * 5]))
    when = datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 10 ** 8))
    FrozenTime.now_is = when
    unsigned = service == "s3" and rng.random() < 0.3
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    if unsigned:
        request.context["client_config"] = type("Config", (), {"s3": {"payload_signing_enabled": False}})()
    signer = (botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth)(
        credentials, service, region)
    signer.add_auth(request)
    payload = "UNSIGNED-PAYLOAD" if unsigned else hashlib.sha256(body).hexdigest()
    return {"service": service, "region": region, "key": credentials.access_key,
            "secret": credentials.secret_key, "token": credentials.token or "",
            "time": int(when.replace(tzinfo=datetime.timezone.utc).timestamp()),
            "method": method, "url": url, "headers": headers, "payload": payload,
            "authorization": request.headers["Authorization"]}


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    botocore.auth.datetime = type("Module", (), {"datetime": FrozenTime})
    for _ in range(count):
        print(json.dumps(vector(rng)))


main()

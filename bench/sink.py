#!/usr/bin/python3
"""CloudWatch Logs and S3 as far as the benchmarks need them: takes everything, keeps it, counts it when asked.

    bench/sink.py      prints its port

While the router is measured this only reads bytes and notes when they came. GET /report decodes them. POST /fail makes
every request fail with 503 until POST /heal.
"""

import collections
import gzip
import http.server
import json
import re
import time
import urllib.parse

SENT_AT = re.compile(r"sent=(\d+\.\d+)")  # as bench/latency.py writes it into the message


class Store:
    def __init__(self):
        self.put_log_events, self.objects, self.requests = [], [], 0
        self.failing = False

    def report(self):
        latencies, streams, events = [], collections.defaultdict(list), 0
        for arrived, encoding, body in self.put_log_events:
            request = json.loads(gzip.decompress(body) if encoding == "gzip" else body)
            streams[request["logGroupName"], request["logStreamName"]].append(arrived)
            events += len(request["logEvents"])
            for event in request["logEvents"]:
                if match := SENT_AT.search(event["message"]):
                    latencies.append(arrived - float(match[1]))
        objects = {}
        for key, part, body in self.objects:
            objects.setdefault(key, {})[part] = body  # the same part again replaces it
        s3_records = stored = written = 0
        for parts in objects.values():
            data = b"".join(parts[number] for number in sorted(parts))
            stored += len(data)
            text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            written += len(text)
            s3_records += text.count(b"\n")
        return {"requests": self.requests, "put_log_events": len(self.put_log_events), "log_events": events,
                "requests_per_second_max": max((busiest_second(times) for times in streams.values()), default=0),
                "latencies": latencies, "s3_objects": len(objects), "s3_bytes": stored, "s3_records": s3_records,
                "gzip_ratio": written / stored if stored else 1}


def busiest_second(times):
    """Most requests in any window of one second."""
    times, first, most = sorted(times), 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # one write an answer

    def log_message(self, *arguments):
        pass

    def handle_expect_100(self):
        super().handle_expect_100()
        self.wfile.flush()  # else the router waits a second for it
        return True

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length) if length else b""

    def answer(self, status, body=b"", kind="application/json", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/report":
            return self.answer(200, json.dumps(self.server.store.report()).encode())
        return self.answer(404)

    def do_HEAD(self):
        self.answer(404)

    def do_DELETE(self):
        self.answer(204)

    def do_PUT(self):
        store, body = self.server.store, self.body()
        store.requests += 1
        if store.failing:
            return self.answer(503)
        url = urllib.parse.urlsplit(self.path)
        part = urllib.parse.parse_qs(url.query).get("partNumber", ["1"])[0]
        store.objects.append((url.path, int(part), body))
        return self.answer(200, headers=[("ETag", f'"{len(store.objects):032x}"')])

    def do_POST(self):
        store, body = self.server.store, self.body()
        if self.path in ("/fail", "/heal"):
            store.failing = self.path == "/fail"
            return self.answer(200)
        store.requests += 1
        if store.failing:
            return self.answer(503)
        if target := self.headers.get("X-Amz-Target"):
            if target.endswith(".PutLogEvents"):
                store.put_log_events.append((time.time(), self.headers.get("Content-Encoding"), body))
            # Fluent Bit takes an answer without it for none, and sends the batch again.
            return self.answer(200, b"{}", "application/x-amz-json-1.1", [("x-amzn-RequestId", str(store.requests))])
        url = urllib.parse.urlsplit(self.path)
        bucket, _, key = url.path.lstrip("/").partition("/")
        name = "InitiateMultipartUploadResult" if "uploads" in url.query else "CompleteMultipartUploadResult"
        return self.answer(200, (f"<?xml version=\"1.0\"?><{name}><Bucket>{bucket}</Bucket><Key>{key}</Key>"
                                 f"<UploadId>1</UploadId><ETag>\"1\"</ETag></{name}>").encode(), "application/xml")


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    server.store = Store()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

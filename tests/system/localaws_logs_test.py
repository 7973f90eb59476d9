#!/usr/bin/python3
"""noroshi-localaws as CloudWatch Logs: groups, streams, the limits of a batch, reading back.

Prints "N passed, N failed"; exits 1 if anything failed.
"""
import gzip
import json
import time

import boto3
from botocore.config import Config

from harness import run_tests
from localaws_harness import KEY, REGION, SECRET, LocalAwsTest


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


if __name__ == "__main__":
    run_tests()

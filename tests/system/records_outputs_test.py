#!/usr/bin/python3
"""Data Firehose and Kinesis Data Streams: noroshi-localaws as boto3 sees it, and the router's outputs against it.

    NOROSHI_BIN_DIR=build/release/bin tests/system/records_outputs_test.py [Class.test …]
"""
import base64
import collections
import json
import urllib.request

import boto3
import botocore.exceptions

from harness import PATIENCE, REGION, ForwardClient, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for


class RecordsTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_aws()
        common = dict(endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="test",
                      aws_secret_access_key="test")
        self.firehose = boto3.client("firehose", **common)
        self.kinesis = boto3.client("kinesis", **common)
        self.addCleanup(self.firehose.close)
        self.addCleanup(self.kinesis.close)

    def fault(self, **members):
        request = urllib.request.Request(f"{self.endpoint}/_localaws/faults", json.dumps(members).encode())
        with urllib.request.urlopen(request, timeout=10 * PATIENCE) as answer:
            return json.load(answer)["id"]

    def taken(self, service, stream):
        """What the stream took, decoded, in order."""
        url = f"{self.endpoint}/_localaws/records?service={service}&stream={stream}&limit=100000"
        with urllib.request.urlopen(url, timeout=30 * PATIENCE) as answer:
            return [base64.b64decode(json.loads(line)["data"]).decode() for line in answer]

    def kinesis_records(self, stream):
        iterator = self.kinesis.get_shard_iterator(
            StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records = []
        while True:
            page = self.kinesis.get_records(ShardIterator=iterator)
            if not page["Records"]:
                return records
            records += page["Records"]
            iterator = page["NextShardIterator"]


class LocalAws(RecordsTest):
    def test_firehose(self):
        with self.assertRaises(self.firehose.exceptions.ResourceNotFoundException):
            self.firehose.put_record_batch(DeliveryStreamName="none", Records=[{"Data": b"x"}])
        self.firehose.create_delivery_stream(DeliveryStreamName="logs")
        self.assertEqual(self.firehose.list_delivery_streams()["DeliveryStreamNames"], ["logs"])
        answer = self.firehose.put_record_batch(DeliveryStreamName="logs", Records=[{"Data": b"a"}, {"Data": b"\xff"}])
        self.assertEqual(answer["FailedPutCount"], 0)
        self.assertEqual(len({entry["RecordId"] for entry in answer["RequestResponses"]}), 2)
        self.fault(service="firehose", action="partial", error="ServiceUnavailableException", share=0.5, count=1)
        answer = self.firehose.put_record_batch(DeliveryStreamName="logs",
                                                Records=[{"Data": b"%d" % n} for n in range(4)])
        self.assertEqual(answer["FailedPutCount"], 2)
        self.assertEqual(["ErrorCode" in entry for entry in answer["RequestResponses"]], [False, True, False, True])
        with self.assertRaises(self.firehose.exceptions.InvalidArgumentException):
            self.firehose.put_record_batch(DeliveryStreamName="logs", Records=[{"Data": b"x" * 1_024_001}])
        with self.assertRaises(self.firehose.exceptions.InvalidArgumentException):
            self.firehose.put_record_batch(DeliveryStreamName="logs", Records=[{"Data": b"x"}] * 501)
        with self.assertRaises(self.firehose.exceptions.InvalidArgumentException):
            self.firehose.put_record_batch(DeliveryStreamName="logs", Records=[{"Data": b"x" * 1_000_000}] * 5)

    def test_kinesis(self):
        self.kinesis.create_stream(StreamName="events", ShardCount=1)
        self.assertEqual(self.kinesis.describe_stream_summary(
            StreamName="events")["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE")
        self.assertEqual(len(self.kinesis.list_shards(StreamName="events")["Shards"]), 1)
        with self.assertRaises(self.kinesis.exceptions.ResourceInUseException):
            self.kinesis.create_stream(StreamName="events", ShardCount=1)
        self.fault(service="kinesis", action="partial", error="ProvisionedThroughputExceededException", share=0.34,
                   count=1)
        answer = self.kinesis.put_records(StreamName="events", Records=[
            {"Data": b"%d" % n, "PartitionKey": f"k{n}"} for n in range(3)])
        self.assertEqual(answer["FailedRecordCount"], 1)
        self.assertEqual(answer["Records"][2]["ErrorCode"], "ProvisionedThroughputExceededException")
        self.assertEqual([(r["Data"], r["PartitionKey"]) for r in self.kinesis_records("events")],
                         [(b"0", "k0"), (b"1", "k1")])
        with self.assertRaises(botocore.exceptions.ClientError):
            self.kinesis.put_records(StreamName="events", Records=[{"Data": b"x", "PartitionKey": "k" * 257}])
        with self.assertRaises(botocore.exceptions.ClientError):
            self.kinesis.put_records(StreamName="events", Records=[{"Data": b"x" * (1 << 20), "PartitionKey": "k"}])

    def test_a_wrong_signature_is_refused(self):
        wrong = boto3.client("firehose", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="test",
                             aws_secret_access_key="wrong")
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "InvalidSignatureException"):
            wrong.list_delivery_streams()
        wrong.close()


class Outputs(RecordsTest):
    """Records through the router while the services fail in every way they can."""
    RECORDS = 3000

    def config(self, outputs):
        self.port, self.admin = free_port(), free_port()
        path = self.directory / "fluent-bit.conf"
        path.write_text(f"""[SERVICE]
    HTTP_Server on
    HTTP_Port {self.admin}
    Flush 0.2
[INPUT]
    Name forward
    Port {self.port}
{outputs}""")
        return path

    def send(self, first, count):
        client = ForwardClient(self.port)
        for start in range(first, first + count, 100):
            ack = new_ack_id()
            client.send(packed_forward("app", [entry(1_763_866_380, {"n": n, "log": f"line {n}"})
                                               for n in range(start, start + 100)], ack))
            self.assertEqual(client.wait_ack(), ack)
        client.close()

    def environment(self):
        return {"AWS_ENDPOINT_URL_FIREHOSE": self.endpoint, "AWS_ENDPOINT_URL_KINESIS": self.endpoint}

    def test_each_record_once_although_half_of_them_are_refused_again_and_again(self):
        self.firehose.create_delivery_stream(DeliveryStreamName="logs")
        self.kinesis.create_stream(StreamName="events", ShardCount=1)
        config = self.config("""[OUTPUT]
    Name firehose
    Match *
    delivery_stream logs
    log_key log
[OUTPUT]
    Name kinesis_streams
    Match *
    stream events
    partition_key n
    log_key log
""")
        for service, error in (("firehose", "ServiceUnavailableException"),
                               ("kinesis", "ProvisionedThroughputExceededException")):
            self.fault(service=service, action="partial", error=error, share=0.5, rate=0.7, count=6)
            self.fault(service=service, error="ThrottlingException", rate=0.2, count=2)
        router = self.start_router(config, self.admin, self.environment())
        self.send(0, self.RECORDS)
        expected = [f"line {n}\n" for n in range(self.RECORDS)]
        wait_for("all records in Firehose", lambda: len(self.taken("firehose", "logs")) >= self.RECORDS, 120)
        wait_for("all records in Kinesis", lambda: len(self.taken("kinesis", "events")) >= self.RECORDS, 120)
        status, line = self.stop_router(router)
        self.assertEqual(status, 0, line)
        self.assertEqual(sorted(self.taken("firehose", "logs")), sorted(expected))
        records = self.kinesis_records("events")
        self.assertEqual(sorted(r["Data"].decode() for r in records), sorted(expected))
        for record in records:
            self.assertEqual(record["PartitionKey"], record["Data"].decode().split()[1])

    def test_given_up_records_are_counted_apart_from_those_that_arrived(self):
        self.firehose.create_delivery_stream(DeliveryStreamName="logs")
        config = self.config("""[OUTPUT]
    Name kinesis_firehose
    Alias hose
    Match *
    Retry_Limit no_retries
    delivery_stream logs
    log_key log
""")
        self.fault(service="firehose", action="partial", error="InternalFailure", share=0.25)
        router = self.start_router(config, self.admin, self.environment())
        self.send(0, 1000)

        def counters():
            text = fetch(f"http://127.0.0.1:{self.admin}/api/v1/metrics")[1]
            return json.loads(text)["output"]["hose"]
        wait_for("every record to be delivered or dropped",
                 lambda: counters()["proc_records"] + counters()["dropped_records"] == 1000, 60)
        taken = self.taken("firehose", "logs")
        self.assertEqual(counters()["proc_records"], len(taken))
        self.assertEqual(len(set(taken)), len(taken))
        letters = [json.loads(line) for path in (self.directory / "state").rglob("hose.jsonl")
                   for line in path.read_text().splitlines()]
        self.assertEqual(sorted(taken + [letter["record"]["log"] + "\n" for letter in letters]),
                         sorted(f"line {n}\n" for n in range(1000)))
        self.stop_router(router)

    def test_nothing_is_lost_when_the_router_is_killed(self):
        self.kinesis.create_stream(StreamName="events", ShardCount=1)
        config = self.config("""[OUTPUT]
    Name kinesis
    Match *
    stream events
    log_key log
""")
        self.fault(service="kinesis", latency_ms=30)
        self.fault(service="kinesis", action="partial", error="InternalFailure", share=0.3, rate=0.5)
        router = self.start_router(config, self.admin, self.environment())
        self.send(0, 1500)
        router.kill()
        router.wait()
        router = self.start_router(config, self.admin, self.environment())
        self.send(1500, 500)
        wait_for("all records", lambda: len(set(self.taken("kinesis", "events"))) == 2000, 120)
        self.stop_router(router)
        counts = collections.Counter(self.taken("kinesis", "events"))
        self.assertLessEqual(sum(count - 1 for count in counts.values()), 500, "at most one batch is repeated")


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""What the router wrote, queried by DuckDB as Athena would: hive partitions over NDJSON, gzip and zstd.

Needs `npm ci` in tests/system/readback (./dev test does it).
"""

import collections
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import BUCKET, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

DUCKDB = pathlib.Path(__file__).resolve().parent / "readback"
LEVELS = ["INFO", "INFO", "DEBUG", "WARNING", "INFO", "ERROR", "INFO", "CRITICAL"]
MESSAGE = "注文を受け付けました「優先」 \"quoted\" back\\slash\ttab\n二行目 🚚 \u2028"
UTC = datetime.timezone.utc


def record(number):
    return {"n": number, "level": LEVELS[number % len(LEVELS)], "message": f"{number}: {MESSAGE}",
            "big": 9007199254740993 + number, "negative": -number, "duration_ms": number / 8,
            "tiny": 1.5e-9, "cached": number % 3 == 0, "nothing": None if number else "seen once",
            "user": {"id": number, "name": "山田 太郎", "roles": ["admin", "運用"]}}


def stamp(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


class ReadBack(SystemTest):
    def send(self, port, first, moments):
        client = self.connect(port)
        frames = 0
        for start in range(0, len(moments), 500):
            entries = [entry(moment, {"container_name": "/backend", "source": "stdout",
                                      "log": json.dumps(record(first + start + i), ensure_ascii=False)})
                       for i, moment in enumerate(moments[start:start + 500])]
            client.send(packed_forward("backend-firelens-1", entries, new_ack_id()))
            frames += 1
        for _ in range(frames):
            client.wait_ack()
        client.close()

    def mirror(self):
        """The bucket as a directory, and its keys."""
        root, keys = self.directory / "mirror", []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", []):
                path = root / item["Key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                self.s3.download_file(BUCKET, item["Key"], str(path))
                keys.append(item["Key"])
        return root, keys

    def query(self, **queries):
        result = subprocess.run(["node", "query.js"], cwd=DUCKDB, input=json.dumps(queries), capture_output=True,
                                text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def check(self, pattern, sent):
        """`sent`: the time of each record by its number."""
        inferred = f"read_json('{pattern}', format='newline_delimited', hive_partitioning=true)"
        # As a table in Athena is declared: types by the reader, partitions as text.
        declared = (f"read_json('{pattern}', format='newline_delimited', hive_partitioning=true, "
                    "hive_types_autocast=false, columns={date: 'TIMESTAMP', level: 'VARCHAR', n: 'BIGINT', "
                    "message: 'VARCHAR', big: 'BIGINT', negative: 'BIGINT', duration_ms: 'DOUBLE', tiny: 'DOUBLE', "
                    "cached: 'BOOLEAN', nothing: 'VARCHAR', "
                    "\"user\": 'STRUCT(id BIGINT, name VARCHAR, roles VARCHAR[])', container_name: 'VARCHAR'})")
        answers = self.query(
            columns=f"DESCRIBE SELECT * FROM {inferred}",
            total=f"""SELECT count(*) AS records, count(DISTINCT n) AS numbers, min(n) AS low, max(n) AS high
                      FROM {declared}""",
            levels=f"SELECT level, count(*) AS records FROM {declared} GROUP BY level",
            partitions=f"SELECT year, month, day, hour, count(*) AS records FROM {declared} GROUP BY ALL",
            elsewhere="SELECT n, date, year, month, day, hour FROM " + declared +
                      " WHERE strftime(date, '%Y-%m-%d-%H') <> concat_ws('-', year, month, day, hour)",
            changed=f"""SELECT n FROM {declared} WHERE big <> 9007199254740993 + n OR negative <> -n
                        OR duration_ms <> n / 8.0 OR tiny <> 1.5e-9 OR cached <> (n % 3 = 0)
                        OR (nothing IS NULL) <> (n > 0) OR "user".id <> n OR "user".name <> '山田 太郎'
                        OR "user".roles <> ['admin', '運用'] OR container_name <> '/backend'""",
            times=f"SELECT n, date FROM {declared}",
            messages=f"SELECT message FROM {declared} WHERE n = 7",
            japanese=f"SELECT count(*) AS records FROM {declared} WHERE message LIKE '%受け付けました「優先」%'",
            errors_of_an_hour=f"""SELECT hour, count(*) AS records FROM {declared}
                                  WHERE level IN ('ERROR', 'CRITICAL') GROUP BY hour""")
        columns = [(column["column_name"], column["column_type"]) for column in answers["columns"]]
        self.assertEqual(columns[0], ("date", "TIMESTAMP"), "date is the first column, and a time")
        for wanted in (("n", "BIGINT"), ("big", "BIGINT"), ("duration_ms", "DOUBLE"), ("cached", "BOOLEAN"),
                       ("level", "VARCHAR"), ("user", "STRUCT(id BIGINT, \"name\" VARCHAR, roles VARCHAR[])")):
            self.assertIn(wanted, columns, "types intact")
        count = len(sent)
        self.assertEqual(answers["total"], [{"records": str(count), "numbers": str(count), "low": "0",
                                             "high": str(count - 1)}], "nothing lost, nothing twice")
        wanted = collections.Counter(record(number)["level"] for number in sent)
        self.assertEqual({row["level"]: int(row["records"]) for row in answers["levels"]}, wanted)
        wanted = collections.Counter(moment.strftime("%Y-%m-%d-%H") for moment in sent.values())
        self.assertEqual({"-".join((row["year"], row["month"], row["day"], row["hour"])): int(row["records"])
                          for row in answers["partitions"]}, wanted)
        self.assertEqual(answers["elsewhere"], [], "records in the partition of another hour")
        self.assertEqual(answers["changed"], [], "values changed")
        times = {int(row["n"]): row["date"] for row in answers["times"]}
        for number, moment in sent.items():
            got = datetime.datetime.fromisoformat(times[number]).replace(tzinfo=UTC)
            self.assertLess(abs(got - moment), datetime.timedelta(microseconds=2), (number, times[number], moment))
        self.assertEqual(answers["messages"], [{"message": f"7: {MESSAGE}"}])
        self.assertEqual(answers["japanese"], [{"records": str(count)}])
        wanted = collections.Counter(moment.strftime("%H") for number, moment in sent.items()
                                     if record(number)["level"] in ("ERROR", "CRITICAL"))
        self.assertEqual({row["hour"]: int(row["records"]) for row in answers["errors_of_an_hour"]}, wanted)

    def test_the_specified_layout(self):
        self.start_aws()
        port, admin = free_port(), free_port()
        router = self.start_router(self.specified_config(port, admin), admin)
        # Yesterday around 10:00, and around the midnight after it; every 7 ms, across each border, out of order too.
        day = datetime.datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - datetime.timedelta(days=1)
        moments = []
        for border in (day + datetime.timedelta(hours=10), day + datetime.timedelta(days=1)):
            moments += [border + datetime.timedelta(milliseconds=7 * i, microseconds=123) for i in range(-600, 600)]
            moments += [border, border - datetime.timedelta(microseconds=1), border + datetime.timedelta(seconds=1)]
        moments.sort(key=lambda moment: moment.microsecond % 997)  # as threads and clocks mix them
        sent = dict(enumerate(moments))
        half = len(moments) // 2
        self.send(port, 0, [moment.timestamp() for moment in moments[:half]])
        fetch(f"http://127.0.0.1:{admin}/api/v1/deliver", b"")
        wait_for("the first objects", lambda: len(self.s3_records()) == half)
        self.send(port, half, [moment.timestamp() for moment in moments[half:]])
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        root, keys = self.mirror()
        for key in keys:
            self.assertRegex(key, r"^logs/year=\d{4}/month=\d\d/day=\d\d/hour=\d\d/\d{6}-[0-9a-v]{16}\.gz$")
        self.assertEqual(len({key.rsplit("/", 1)[0] for key in keys}), 4)
        self.check(f"{root}/logs/**/*.gz", sent)

    def test_zstd_across_a_year(self):
        self.start_aws()
        port, admin = free_port(), free_port()
        config = self.directory / "s3.conf"
        config.write_text(f"""[SERVICE]
    HTTP_Port {admin}
[INPUT]
    Name forward
    Port {port}
[FILTER]
    Name parser
    Match *
    Key_Name log
    Parser json
    Reserve_Data On
[OUTPUT]
    Name s3
    Match *
    bucket {BUCKET}
    s3_key_format /logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.json.zst
    compression zstd
    total_file_size 50K
    store_dir {self.directory}/s3
""")
        router = self.start_router(config, admin)
        border = datetime.datetime(2026, 1, 1, tzinfo=UTC)
        moments = [border + datetime.timedelta(milliseconds=i) for i in range(-4000, 4000)]
        self.send(port, 0, [moment.timestamp() for moment in moments])
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        root, keys = self.mirror()
        self.assertGreater(len(keys), 2, "several objects in a partition")
        self.assertEqual({key.rsplit("/", 1)[0] for key in keys}, {"logs/year=2025/month=12/day=31/hour=23",
                                                                   "logs/year=2026/month=01/day=01/hour=00"})
        self.check(f"{root}/logs/**/*.zst", dict(enumerate(moments)))


if __name__ == "__main__":
    if not (DUCKDB / "node_modules").is_dir():
        sys.exit(f"run `npm ci` in {DUCKDB} first (./dev test does)")
    run_tests()

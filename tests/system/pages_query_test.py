#!/usr/bin/python3
"""The queries of docs/query.md on what noroshi wrote: each answer shown is the answer.

Two hours of the example backend's lines go through the router into S3 and CloudWatch Logs (noroshi-localaws); DuckDB, with
the table that the CDK app declares, is asked in Athena's place. `--write` puts the answers into the page.
Needs `npm ci` in tests/system/readback (./dev test does it).
"""

import datetime
import json
import os
import pathlib
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
import msgpack
from harness import BUCKET, ROOT, SystemTest, free_port, new_ack_id, packed_forward, run_tests

DUCKDB = pathlib.Path(__file__).resolve().parent / "readback"
PAGE = ROOT / "docs/query.md"
START = datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc)
REQUESTS, SECONDS_BETWEEN = 1200, 6

# What Athena has and DuckDB does not; docs/query.md says so.
MACROS = {
    "from_iso8601_timestamp": "CREATE MACRO from_iso8601_timestamp(text) AS CAST(replace(text, 'Z', '') AS TIMESTAMP)",
    "approx_percentile": "CREATE MACRO approx_percentile(value, share) AS quantile_disc(value, share)",
}
# Logs Insights has no twin to run here: each of its queries whose answer is shown, in SQL over the events.
INSIGHTS = {
    "stats count(*) as errors, latest(@timestamp) as last by message\n| sort errors desc\n| limit 50":
        "SELECT count(*) AS errors, max(moment) AS last, message FROM events GROUP BY message ORDER BY errors DESC, message LIMIT 50",
}


def requests():
    """(number, method, path, status, level, milliseconds) of each request, the same at every run."""
    for number in range(REQUESTS):
        method, path, status = "GET", f"/items/{1 + number % 3}", 200
        if number % 200 == 100:
            path, status = "/crash", 500
        elif 700 <= number < 760 and number % 4 == 0:  # six minutes of trouble after 01:10
            path, status = "/payment", 502
        elif number % 10 == 7:
            method, path = "POST", "/orders"
        elif number % 10 == 8:
            path, status = "/items/9", 404
        level = "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"
        yield number, method, path, status, level, 2 + number % 17 + (900 if status == 502 else 40 if path == "/orders" else 0)


def lines():
    """(time, task, line) of all that the application writes."""
    for number, method, path, status, level, milliseconds in requests():
        moment = START + datetime.timedelta(seconds=SECONDS_BETWEEN * number)
        task = number % 2
        request = {"logger": "backend", "request_id": f"r-{number:04}"}

        def line(after, level, message, **fields):
            at = moment + datetime.timedelta(milliseconds=after)
            return at, task, json.dumps({"timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "level": level,
                                         "message": message, **request, **fields})
        if status == 500:
            yield line(milliseconds - 1, "CRITICAL", "unhandled exception", exception="ZeroDivisionError: division by zero")
        yield line(milliseconds, level, f"{method} {path}", path=path, status=status, duration_ms=milliseconds / 1)
        if number % 10 == 0:
            yield moment + datetime.timedelta(milliseconds=milliseconds + 1), task, f'INFO:     10.0.1.23:41234 - "{method} {path} HTTP/1.1" {status}'


def entry(moment, record):
    """With its exact time: a float of this size is off by a microsecond."""
    since = moment - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return msgpack.packb([msgpack.ExtType(0, struct.pack(">II", since.days * 86400 + since.seconds, since.microseconds * 1000)), record])


def columns():
    """The declared table: its columns by type, as the CDK app has them."""
    archive = (ROOT / "cdk/packages/firelens-router/src/log-archive.ts").read_text()
    own = re.search(r"const COLUMNS.*?= \{(.*?)\n\};", archive, re.S)[1]
    stack = (ROOT / "cdk/lib/stacks/monitoring-stack.ts").read_text()
    found = dict(re.findall(r"(\w+): \['(\w+)'", own)) | dict(re.findall(r"(\w+): '(\w+)'", re.search(r"columns: \{(.*?)\}", stack)[1]))
    types = {"string": "VARCHAR", "int": "INTEGER", "double": "DOUBLE"}
    return ", ".join(f"{name}: '{types[kind]}'" for name, kind in found.items())


def table(rows, query):
    """As text: columns aligned, numbers to the right."""
    if not rows:
        return "(no rows)"
    names = list(rows[0])
    cells = [[("" if row[name] is None else str(row[name])) for name in names] for row in rows]
    numeric = [all(re.fullmatch(r"-?[\d.]+|", line[i]) for line in cells) for i in range(len(names))]
    widths = [max(len(names[i]), *(len(line[i]) for line in cells)) for i in range(len(names))]
    def render(line):
        return "  ".join(text.rjust(width) if right else text.ljust(width)
                         for text, width, right in zip(line, widths, numeric)).rstrip()
    return "\n".join([render(names), *map(render, cells)])


class Pages(SystemTest):
    def deliver_everything(self):
        self.start_aws()
        port, admin = free_port(), free_port()
        router = self.start_router(self.specified_config(port, admin), admin)
        client = self.connect(port)
        sent = list(lines())
        for task in (0, 1):
            entries = [entry(moment, {
                "container_name": "/backend", "source": "stdout", "log": line, "ecs_cluster": "backend",
                "ecs_task_arn": f"arn:aws:ecs:ap-northeast-1:123456789012:task/backend/{task}"}) for moment, at, line in sent if at == task]
            client.send(packed_forward(f"backend-firelens-{task}", entries, new_ack_id()))
            client.wait_ack()
        client.close()
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.assertEqual(len(self.s3_records()), len(sent))
        root = self.directory / "mirror"
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", []):
                path = root / item["Key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                self.s3.download_file(BUCKET, item["Key"], str(path))
        return root, sent

    def ask(self, root, queries):
        setup = {**{f"macro {name}": sql for name, sql in MACROS.items()},
                 # In Athena, as in most databases, an integer divided by an integer is one.
                 "division": "SET integer_division = true",
                 "schema": "CREATE SCHEMA backend_logs",
                 "view": "CREATE VIEW backend_logs.records AS SELECT * FROM "
                         f"read_json('{root}/logs/**/*.gz', format='newline_delimited', hive_partitioning=true, "
                         "hive_types={year: INTEGER, month: INTEGER, day: INTEGER, hour: INTEGER}, "
                         f"columns={{{columns()}}})",
                 "events": f"CREATE VIEW events AS SELECT * FROM read_json('{root}/events.json', format='newline_delimited', "
                           "columns={moment: 'VARCHAR', message: 'VARCHAR'})"}
        result = subprocess.run(["node", "query.js"], cwd=DUCKDB, input=json.dumps({**setup, **queries}), capture_output=True,
                                text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def write_events(self, root, sent):
        """What CloudWatch Logs holds. What its clock refuses (14 days back, 2 hours ahead) is asked of S3: the same records."""
        events = [(event["timestamp"], json.loads(event["message"])["message"]) for event in self.log_events()]
        errors = sorted((round(moment.timestamp() * 1000), json.loads(line)["message"]) for moment, _, line in sent
                        if line.startswith("{") and json.loads(line)["level"] in ("ERROR", "CRITICAL"))
        now = datetime.datetime.now(datetime.timezone.utc)
        if now - datetime.timedelta(days=13) < START < now:
            self.assertEqual(sorted(events), errors, "every error, once")
        with open(root / "events.json", "w") as file:
            for moment, message in errors:
                when = datetime.datetime.fromtimestamp(moment / 1000, datetime.timezone.utc).isoformat(" ", "milliseconds")[:-6]
                file.write(json.dumps({"moment": when, "message": message}) + "\n")

    def test_answers(self):
        root, sent = self.deliver_everything()
        self.write_events(root, sent)
        text = PAGE.read_text()
        pattern = re.compile(r"^```(sql|insights)\n([^`]*?)\n```\n\n```text\n(.*?)```$", re.S | re.M)
        shown = [(kind, query, answer) for kind, query, answer in pattern.findall(text)]
        self.assertGreaterEqual(len(shown), 7)
        self.assertEqual(len([kind for kind, *_ in shown if kind == "sql"]), text.count("```sql\n"), "every SQL has its answer")
        def runnable(kind, query):
            return query if kind == "sql" else INSIGHTS[query.split("\n", 1)[1]]
        answers = self.ask(root, {f"answer {i}": runnable(kind, query) for i, (kind, query, _) in enumerate(shown)})
        if os.environ.get("NOROSHI_WRITE_PAGES"):
            made = iter([table(answers[f"answer {i}"], query) for i, (_, query, _) in enumerate(shown)])
            PAGE.write_text(pattern.sub(lambda m: f"```{m[1]}\n{m[2]}\n```\n\n```text\n{next(made)}\n```", text))
            return
        self.maxDiff = None
        for i, (_, query, answer) in enumerate(shown):
            with self.subTest(query=query):
                self.assertEqual(table(answers[f"answer {i}"], query), answer.rstrip("\n"))
        claimed = re.search(r"([\d,]+) requests of two tasks, ([\d,]+) lines", text)
        self.assertEqual([int(number.replace(",", "")) for number in claimed.groups()], [REQUESTS, len(sent)])


if __name__ == "__main__":
    if not (DUCKDB / "node_modules").is_dir():
        sys.exit(f"run `npm ci` in {DUCKDB} first (./dev test does)")
    if sys.argv[1:] == ["--write"]:
        os.environ["NOROSHI_WRITE_PAGES"] = "1"
        del sys.argv[1:]
    run_tests()

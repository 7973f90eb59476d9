#!/usr/bin/python3
"""Tracebacks of a real uvicorn and a real FastAPI application, sent line by line as Docker's fluentd driver sends them,
become one record each with the one-word option `multiline.parser python`, and reach CloudWatch Logs whole.
"""

import json
import os
import subprocess
import sys
import textwrap
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import SystemTest, event_time, fetch, free_port, run_tests, wait_for

import msgpack

APPLICATION = textwrap.dedent("""
    import json, sys
    from fastapi import FastAPI

    app = FastAPI()

    def log_json(level, message):
        print(json.dumps({"level": level, "message": message}), file=sys.stderr, flush=True)

    @app.get("/value")
    def value():
        log_json("INFO", "before the error")
        raise ValueError("one line")

    @app.get("/chained")
    def chained():
        try:
            {}["missing"]
        except KeyError as error:
            try:
                raise RuntimeError("while handling\\n  a text of two lines")
            except RuntimeError as second:
                raise OSError(5, "at the end") from second

    @app.get("/group")
    def group():
        def failed(error):
            try:
                raise error
            except Exception as caught:
                return caught
        raise ExceptionGroup("two things", [failed(ValueError("one")), failed(TypeError("two"))])

    @app.get("/bare")
    def bare():
        assert False

    @app.get("/fine")
    def fine():
        log_json("INFO", "all is fine")
        return {}
""")

CONFIG = """
[SERVICE]
    HTTP_Port {admin}
    Flush     1
[INPUT]
    Name   forward
    Listen 127.0.0.1
    Port   {port}
[FILTER]
    Name              multiline
    Match             *
    multiline.parser  python
[FILTER]
    Name          parser
    Match         *
    Key_Name      log
    Parser        json
    Reserve_Data  On
[OUTPUT]
    Name              cloudwatch_logs
    Match             *
    Grep              level ERROR,CRITICAL,FATAL
    region            ap-northeast-1
    log_group_name    /errors
    log_stream_prefix app/
    auto_create_group On
    log_key           log
[OUTPUT]
    Name              cloudwatch_logs
    Match             *
    region            ap-northeast-1
    log_group_name    /all
    log_stream_prefix app/
    auto_create_group On
    log_key           log
"""


class Tracebacks(SystemTest):
    def start_application(self):
        (self.directory / "main.py").write_text(APPLICATION)
        self.application_port = free_port()
        application = subprocess.Popen(
            ["/usr/bin/python3", "-m", "uvicorn", "main:app", "--port", str(self.application_port)],
            cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        application.name = "uvicorn"
        self.processes.append(application)
        self.written = {"stdout": [], "stderr": []}
        self.readers = [threading.Thread(target=self.copy, args=(name, getattr(application, name)))
                        for name in self.written]
        for reader in self.readers:
            reader.start()
        wait_for("uvicorn", lambda: fetch(f"http://127.0.0.1:{self.application_port}/fine")[0] == 200)
        return application

    def copy(self, name, stream):
        """What Docker's copier does: a record for each line, as it comes."""
        with stream:
            for line in stream:
                line = line.decode().rstrip("\n")
                self.written[name].append(line)
                self.client.send(msgpack.packb(
                    ["backend-firelens-1", event_time(time.time()),
                     {"container_id": "0" * 64, "container_name": "/backend", "source": name, "log": line}, {}]))

    def get(self, path):
        return fetch(f"http://127.0.0.1:{self.application_port}{path}")[0]

    def test_each_traceback_is_one_error_record(self):
        self.start_aws()
        port, admin = free_port(), free_port()
        config = self.directory / "fluent-bit.conf"
        config.write_text(CONFIG.format(port=port, admin=admin))
        router = self.start_router(config, admin)
        self.client = self.connect(port)
        application = self.start_application()
        paths = ["/value", "/chained", "/group", "/bare"]
        for path in paths:
            self.assertEqual(self.get(path), 500)
            self.assertEqual(self.get("/fine"), 200)
        application.terminate()
        application.wait(20)
        for reader in self.readers:
            reader.join(20)
        self.client.close()
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)

        errors = [event["message"] for event in self.log_events("/errors")]
        self.assertEqual(len(errors), len(paths), "one record for each:\n" + "\n=====\n".join(errors))
        for error, path, end in zip(errors, paths, ["ValueError: one line", "OSError: [Errno 5] at the end",
                                                    "+------------------------------------", "AssertionError"]):
            self.assertTrue(error.startswith("ERROR:    Exception in ASGI application\n"), error[:200])
            self.assertTrue(error.endswith(end), f"{path}: …{error[-200:]}")
        self.assertIn("Traceback (most recent call last):", errors[0])
        self.assertIn("KeyError: 'missing'", errors[1])
        self.assertIn("RuntimeError: while handling\n  a text of two lines\n\nThe above exception was the direct cause",
                      errors[1])
        self.assertIn("| ValueError: one\n", errors[2])
        self.assertIn("| TypeError: two\n", errors[2])

        # Everything the application wrote is there, line for line; nothing else is.
        everything = []
        for event in self.log_events("/all"):
            message = event["message"]
            if not message.startswith("{"):
                everything += [line for line in message.split("\n") if line]
        plain = [line for lines in self.written.values() for line in lines if line and not line.startswith("{")]
        self.assertEqual(sorted(everything), sorted(plain))
        records = [json.loads(event["message"]) for event in self.log_events("/all")
                   if event["message"].startswith("{")]
        self.assertEqual([record["message"] for record in records].count("before the error"), 1)
        self.assertTrue(all(record["level"] == "INFO" for record in records), "JSON lines stay their own records")
        tracebacks = sum(line == "ERROR:    Exception in ASGI application" for line in self.written["stderr"])
        self.assertEqual(tracebacks, len(paths), "uvicorn wrote what this test is about")


if __name__ == "__main__":
    run_tests()

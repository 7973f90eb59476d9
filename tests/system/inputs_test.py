"""Inputs with the clients people really use: logger(1), curl, busybox nc; and files under kill -9 and rotation.

NOROSHI_BIN_DIR says where the programs are.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from harness import PATIENCE, SystemTest, fetch, free_port, run_tests, wait_for


def sections(*each):
    return "".join("[%s]\n%s" % (kind, "".join(f"    {key} {value}\n" for key, value in options))
                   for kind, options in each)


class Inputs(SystemTest):
    def start(self, *inputs, environment=None):
        self.output = self.directory / "out"
        self.output.mkdir(exist_ok=True)
        config, admin = self.directory / "inputs.conf", free_port()
        config.write_text(sections(
            ("SERVICE", [("HTTP_Port", admin), ("Flush", "0.2"), ("storage.path", self.directory / "state")]),
            *[("INPUT", list(options.items())) for options in inputs],
            ("OUTPUT", [("Name", "file"), ("Match", "*"), ("Path", self.output), ("File", "all"),
                        ("Format", "plain")])))
        process = self.spawn("router", [os.path.join(os.environ.get("NOROSHI_BIN_DIR", "build/release/bin"), "noroshi"),
                                        "-c", config], environment)
        wait_for("the router's start", lambda: self.alive(process) and fetch(
            f"http://127.0.0.1:{admin}/api/v1/uptime")[0] == 200)
        time.sleep(0.1)  # inputs start at about the same time
        return process

    def records(self):
        path = self.output / "all"
        if not path.exists():
            return []
        # The last line may be half written while we look.
        return [json.loads(line) for line in path.read_text().split("\n")[:-1]]

    def wait_for_record(self, **fields):
        return wait_for(f"a record with {fields}", lambda: next(
            (r for r in self.records() if all(fields[key] in str(r.get(key)) for key in fields)), None), 15)

    def run_client(self, *command, **arguments):
        return subprocess.run([str(part) for part in command], timeout=20 * PATIENCE, check=True,
                              capture_output=True, **arguments)


class RealClients(Inputs):
    def test_logger_over_every_socket(self):
        tcp, udp, path = free_port(), free_port(), self.directory / "syslog.sock"
        self.start({"Name": "syslog", "Mode": "tcp", "Listen": "127.0.0.1", "Port": tcp},
                   {"Name": "syslog", "Mode": "udp", "Listen": "127.0.0.1", "Port": udp},
                   {"Name": "syslog", "Path": path})
        logger = ["logger", "--server", "127.0.0.1", "--port"]
        self.run_client(*logger, tcp, "--tcp", "--rfc5424", "--tag", "shop", "five over tcp")
        self.run_client(*logger, tcp, "--tcp", "--octet-count", "counted over tcp")
        self.run_client(*logger, tcp, "--tcp", "--rfc3164", "three over tcp")
        self.run_client(*logger, udp, "--udp", "--rfc5424", "five over udp")
        self.run_client(*logger, udp, "--udp", "--rfc3164", "three over udp")
        self.run_client("logger", "--socket", path, "--tag", "local", "over a unix socket")
        record = self.wait_for_record(message="five over tcp")
        self.assertEqual(record["ident"], "shop")
        self.assertEqual(record["pri"], "13")
        for text in ("counted over tcp", "three over tcp", "five over udp", "three over udp"):
            self.wait_for_record(message=text)
        self.assertEqual(self.wait_for_record(message="over a unix socket")["ident"], "local")

    def test_curl_gets_its_answer_and_the_record_is_there(self):
        http, otlp = free_port(), free_port()
        self.start({"Name": "http", "Listen": "127.0.0.1", "Port": http},
                   {"Name": "opentelemetry", "Listen": "127.0.0.1", "Port": otlp})
        curl = ["curl", "--silent", "--show-error", "--write-out", "%{http_code}", "--header",
                "Content-Type: application/json", "--data-binary", "@-"]
        body = json.dumps([{"message": "by curl", "n": n} for n in range(1000)]).encode()
        answer = self.run_client(*curl, f"http://127.0.0.1:{http}/app.log", input=body)
        self.assertEqual(answer.stdout, b"201")
        wait_for("all records", lambda: len(self.records()) == 1000)
        answer = self.run_client(*curl, f"http://127.0.0.1:{http}/", input=b'{"cut":')
        self.assertTrue(answer.stdout.endswith(b"400"), answer.stdout)
        # Larger than what curl sends without asking first (Expect: 100-continue).
        large = json.dumps({"message": "x" * 3_000_000}).encode()
        self.assertEqual(self.run_client(*curl, f"http://127.0.0.1:{http}/", input=large).stdout, b"201")
        logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "by otlp"}}]}]}]}
        answer = self.run_client(*curl, f"http://127.0.0.1:{otlp}/v1/logs", input=json.dumps(logs).encode())
        self.assertEqual(answer.stdout, b"{}200")
        self.wait_for_record(log="by otlp")

    @unittest.skipUnless(shutil.which("busybox"), "busybox is not installed")
    def test_nc_does_not_hang(self):
        # Health check C of aws-for-fluent-bit: echo … | nc 127.0.0.1 8877 || exit 1
        port = free_port()
        self.start({"Name": "tcp", "Listen": "127.0.0.1", "Port": port})
        started = time.monotonic()
        self.run_client("busybox", "nc", "127.0.0.1", port, input=b'{"health check": "nc"}\n')
        self.assertLess(time.monotonic() - started, 2 * PATIENCE)
        self.wait_for_record(**{"health check": "nc"})


class Files(Inputs):
    """A writer that rotates its file while the router is killed again and again: every line arrives."""

    def test_rotation_under_kill(self):
        seed = random.randrange(1 << 32)
        choose = random.Random(seed)
        logs = self.directory / "logs"
        logs.mkdir()
        tail = {"Name": "tail", "Path": logs / "app.log", "Read_from_Head": "on", "Rotate_Wait": "2s"}
        path, number = logs / "app.log", 0
        path.touch()
        process = self.start(tail)
        for round_ in range(12):
            for _ in range(choose.randrange(1, 5)):
                with open(path, "a") as log:
                    for _ in range(choose.randrange(1, 400)):
                        log.write(f"line {number}\n")
                        number += 1
                time.sleep(choose.random() / 20)
            if choose.random() < 0.4:
                process.send_signal(signal.SIGKILL)
                process.wait()
                if choose.random() < 0.5:  # rotated while nobody looks
                    path.rename(logs / f"app.log.{round_}")
                    path.touch()
                process = self.start(tail)
            elif choose.random() < 0.5:
                path.rename(logs / f"app.log.{round_}")
                path.touch()
                time.sleep(0.3)  # a file that is made and gone within one look cannot be seen
        expected = {f"line {n}" for n in range(number)}
        seen = lambda: {record["log"] for record in self.records()}
        try:
            wait_for("every line", lambda: seen() >= expected, 20)
        except AssertionError:
            self.fail(f"seed {seed}: missing {sorted(expected - seen())[:10]}\n{self.log_of('router')[-3000:]}")
        self.assertEqual(seen(), expected)


if __name__ == "__main__":
    run_tests()

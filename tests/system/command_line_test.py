#!/usr/bin/python3
"""Called as `fluent-bit`, with Fluent Bit's flags, texts and exit statuses (docs of 5.1, fluent-bit.c)."""

import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import BIN, SystemTest, fetch, free_port, run_tests, wait_for

DUMMY = "[INPUT]\n    Name dummy\n    Samples 1\n    Tag app\n"
NULL = "[OUTPUT]\n    Name null\n    Match *\n"


class CommandLine(SystemTest):
    def setUp(self):
        super().setUp()
        self.program = self.directory / "fluent-bit"
        self.program.symlink_to(BIN / "noroshi")

    def run_it(self, *flags, config=None, environment=None, seconds=30):
        if config is not None:
            path = self.directory / "fluent-bit.conf"
            path.write_text(config)
            flags = ("-c", path, *flags)
        done = subprocess.run([self.program, *map(str, flags)], capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, cwd=self.directory,
                              env={**os.environ, **self.router_environment(), **(environment or {})})
        self.assertNotIn("accounting differs", done.stderr)
        return done

    def records(self, result):
        return [json.loads(line[line.index("{"):]) for line in result.stdout.splitlines() if "{" in line]

    def test_a_pipeline_without_a_file(self):
        result = self.run_it("-P", free_port(), "-i", "dummy", "-p", 'dummy={"level": "ERROR", "who": "${WHO}"}', "-p",
                             "samples=2", "-t", "app", "-F", "grep", "-m", "*", "-p", "regex=level ERROR",
                             "-F", "record_modifier", "-m", "app", "-p", "record=host a", "-o", "stdout", "-p",
                             "format=json_lines", "-m", "*", environment={"WHO": "me"})
        self.assertEqual(result.returncode, 0, result.stderr)
        records = self.records(result)
        self.assertEqual(len(records), 2, result.stdout)
        for record in records:
            record.pop("date")
            self.assertEqual(record, {"level": "ERROR", "who": "me", "host": "a"})

    def test_flags_add_to_a_file_and_win_over_it(self):
        admin = free_port()
        result = self.run_it("-P", admin, "-F", "record_modifier", "-m", "*", "-p", "record=from flags", "-o", "stdout",
                             "-m", "*", "-p", "format=json_lines",
                             config="[SERVICE]\n    HTTP_Port 1\n" + DUMMY)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.records(result)[0]["from"], "flags")
        self.assertIn(f"listening on port {admin}", result.stderr)

    def test_the_dry_run(self):
        good = self.run_it("--dry-run", config=DUMMY + NULL)
        self.assertEqual((good.returncode, "configuration test is successful" in good.stderr), (0, True))
        # What Fluent Bit lets pass and then fails on.
        for name, text in {"a bad regex": DUMMY + "[FILTER]\n    Name grep\n    Match *\n    Regex log [a-\n" + NULL,
                           "no parser": DUMMY + "[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n"
                                                "    Parser missing\n" + NULL,
                           "an unknown option": DUMMY + NULL + "    nonsense 1\n"}.items():
            with self.subTest(name):
                bad = self.run_it("-D", config=text)
                self.assertEqual((bad.returncode, "successful" in bad.stderr), (1, False), bad.stderr)

    def test_exit_statuses_are_fluent_bits(self):
        port = free_port()
        busy = self.start_router_on(port)
        for status, config in {
            255: [DUMMY + NULL + "    nonsense 1\n",
                  DUMMY + "[FILTER]\n    Name grep\n    Match *\n    Regex log [a-\n" + NULL,
                  f"[INPUT]\n    Name forward\n    Listen 127.0.0.1\n    Port {port}\n" + NULL],
            1: [DUMMY + "[OUTPUT]\n    Name nul\n    Match *\n", DUMMY + "[OUTPUT]\n    Match *\n", "nonsense\n"],
        }.items():
            for text in config:
                with self.subTest(text):
                    result = self.run_it("-P", free_port(), config=text)
                    self.assertEqual(result.returncode, status, result.stderr)
                    self.assertIn("configuration file contains errors, aborting.", result.stderr)
        self.assertEqual(self.run_it("-c", "/does/not/exist").returncode, 1)
        for mistake in (["--nonsense"], ["-c"], ["nonsense"], ["-p", "a=b"], ["-T", "SELECT"]):
            with self.subTest(mistake):
                result = self.run_it(*mistake)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertNotEqual(result.stderr, "")
        busy.send_signal(signal.SIGTERM)
        self.assertEqual(busy.wait(30), 0)

    def start_router_on(self, port):
        admin = free_port()
        path = self.directory / "busy.conf"
        path.write_text(f"[SERVICE]\n    HTTP_Port {admin}\n[INPUT]\n    Name forward\n    Listen 127.0.0.1\n"
                        f"    Port {port}\n" + NULL)
        return self.start_router(path, admin, {"NOROSHI_STORAGE_PATH": str(self.directory / "busy")})

    def test_go_plugins_of_aws_for_fluent_bit_are_accepted(self):
        flags = [word for name in ("firehose", "cloudwatch", "kinesis") for word in ("-e", f"/fluent-bit/{name}.so")]
        result = self.run_it(*flags, "-D", config=DUMMY + NULL)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("warning", result.stderr)
        result = self.run_it("-e", "/opt/mine.so", "-D", config=DUMMY + NULL)
        self.assertEqual((result.returncode, "/opt/mine.so" in result.stderr), (0, True))

    def test_version_and_help(self):
        for flag in ("-V", "--version"):
            result = self.run_it(flag)
            self.assertEqual(result.returncode, 0)
            self.assertRegex(result.stdout, r"^Fluent Bit v\d+\.\d+\.\d+\nnoroshi ")
        own = subprocess.run([BIN / "noroshi", "--version"], capture_output=True, text=True)
        self.assertRegex(own.stdout, r"^noroshi \d")
        result = self.run_it("-h")
        self.assertEqual(result.returncode, 0)
        for word in ("-c, --config=FILE", "check", "health", "journal"):
            self.assertIn(word, result.stdout)
        self.assertIn("total_file_size", self.run_it("-o", "s3", "-h").stdout)

    def test_verbosity(self):
        config = DUMMY + NULL
        quiet = self.run_it("-q", "-P", free_port(), config=config)
        self.assertEqual((quiet.returncode, quiet.stderr), (0, ""))
        environment = {"FLB_LOG_LEVEL": "error"}
        self.assertNotIn("[ info]", self.run_it("-P", free_port(), config=config, environment=environment).stderr)
        log = self.directory / "router.out"
        result = self.run_it("-P", free_port(), "-l", log, config=config)
        self.assertEqual((result.returncode, "[ info]" in result.stderr), (0, False))
        self.assertIn("[ info]", log.read_text())

    def test_in_the_background(self):
        admin, pid = free_port(), self.directory / "router.log"
        config = f"[SERVICE]\n    HTTP_Port {admin}\n[INPUT]\n    Name dummy\n    Tag app\n" + NULL
        result = self.run_it("-d", "-l", pid, config=config)
        self.assertEqual(result.returncode, 0, result.stderr)
        # Once the command is back it answers.
        self.assertEqual(fetch(f"http://127.0.0.1:{admin}/api/v1/health")[0], 200)
        process = int(pid.read_text().split(", pid ")[1].split()[0])
        self.addCleanup(lambda: os.path.exists(f"/proc/{process}") and os.kill(process, signal.SIGKILL))
        self.assertEqual(os.getsid(process), process)
        os.kill(process, signal.SIGTERM)
        stat = pathlib.Path(f"/proc/{process}/stat")
        wait_for("its end", lambda: not stat.exists() or stat.read_text().split()[2] == "Z")
        bad = self.run_it("-d", config=DUMMY + NULL + "    nonsense 1\n")
        self.assertEqual((bad.returncode, "nonsense" in bad.stderr), (255, True))

    def test_workdir_and_parsers(self):
        folder = self.directory / "etc"
        folder.mkdir()
        (folder / "p.conf").write_text("[PARSER]\n    Name mine\n    Format json\n")
        (folder / "c.conf").write_text(DUMMY + "[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n"
                                               "    Parser mine\n" + NULL)
        result = self.run_it("-w", folder, "-R", "p.conf", "-c", "c.conf", "-D")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.run_it("-w", folder, "-c", "c.conf", "-D").returncode, 1)


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""The tests' own promises: what is skipped shows, and every router's books are looked at, stopped by the test or not."""

import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from unittest import mock

import harness
from harness import SystemTest, run_tests, wait_for

# In the router's place: serves one metric, says a line at the end, or ends in another way.
FAKE_ROUTER = """#!/usr/bin/python3
import http.server, os, signal, sys
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'noroshi_output_unaccounted_records{{name="s3.1"}} {unaccounted}\\n')
    def log_message(self, *arguments): pass
def end(number, frame):
    print("{last_words}", flush=True)
    os._exit(0)
if not {deaf}:
    signal.signal(signal.SIGTERM, end)
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = http.server.HTTPServer(("127.0.0.1", 0), Metrics)
print("[2026/12/01 00:00:00.000] [ info] [admin] listening on port", server.server_port, flush=True)
server.serve_forever()
"""


class Skipping(unittest.TestCase):
    def run_program(self, body):
        program = (f"import sys, unittest\nsys.path.insert(0, {str(pathlib.Path(__file__).resolve().parent)!r})\n"
                   f"from reporting import run_tests\nclass T(unittest.TestCase):\n"
                   f"{textwrap.indent(textwrap.dedent(body), '    ')}\nrun_tests()\n")
        done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines()[-1] if done.stdout else done.stderr

    def test_everything_skipped_is_no_success(self):
        self.assertEqual(self.run_program("""
            def test_a(self): self.skipTest("no engine")
            def test_b(self): self.skipTest("no mount")
            """), (77, "2 tests, 2 skipped: no engine; no mount"))
        self.assertEqual(self.run_program("""
            @classmethod
            def setUpClass(cls): raise unittest.SkipTest("no class")
            def test_a(self): pass
            """), (77, "0 tests, 1 skipped: no class"))

    def test_some_skipped_are_named(self):
        self.assertEqual(self.run_program("""
            def test_a(self): self.skipTest("no engine")
            def test_b(self): pass
            """), (0, "2 tests, 1 skipped: no engine"))
        self.assertEqual(self.run_program("""
            def test_a(self):
                with self.subTest("part"): self.skipTest("no part")
            """), (0, "1 tests, 1 skipped: no part"))

    def test_failures_and_nothing_at_all_fail(self):
        self.assertEqual(self.run_program("""
            def test_a(self): self.skipTest("no engine")
            def test_b(self): self.fail()
            """), (1, "2 tests, 1 failed, 1 skipped: no engine"))
        self.assertEqual(self.run_program("pass"), (1, "0 tests, 0 skipped"))
        self.assertEqual(self.run_program("""
            @unittest.expectedFailure
            def test_a(self): pass
            """), (1, "1 tests, 1 failed, 0 skipped"))


class Books(unittest.TestCase):
    def failures_with(self, act=lambda test, router: None, unaccounted=0, last_words="bye", deaf=False):
        """What a test that starts such a router and does `act` with it is told at its end."""
        class Inner(SystemTest):
            def test(inner):
                router = inner.spawn("router", [harness.BIN / "noroshi", "-c", "some.conf"])
                wait_for("the fake router", lambda: "listening" in inner.log_of("router"))
                act(inner, router)

        with tempfile.TemporaryDirectory() as directory, mock.patch.object(harness, "BIN", pathlib.Path(directory)), \
                mock.patch.object(harness, "SECONDS_TO_END", 1):
            program = pathlib.Path(directory) / "noroshi"
            program.write_text(FAKE_ROUTER.format(unaccounted=unaccounted, last_words=last_words, deaf=deaf))
            program.chmod(0o755)
            result = unittest.TestResult()
            Inner("test").run(result)
        self.assertEqual(result.testsRun, 1)
        return "".join(text for _, text in result.failures + result.errors)

    def test_a_good_router(self):
        self.assertEqual(self.failures_with(), "")
        self.assertEqual(self.failures_with(lambda test, router: test.assertEqual(test.stop_router(router), (0, "bye"))), "")

    def test_unaccounted_records(self):
        self.assertIn("unaccounted_records", self.failures_with(unaccounted=3))
        self.assertIn("unaccounted_records", self.failures_with(lambda test, router: test.stop_router(router), unaccounted=3))

    def test_what_it_says_at_its_end(self):
        differs = "[error] [output:s3.1] accounting differs: 0 recovered + 7 routed"
        self.assertIn("accounting differs", self.failures_with(last_words=differs))
        self.assertIn("accounting differs", self.failures_with(
            lambda test, router: test.stop_router(router), last_words=differs))
        # Stopped without the harness, and started again.
        self.assertIn("accounting differs", self.failures_with(
            lambda test, router: (router.send_signal(signal.SIGTERM), router.wait(10)), last_words=differs))

    def test_how_it_ends(self):
        self.assertEqual(self.failures_with(lambda test, router: (router.kill(), router.wait())), "")
        self.assertIn("died of signal 11", self.failures_with(
            lambda test, router: (router.send_signal(signal.SIGSEGV), router.wait())))
        self.assertIn("after a second SIGTERM", self.failures_with(deaf=True))


if __name__ == "__main__":
    run_tests()

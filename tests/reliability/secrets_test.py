#!/usr/bin/python3
"""Secrets are never printed: configurations full of marked ones go through check, run, the HTTP API and the log."""

import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from harness import BIN, SystemTest, fetch, free_port, run_tests, wait_for

MARK = "XYZZY-marked-secret"  # every secret below begins with it
PATHS = ["/", "/api/v1/health", "/api/v2/health", "/api/v1/uptime", "/api/v1/metrics", "/api/v1/metrics/prometheus",
         "/api/v2/metrics", "/api/v2/metrics/prometheus", "/api/v1/storage", "/api/v1/plugins", "/api/v2/reload"]

GOOD = """
[SERVICE]
    Flush 1
    HTTP_Server On
    HTTP_Listen 127.0.0.1
    HTTP_Port {admin}
    Log_Level trace
    Hot_Reload On
    storage.path {state}
@SET WORD={mark}-set
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port {port}
    Shared_Key {mark}-input key with blanks
    Security.Users somebody {mark}-user
[INPUT]
    Name dummy
    Tag d
    Rate 20
[OUTPUT]
    Name forward
    Match *
    Host 127.0.0.1
    Port {closed}
    Shared_Key ${{KEY_OF_PEER}}
    Username me
    Password ${{WORD}}
[OUTPUT]
    Name forward
    Match *
    Host 127.0.0.1
    Port {peer}
    Shared_Key {mark}-wrong
    Username me
    Password {mark}-wrong-password
    Retry_Limit 1
"""

PEER = """
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port {peer}
    Shared_Key {mark}-of-the-peer
    Security.Users somebody {mark}-user-of-the-peer
[OUTPUT]
    Name null
    Match *
"""

# Each of these is refused, or warned of, at a line that holds a secret.
BAD = {
    "set twice": "    Shared_Key {mark}-1\n    Shared_Key {mark}-2\n    Port nonsense\n",
    "a typing mistake": "    Shared_Kye {mark}\n    Pasword {mark}\n    tls.key_paswd {mark}\n",
    "of another plugin": "    Splunk_Token {mark}\n    http_Passwd {mark}\n    apikey {mark}\n    license_key {mark}\n"
                         "    bearer_token {mark}\n    header Authorization Bearer {mark}\n",
    "in a variable": "    Shared_Key ${{KEY_OF_PEER}}${{UNSET_KEY}}\n    Port ${{KEY_OF_PEER}}\n    tls ${{KEY_OF_PEER}}\n",
    "unclosed": "    Password ${{KEY_OF_PEER\n    Password {mark}${{\n",
    "where another is meant": "    Port 1\n    Port http://me:{mark}@proxy:3128\n",
    "a user without key": "    Username me\n    Password {mark}\n    Shared_Key\n",
}
YAML = {
    "good": "      shared_key: {mark}\n",
    "block": "      shared_key: |\n        {mark}-1\n        {mark}-2\n      port: [1, 2]\n",
    "flow": "      net: {{shared_key: {mark}, port: x}}\n",
    "wrong shape": "      shared_key: [{mark}-1, {mark}-2]\n      password: {{is: {mark}}}\n",
    "syntax": "      shared_key: '{mark}\n",
    "indentation": "      shared_key: {mark}\n     password: {mark}\n",
    "duplicate": "      shared_key: {mark}-1\n      shared_key: {mark}-2\n",
}


class Secrets(SystemTest):
    def setUp(self):
        super().setUp()
        self.secret_environment = {"KEY_OF_PEER": f"{MARK}-of-the-environment", "API_TOKEN": f"{MARK}-token",
                                   "AWS_SECRET_ACCESS_KEY": f"{MARK}-aws", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                                   "NOROSHI_STORAGE_PATH": str(self.directory / "state")}

    def nothing_in(self, what, text):
        found = re.search(rf".*{MARK[:8]}.*", text)
        self.assertIsNone(found, f"{what} shows a secret: {found and found.group()}")

    def check(self, *arguments):
        done = subprocess.run([str(BIN / "noroshi"), *map(str, arguments)], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/bin:/bin", **self.secret_environment})
        return done.returncode, done.stdout + done.stderr

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def good_configuration(self):
        self.port, self.admin, self.peer = free_port(), free_port(), free_port()
        return self.write("good.conf", GOOD.format(mark=MARK, port=self.port, admin=self.admin, closed=free_port(),
                                                   peer=self.peer, state=self.directory / "state"))

    def test_check_of_a_good_configuration(self):
        status, text = self.check("check", "-c", self.good_configuration())
        self.assertEqual(status, 0, text)
        self.assertIn("effective pipeline", text)
        self.nothing_in("check", text)

    def test_check_of_bad_classic_configurations(self):
        for name, lines in BAD.items():
            with self.subTest(name):
                path = self.write("bad.conf", "[INPUT]\n    Name dummy\n[OUTPUT]\n    Name forward\n    Match *\n" +
                                  lines.format(mark=MARK) + "    Nonsense 1\n")
                status, text = self.check("check", "-c", path)
                self.assertEqual(status, 1, text)
                self.assertIn("bad.conf:", text)
                self.nothing_in(name, text)

    def test_check_of_yaml(self):
        for name, lines in YAML.items():
            with self.subTest(name):
                path = self.write("x.yaml", f"env:\n  my_token: {MARK}-env\npipeline:\n  inputs:\n    - name: dummy\n"
                                  "  outputs:\n    - name: forward\n      match: '*'\n      host: ${my_token}\n" +
                                  lines.format(mark=MARK))
                status, text = self.check("check", "-c", path)
                self.assertEqual(status, 1 if "error:" in text else 0, text)
                self.assertEqual("error:" in text, name not in ("good", "duplicate", "flow"), text)
                self.nothing_in(name, text)

    def test_check_of_a_command_line(self):
        status, text = self.check("check", "-i", "dummy", "-o", "forward", "-p", f"shared_key={MARK}", "-p",
                                  f"password={MARK}", "-p", "port=nonsense", "-p", f"apikey={MARK}")
        self.assertEqual(status, 1, text)
        self.nothing_in("the command line", text)

    def test_log_and_http_api_of_a_run(self):
        config = self.good_configuration()
        peer = self.spawn("peer", [BIN / "noroshi", "-vv", "-c", self.write("peer.conf", PEER.format(
            mark=MARK, peer=self.peer))], {**self.secret_environment,
                                           "NOROSHI_STORAGE_PATH": str(self.directory / "peer-state")})
        router = self.spawn("router", [BIN / "noroshi", "-vv", "-c", config], self.secret_environment)
        base = f"http://127.0.0.1:{self.admin}"
        wait_for("outputs that are refused", lambda: self.alive(router) and self.alive(peer) and
                 all(f"[output:forward.{number}] attempt 2" in self.log_of("router") or
                     f"[output:forward.{number}] LOST" in self.log_of("router") for number in (0, 1)))
        for path in PATHS:
            self.nothing_in(path, fetch(base + path)[1].decode())
        config.write_text(config.read_text() + f"    Shared_Kye {MARK}\n    Workers nonsense\n")
        status, body = fetch(f"{base}/api/v2/reload", b"", "POST")
        self.nothing_in(f"the answer to a reload ({status})", body.decode())
        wait_for("the refused reload", lambda: "the old one runs on" in self.log_of("router"))
        router.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        router.send_signal(signal.SIGTERM)
        router.wait(60)
        self.assertIn("Shared_Kye", self.log_of("router"))
        self.nothing_in("the log", self.log_of("router"))
        self.nothing_in("the peer's log", self.log_of("peer"))

    def dumps_core(self, environment):
        """Whether a router that crashes leaves a core file, where the user's limits allow one."""
        config = self.write("crash.conf", f"[SERVICE]\n    HTTP_Port {free_port()}\n[INPUT]\n    Name dummy\n"
                            "[OUTPUT]\n    Name null\n    Match *\n")
        place = self.directory / "crash"
        place.mkdir(exist_ok=True)
        limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        with open(self.directory / "crash.log", "wb") as log:
            process = subprocess.Popen([BIN / "noroshi", "-c", config], cwd=place, stdout=log, stderr=log, env={
                **os.environ, **environment, "NOROSHI_STORAGE_PATH": str(self.directory / "crash-state")},
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, limit))
        wait_for("the start", lambda: b"version" in (self.directory / "crash.log").read_bytes())
        process.send_signal(signal.SIGABRT)
        status = os.waitpid(process.pid, 0)[1]
        process.returncode = -os.WTERMSIG(status)
        return os.WCOREDUMP(status)

    def test_no_core_file_holds_them(self):
        self.assertFalse(self.dumps_core({}))
        if not self.dumps_core({"NOROSHI_CORE_DUMPS": "on"}):
            print("this machine writes no core files at all: only that was seen")


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""Every variant of the configuration that ECS generates, through the real program.

`check` must accept each and see in it exactly what the task definition says; for the golden cases the effective pipeline is
compared with golden/<case>.txt (UPDATE_GOLDEN=1 writes them); one variant of each network mode runs and routes.
"""

import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from agent_config import Situation, generate, read_task
from cases import API_KEY, CASES, CLOUDWATCH, PATTERNS, app, router, task
from harness import BIN, ROOT, SystemTest, event_time, free_port, run_tests, wait_for

import msgpack

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
# With another indentation than the generated file has.
EXTERNAL = "[SERVICE]\n  Grace 30\n[FILTER]\n  Name parser\n  Match *\n  Key_Name log\n  Parser json\n  Reserve_Data On\n"
S3 = {"Name": "s3", "bucket": "logs-bucket", "region": "us-west-2", "s3_key_format": "/$TAG[1]/%Y/#x/$UUID.gz"}


class Generated(SystemTest):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.external = self.directory / "external.conf"
        self.external.write_text(EXTERNAL)
        self.socket, self.port, self.health_port, self.admin = (self.directory / "fluent.sock", free_port(), free_port(),
                                                                free_port())

    def write(self, definition, **situation):
        generated = generate(read_task(definition), Situation(
            socket=str(self.socket), forward_port=self.port, health_port=self.health_port,
            external_file=str(self.external), **situation))
        path = self.directory / "fluent-bit.conf"
        path.write_text(generated.config)
        return path, {name: "a secret" for name in generated.router_variables}

    def check(self, path, environment):
        result = subprocess.run([BIN / "noroshi", "check", "-P", str(self.admin), "-c", path], capture_output=True,
                                text=True, timeout=60, env={**os.environ, **self.router_environment(), **environment,
                                                            "NOROSHI_STORAGE_PATH": str(self.directory / "state")})
        return result

    def pipeline(self, result):
        """{"input": {"forward.0": …}, …} as check prints it."""
        parts = {"input": {}, "filter": {}, "output": {}}
        for line in result.stdout.splitlines():
            match = re.match(r"  (input|filter|output)\s+(\S+)\s+(.*)", line)
            if match:
                parts[match[1]][match[2]] = match[3]
        return parts

    def test_every_variant(self):
        count = 0
        for network, fargate, metadata, file_type, patterns, shuffle, old in itertools.product(
                ("awsvpc", "bridge", "host"), (False, True), (None, "false"), (None, "file", "s3"), (False, True),
                (None, 1, 2), (False, True)):
            if fargate and (network != "awsvpc" or file_type == "s3") or (old and (shuffle or fargate)):
                continue
            options = {}
            if metadata:
                options["enable_ecs_log_metadata"] = metadata
            if file_type:
                options.update(config_file_type=file_type, config_file_value=(
                    str(self.external) if file_type == "file" else "arn:aws:s3:::b/external.conf"))
            containers = [app({**S3, **(PATTERNS if patterns else {})}, name="web"),
                          app({**CLOUDWATCH, "log_stream_prefix": "p-"}, name="worker"), app(name="quiet")]
            with self.subTest(network=network, fargate=fargate, metadata=metadata, file=file_type, patterns=patterns,
                              shuffle=shuffle, old=old):
                count += 1
                path, environment = self.write(task(router(**options), *containers, network=network, fargate=fargate),
                                               shuffle=shuffle, old_agent=old)
                result = self.check(path, environment)
                self.assertEqual(result.returncode, 0, result.stderr + path.read_text())
                self.assertNotIn("error", result.stderr)
                self.assertNotIn("warning", result.stderr)
                found = self.pipeline(result)
                plugins = lambda kind: sorted(name.split(".")[0] for name in found[kind])
                on_tcp = network != "host"
                self.assertEqual(plugins("input"), ["forward"] + (["forward", "tcp"] if on_tcp else []))
                self.assertEqual(plugins("output"),
                                 ["cloudwatch_logs"] + (["null"] if on_tcp else []) + ["s3"])
                self.assertEqual(plugins("filter"), sorted(
                    ["partial_message"] + ["grep"] * (2 * patterns) + ["record_modifier"] * (not metadata) +
                    ["parser"] * bool(file_type)))
                text = result.stdout
                self.assertIn(f"unix:{self.socket}", text)
                self.assertEqual(f"127.0.0.1:{self.port}" in text, network == "awsvpc")
                self.assertEqual(f"0.0.0.0:{self.port}" in text, network == "bridge")
                self.assertIn("tags web-firelens*", text)
                self.assertIn("tags worker-firelens*", text)
        self.assertGreater(count, 100)
        print(f"\n{count} variants")

    def test_the_golden_cases(self):
        for name, (definition, situation) in CASES.items():
            with self.subTest(name):
                folder = GOLDEN.parent.parent / "golden/config" / name
                text = generate(read_task(definition), situation).config
                # What differs from machine to machine.
                text = text.replace("/var/run/fluent.sock", str(self.socket)).replace("24224", str(self.port)).replace(
                    "8877", str(self.health_port))
                for include in re.findall(r"^@INCLUDE (.*)$", text, re.MULTILINE):
                    text = text.replace(f"@INCLUDE {include}", f"@INCLUDE {os.path.normpath(folder / include)}")
                path = self.directory / "fluent-bit.conf"
                path.write_text(text)
                environment = {}
                if (folder / "environment").exists():
                    environment = dict(line.split("=", 1) for line in
                                       (folder / "environment").read_text().splitlines())
                result = self.check(path, environment)
                shown = f"exit status {result.returncode}\n{result.stderr}{result.stdout}"
                shown = re.sub(r"  journal .*\n", "", shown)
                for private, public in ((self.socket, "/var/run/fluent.sock"), (self.port, "24224"),
                                        (self.health_port, "8877"), (ROOT, "/noroshi"),
                                        (self.directory, "/fluent-bit/etc")):
                    shown = shown.replace(str(private), str(public))
                shown = re.sub(r"\^~*", "^~", shown)  # its length is that of a port or path
                golden = GOLDEN / f"{name}.txt"
                if os.environ.get("UPDATE_GOLDEN"):
                    GOLDEN.mkdir(exist_ok=True)
                    golden.write_text(shown)
                self.assertEqual(golden.read_text(), shown, "UPDATE_GOLDEN=1 rewrites it")
        self.assertEqual({path.stem for path in GOLDEN.iterdir()}, set(CASES))

    def test_it_runs_and_routes_in_every_network_mode(self):
        for network in ("awsvpc", "bridge", "host"):
            with self.subTest(network):
                out = self.directory / f"out-{network}"
                out.mkdir()
                file_options = lambda name: {"Name": "file", "Path": str(out), "File": name, "Format": "plain"}
                path, environment = self.write(task(
                    router(config_file_type="file", config_file_value=str(self.external)),
                    app({**file_options("web"), **{"include-pattern": "keep", "exclude-pattern": "healthz"}}, name="web"),
                    app({**file_options("${name_2}")}, name="worker", secrets=[{"name": "name", "valueFrom": "arn"}]),
                    network=network).copy())
                path.write_text(path.read_text().replace("    name ${name_2}\n", ""))  # only the variable's name counts
                path.write_text(path.read_text() + f"\n[OUTPUT]\n    Name file\n    Match *\n    Path {out}\n"
                                                   "    File everything\n    Format plain\n")
                process = self.start_router(path, self.admin, {
                    "NOROSHI_CONFIG": f"[SERVICE]\n    HTTP_Port {self.admin}\n", **environment, "name_2": "worker",
                    "NOROSHI_STORAGE_PATH": str(self.directory / network)})
                addresses = [self.socket] + ([self.port] if network != "host" else [])
                sent = 0
                for address in addresses:
                    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
                    with socket.socket(family) as client:
                        client.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
                        for tag, log in (("web", "keep this"), ("web", "keep GET /healthz"), ("web", "not this"),
                                         ("worker", '{"level": "ERROR", "n": 1}')):
                            client.sendall(msgpack.packb([f"{tag}-firelens-3de392df", event_time(time.time()),
                                                          {"log": log, "source": "stdout"}, {}]))
                            sent += 1
                if network != "host":
                    with socket.create_connection(("127.0.0.1", self.health_port)) as probe:
                        probe.sendall(b'{"health": "check"}\n')
                        probe.shutdown(socket.SHUT_WR)
                        self.assertEqual(probe.recv(10), b"")  # closed: nc does not hang
                read = lambda name: [json.loads(line) for line in (out / name).read_text().splitlines()] if (
                    out / name).exists() else []
                wait_for("the records", lambda: len(read("everything")) >= 2 * len(addresses))
                self.assertEqual(self.stop_router(process)[0], 0)
                self.assertEqual([record["log"] for record in read("web")], ["keep this"] * len(addresses))
                self.assertEqual([(record["level"], record["n"]) for record in read("worker")],
                                 [("ERROR", 1)] * len(addresses))
                self.assertEqual(len(read("everything")), 2 * len(addresses))  # and no probe
                for record in read("everything"):
                    self.assertEqual(record["ec2_instance_id"], "i-0123")
                    self.assertEqual(record["ecs_task_definition"], "family:1")


if __name__ == "__main__":
    run_tests()

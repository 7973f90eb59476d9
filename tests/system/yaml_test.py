#!/usr/bin/python3
"""YAML, routes, processors and `noroshi convert`, with the real program: records go in at stdin and come out in files."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from reporting import run_tests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NOROSHI = pathlib.Path(os.environ.get("NOROSHI_BIN_DIR", ROOT / "build/dev/bin")) / "noroshi"

CONFIGURATION = """
service:
  http_server: off
  storage.path: {directory}/journal
  grace: 10

parsers:
  - name: object
    format: json

pipeline:
  inputs:
    - name: stdin
      alias: lines
      tag: app
      parser: object
      processors:
        logs:
          - name: content_modifier
            action: insert
            key: stage
            value: test
  {routes}
  filters:
    - name: modify
      match: app
      condition: ["Key_Value_Equals level FATAL"]
      set: ["level ERROR"]
  outputs:
    - name: file
      alias: alerts
      path: {directory}
      file: alerts
      format: plain
    - name: file
      alias: archive
      path: {directory}
      file: archive
      format: plain
      match: nothing
      processors:
        logs:
          - name: content_modifier
            action: delete
            key: secret
            condition:
              rules: [{{field: $level, op: neq, value: ERROR}}]
"""

ROUTES = """
      routes:
        logs:
          - name: errors
            condition:
              rules:
                - {field: "$level", op: in, value: [ERROR]}
            to: {outputs: [alerts, archive]}
          - name: rest
            condition: {default: true}
            to: {outputs: [archive]}
"""

RECORDS = [{"n": 0, "level": "INFO", "secret": "a"}, {"n": 1, "level": "ERROR", "secret": "b"},
           {"n": 2, "level": "FATAL", "secret": "c"}, {"n": 3, "secret": "d"}]


def run(*arguments, **options):
    done = subprocess.run([NOROSHI, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)
    assert "accounting differs" not in done.stderr, done.stderr
    return done


class Yaml(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="noroshi-yaml-")
        self.addCleanup(folder.cleanup)
        self.directory = pathlib.Path(folder.name)
        self.config = self.directory / "router.yaml"

    def write(self, routes):
        text = CONFIGURATION.replace("  {routes}\n", routes.lstrip("\n")).replace("{directory}", str(self.directory))
        self.config.write_text(text.replace("{{", "{").replace("}}", "}"))

    def records(self, name):
        path = self.directory / name
        if not path.exists():
            return []
        return sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda record: record["n"])

    def test_routes_choose_by_content_and_processors_change_one_side(self):
        self.write(ROUTES)
        done = run("-c", self.config, input="".join(json.dumps(record) + "\n" for record in RECORDS))
        self.assertEqual(done.returncode, 0, done.stderr)
        # FATAL was made ERROR by the filter, which the route's rule sees.
        self.assertEqual([record["n"] for record in self.records("alerts")], [1, 2])
        self.assertTrue(all(record["stage"] == "test" and "secret" in record for record in self.records("alerts")))
        archive = self.records("archive")
        self.assertEqual([record["n"] for record in archive], [0, 1, 2, 3])
        self.assertEqual(["secret" in record for record in archive], [False, True, True, False])

    def test_check_shows_routes_and_finds_their_mistakes(self):
        self.write(ROUTES)
        good = run("check", "-c", self.config)
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertIn("lines/errors: $level in ERROR goes to alerts, archive", good.stdout)
        self.assertIn("lines/rest: what no other route takes goes to archive", good.stdout)
        self.assertIn("records of output archive: delete secret (where $level neq ERROR)", good.stdout)

        self.write(ROUTES.replace("alerts", "alert").replace("op: in", "op: is"))
        bad = run("check", "-c", self.config)
        self.assertEqual(bad.returncode, 1)
        self.assertIn('"is" is no operator', bad.stderr)
        self.write(ROUTES.replace("alerts", "alert"))
        bad = run("check", "-c", self.config)
        self.assertIn('there is no output named "alert"', bad.stderr)
        self.assertIn('did you mean "alerts"?', bad.stderr)

    def test_a_text_in_the_environment_is_recognised(self):
        text = "pipeline: {inputs: [{name: stdin}], outputs: [{name: 'null', match: '*'}]}"
        checked = run("check", env={**os.environ, "NOROSHI_CONFIG": text})
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("stdin.0", checked.stdout)

    def test_convert_prints_what_means_the_same(self):
        specified = ROOT / "cdk/docker/fluent-bit/fluent-bit.conf"
        environment = {**os.environ, "AWS_REGION": "ap-northeast-1", "ENVIRONMENT": "dev", "LOG_BUCKET_NAME": "logs"}
        converted = run("convert", specified, env=environment)
        self.assertEqual(converted.returncode, 0, converted.stderr)
        yaml = self.directory / "fluent-bit.yaml"
        yaml.write_text(converted.stdout)
        before = run("check", "-c", specified, "-R", specified.parent / "parsers.conf", env=environment)
        after = run("check", "-c", yaml, "-R", specified.parent / "parsers.conf", env=environment)
        self.assertEqual(before.stdout, after.stdout)
        self.assertEqual(before.returncode, after.returncode)
        self.assertIn("effective pipeline", before.stdout, before.stderr)

    def test_convert_keeps_includes_when_asked(self):
        (self.directory / "main.conf").write_text("[INPUT]\n    Name dummy\n@INCLUDE outputs.conf\n")
        (self.directory / "outputs.conf").write_text("[OUTPUT]\n    Name null\n    Match *\n")
        for name in ("main", "outputs"):
            converted = run("convert", "--keep-includes", self.directory / f"{name}.conf")
            self.assertEqual(converted.returncode, 0, converted.stderr)
            (self.directory / f"{name}.yaml").write_text(converted.stdout)
        self.assertIn("includes:\n  - outputs.yaml\n", (self.directory / "main.yaml").read_text())
        self.assertEqual(run("check", "-c", self.directory / "main.conf").stdout,
                         run("check", "-c", self.directory / "main.yaml").stdout)
        refused = run("convert", self.directory / "main.yaml")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is YAML already", refused.stderr)


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""docker-compose.yml: accepted by docker-compose, and true: its commands, files and names exist and fit each other.

compose_run_test.py brings it up. Without docker-compose the file is still read as YAML.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from reporting import run_tests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Compose(unittest.TestCase):
    def setUp(self):
        self.services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    def test_docker_compose_accepts_it(self):
        if not shutil.which("docker-compose"):
            self.skipTest("no docker-compose (apt-get install docker-compose)")
        result = subprocess.run(["docker-compose", "config", "-q"], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_its_images_can_be_built(self):
        for name, service in self.services.items():
            build = service["build"]
            context = ROOT / (build if isinstance(build, str) else build["context"])
            dockerfile = context / (build.get("dockerfile", "Dockerfile") if isinstance(build, dict) else "Dockerfile")
            self.assertTrue(dockerfile.exists(), name)
            if isinstance(build, dict) and "target" in build:
                self.assertIn(f" AS {build['target']}\n", dockerfile.read_text())
            for copied in re.findall(r"^COPY (?!--from)(\S+)", dockerfile.read_text(), re.MULTILINE):
                self.assertTrue((context / copied).exists(), copied)

    def test_router_and_backend_fit_each_other_and_the_specified_configuration(self):
        router, backend = self.services["router"], self.services["backend"]
        config = (ROOT / "cdk/docker/fluent-bit/fluent-bit.conf").read_text()
        self.assertIn("/fluent-bit/configs/fluent-bit.conf", router["command"])
        for variable in re.findall(r"\$\{(\w+)\}", config):
            self.assertIn(variable, router["environment"])
        self.assertIn(f"- {router['environment']['LOG_BUCKET_NAME']}\n", (ROOT / "docker-compose.yml").read_text())
        # A read-only root: what the configuration writes lies in the volume.
        volume = router["volumes"][0].split(":")[1]
        self.assertTrue(re.search(r"store_dir\s+(\S+)", config)[1].startswith(volume))
        self.assertEqual(backend["logging"]["driver"], "fluentd")
        address = backend["logging"]["options"]["fluentd-address"]
        self.assertTrue(any(port.startswith(address + ":") for port in router["ports"]))
        self.assertTrue(address.endswith(re.search(r"Port\s+(\d+)", config)[1]))


if __name__ == "__main__":
    run_tests()

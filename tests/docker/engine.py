"""A docker daemon of the tests' own, with directories and a socket of its own; nothing is downloaded.

Needs root, docker.io and busybox-static. run_tests() ends with 77 (skipped) and the reason where no daemon can run.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from reporting import SKIPPED, outcome

BUSYBOX_IMAGE = "noroshi-busybox"


class NoEngine(Exception):
    pass


class Engine:
    """The daemon, and an image of nothing but busybox. Its containers have no network unless it is asked for."""

    def __init__(self, network=False):
        # A bridge with an address that no network of this machine is likely to have.
        self.network = ["--bip", "172.31.250.1/24"] if network else [
            "--bridge", "none", "--iptables=false", "--ip6tables=false"]
        if os.geteuid() != 0:
            raise NoEngine("a docker daemon needs root")
        self.programs = {name: shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") for name in
                         ("dockerd", "docker", "busybox")}
        if missing := [name for name, path in self.programs.items() if not path]:
            raise NoEngine(f"no {', '.join(missing)} (apt-get install docker.io busybox-static)")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="noroshi-docker-"))
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{self.directory}/docker.sock", "DOCKER_BUILDKIT": "0"}
        self.log = self.directory / "dockerd.log"
        self.process = None
        try:
            # vfs copies every layer whole, but runs where overlay cannot.
            if not self.start("overlay2") and not self.start("vfs"):
                raise NoEngine(f"no docker daemon can be started here: {self.log.read_text()[-300:]}")
            archive = self.directory / "root.tar"
            with tarfile.open(archive, "w") as tar:
                tar.add(os.path.realpath(self.programs["busybox"]), "bin/busybox")
            imported = self.docker("import", archive, BUSYBOX_IMAGE, check=False)
            if imported.returncode != 0:  # inside a chroot, say
                raise NoEngine(f"no image can be made here: {imported.stderr[-300:]}")
            probe = self.docker("run", "--rm", "--network", "none", BUSYBOX_IMAGE, "/bin/busybox", "true", check=False)
            if probe.returncode != 0:
                raise NoEngine(f"no container can be run here: {probe.stderr[-300:]}")
        except BaseException:
            self.stop()
            raise

    def start(self, storage_driver):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.programs["dockerd"], "--data-root", self.directory / "data", "--exec-root",
                 self.directory / "exec", "--pidfile", self.directory / "pid", "--host",
                 self.environment["DOCKER_HOST"], *self.network, "--storage-driver", storage_driver],
                stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while self.docker("info", check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end_process()
                return False
            time.sleep(0.2)
        return True

    def docker(self, *arguments, check=True, timeout=300, **options):
        result = subprocess.run(["docker", *map(str, arguments)], env=self.environment, capture_output=True, text=True,
                                timeout=timeout, **options)
        if check and result.returncode != 0:
            raise AssertionError(f"docker {arguments[0]}: {result.stdout[-3000:]}{result.stderr[-3000:]}\n"
                                 f"{self.log.read_text()[-2000:]}")
        return result

    def end_process(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.end_process()
        if "--bip" in self.network:  # the daemon leaves its bridge behind
            with contextlib.suppress(OSError):
                subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)


def run_tests(module, prepare=lambda engine: None, network=False):
    """The tests of a module, which finds the daemon in its global `engine`."""
    try:
        module.engine = Engine(network)
    except NoEngine as reason:
        print(f"all tests skipped: {reason}")
        sys.exit(SKIPPED)
    try:
        try:
            prepare(module.engine)
        except NoEngine as reason:
            print(f"all tests skipped: {reason}")
            sys.exit(SKIPPED)
        line, status = outcome(unittest.main(module=module, verbosity=2, exit=False).result)
    finally:
        module.engine.stop()
    print(line, flush=True)
    sys.exit(status)

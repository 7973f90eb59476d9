#!/usr/bin/python3
"""cdk/docker/fluent-bit/Dockerfile, built and used: what is in the image, how it runs, its health checks, hardening.

No registry is asked: the base is made with debootstrap from a Debian mirror (kept in build/docker/ for the next time), and
the programs are those of NOROSHI_BIN_DIR. Exits 77 (skipped) with the reason where no docker daemon can run or no mirror
can be reached.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "firelens"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from agent_config import Situation, generate, read_task
from cases import CLOUDWATCH, SPECIFIED_OPTIONS, app, router, task
from engine import NoEngine, run_tests
from harness import BIN, ROOT, SystemTest, event_time, wait_for

import msgpack

BASE, IMAGE = "noroshi-base", "fluent-bit-custom"
MIRROR = os.environ.get("NOROSHI_DEBIAN_MIRROR", "http://deb.debian.org/debian")
BASE_PACKAGES = ["binutils", "busybox-static", "ca-certificates", "curl", "librdkafka1", "tzdata"]
# Measured 41.0: OpenSSL is there twice, in the program (docs/decisions/0016) and for curl.
IMAGE_BYTES_MAX = 43_000_000
DOCKERFILE = "cdk/docker/fluent-bit/Dockerfile"
# Named by files that aws-for-fluent-bit ships. Where they are built in, their files are checked like the others.
LATER_PLUGINS = {"exec", "kinesis_firehose", "kinesis_streams", "es"}
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"]


def libraries_of(*programs):
    """The Debian packages of what the programs are linked with."""
    packages = set()
    for program in programs:
        listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for path in re.findall(r"=> (/\S+)", listing):
            for name in (path, os.path.realpath(path), path.removeprefix("/usr")):
                owner = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
                if owner.returncode == 0:
                    packages.add(owner.stdout.split(":")[0])
                    break
    return sorted(packages)


def base_archive(packages):
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    archive = ROOT / f"build/docker/base-{key}.tar"
    if archive.exists():
        return archive
    if not shutil.which("debootstrap"):
        raise NoEngine("no debootstrap (apt-get install debootstrap)")
    try:
        urllib.request.urlopen(f"{MIRROR}/dists/bookworm/InRelease", timeout=20).close()
    except OSError as error:
        raise NoEngine(f"no Debian mirror: {MIRROR}: {error}") from None
    root = archive.with_suffix(".root")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", "bookworm", root, MIRROR],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise NoEngine(f"debootstrap: {made.stdout[-500:]}{made.stderr[-500:]}")
    subprocess.run(["tar", "-C", root, "-cf", archive.with_suffix(".part"), "."], check=True)
    archive.with_suffix(".part").rename(archive)
    shutil.rmtree(root)
    return archive


def build(*flags):
    """`docker build` with exactly the Dockerfile; answers the image's description."""
    engine.docker("build", "--network", "none", "--build-arg", f"BASE={BASE}", "--build-arg",
                  "PREBUILT=build/release/bin", "-f", engine.context / DOCKERFILE, *flags, engine.context, timeout=600)


def prepare(engine):
    programs = [BIN / "noroshi", BIN / "noroshi-localaws"]
    packages = sorted({*BASE_PACKAGES, *libraries_of(*programs)})
    engine.docker("import", base_archive(packages), BASE)
    # The files that .dockerignore lets through, with these programs at the place of a release build.
    engine.context = engine.directory / "context"
    for name in ("cdk/docker", "LICENSE", ".dockerignore"):
        source, target = ROOT / name, engine.context / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (engine.context / "build/release/bin").mkdir(parents=True)
    for program in programs:
        shutil.copy(program, engine.context / "build/release/bin")
    sys.modules["__main__"].engine = engine
    started = time.monotonic()
    build("-t", IMAGE, "--build-arg", "VERSION=1.2.3")
    build("-t", "noroshi-localaws", "--target", "localaws")
    print(f"images built in {time.monotonic() - started:.0f} s")


class Image(SystemTest):
    def run_image(self, *command, flags=(), check=True, image=IMAGE):
        return engine.docker("run", "--rm", "--network", "none", *flags, image, *command, check=check)

    def start(self, *command, flags=(), image=IMAGE):
        container = engine.docker("run", "--detach", *flags, image, *command).stdout.strip()
        self.addCleanup(self.end_and_look, container)
        return container

    def end_and_look(self, container):
        """As harness.py does it with every router: its books are looked at, whoever ended it."""
        try:
            engine.docker("stop", "--time", "30", container, check=False)
            differences = [line for line in self.logs(container).splitlines() if "accounting differs" in line]
            self.assertEqual(differences, [], self.logs(container)[-3000:])
        finally:
            engine.docker("rm", "--force", container, check=False)

    def logs(self, container):
        result = engine.docker("logs", container)
        return result.stdout + result.stderr

    def execute(self, container, *command):
        return engine.docker("exec", container, *command, check=False)

    def inspect(self, what, template):
        return json.loads(engine.docker("inspect", "--format", "{{json " + template + "}}", what).stdout)

    # -- what it is ------------------------------------------------------------------------------------------------

    def test_its_size(self):
        size = self.inspect(IMAGE, ".Size")
        print(f"\nthe image has {size / 1e6:.1f} MB")
        self.assertLess(size, IMAGE_BYTES_MAX)

    def test_two_builds_give_the_same_layers(self):
        layers = []
        for name in ("first", "second"):
            build("-t", f"again-{name}", "--no-cache", "--build-arg", "VERSION=1.2.3")
            layers.append(self.inspect(f"again-{name}", ".RootFS.Layers"))
        self.assertEqual(layers[0], layers[1])
        self.assertEqual(layers[0], self.inspect(IMAGE, ".RootFS.Layers"))

    def test_labels_and_defaults(self):
        labels = self.inspect(IMAGE, ".Config.Labels")
        self.assertEqual(labels["org.opencontainers.image.version"], "1.2.3")
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")
        self.assertEqual(self.inspect(IMAGE, ".Config.Cmd"), ["/entrypoint.sh"])
        self.assertEqual(set(self.inspect(IMAGE, ".Config.ExposedPorts")), {"2020/tcp", "24224/tcp"})
        self.assertEqual(self.inspect(IMAGE, ".Config.User"), "")  # FireLens wants root unless the task says otherwise

    def test_the_bill_of_materials(self):
        bill = json.loads(self.run_image("cat", self.inspect(IMAGE, ".Config.Labels")["noroshi.bill-of-materials"]).stdout)
        self.assertEqual(bill["spdxVersion"], "SPDX-2.3")
        packages = {package["name"]: package for package in bill["packages"]}
        for name in ("noroshi", "libc6", "libssl3", "libcurl4", "libstdc++6", "librdkafka1", "ca-certificates",
                     "tzdata", "busybox-static"):
            self.assertRegex(packages[name]["versionInfo"], r"\d", name)
        identifiers = [package["SPDXID"] for package in bill["packages"]]
        self.assertEqual(len(set(identifiers)), len(identifiers))
        related = {relation["relatedSpdxElement"] for relation in bill["relationships"]}
        self.assertEqual(related, set(identifiers))
        # Every library file in the image belongs to a package of the bill.
        program = self.run_image("sha256sum", "/fluent-bit/bin/noroshi").stdout.split()[0]
        self.assertEqual(packages["noroshi"]["checksums"][0]["checksumValue"], program)
        for name in packages:
            if name != "noroshi":
                self.assertIn(f"Package: {name}\n", self.run_image("cat", f"/var/lib/dpkg/status.d/{name}").stdout)

    def test_the_layout_of_aws_for_fluent_bit(self):
        self.assertRegex(self.run_image("/fluent-bit/bin/fluent-bit", "--version").stdout, "^Fluent Bit v")
        self.assertRegex(self.run_image("cat", "/AWS_FOR_FLUENT_BIT_VERSION").stdout, r"^\d")
        environment = {"AWS_REGION": "eu-west-1", "FLUENT_BIT_METRICS_LOG_REGION": "eu-west-1", "PARSER_NAME": "json",
                       "FLUENT_BIT_METRICS_LOG_GROUP": "g", "BUCKET": "bucket", "S3_REGION": "eu-west-1",
                       "FIREHOSE_REGION": "eu-west-1", "DELIVERY_STREAM": "d", "KINESIS_REGION": "eu-west-1",
                       "STREAM": "s", "ES_ENDPOINT": "search.example.com", "ES_REGION": "eu-west-1", "INDEX": "i",
                       "TYPE": "_doc", "ECS_CLUSTER": "c", "TASK_ID": "t", "ECS_TASK_ARN": "a",
                       "ECS_TASK_DEFINITION": "f:1", "LOG_BUCKET_NAME": "bucket"}
        flags = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        built_in = {line.split()[1] for line in self.run_image("noroshi", "options").stdout.splitlines()}
        files = self.run_image("find", "/fluent-bit/configs", "/fluent-bit/etc", "/ecs", "-name", "*.conf").stdout.split()
        self.assertGreater(len(files), 15)
        wrong = {}
        for path in files:
            name = path.rsplit("/", 1)[1]
            if "parser" in name and name != "filter-parser.conf":
                continue  # parsers files: read by those that name them
            result = self.run_image("noroshi", "check", "-c", path, flags=flags, check=False)
            # Only a plugin that this build does not have yet may be missing; nothing else may be wrong.
            errors = [line for line in result.stderr.splitlines() if " error: " in line and not any(
                f'named "{name}"' in line for name in LATER_PLUGINS - built_in)]
            if errors or (result.returncode != 0 and "named" not in result.stderr):
                wrong[path] = result.stderr
        self.assertEqual(wrong, {})

    def test_the_tools_of_old_task_definitions(self):
        for command in ("curl --version", "nc --help", "date", "cat /etc/os-release"):
            result = self.run_image("/bin/sh", "-c", command, check=False)
            self.assertEqual(result.returncode, 0, f"{command}: {result.stderr}")
        self.assertIn("JST", self.run_image("/bin/sh", "-c", "TZ=Asia/Tokyo date; ls /usr/share/zoneinfo/Asia/Tokyo").stdout
                      .replace("+09", "JST"))

    def test_openssl_finds_the_authorities_where_it_looks(self):
        """Without this file every https destination is refused, and no other test here has one."""
        self.assertIn("BEGIN CERTIFICATE", self.run_image("cat", "/usr/lib/ssl/cert.pem").stdout)

    def test_output_kafka_finds_its_library(self):
        """It is loaded only where it is configured, so nothing but this would miss it."""
        result = self.run_image("noroshi", "check", "-i", "dummy", "-o", "kafka", "-m", "*", "-p", "brokers=broker:9092",
                                "-p", "topics=logs", "-p", "rdkafka.security.protocol=SASL_SSL", check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("kafka", result.stdout + result.stderr)
        self.assertNotIn("cannot be loaded", result.stdout + result.stderr)

    # -- how it runs -----------------------------------------------------------------------------------------------

    def firelens(self, *, user="0", containers=None, flags=HARDENED, extra="", environment=(), command=()):
        """As the ECS agent starts it: the generated file and the socket's folder are mounted; the container's id."""
        run, self.out = self.directory / "run", self.directory / "out"
        for folder in (run, self.out):
            folder.mkdir(exist_ok=True)
            uid, _, gid = user.partition(":")
            os.chown(folder, int(uid), int(gid or 0))
        definition = task(router(), *(containers or [app()]), fargate=True)
        config = self.directory / "fluent-bit.conf"
        config.write_text(generate(read_task(definition), Situation()).config + extra +
                          "[OUTPUT]\n    Name file\n    Match *\n    Path /out\n    File out\n    Format plain\n")
        self.socket = run / "fluent.sock"
        container = self.start(*command, flags=[*flags, "--user", user, "-v", f"{config}:/fluent-bit/etc/fluent-bit.conf:ro",
                                                "-v", f"{run}:/var/run", "-v", f"{self.out}:/out", *environment])
        wait_for("the socket", lambda: self.socket.exists() or self.assertTrue(
            self.inspect(container, ".State.Running"), self.logs(container)))
        return container

    def send(self, **record):
        with socket.socket(socket.AF_UNIX) as client:
            wait_for("the socket", lambda: client.connect(str(self.socket)) is None)
            client.sendall(msgpack.packb(["app-firelens-1", event_time(time.time()), record, {}]))

    def records(self):
        path = self.out / "out"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def end(self, container):
        started = time.monotonic()
        engine.docker("stop", "--time", "30", container)
        self.assertEqual(self.inspect(container, ".State.ExitCode"), 0, self.logs(container)[-3000:])
        return time.monotonic() - started

    def test_it_runs_hardened_as_any_user(self):
        """A read-only root file system, no capability, no way to new privileges, no network."""
        for user in ("0", "1234:1234", "65534"):
            with self.subTest(user):
                container = self.firelens(user=user)
                self.send(log=f"for {user}")
                wait_for("the record", lambda: any(record["log"] == f"for {user}" for record in self.records()))
                self.assertIn("in memory", self.logs(container))
                self.assertLess(self.end(container), 15)  # it is process 1 and gets SIGTERM
                self.assertFalse(self.socket.exists())
                shutil.rmtree(self.out)

    def test_the_journal_is_on_a_writable_path(self):
        container = self.firelens(user="1234:1234", flags=[*HARDENED, "--tmpfs", "/tmp/fluent-bit:mode=1777"],
                                  environment=["--env", "NOROSHI_STORAGE_PATH=/tmp/fluent-bit"])
        self.assertIn("/tmp/fluent-bit/journal", self.logs(container))
        self.end(container)

    def test_the_health_checks_of_the_samples(self):
        extra = "@INCLUDE /fluent-bit/configs/output-metrics-healthcheck.conf\n"
        container = self.firelens(extra=extra)
        wait_for("health", lambda: self.execute(container, "noroshi", "health").returncode == 0)
        for name, command in {"A": "curl -f http://127.0.0.1:2020/api/v1/health || exit 1",
                              "B": "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1",
                              "C": "echo '{\"health\": \"check\"}' | nc 127.0.0.1 8877 || exit 1"}.items():
            started = time.monotonic()
            result = self.execute(container, "/bin/sh", "-c", command)
            self.assertEqual(result.returncode, 0, f"{name}: {result.stdout}{result.stderr}")
            self.assertLess(time.monotonic() - started, 5, f"{name} hangs")
        # Without a shell, as the CDK app asks.
        for url in ([], ["http://localhost:2020/api/v1/health"], ["http://127.0.0.1:2020/api/v1/uptime"]):
            self.assertEqual(self.execute(container, "/fluent-bit/bin/noroshi", "health", *url).returncode, 0)
        self.assertNotEqual(self.execute(container, "/fluent-bit/bin/noroshi", "health", "http://127.0.0.1:9/").returncode, 0)
        # The probes themselves reach no output that the null output of ECS keeps them from.
        self.send(log="last")
        wait_for("the record", self.records)
        print(f"\n{len(self.records())} records in the user's output: {self.records()}")
        self.end(container)

    def test_nobody_answers_where_it_does_not_run(self):
        for command in (["noroshi", "health"], ["/bin/sh", "-c", "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1"],
                        ["/bin/sh", "-c", "echo x | nc 127.0.0.1 8877 || exit 1"]):
            self.assertNotEqual(self.run_image(*command, check=False).returncode, 0, command)

    def test_the_specified_options_do_not_loop(self):
        container = self.firelens(containers=[app(SPECIFIED_OPTIONS, name="app")])
        self.assertIn("it is left out", self.logs(container))
        self.send(log="once")
        wait_for("the record", self.records)
        time.sleep(3)
        self.assertEqual(len(self.records()), 1)
        self.end(container)

    def test_the_command_of_old_images(self):
        """Task definitions that give the whole command of aws-for-fluent-bit."""
        container = self.firelens(command=["/fluent-bit/bin/fluent-bit", "-e", "/fluent-bit/firehose.so", "-e",
                                           "/fluent-bit/cloudwatch.so", "-e", "/fluent-bit/kinesis.so", "-c",
                                           "/fluent-bit/etc/fluent-bit.conf"])
        self.send(log="x")
        wait_for("the record", self.records)
        self.end(container)

    def test_localaws_answers(self):
        container = self.start(flags=["--network", "none"], image="noroshi-localaws")
        wait_for("localaws", lambda: self.execute(container, "curl", "-sf", "http://127.0.0.1:4566/").returncode in (0, 22))


if __name__ == "__main__":
    run_tests(sys.modules["__main__"], prepare)

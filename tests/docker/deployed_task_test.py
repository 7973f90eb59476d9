#!/usr/bin/python3
"""The task that the CDK app deploys, run here: its template (cdk/test/compute.snapshot.json, which the CDK's own test
keeps equal to what is synthesized), the file that the ECS agent would generate from it, the real router, Docker's own
fluentd driver with the options that the agent would pass, and S3 and CloudWatch Logs of our own.

The end-to-end pass needs a docker daemon (engine.py), and is skipped with the reason where that is missing.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/system"), str(ROOT / "tests/firelens"), str(ROOT / "tests/docker")]
import agent_config
from engine import BUSYBOX_IMAGE, Engine, NoEngine
from harness import BIN, BUCKET, GROUP, SystemTest, fetch, free_port, run_tests, wait_for

TEMPLATE = json.loads((ROOT / "cdk/test/compute.snapshot.json").read_text())
FILES = ROOT / "cdk/docker/fluent-bit"
# As log-routing-design.ja.md writes them: the router would send to itself.
SPECIFIED_OPTIONS = {"Name": "forward", "Host": "log-router", "Port": "24224", "Retry_Limit": "2"}


def container_definition(name):
    task = agent_config.find_task_definition(TEMPLATE)
    definition, = (each for each in task["ContainerDefinitions"] if each["Name"] == name)
    return definition


def router_variables():
    references = {"AWS::AccountId": "123456789012"}
    return {variable["Name"]: agent_config.resolve(variable["Value"], references)
            for variable in container_definition("log-router")["Environment"]}


class DeployedTask(SystemTest):
    def generate(self, log_options=None, text=None, **situation):
        """The agent's file for the template's task, with the image's files in their places here."""
        task = agent_config.read_task(TEMPLATE)
        if log_options is not None:
            task.senders[0].log_options = log_options
        self.generated = agent_config.generate(task, agent_config.Situation(**situation))
        self.assertEqual([], self.generated.warnings)
        value = container_definition("log-router")["FirelensConfiguration"]["Options"]["config-file-value"]
        included = self.directory / pathlib.Path(value).name
        included.write_text((FILES / included.name).read_text() if text is None else text)
        path = self.directory / "generated.conf"
        self.assertIn(f"@INCLUDE {value}\n", self.generated.config)
        path.write_text(self.generated.config.replace(value, str(included)))
        return path

    def check(self, path):
        return subprocess.run([BIN / "noroshi", "check", "-c", path], text=True, timeout=60,
                              capture_output=True, env={"PATH": "/usr/bin:/bin", **router_variables()})

    def test_the_router_accepts_the_task_in_every_order(self):
        for situation in ({}, {"order": "agent"}, {"order": "fargate"}, {"shuffle": 1}, {"shuffle": 2}, {"old_agent": True}):
            with self.subTest(**situation):
                result = self.check(self.generate(**situation))
                self.assertEqual(0, result.returncode, result.stderr)
                for part in ("/var/run/fluent.sock", "24224", GROUP, "backend-logs-123456789012-ap-northeast-1"):
                    self.assertIn(part, result.stdout)

    def test_the_router_accepts_the_task_with_the_options_of_the_specification(self):
        result = self.check(self.generate(log_options=SPECIFIED_OPTIONS))
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertRegex(result.stderr, r"warning: .*forward")

    def test_every_line_arrives_through_dockers_driver(self):
        try:
            engine = Engine()
        except NoEngine as reason:
            self.skipTest(str(reason))
        self.addCleanup(engine.stop)
        self.start_aws()
        port, admin, health_port = free_port(), free_port(), free_port()
        sock = self.directory / "fluent.sock"
        specified = (FILES / "fluent-bit.conf").read_text().replace("24224", str(port)).replace("/tmp/fluent-bit", str(self.directory / "volume"))
        path = self.generate(text=f"[SERVICE]\n    HTTP_Port {admin}\n    Grace 5\n{specified}", socket=str(sock),
                             forward_port=port, health_port=health_port, task_arn="arn:aws:ecs:ap-northeast-1:123456789012:task/backend/0123abc")
        environment = {**router_variables(), "LOG_BUCKET_NAME": BUCKET, "NOROSHI_STORAGE_PATH": ""}
        router = self.spawn("router", [BIN / "noroshi", "-c", path], {**self.router_environment(), **environment})
        wait_for("the socket", lambda: self.alive(router) and sock.exists())

        # The health check of the template, by the same program.
        _, program, verb, url = container_definition("log-router")["HealthCheck"]["Command"]
        self.assertEqual("noroshi", pathlib.Path(program).name)
        health = [BIN / pathlib.Path(program).name, verb, url.replace("2020", str(admin))]
        wait_for("health", lambda: subprocess.run(health, timeout=30, capture_output=True).returncode == 0)

        lines = [json.dumps({"level": level, "message": f"line {number}", "number": number})
                 for number, level in enumerate(["INFO", "ERROR", "DEBUG", "CRITICAL", "WARNING"] * 20)]
        lines += ["not JSON at all", "x" * 40_000]
        script = self.directory / "script"
        script.mkdir()
        (script / "lines").write_text("".join(line + "\n" for line in lines))
        options = [part for key, value in self.generated.drivers["backend"].items() for part in ("--log-opt", f"{key}={value}")]
        engine.docker("run", "--rm", "--network", "none", "--log-driver", "fluentd", *options, "-v", f"{script}:/script:ro",
                      BUSYBOX_IMAGE, "/bin/busybox", "cat", "/script/lines")

        def everything_is_there():
            fetch(f"http://127.0.0.1:{admin}/api/v1/deliver", b"", "POST")
            return len(self.s3_records()) >= len(lines) and len(self.log_events()) >= 40
        wait_for("delivery", everything_is_there, 60)
        status, last = self.stop_router(router)
        self.assertEqual(0, status, last)

        records = self.s3_records()
        self.assertEqual(sorted(range(100)), sorted(record["number"] for record in records if "number" in record))
        self.assertEqual(["not JSON at all", "x" * 40_000], sorted(record["log"] for record in records if "number" not in record))
        self.assertEqual({"arn:aws:ecs:ap-northeast-1:123456789012:task/backend/0123abc"}, {record["ecs_task_arn"] for record in records})
        prefix = self.allowed_prefix()
        keys = [each["Key"] for each in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
        self.assertTrue(keys and all(key.startswith(prefix) for key in keys), keys)
        self.assertEqual({"ERROR", "CRITICAL"}, {json.loads(event["message"])["level"] for event in self.log_events()})
        self.assertEqual(40, len(self.log_events()))
        # The journal lies on the task's volume, beside the spool.
        self.assertTrue((self.directory / "volume/journal").is_dir(), self.log_of("router")[-2000:])

    def allowed_prefix(self):
        """Under which the task role may put objects."""
        resources = [statement["Resource"] for resource in TEMPLATE["Resources"].values() if resource["Type"] == "AWS::IAM::Policy"
                     for statement in resource["Properties"]["PolicyDocument"]["Statement"] if "s3:PutObject" in statement["Action"]]
        arn, = (agent_config.resolve(resource, {"AWS::AccountId": "123456789012"}) for resource in resources)
        self.assertTrue(arn.endswith("/*"), arn)
        return arn.split("/", 1)[1].removesuffix("*")


if __name__ == "__main__":
    run_tests()

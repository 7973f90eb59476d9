#!/usr/bin/python3
"""The agent's rules, and that the golden configurations are what these rules give."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from agent_config import Situation, TaskError, generate, read_task
from cases import API_KEY, CASES, CLOUDWATCH, app, router, task
from reporting import run_tests

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden/config"


def made(definition, **situation):
    return generate(read_task(definition), Situation(**situation))


class AgentConfig(unittest.TestCase):
    maxDiff = None

    def test_the_golden_cases_are_what_the_agent_generates(self):
        for name, (definition, situation) in CASES.items():
            with self.subTest(name):
                config = generate(read_task(definition), situation).config
                path = GOLDEN / name / "input.conf"
                if os.environ.get("UPDATE_GOLDEN"):
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(config)
                self.assertEqual(path.read_text(), config, "UPDATE_GOLDEN=1 rewrites it")
        generated = {path.name for path in GOLDEN.iterdir() if path.name.startswith(("ecs-", "ec2-"))}
        self.assertEqual(generated - set(CASES), set(), "written by hand")

    def test_the_text_of_the_contract_letter_by_letter(self):
        options = {**CLOUDWATCH, "include-pattern": "<include-pattern>", "exclude-pattern": "<exclude-pattern>"}
        definition = task(router(config_file_type="s3", config_file_value="arn:aws:s3:::b/k"),
                          app(options, secrets=API_KEY), network="bridge")
        self.assertEqual(made(definition).config, """
[INPUT]
    Name forward
    Mem_Buf_Limit 25MB
    unix_path /var/run/fluent.sock

[INPUT]
    Name forward
    Listen 0.0.0.0
    Port 24224

[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 8877

[FILTER]
    Name   grep
    Match app-firelens*
    Regex  log <include-pattern>

[FILTER]
    Name   grep
    Match app-firelens*
    Exclude log <exclude-pattern>

[FILTER]
    Name record_modifier
    Match *
    Record ec2_instance_id i-0123
    Record ecs_cluster mycluster
    Record ecs_task_arn arn:aws:ecs:us-east-2:111122223333:task/mycluster/3de392df
    Record ecs_task_definition family:1

@INCLUDE /fluent-bit/etc/external.conf

[OUTPUT]
    Name null
    Match firelens-healthcheck

[OUTPUT]
    Name cloudwatch_logs
    Match app-firelens*
    apikey ${apikey_1}
    log_group_name g
    region us-west-2
""")

    def test_what_the_agent_refuses(self):
        for reason, definition in {
            "missing output key Name": task(router(), app({"name": "s3", "bucket": "b"})),
            "missing output key": task(router(), app(None, secrets=API_KEY)),
            "config-file-type": task(router(config_file_type="http", config_file_value="x"), app()),
            "without config-file-value": task(router(config_file_type="file"), app()),
            "not supported on Fargate": task(router(config_file_type="s3", config_file_value="a"), app(), fargate=True),
            "this has 0": task(app()),
            "this has 2": task(router(), router(), app()),
        }.items():
            with self.subTest(reason), self.assertRaisesRegex(TaskError, reason):
                made(definition)

    def test_patterns_without_an_output_are_filters_only(self):
        config = made(task(router(), app({"include-pattern": "ERROR", "log-driver-buffer-limit": "9"}))).config
        self.assertIn("    Regex  log ERROR\n", config)
        self.assertEqual(config.count("[OUTPUT]"), 1)  # null
        self.assertNotIn("buffer-limit", config)

    def test_containers_come_in_any_order(self):
        definition = task(router(), *(app({"Name": "null"}, name=f"app{n}") for n in range(4)))
        configs = {made(definition, shuffle=seed).config for seed in range(20)}
        self.assertGreater(len(configs), 10)
        self.assertEqual(len({"".join(sorted(config.split("\n"))) for config in configs}), 1)

    def test_what_drivers_and_containers_get(self):
        generated = made(task(router(), app({"Name": "s3", "log-driver-buffer-limit": "536870911"}, secrets=API_KEY)))
        self.assertEqual(generated.drivers, {"app": {
            "fluentd-address": "unix:///var/run/fluent.sock", "tag": "app-firelens-3de392df",
            "fluentd-sub-second-precision": "true", "fluentd-async": "true", "fluentd-buffer-limit": "536870911"}})
        self.assertEqual(generated.sender_variables, {"app": {"FLUENT_HOST": "127.0.0.1", "FLUENT_PORT": "24224"}})
        self.assertEqual(generated.router_variables, {"apikey_1": API_KEY[0]["valueFrom"]})

    def test_a_cloudformation_template_says_the_same(self):
        definition, situation = CASES["ecs-specified"]

        def pascal(value):
            if isinstance(value, list):
                return [pascal(item) for item in value]
            if not isinstance(value, dict):
                return value
            return {key if key in ("options",) else key[0].upper() + key[1:]:
                    item if key == "options" else pascal(item) for key, item in value.items()}

        properties = json.loads(json.dumps(pascal(definition)).replace('"options"', '"Options"'))
        properties["ContainerDefinitions"][1]["LogConfiguration"]["Options"]["Host"] = {
            "Fn::Join": ["-", ["log", {"Ref": "Name"}]]}
        template = {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties},
                                  "Bucket": {"Type": "AWS::S3::Bucket"}}}
        self.assertEqual(generate(read_task(template, {"Name": "router"}), situation).config,
                         generate(read_task(definition), situation).config)

    def test_the_command_line(self):
        definition, situation = CASES["ecs-fargate-order"]
        program = pathlib.Path(__file__).with_name("agent_config.py")
        run = lambda *more: subprocess.run([sys.executable, program, "/dev/stdin", *more], capture_output=True,
                                           text=True, input=json.dumps(definition))
        self.assertEqual(run().stdout, generate(read_task(definition), situation).config)
        self.assertIn("Match app-firelens*\n    Host log-router\n",
                      run("--options", 'app={"Name": "forward", "Host": "log-router"}').stdout)
        refused = run("--options", 'app={"Host": "log-router"}')
        self.assertEqual((refused.returncode, "missing output key" in refused.stderr), (1, True))


if __name__ == "__main__":
    run_tests()

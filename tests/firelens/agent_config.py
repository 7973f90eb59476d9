#!/usr/bin/python3
"""What the ECS agent makes of a task definition for its FireLens container: the generated fluent-bit.conf, the
variables of the router's container, and the log options of every other container.

    agent_config.py task-definition.json                       prints the fluent-bit.conf
    agent_config.py --out DIR task-definition.json             writes DIR/fluent-bit.conf and DIR/task.json
    agent_config.py Compute.template.json --ref LogBucket=logs the same from a CloudFormation template
    agent_config.py t.json --options 'app={"Name": "s3"}'      with other options for one container

The rules are those of the Amazon ECS agent (agent/taskresource/firelens/firelensconfig_unix.go and its template);
Fargate's own agent is closed, its order of sections is taken from logs that users posted. As a module: read_task() and generate().
"""

import argparse
import dataclasses
import json
import pathlib
import random
import re
import sys

SOCKET = "/var/run/fluent.sock"
GENERATED_FILE, EXTERNAL_FILE = "/fluent-bit/etc/fluent-bit.conf", "/fluent-bit/etc/external.conf"
FORWARD_PORT, HEALTH_PORT, HEALTH_TAG = 24224, 8877, "firelens-healthcheck"
DEFAULT_MEM_BUF_LIMIT_MB = 25
# Options that are not the output plugin's.
INCLUDE, EXCLUDE, BUFFER_LIMIT = "include-pattern", "exclude-pattern", "log-driver-buffer-limit"
# strconv.ParseBool of Go.
GO_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
GO_FALSE = {"0", "f", "F", "FALSE", "false", "False"}


class TaskError(Exception):
    """The agent would refuse the task: it would stop before any container starts."""


@dataclasses.dataclass
class Container:
    name: str
    memory: int | None = None
    memory_reservation: int | None = None
    firelens: dict | None = None  # firelensConfiguration
    log_driver: str = ""
    log_options: dict = dataclasses.field(default_factory=dict)
    secret_options: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Task:
    family: str
    network_mode: str
    fargate: bool
    containers: list

    @property
    def router(self):
        routers = [container for container in self.containers if container.firelens]
        if len(routers) != 1:
            raise TaskError(f"a task with awsfirelens containers needs one FireLens container, this has {len(routers)}")
        return routers[0]

    @property
    def senders(self):
        return [container for container in self.containers if container.log_driver == "awsfirelens"]


@dataclasses.dataclass
class Situation:
    """What the agent knows beside the task definition."""

    cluster: str = "mycluster"
    task_arn: str = "arn:aws:ecs:us-east-2:111122223333:task/mycluster/3de392df"
    task_definition: str = ""  # "family:revision"; empty: the task's family, revision 1
    ec2_instance_id: str = "i-0123"  # only used on EC2
    order: str = ""  # of sections: "agent" or "fargate"; empty: by launch type
    shuffle: int | None = None  # seed; containers come out of a Go map, in any order
    old_agent: bool = False  # before 1.89.0: no Mem_Buf_Limit
    external_file: str = EXTERNAL_FILE  # where an S3 file was downloaded to
    socket: str = SOCKET
    forward_port: int = FORWARD_PORT
    health_port: int = HEALTH_PORT

    @property
    def task_id(self):
        return self.task_arn.rsplit("/", 1)[-1]


@dataclasses.dataclass
class Generated:
    config: str  # the text of fluent-bit.conf
    router_variables: dict  # name → valueFrom: what secretOptions put into the router's environment
    drivers: dict  # container → the options of Docker's fluentd driver
    sender_variables: dict  # what each awsfirelens container finds in its environment
    warnings: list


# -- the task definition ---------------------------------------------------------------------------------------------


def resolve(value, references):
    """CloudFormation's intrinsic functions, as far as CDK writes them into container definitions."""
    if isinstance(value, list):
        return [resolve(item, references) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (function, argument), = value.items()
        if function == "Ref":
            return references.get(argument, argument.replace("AWS::", "aws-"))
        if function == "Fn::Join":
            return argument[0].join(str(part) for part in resolve(argument[1], references))
        if function == "Fn::GetAtt":
            name = argument if isinstance(argument, str) else ".".join(argument)
            return references.get(name, name)
        if function == "Fn::Sub":
            text, own = (argument, {}) if isinstance(argument, str) else argument
            known = {**references, **resolve(own, references)}
            return re.sub(r"\$\{([^}!]+)\}", lambda match: str(known.get(match[1], match[1])), text)
        if function in ("Fn::ImportValue", "Fn::GetStackOutput", "Fn::Select", "Fn::Split"):
            return f"{function}({json.dumps(resolve(argument, references))})"
    return {key: resolve(item, references) for key, item in value.items()}


def get(mapping, name, default=None):
    """`name` as the ECS API (camelCase) or CloudFormation (PascalCase) spells it."""
    for key in (name, name[0].upper() + name[1:]):
        if mapping.get(key) is not None:
            return mapping[key]
    return default


def number(mapping, name):
    value = get(mapping, name)
    return None if value is None else int(value)


def find_task_definition(document, logical_id=None):
    """In a template: its only AWS::ECS::TaskDefinition, or the one named. Else the document itself."""
    resources = document.get("Resources")
    if resources is None:
        return document.get("taskDefinition", document)
    found = {name: resource for name, resource in resources.items()
             if resource.get("Type") == "AWS::ECS::TaskDefinition" and logical_id in (None, name)}
    if len(found) != 1:
        raise ValueError(f"the template has {len(found)} task definitions ({', '.join(found)}): name one")
    return next(iter(found.values()))["Properties"]


def read_task(document, references=None, logical_id=None):
    """A Task from a task definition as the ECS API takes it, or from a CloudFormation template."""
    definition = resolve(find_task_definition(document, logical_id), references or {})
    containers = []
    for entry in get(definition, "containerDefinitions", []):
        logging = get(entry, "logConfiguration", {})
        containers.append(Container(
            name=get(entry, "name"), memory=number(entry, "memory"),
            memory_reservation=number(entry, "memoryReservation"),
            firelens=get(entry, "firelensConfiguration"), log_driver=get(logging, "logDriver", ""),
            log_options={key: str(value) for key, value in get(logging, "options", {}).items()},
            secret_options=get(logging, "secretOptions", [])))
    fargate = "FARGATE" in get(definition, "requiresCompatibilities", [])
    return Task(family=get(definition, "family", "family"), fargate=fargate, containers=containers,
                network_mode=get(definition, "networkMode", "awsvpc" if fargate else "bridge"))


# -- the generated file ----------------------------------------------------------------------------------------------


def go_sorted(options):
    """Go's templates range over a map in the bytewise order of its keys."""
    return sorted(options.items(), key=lambda item: item[0].encode())


def section(title, lines):
    return f"\n[{title}]\n" + "".join(f"    {line}\n" for line in lines)


def plugin(title, name, fixed, options):
    return section(title, [f"Name {name}", *fixed, *(f"{key} {value}" for key, value in go_sorted(options))])


def pattern_filter(match, line):
    return section("FILTER", ["Name   grep", f"Match {match}", line])  # the template's own spaces


def firelens_options(task, situation, warnings):
    """(metadata, the file to @INCLUDE or None)."""
    router = task.router
    kind = get(router.firelens, "type")
    if kind != "fluentbit":
        raise TaskError(f"FireLens type {kind}: only fluentbit is generated here")
    options = get(router.firelens, "options", {})
    metadata = True
    if (text := options.get("enable-ecs-log-metadata")) is not None:
        metadata = str(text) in GO_TRUE
        if str(text) not in GO_TRUE | GO_FALSE:
            warnings.append(f"enable-ecs-log-metadata {text} is no Go boolean: it counts as false")
    file_type, file_value = options.get("config-file-type"), options.get("config-file-value")
    if file_type is None:
        return metadata, None
    if file_type not in ("file", "s3"):
        raise TaskError(f"config-file-type {file_type}: only file and s3 are known")
    if not file_value:
        raise TaskError("config-file-type without config-file-value")
    if file_type == "s3" and task.fargate:
        raise TaskError("config-file-type s3 is not supported on Fargate")
    return metadata, file_value if file_type == "file" else situation.external_file


def mem_buf_limit(router):
    size = router.memory_reservation or router.memory
    return f"{size // 2 if size else DEFAULT_MEM_BUF_LIMIT_MB}MB"


def output_options(container, index):
    """The plugin's own options, secrets as variables named by the container's number in the task."""
    options = {key: value for key, value in container.log_options.items()
               if key not in (INCLUDE, EXCLUDE, BUFFER_LIMIT)}
    for secret in container.secret_options:
        name = get(secret, "name")
        options[name] = f"${{{name}_{index}}}"
    if "Name" not in options:
        if options:
            raise TaskError(f"unable to apply log options of container {container.name}: missing output key Name")
        return None
    return options


def generate(task, situation=None):
    """The agent's work for a task; TaskError where it would refuse it."""
    situation = situation or Situation()
    warnings = []
    router = task.router
    metadata, include = firelens_options(task, situation, warnings)
    shared_network = task.network_mode in ("awsvpc", "bridge")
    address = "127.0.0.1" if task.network_mode == "awsvpc" else "0.0.0.0"

    unix = {"unix_path": situation.socket}
    if not situation.old_agent:
        unix["Mem_Buf_Limit"] = mem_buf_limit(router)
    inputs = [plugin("INPUT", "forward", [], unix)]
    if shared_network:
        inputs.append(plugin("INPUT", "forward", [], {"Listen": address, "Port": situation.forward_port}))
        inputs.append(plugin("INPUT", "tcp", [f"Tag {HEALTH_TAG}"],
                             {"Listen": "127.0.0.1", "Port": situation.health_port}))

    senders = [(index, container) for index, container in enumerate(task.containers) if container in task.senders]
    if situation.shuffle is not None:
        random.Random(situation.shuffle).shuffle(senders)
    includes, excludes, outputs, variables = [], [], [], {}
    for index, container in senders:
        match = f"{container.name}-firelens*"
        if (pattern := container.log_options.get(INCLUDE)) is not None:
            includes.append(pattern_filter(match, f"Regex  log {pattern}"))
        if (pattern := container.log_options.get(EXCLUDE)) is not None:
            excludes.append(pattern_filter(match, f"Exclude log {pattern}"))
        options = output_options(container, index)
        for secret in container.secret_options:
            variables[f"{get(secret, 'name')}_{index}"] = get(secret, "valueFrom")
        if options is not None:
            name = options.pop("Name")
            outputs.append(plugin("OUTPUT", name, [f"Match {match}"], options))

    filters = includes + excludes
    if metadata:
        fields = {"ecs_cluster": situation.cluster, "ecs_task_arn": situation.task_arn,
                  "ecs_task_definition": situation.task_definition or f"{task.family}:1"}
        if not task.fargate and situation.ec2_instance_id:
            fields["ec2_instance_id"] = situation.ec2_instance_id
        filters.append(section("FILTER", ["Name record_modifier", "Match *",
                                          *(f"Record {key} {value}" for key, value in go_sorted(fields))]))
    null = [plugin("OUTPUT", "null", [f"Match {HEALTH_TAG}"], {})] if shared_network else []
    order = situation.order or ("fargate" if task.fargate else "agent")
    if order == "fargate":
        inputs = inputs[2:] + inputs[:2]
        outputs = outputs + null
    else:
        outputs = null + outputs
    config = "".join(inputs + filters + ([f"\n@INCLUDE {include}\n"] if include else []) + outputs)
    return Generated(config=config, router_variables=variables, warnings=warnings,
                     drivers={container.name: driver_options(container, situation) for container in task.senders},
                     sender_variables={container.name: sender_variables(task, situation)
                                       for container in task.senders})


def driver_options(container, situation):
    """Of Docker's fluentd driver, as the agent sets them (engine/docker_task_engine.go)."""
    options = {"fluentd-address": f"unix://{situation.socket}",
               "tag": f"{container.name}-firelens-{situation.task_id}",
               "fluentd-sub-second-precision": "true", "fluentd-async": "true"}
    if (limit := container.log_options.get(BUFFER_LIMIT)) is not None:
        options["fluentd-buffer-limit"] = limit
    return options


def sender_variables(task, situation):
    if task.network_mode not in ("awsvpc", "bridge"):
        return {}
    # In bridge mode it is the address of the router's container, which no task definition knows.
    host = "127.0.0.1" if task.network_mode == "awsvpc" else "172.17.0.2"
    return {"FLUENT_HOST": host, "FLUENT_PORT": str(situation.forward_port)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("task_definition", type=pathlib.Path, help="JSON of the ECS API, or a CloudFormation template")
    parser.add_argument("--resource", help="which task definition of the template, by logical id")
    parser.add_argument("--ref", action="append", default=[], metavar="NAME=VALUE", help="what a Ref stands for")
    parser.add_argument("--options", action="append", default=[], metavar="CONTAINER=JSON",
                        help="log options of one container instead of its own")
    parser.add_argument("--network-mode", choices=["awsvpc", "bridge", "host", "none"])
    parser.add_argument("--order", choices=["agent", "fargate"], default="")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="containers in another order")
    parser.add_argument("--old-agent", action="store_true", help="before 1.89.0: no Mem_Buf_Limit")
    parser.add_argument("--out", type=pathlib.Path, help="directory for fluent-bit.conf and task.json")
    for name in ("socket", "external-file", "task-arn", "cluster", "ec2-instance-id"):
        parser.add_argument(f"--{name}", default=getattr(Situation, name.replace("-", "_")))
    for name in ("forward-port", "health-port"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Situation, name.replace("-", "_")))
    arguments = parser.parse_args()
    try:
        task = read_task(json.loads(arguments.task_definition.read_text()),
                         dict(reference.split("=", 1) for reference in arguments.ref), arguments.resource)
        for option in arguments.options:
            name, _, text = option.partition("=")
            container, = (container for container in task.containers if container.name == name)
            container.log_driver, container.log_options, container.secret_options = "awsfirelens", json.loads(text), []
        task.network_mode = arguments.network_mode or task.network_mode
        generated = generate(task, Situation(
            cluster=arguments.cluster, task_arn=arguments.task_arn, ec2_instance_id=arguments.ec2_instance_id,
            order=arguments.order, shuffle=arguments.shuffle, old_agent=arguments.old_agent,
            external_file=arguments.external_file, socket=arguments.socket, forward_port=arguments.forward_port,
            health_port=arguments.health_port))
    except TaskError as error:
        sys.exit(f"the agent would refuse this task: {error}")
    except ValueError as error:
        sys.exit(f"{arguments.task_definition}: {error}")
    for warning in generated.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.out is None:
        print(generated.config, end="")
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "fluent-bit.conf").write_text(generated.config)
    rest = dataclasses.asdict(generated)
    del rest["config"]
    (arguments.out / "task.json").write_text(json.dumps(rest, indent=2) + "\n")


if __name__ == "__main__":
    main()

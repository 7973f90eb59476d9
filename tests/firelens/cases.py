"""Task definitions whose generated configurations are golden cases: tests/golden/config/<name>/input.conf is what
agent_config.py makes of each. agent_config_test.py compares them (UPDATE_GOLDEN=1 writes them)."""

from agent_config import Situation

IMAGE = "noroshi"
CLOUDWATCH = {"Name": "cloudwatch_logs", "region": "us-west-2", "log_group_name": "g"}
API_KEY = [{"name": "apikey", "valueFrom": "arn:aws:secretsmanager:us-west-2:111122223333:secret:key"}]
PATTERNS = {"include-pattern": '^.*[ab]{2} "x y" # z$', "exclude-pattern": "healthcheck"}
# As log-routing-design.ja.md gives them to CDK: the router would send to itself.
SPECIFIED_OPTIONS = {"Name": "forward", "Host": "log-router", "Port": "24224", "Retry_Limit": "2"}


def router(**options):
    configuration = {"type": "fluentbit"}
    if options:
        configuration["options"] = {key.replace("_", "-"): value for key, value in options.items()}
    return {"name": "log-router", "image": IMAGE, "essential": True, "firelensConfiguration": configuration}


def app(options=None, *, name="app", secrets=()):
    logging = {"logDriver": "awsfirelens"}
    if options is not None:
        logging["options"] = options
    if secrets:
        logging["secretOptions"] = list(secrets)
    return {"name": name, "image": "app", "essential": True, "logConfiguration": logging}


def task(*containers, network="awsvpc", fargate=False):
    definition = {"family": "family", "networkMode": network, "containerDefinitions": list(containers)}
    if fargate:
        definition.update(requiresCompatibilities=["FARGATE"], cpu="256", memory="512")
    return definition


def plain_app():
    return app(CLOUDWATCH, secrets=API_KEY)


# name → (task definition, situation)
CASES = {
    "ecs-awsvpc": (task(router(), plain_app()), Situation()),
    "ecs-ec2-bridge-file": (
        task(router(config_file_type="s3", config_file_value="arn:aws:s3:::b/external.conf"),
             app({**CLOUDWATCH, **PATTERNS}, secrets=API_KEY), network="bridge"),
        Situation(external_file="external.conf")),
    "ecs-host-network": (task(router(), plain_app(), network="host"), Situation()),
    "ecs-metadata-off": (
        task(router(enable_ecs_log_metadata="false"), app({**CLOUDWATCH, **PATTERNS}, secrets=API_KEY),
             network="bridge"), Situation()),
    # A value that Go does not read as a boolean switches it off too.
    "ecs-metadata-yes": (task(router(enable_ecs_log_metadata="yes"), plain_app()), Situation()),
    "ecs-no-options": (task(router(), app(), network="bridge"), Situation()),
    "ecs-not-ec2": (task(router(), plain_app(), network="bridge"), Situation(ec2_instance_id="")),
    "ecs-old-agent": (task(router(), plain_app(), network="bridge"), Situation(old_agent=True)),
    "ecs-fargate-order": (task(router(), plain_app(), fargate=True), Situation()),
    "ecs-memory-reservation": (
        task({**router(), "memoryReservation": 51, "memory": 512}, plain_app(), fargate=True), Situation()),
    "ecs-aws-healthcheck-file": (
        task(router(enable_ecs_log_metadata="false", config_file_type="file",
                    config_file_value="configs/output-metrics-healthcheck.conf"), plain_app(), network="host"),
        Situation()),
    "ec2-s3-file-missing": (
        task(router(enable_ecs_log_metadata="false", config_file_type="s3", config_file_value="arn:aws:s3:::b/x.conf"),
             plain_app(), network="host"),
        Situation(external_file="/fluent-bit/etc/noroshi-golden-missing.conf")),
    "ecs-options-verbatim": (
        task(router(enable_ecs_log_metadata="false"),
             app({"Name": "s3", "bucket": "logs-bucket", "total_file_size": "1M", "Retry_Limit": "2",
                  "s3_key_format": "/$(ecs_task_id)/$TAG[1]/%Y/#x", "log-driver-buffer-limit": "2097152"},
                 name="my-app", secrets=[{"name": "secret-name.x", "valueFrom": "arn:aws:ssm:x"}]), network="host"),
        Situation()),
    # The container's number counts the router and what logs elsewhere; the order of the sections is Go's.
    "ecs-several-containers": (
        task({"name": "init", "image": "init"}, router(),
             app({"Name": "s3", "bucket": "logs-bucket", "region": "us-west-2"}, name="web"),
             app({**CLOUDWATCH, "include-pattern": "ERROR"}, name="worker", secrets=API_KEY),
             app({"Name": "null"}, name="web-canary"), fargate=True),
        Situation(shuffle=3)),
    "ecs-specified": (
        task({**router(config_file_type="file", config_file_value="../specified/input.conf"),
              "memoryReservation": 50}, app(SPECIFIED_OPTIONS, name="backend"), fargate=True), Situation()),
}

"""The configurations that are measured: ours, and for Fluent Bit the one that does the same.

Fluent Bit refuses `Grep` in an [OUTPUT] (unknown configuration property 'grep'), so its errors get a second tag by
rewrite_tag, and its CloudWatch output matches that. An output that matches every tag and selects nothing cannot be
written there either: it matches no tag. Everything else is the same text, with the sink's address where ours reads it
from the environment.
"""

FILTER = """[FILTER]
    Name parser
    Match *
    Key_Name log
    Parser json
    Reserve_Data On
"""
NULL = """[OUTPUT]
    Name null
    Match *
"""
IDLE = """[OUTPUT]
    Name null
    Match *
    Alias idle{number}
    Grep level FATAL
"""
LOGS = """[OUTPUT]
    Name cloudwatch_logs
    Match {match}
    region ap-northeast-1
    log_group_name /ecs/backend/errors
    log_stream_prefix fargate-
    auto_create_group true
"""
S3 = """[OUTPUT]
    Name s3
    Match {match}
    region ap-northeast-1
    bucket bench
    total_file_size 100M
    upload_timeout 10m
    s3_key_format /logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.gz
    compression gzip
    store_dir {directory}/s3
"""
ERRORS_ONLY = "    Grep level ERROR,CRITICAL,FATAL\n"


def noroshi(case, directory, port, admin, sink_port):
    text = f"[SERVICE]\n    HTTP_Port {admin}\n    Log_Level warn\n"
    text += f"[INPUT]\n    Name forward\n    Port {port}\n" + FILTER
    if case.delivery == "specified":
        text += LOGS.format(match="*") + ERRORS_ONLY + S3.format(match="*", directory=directory)
    else:
        text += NULL
    idle = "".join(IDLE.format(number=number) for number in range(case.idle_outputs))
    return text + idle + unmatched(case.unmatched_outputs)


def unmatched(count):
    return "".join(NULL.replace("*", f"other{number}.*") for number in range(count))


def fluent_bit(case, directory, port, admin, sink_port):
    parsers = directory / "parsers.conf"
    parsers.write_text("[PARSER]\n    Name json\n    Format json\n")
    text = (f"[SERVICE]\n    HTTP_Server On\n    HTTP_Port {admin}\n    Log_Level warn\n    Grace 60\n"
            f"    Parsers_File {parsers}\n[INPUT]\n    Name forward\n    Port {port}\n" + FILTER)
    if case.delivery != "specified":
        return text + NULL + unmatched(case.unmatched_outputs + case.idle_outputs)
    return text + unmatched(case.unmatched_outputs + case.idle_outputs) + (
        "[FILTER]\n    Name rewrite_tag\n    Match backend*\n"
        "    Rule $level ^(ERROR|CRITICAL|FATAL)$ errors.$TAG true\n"
        + LOGS.format(match="errors.*") + f"    endpoint 127.0.0.1\n    port {sink_port}\n    tls Off\n"
        + S3.format(match="backend*", directory=directory)
        + f"    endpoint http://127.0.0.1:{sink_port}\n    tls Off\n")

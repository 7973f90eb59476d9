#!/usr/bin/python3
"""Docker's own fluentd log driver feeds the specified pipeline, set up as the ECS agent sets it up.

Exits 77 (skipped) with the reason where no docker daemon can run: see engine.py.
"""

import collections
import json
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "firelens"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from agent_config import Situation, generate, read_task
from cases import app, router, task
from engine import BUSYBOX_IMAGE, run_tests
from harness import SystemTest, fetch, free_port, wait_for

IMAGE, TAG = BUSYBOX_IMAGE, "app-firelens-test"
PIECE = 16384  # bytes at which Docker cuts a line
PATIENCE = 20  # seconds without a new record in S3
ERRORS = ("ERROR", "CRITICAL", "FATAL")


def padded(size, **fields):
    """A JSON line of exactly `size` bytes."""
    empty = len(json.dumps({**fields, "padding": ""}, ensure_ascii=False).encode())
    return json.dumps({**fields, "padding": "p" * (size - empty)}, ensure_ascii=False).encode()


class FluentdDriver(SystemTest):
    def start(self, filters=""):
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        self.socket = self.directory / "fluent.sock"
        # As the ECS agent adds it to the user's configuration.
        self.config = self.specified_config(
            self.port, self.admin, service=f"    Grace 3\n[INPUT]\n    Name forward\n    unix_path {self.socket}\n{filters}")
        self.router = self.start_router(self.config, self.admin)

    def run_container(self, script, *, acks=False, at_once=False, files=None, volumes=()):
        """Starts it in the background, with the log options of the ECS agent; answers its id."""
        data = self.directory / "container"
        data.mkdir(exist_ok=True)
        options = dict(generate(read_task(task(router(), app())), Situation(
            socket=str(self.socket), task_arn="arn:aws:ecs:x:1:task/c/test")).drivers["app"])
        self.assertEqual(options["tag"], TAG)
        if at_once:
            options["fluentd-async"] = "false"
        else:
            # A container that ends takes along what the driver has not sent: "Discarding queued events..." (fluentd-async
            # implies ForceStopAsyncSend). On a busy machine that is what the container wrote last.
            script += "while [ ! -e /data/all-arrived ]; do /bin/busybox sleep 0.05; done\n"
        for name, content in {**(files or {}), "run.sh": script.encode()}.items():
            (data / name).write_bytes(content)
        if acks:
            options["fluentd-request-ack"] = "true"
        flags = [flag for key, value in options.items() for flag in ("--log-opt", f"{key}={value}")]
        container = engine.docker("run", "--detach", "--network", "none", "--name", f"ecs-backend-{time.time_ns()}",
                                  "--volume", f"{data}:/data:ro", *volumes, "--log-driver", "fluentd", *flags, IMAGE,
                                  "/bin/busybox", "sh", "/data/run.sh").stdout.strip()
        self.addCleanup(engine.docker, "rm", "--force", container, check=False)
        return container

    def finish(self, container, count):
        # With acks the driver sends one line a round trip: as long as more arrive, they are waited for. Which ones are
        # missing is said later.
        seen, deadline = 0, time.monotonic() + PATIENCE
        while (there := self.deliver_and_count()) < count and time.monotonic() < deadline:
            if there > seen:
                seen, deadline = there, time.monotonic() + PATIENCE
        (self.directory / "container/all-arrived").touch()
        self.assertEqual(engine.docker("wait", container).stdout.strip(), "0")
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        return last

    def deliver_and_count(self):
        fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")
        time.sleep(0.2)
        return len(self.s3_records())

    def test_every_line_is_joined_and_intact_and_there_once(self):
        self.start()
        name = "注文サービス"  # three bytes a letter: Docker cuts inside of them
        stdout = [json.dumps({"n": n, "level": "ERROR" if n % 10 == 0 else "INFO", "message": f"{name} {n}"},
                             ensure_ascii=False).encode() for n in range(200)]
        stdout += [
            padded(40_000, n=200, level="INFO", message=name), padded(40_000, n=201, level="ERROR", message=name),
            padded(PIECE, n=202, level="INFO", message="one piece and an empty one"),
            padded(2 * PIECE, n=203, level="INFO", message="two pieces and an empty one"),
            padded(300_000, n=204, level="INFO", message=name), padded(300_000, n=205, level="ERROR", message=name),
            (name * 3000).encode()[:39_999] + b"!", b"x" * (PIECE - 1), b"y" * PIECE, b"z" * (PIECE + 1),
            b"a" * (5 * PIECE), b"", b"carriage return\r", b"not UTF-8: \xff\xfe.", b"{broken json", b"   ",
        ]
        stderr = [b"INFO:     Uvicorn running on http://0.0.0.0:8000", b"ERROR:    Exception in ASGI application",
                  b"Traceback (most recent call last):", b'  File "app.py", line 7, in crash', b"RuntimeError: boom",
                  padded(40_000, n=300, level="CRITICAL", message=name), b"e" * 40_000, b""]
        container = self.run_container(
            "/bin/busybox cat /data/stderr >&2 & /bin/busybox cat /data/stdout; wait\n",
            files={"stdout": b"".join(line + b"\n" for line in stdout),
                   "stderr": b"".join(line + b"\n" for line in stderr)})
        wanted, errors = collections.Counter(), 0
        for source, lines in (("stdout", stdout), ("stderr", stderr)):
            for line in lines:
                try:
                    fields = json.loads(line)
                    errors += fields["level"] in ERRORS
                except ValueError:
                    fields = {"log": line.decode(errors="replace")}
                    errors += line.startswith((b"ERROR:", b"Traceback", b"RuntimeError:"))  # docs/severity.md
                wanted[source, json.dumps(fields, sort_keys=True)] += 1
        self.finish(container, sum(wanted.values()))
        got = collections.Counter()
        for record in self.s3_records():
            self.assertEqual(next(iter(record)), "date")
            record.pop("date")
            self.assertEqual(record.pop("container_id"), container)
            self.assertTrue(record.pop("container_name").startswith("/ecs-backend-"))
            self.assertEqual([key for key in record if key.startswith("partial_")], [])
            got[record.pop("source"), json.dumps(record, sort_keys=True)] += 1
        difference = [(how, times, key[0], key[1][:120], len(key[1]))
                      for how, counter in (("missing", wanted - got), ("too many", got - wanted))
                      for key, times in counter.items()]
        self.assertEqual(difference, [])
        events = self.log_events()
        self.assertEqual({event["logStreamName"] for event in events}, {f"fargate-{TAG}"})
        self.assertEqual(len(events), errors, [event["message"][:100] for event in events])
        long = [json.loads(event["message"]) for event in events if "padding" in event["message"]]
        self.assertEqual(sorted((record["n"], record["level"]) for record in long),
                         [(201, "ERROR"), (205, "ERROR"), (300, "CRITICAL")])

    def test_a_traceback_is_one_record_and_reaches_cloudwatch_whole(self):
        """What uvicorn writes in plain lines, one message of the driver each, beside what the application logs as JSON."""
        self.start("[FILTER]\n    Name multiline\n    Match *\n    multiline.parser python\n")
        frames = [line for n in range(60) for line in (f'  File "/app/orders.py", line {n}, in step', "    注文()" + "x" * 300)]
        traceback = ["ERROR:    Exception in ASGI application", "Traceback (most recent call last):", *frames,
                     "ValueError: no such order"]
        infos = [json.dumps({"level": "INFO", "n": n}) for n in range(200)]
        container = self.run_container(
            "/bin/busybox cat /data/stderr >&2 & /bin/busybox cat /data/stdout; wait\n",
            files={"stdout": "".join(line + "\n" for line in infos).encode(),
                   "stderr": ("INFO:     Started server\n" + "".join(line + "\n" for line in traceback) * 2 +
                              "INFO:     127.0.0.1 - GET /orders 500\n").encode()})
        self.finish(container, len(infos) + 4)
        whole = "\n".join(traceback)
        self.assertGreater(len(whole.encode()), PIECE)
        stderr = [record["log"].rstrip("\n") for record in self.s3_records() if record["source"] == "stderr"]
        self.assertEqual(stderr, ["INFO:     Started server", whole, whole, "INFO:     127.0.0.1 - GET /orders 500"])
        self.assertEqual([event["message"].rstrip("\n") for event in self.log_events()], [whole, whole])

    def test_a_last_line_without_its_end_is_kept_and_says_so(self):
        """Docker sends it as a first piece that no last one follows.

        Not with fluentd-async: there Docker 20.10 keeps such a line to itself (seen with a bare socket in our place).
        """
        self.start()
        words = {"stdout": b'one\n{"n": 1, "level": "ERROR", "message": "cut off"}',
                 "stderr": b"two\n" + b"w" * (PIECE + 10)}
        container = self.run_container("/bin/busybox cat /data/stderr >&2; /bin/busybox cat /data/stdout\n",
                                       files=words, at_once=True)
        self.finish(container, 4)
        records = self.s3_records()
        self.assertEqual(sorted(record["log"] for record in records if "log" in record),
                         ["one", "two", "w" * (PIECE + 10)])
        self.assertEqual([(record["level"], record["message"]) for record in records if "n" in record],
                         [("ERROR", "cut off")])
        for record in records:
            whole = record.get("log") in ("one", "two")
            self.assertEqual(record.get("partial_last"), None if whole else "false")
        self.assertEqual(len(self.log_events()), 1)

    def received(self):
        metrics = json.loads(fetch(f"http://127.0.0.1:{self.admin}/api/v1/metrics")[1])
        return sum(counters["records"] for counters in metrics["input"].values())

    def count_through(self, interrupt, acks, long):
        """The router is interrupted, and started again after a second, while a container writes.

        Every twentieth line is `long`: where that is two pieces, a line may be half sent when the router goes.
        """
        ticks, lines = 400, 20
        total = ticks * lines
        script = f"""n=0
while [ $n -lt {total} ]; do
  end=$((n + {lines}))
  while [ $n -lt $end ]; do
    [ $((n % {lines})) = 7 ] && padding={long} || padding=
    level=INFO; [ $((n % 50)) = 0 ] && level=ERROR
    echo "{{\\"n\\": $n, \\"level\\": \\"$level\\", \\"padding\\": \\"$padding\\"}}"
    n=$((n + 1))
  done
  /bin/busybox sleep 0.01
done
"""
        container = self.run_container(script, acks=acks)
        wait_for("the first lines", lambda: self.received() > total // 10)
        self.assertLess(self.received(), total * 9 // 10, "too few lines are left to interrupt")
        self.router.send_signal(interrupt)
        status = self.router.wait(60)
        if interrupt == signal.SIGTERM:
            self.assertEqual(status, 0, self.log_of("router")[-2000:])
        time.sleep(1)
        self.router = self.start_router(self.config, self.admin)
        self.finish(container, total)
        numbers = collections.Counter()
        for record in self.s3_records():
            numbers[record["n"]] += 1
            self.assertEqual(record["padding"], long if record["n"] % lines == 7 else "")
        self.assertEqual(set(range(total)) - set(numbers), set(), "lines lost")
        events = collections.Counter(json.loads(event["message"])["n"] for event in self.log_events())
        self.assertEqual(set(events), set(range(0, total, 50)))
        return sum(numbers.values()) - len(numbers), sum(events.values()) - len(events)

    def test_a_restart_loses_no_line_and_repeats_none(self):
        self.start()
        self.assertEqual(self.count_through(signal.SIGTERM, acks=False, long="w" * 20_000), (0, 0))

    def test_the_application_is_not_held_up_while_the_router_is_away(self):
        """As the ECS agent sets the driver up (fluentd-async) it takes every line at once, router or not."""
        self.start()
        rounds, away = 1500, 3
        measured = self.directory / "measured"
        measured.mkdir()
        # /proc/uptime counts hundredths of a second. The longest time between two lines is written at the end.
        script = f"""longest=0; n=0
read last _ </proc/uptime; last=${{last%.*}}${{last#*.}}
while [ $n -lt {rounds} ]; do
  echo "{{\\"n\\": $n, \\"level\\": \\"INFO\\", \\"padding\\": \\"{'x' * 500}\\"}}"
  read now _ </proc/uptime; now=${{now%.*}}${{now#*.}}
  [ $((now - last)) -gt $longest ] && longest=$((now - last))
  last=$now; n=$((n + 1))
  [ $((n % 10)) = 0 ] && /bin/busybox sleep 0.05
done
echo $longest >/measured/longest
"""
        container = self.run_container(script, volumes=["--volume", f"{measured}:/measured"])
        wait_for("the first lines", lambda: self.received() > rounds // 10)
        self.assertEqual(self.stop_router(self.router)[0], 0)
        time.sleep(away)
        self.router = self.start_router(self.config, self.admin)
        self.finish(container, rounds)
        longest = int((measured / "longest").read_text()) / 100
        print(f"\nthe application's longest wait for a line: {longest} s, the router was away for {away} s and more")
        # Its own pauses are 0.05 s; the rest is this machine's.
        self.assertLess(longest, away / 2)
        self.assertEqual(sorted(record["n"] for record in self.s3_records()), list(range(rounds)))

    def test_kill_9_loses_no_line_where_the_driver_waits_for_acks(self):
        """The driver sends again what was not acknowledged: one line at most, it sends them one by one."""
        self.start()
        in_s3, in_logs = self.count_through(signal.SIGKILL, acks=True, long="w" * 2000)
        self.assertLessEqual(in_s3, 1)
        self.assertLessEqual(in_logs, 10_000)  # a batch that CloudWatch took and whose checkpoint the kill prevented


if __name__ == "__main__":
    run_tests(sys.modules["__main__"])

#!/usr/bin/python3
"""The files of a router: only what is below the given paths is touched, whatever a sender names; and `noroshi journal
ls|dump|verify` knows every one of them.

Below one directory: storage.path (journal, checkpoints, dead letters), the S3 store_dir (an upload left open), a tail
input's offsets and its logs, and a file output.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from harness import BIN, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

HOSTILE_TAGS = [
    "../../escaped", "../../../../../../../../tmp/noroshi-escaped", "/tmp/noroshi-escaped", "..", ".", "a/../../../escaped",
    "..\\..\\escaped", "a\0b/../../escaped", "~/escaped", "$HOME/escaped", "-rf", "%2e%2e%2fescaped", "x" * 1000,
    "/".join(["d"] * 500), "plain", "plain/below", "\u202e../escaped", "/proc/self/cwd/escaped",
]
# What changes something by its name, and which of its arguments name it.
CHANGES = ("openat", "open", "creat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat",
           "link", "linkat", "symlink", "symlinkat", "truncate", "chmod", "fchmodat", "chown", "lchown", "fchownat", "mknod",
           "mknodat", "utime", "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "removexattr", "mount")


class Files(SystemTest):
    def start(self, service="", command=(), s3_options=""):
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        self.given = self.directory / "given"
        (self.given / "logs").mkdir(parents=True)
        self.state = self.given / "state"
        (self.given / "logs" / "app.log").write_text('{"level":"INFO","message":"from a file"}\n')
        config = self.specified_config(self.port, self.admin, f"    Grace 5\n    Flush 0.2\n{service}", s3_options)
        text = config.read_text().replace(str(self.directory / "s3"), str(self.given / "s3")) + f"""
[INPUT]
    Name tail
    Path {self.given}/logs/*.log
    Tag tailed
    DB {self.given}/db/tail.db
    Read_from_Head on
    Refresh_Interval 1

[OUTPUT]
    Name file
    Match *
    Path {self.given}/out
    Mkdir on

[OUTPUT]
    Name cloudwatch_logs
    Match *
    Alias ../../../escaped
    region ap-northeast-1
    log_group_name /files/all
    log_stream_name one
    auto_create_group true
"""
        config.write_text(text)
        self.config = config
        environment = {**os.environ, **self.router_environment(), "NOROSHI_STORAGE_PATH": str(self.state)}
        self.environment = environment
        self.router = self.spawn("router", [*command, BIN / "noroshi", "-c", config], environment, cwd=self.given)
        wait_for("the router's health", lambda: self.alive(self.router) and fetch(
            f"http://127.0.0.1:{self.admin}/api/v1/health")[0] == 200, 120)

    def send(self, tag, records, seconds_ago=0):
        client = self.connect(self.port)
        ack = new_ack_id()
        now = time.time()
        client.send(packed_forward(tag, [entry(now - seconds_ago, record) for record in records], ack))
        self.assertEqual(client.wait_ack(), ack)
        client.close()

    def send_everything(self):
        for tag in HOSTILE_TAGS:
            self.send(tag, [{"log": json.dumps({"level": "ERROR", "n": n})} for n in range(3)])
        # CloudWatch takes nothing of three weeks ago: dead letters of two outputs.
        self.send("old", [{"log": json.dumps({"level": "ERROR", "n": n})} for n in range(3)], 21 * 86400)
        fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")
        dead = self.state / "dead-letter"
        wait_for("dead letters", lambda: len(list(dead.glob("*.jsonl"))) == 2, 60)
        wait_for("the tail input's offsets", lambda: self.offsets().stat().st_size > 20, 30)
        wait_for("the file output", lambda: len([p for p in (self.given / "out").rglob("*") if p.is_file()]) >= 10, 60)

    def offsets(self):
        return next((self.state / "tail").glob("*.offsets"))  # `DB` is accepted, and no SQLite file is written

    def end(self):
        children = subprocess.run(["pgrep", "-P", str(self.router.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(children[0]) if children else self.router.pid, signal.SIGTERM)
        self.router.wait(120)

    # -- nothing is written elsewhere ----------------------------------------------------------------------------------

    def test_nothing_is_written_elsewhere(self):
        """Every call that changes something by its name, as the kernel sees it."""
        if shutil.which("strace") is None or subprocess.run(["strace", "true"], capture_output=True).returncode != 0:
            print("\nSKIPPED: needs strace, and leave to use it")
            self.skipTest("no strace")
        trace = self.directory / "trace"
        self.start(command=("strace", "-ff", "-y", "-s", "8192", "-e", "trace=%file", "-o", trace))
        self.send_everything()
        self.end()
        touched, outside = set(), []
        # One file a thread: calls of several are not cut up by each other.
        lines = [line for path in self.directory.glob("trace.*") for line in path.read_text(errors="replace").splitlines()]
        for line in lines:
            call = re.match(r"(\w+)\((.*)\) += (?!-1|\?)", line)
            if not call or call[1] not in CHANGES:
                continue
            if call[1].startswith("open") and not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)", call[2]):
                continue
            # A path is relative to the directory that a descriptor in front of it names, or to where it was started.
            base = self.given
            for descriptor, quoted in re.findall(r'(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>|"((?:[^"\\]|\\.)*)"', call[2]):
                if descriptor:
                    base = pathlib.Path(descriptor)
                    continue
                path = pathlib.Path(os.path.normpath(base / quoted.encode().decode("unicode_escape")))
                touched.add(path)
                allowed = path == pathlib.Path("/dev/null") or self.given in (path, *path.parents)
                if not allowed:
                    outside.append(line[:300])
        self.assertEqual(outside, [])
        # The trace has seen what there is to see.
        for place in ("state/journal", "state/dead-letter", "state/tail", "s3", "out"):
            self.assertTrue(any(self.given / place in path.parents or path == self.given / place for path in touched), place)

    def test_a_read_only_system_is_enough(self):
        """Everything is mounted read-only but for the given directory: nothing is missing, nothing complains."""
        probe = subprocess.run(["unshare", "-m", "true"], capture_output=True)
        if probe.returncode != 0:
            print("\nSKIPPED: needs unshare -m (root)")
            self.skipTest("no mount namespace")
        script = ('set -e; mount --make-rprivate /; mount --bind "$0" "$0"; '
                  'for m in $(awk \'{print $2}\' /proc/mounts | sort -u); do '
                  'case "$m" in "$0") ;; *) mount -o remount,bind,ro "$m" 2>/dev/null || true;; esac; done; '
                  'cd "$0"; if touch /tmp/noroshi-probe 2>/dev/null; then echo "not read-only"; exit 9; fi; exec "$@"')
        self.start(command=("unshare", "-m", "sh", "-c", script, self.directory / "given"))
        self.send_everything()
        self.end()
        log = self.log_of("router")
        self.assertNotIn("Read-only file system", log)
        self.assertNotIn("cannot", log)

    def test_links_do_not_lead_out(self):
        """storage.path may be a link, for it is given; a link in the place of a file is not followed."""
        given, elsewhere = self.directory / "given", self.directory / "elsewhere"
        (given / "real").mkdir(parents=True)
        (given / "state").symlink_to("real")
        elsewhere.mkdir()
        (given / "real" / "dead-letter").mkdir()
        for output in ("cloudwatch_logs.0", ".._.._.._escaped"):
            (given / "real" / "dead-letter" / f"{output}.jsonl").symlink_to(elsewhere / "dead")
        self.start()
        for tag in HOSTILE_TAGS[:3]:
            self.send(tag, [{"log": json.dumps({"level": "ERROR", "n": 1})}])
        self.send("old", [{"log": json.dumps({"level": "ERROR", "n": 1})}], 21 * 86400)
        fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")
        wait_for("the refusal", lambda: "cannot keep a copy" in self.log_of("router"), 60)
        self.end()
        self.assertEqual(list(elsewhere.iterdir()), [])
        self.assertTrue((given / "real" / "journal" / "identity").exists())

    def test_a_journal_file_that_is_a_link_is_refused(self):
        journal = self.directory / "given" / "state" / "journal"
        journal.mkdir(parents=True)
        target = self.directory / "precious"
        target.write_text("x" * 100)
        (journal / f"{0:020}.segment").symlink_to(target)
        config = self.directory / "c.conf"
        config.write_text(f"[SERVICE]\n    HTTP_Port {free_port()}\n[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n")
        result = subprocess.run([BIN / "noroshi", "-c", config], capture_output=True, text=True, timeout=60,
                                env={**os.environ, "NOROSHI_STORAGE_PATH": str(journal.parent)})
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("symbolic link", result.stderr)
        self.assertEqual(target.read_text(), "x" * 100)

    # -- noroshi journal ls|dump|verify ----------------------------------------------------------------------------------

    def journal(self, verb, path, status=0):
        result = subprocess.run([BIN / "noroshi", "journal", verb, path], capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def lines(self, path):
        return [json.loads(line) for line in self.journal("dump", path).splitlines()]

    def test_the_tools_open_every_file(self):
        self.start(s3_options="    multipart_threshold 6M\n    upload_chunk_size 6M\n")
        fetch(f"{self.endpoint}/_localaws/faults",
              json.dumps({"service": "s3", "operation": "CompleteMultipartUpload", "action": "reset_before"}).encode())
        for _ in range(16):  # random text: it does not compress below the threshold
            self.send("big", [{"log": os.urandom(20_000).hex()} for _ in range(25)])
        self.send_everything()
        upload = wait_for("an open upload", lambda: list((self.given / "s3").rglob("upload-*")), 60)[0]
        # Beside the running router, and without it.
        self.check_listing()
        self.router.kill()
        self.router.wait()
        dead = self.state / "dead-letter"
        shutil.copy(dead / "cloudwatch_logs.0.jsonl", dead / "cloudwatch_logs.0.jsonl.replayed")
        (self.state / "notes.txt").write_text("mine")
        (self.state / "link").symlink_to("/etc/hostname")
        listing = self.check_listing()
        self.assertRegex(listing, r"unknown +4 +\d+ s  state/notes.txt")
        self.assertRegex(listing, r"symbolic link +\d+ +\d+ s  state/link")
        self.assertRegex(listing, r"dead letters +\d+ +\d+ s  state/dead-letter/cloudwatch_logs.0.jsonl.replayed")
        verified = self.journal("verify", self.given)
        self.assertIn("sound", verified)
        self.assertIn("notes.txt: unknown, not checked", verified)

        journal = self.state / "journal"
        self.assertEqual(self.lines(journal / "identity")[0]["journal"], re.search(r"journal (\S+):", listing)[1])
        checkpoint = next(path for path in journal.glob("checkpoint-*s3*"))
        self.assertIn("low_water", self.lines(checkpoint)[0])
        tags = {record["tag"] for record in self.lines(self.state)}
        self.assertLessEqual({"big", "tailed", "old"}, tags)
        segments = sorted(journal.glob("*.segment"))
        self.assertEqual(self.lines(segments[0])[0]["offset"], int(segments[0].stem))
        self.assertEqual({line["path"] for line in self.lines(self.offsets())}, {f"{self.given}/logs/app.log"})
        self.assertEqual([line["reason"] for line in self.lines(dead / "cloudwatch_logs.0.jsonl")], ["too_old"] * 3)
        self.assertEqual(set(self.lines(upload)[0]), {"key", "upload_id"})
        self.assertEqual(self.lines(journal / "lock")[0]["pid"], str(self.router.pid))
        self.assertIn("nothing that can be printed", self.journal("dump", self.state / "notes.txt", 1))
        self.assertIn("nothing here", self.journal("verify", self.directory / "nothing here", 1))

        # Damage of each kind is found, named, and is exit status 1.
        middle = segments[0].stat().st_size // 2
        for path, at, text in (
                (segments[0], middle, "NOT sound"), (checkpoint, 60, "damaged"), (journal / "identity", 3, "identity"),
                (self.offsets(), 30, ".offsets: DAMAGED"),
                (dead / "cloudwatch_logs.0.jsonl", 0, "cloudwatch_logs.0.jsonl: DAMAGED: line 1"),
                (dead / "cloudwatch_logs.0.jsonl.replayed", 0, "replayed: DAMAGED: line 1")):
            with self.subTest(path.name):
                whole = path.read_bytes()
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1:])
                self.assertIn(text, self.journal("verify", self.state, 1))
                self.journal("verify", path, 1)
                path.write_bytes(whole)
        upload.write_text("key")
        self.assertIn("cut short", self.journal("verify", upload, 1))

    def check_listing(self):
        listing = self.journal("ls", self.given)
        for what, name in (("journal segment", r"state/journal/\d{20}.segment"), ("checkpoint of an output", r"state/journal/checkpoint-\S+"),
                           ("journal identity", "state/journal/identity"), ("journal lock", "state/journal/lock"),
                           ("offsets of a tail input", r"state/tail/\w+.offsets"), ("dead letters", "state/dead-letter/cloudwatch_logs.0.jsonl"),
                           ("open S3 upload", r"s3/[\w-]+/upload-\w+")):
            self.assertRegex(listing, rf"(?m)^{what} +[1-9]\d* +\d+ (s|min)  {name}$")
        table = self.journal("ls", self.state)
        self.assertIn("CHECKPOINT", table)
        return table + listing


if __name__ == "__main__":
    run_tests()

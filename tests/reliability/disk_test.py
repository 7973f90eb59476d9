#!/usr/bin/python3
"""Full disks, full journals and a disk that turns read-only: paused or dropped as configured, counted by output and
reason, visible in health, and over without a restart once there is room.

Small file systems are tmpfs: mounting them needs root. Without it those tests are skipped.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from load import LEVELS, Load, docker_record, line
from harness import BIN, PATIENCE, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

# The journal leaves 32 MiB of a disk to others: a disk of this size leaves it some 16.
DISK_BYTES = 48 << 20


class DiskTest(SystemTest):
    def mount(self, name, size=DISK_BYTES):
        path = self.directory / name
        path.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True,
                              text=True)
        if made.returncode != 0:
            self.skipTest(f"cannot mount a tmpfs: {made.stderr.strip()}")
        # Cleanups run in reverse: the processes are gone by then.
        self.addCleanup(subprocess.run, ["umount", "-l", str(path)], check=True)
        self.addCleanup(self.end_processes)
        return path

    def _stop_everything_but_files(self):
        self.end_processes()
        for log in self.directory.glob("*.log"):
            log.unlink()
        (self.directory / "localaws.port").unlink()
        subprocess.run(["rm", "-rf", str(self.directory / "aws"), str(self.directory / "s3")], check=True)

    def start(self, state, service="", environment=None):
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        config = self.specified_config(self.port, self.admin, f"    Grace 30\n{service}")
        self.config = config
        self.environment = {"NOROSHI_STORAGE_PATH": str(state), **(environment or {})}
        return self.start_router(config, self.admin, self.environment)

    def fault(self, **fault):
        status, body = fetch(f"{self.endpoint}/_localaws/faults", json.dumps(fault).encode())
        self.assertIn(status, (200, 201), body)

    def heal(self):
        fetch(f"{self.endpoint}/_localaws/faults", method="DELETE")

    def health(self):
        return fetch(f"http://127.0.0.1:{self.admin}/api/v1/health")

    def metrics(self):
        found = {}
        for row in fetch(f"http://127.0.0.1:{self.admin}/api/v2/metrics/prometheus")[1].decode().splitlines():
            if not row.startswith("#"):
                found[row.rsplit(" ", 1)[0]] = float(row.rsplit(" ", 1)[1])
        return found

    def paused(self):
        return self.metrics()["noroshi_inputs_paused"] == 1

    def fill(self, directory, leave=0):
        """Takes the space of the disk that nobody else has yet."""
        space = os.statvfs(directory)
        path = directory / "somebody-elses"
        with open(path, "wb") as file:
            left = space.f_bavail * space.f_frsize - leave
            with_pieces = b"x" * 65536
            while left > 0:
                try:
                    left -= file.write(with_pieces[:left])
                    file.flush()
                except OSError:
                    break
        return path

    def send(self, client, first, count, hours=1):
        """In chunks of 100 with acks; times spread over so many hours, so that as many S3 batches are open."""
        now, waiting, errors = time.time(), 0, []
        for begin in range(first, first + count, 100):
            entries = []
            for number in range(begin, min(begin + 100, first + count)):
                level = LEVELS[number % len(LEVELS)]
                if level == "ERROR":
                    errors.append(number)
                # CloudWatch takes nothing that is older than 14 days, and no batch longer than 24 hours.
                entries.append(entry(now - 3600 * (number % hours), docker_record(line(number, level))))
            client.send(packed_forward("backend-firelens-1", entries, new_ack_id()))
            waiting += 1
            if waiting > 8:
                client.wait_ack()
                waiting -= 1
        while waiting:
            client.wait_ack()
            waiting -= 1
        return errors

    def check_everything_arrived(self, sent, errors, last):
        seen = collections.Counter(record["n"] for record in self.s3_records())
        self.assertEqual(set(range(sent)) - set(seen), set(), f"records missing in S3; {last}")
        self.assertEqual({n: times for n, times in seen.items() if times > 1}, {}, "records twice in S3")
        events = {json.loads(event["message"])["n"] for event in self.log_events()}
        self.assertEqual(set(errors) ^ events, set(), "CloudWatch Logs holds exactly the errors")

    def check_losses_are_counted(self, sent, errors, last):
        """What is missing is what was counted, for each output."""
        seen = collections.Counter(record["n"] for record in self.s3_records())
        self.assertEqual([n for n, times in seen.items() if times > 1], [], "records twice in S3")
        missing = {"s3": sent - len(seen)}
        events = {json.loads(event["message"])["n"] for event in self.log_events()}
        missing["cloudwatch_logs"] = len(errors) - len(events)
        for output, count in missing.items():
            part = next(part for part in last.split("; ") if part.strip().split("] ")[-1].startswith(output))
            dropped = int(part.split(" dropped")[0].rsplit(" ", 1)[1].replace(",", ""))
            self.assertEqual(dropped, count, f"{output}: {part}")
            if count:
                self.assertIn(f"journal_full {count:,}", part)
        return missing


class FullDisk(DiskTest):
    def test_a_full_disk_blocks_and_loses_nothing(self):
        disk = self.mount("disk")
        router = self.start(disk / "state")
        self.fault(service="*", action="reset_before")  # what is in the journal stays there
        other = self.fill(disk)
        load = Load(self.port, 3000)
        wait_for("the pause", self.paused, 60)
        wait_for("health", lambda: self.health()[0] == 500, 30)
        self.assertIn(b"journal", self.health()[1])
        self.assertIn("inputs are paused", self.log_of("router"))
        time.sleep(1)
        other.unlink()
        wait_for("the inputs to go on", lambda: not self.paused(), 30)
        self.heal()
        time.sleep(1)
        load.stop()
        wait_for("health to recover", lambda: self.health()[0] == 200, 120)
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(load.sent, load.errors, last)
        self.assertEqual(load.reconnects, 0, "a full disk closed the client's connection")

    def test_a_full_disk_drops_the_oldest_and_counts_them(self):
        disk = self.mount("disk")
        router = self.start(disk / "state", "    storage.when_full drop_oldest\n")
        self.fault(service="*", action="reset_before")
        client = self.connect(self.port)
        errors = self.send(client, 0, 20_000, hours=5)
        # S3 reads into its open batches; a request that fails stops it.
        fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")
        wait_for("S3 to fail", lambda: self.metrics()['noroshi_output_retrying{name="s3.1"}'] == 1)
        other = self.fill(disk, leave=33 << 20)  # a megabyte is left for the journal
        sent = 20_000
        while self.metrics()["noroshi_journal_appended_offset"] < 200_000 and "dropping the oldest" not in self.log_of("router"):
            errors += self.send(client, sent, 5000, hours=5)
            sent += 5000
        errors += self.send(client, sent, 20_000, hours=5)
        sent += 20_000
        self.assertIn("dropping the oldest", self.log_of("router"))
        self.assertFalse(self.paused())
        other.unlink()
        self.heal()
        wait_for("the loss to be told", lambda: "LOST" in self.log_of("router"), 60)
        wait_for("health to tell it", lambda: b"records were lost" in self.health()[1], 30)
        errors += self.send(client, sent, 5000, hours=5)
        sent += 5000
        client.close()
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        missing = self.check_losses_are_counted(sent, errors, last)
        self.assertGreater(missing["s3"], 0)
        self.assertIn("0 left", last)

    def test_a_quota_blocks_or_drops(self):
        for policy in ("block", "drop_oldest"):
            with self.subTest(policy):
                directory = self.directory / policy
                directory.mkdir()
                router = self.start(directory, f"    storage.limit 4M\n    storage.when_full {policy}\n")
                self.fault(service="*", action="reset_before")
                load = Load(self.port, 4000)
                if policy == "block":
                    wait_for("the pause", self.paused, 60)
                    wait_for("health", lambda: self.health()[0] == 500 and b"journal" in self.health()[1], 30)
                else:
                    wait_for("a drop", lambda: "dropping the oldest" in self.log_of("router"), 60)
                    time.sleep(2)
                    self.assertFalse(self.paused())
                self.assertLessEqual(self.metrics()["noroshi_journal_bytes"], 4 << 20)
                self.heal()
                time.sleep(1)
                load.stop()
                status, last = self.stop_router(router, 120)
                self.assertEqual(status, 0, last)
                if policy == "block":
                    self.check_everything_arrived(load.sent, load.errors, last)
                    self.assertIn("0 dropped, 0 left", last)
                else:
                    self.assertGreater(self.check_losses_are_counted(load.sent, load.errors, last)["s3"], 0)
                self._stop_everything_but_files()

    def test_only_the_disk_of_the_s3_spool_is_full(self):
        """CloudWatch does not notice, S3 waits with several batches open, and goes on when there is room."""
        spool = self.mount("s3", size=1 << 20)
        router = self.start(self.directory / "state")
        other = self.fill(spool, leave=64 << 10)
        client = self.connect(self.port)
        # Random text does not compress: a few thousand records are more than what is left.
        now, errors, sent = time.time(), [], 4000
        for begin in range(0, sent, 100):
            entries = []
            for number in range(begin, begin + 100):
                level = LEVELS[number % len(LEVELS)]
                if level == "ERROR":
                    errors.append(number)
                text = json.dumps({"level": level, "n": number, "noise": os.urandom(150).hex()})
                entries.append(entry(now - 3600 * (number % 4), docker_record(text)))
            ack = new_ack_id()
            client.send(packed_forward("backend-firelens-1", entries, ack))
            self.assertEqual(client.wait_ack(), ack)
        wait_for("all errors in CloudWatch Logs", lambda: len(self.log_events()) == len(errors), 30)
        wait_for("the trouble of S3", lambda: "cannot build a batch" in self.log_of("router"), 30)
        self.assertFalse(self.paused())
        other.unlink()
        client.close()
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(sent, errors, last)
        self.assertIn("0 dropped, 0 left", last)


class FailingDisk(DiskTest):
    """A disk that fails on command: tests/reliability/failing_disk.cc, loaded before the C library."""

    def start_on_failing_disk(self, service=""):
        library = self.directory / "failing_disk.so"
        source = pathlib.Path(__file__).resolve().parent / "failing_disk.cc"
        subprocess.run(["c++", "-std=c++17", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        state, self.orders = self.directory / "state", self.directory / "orders"
        state.mkdir()
        self.orders.mkdir()
        return self.start(state, service, {"LD_PRELOAD": str(library), "FAILING_DISK": str(state),
                                           "FAILING_DISK_ORDERS": str(self.orders)})

    def order(self, name):
        (self.orders / name).touch()

    def mend(self):
        for order in self.orders.iterdir():
            order.unlink()

    def test_a_disk_that_turns_read_only(self):
        router = self.start_on_failing_disk()
        load = Load(self.port, 1000)
        time.sleep(1)
        self.order("readonly")
        wait_for("health", lambda: self.health()[0] == 500 and b"Read-only file system" in self.health()[1], 30)
        acknowledged = self.metrics()["noroshi_journal_appended_offset"]
        time.sleep(1)
        self.assertEqual(self.metrics()["noroshi_journal_appended_offset"], acknowledged)
        self.assertTrue(self.paused())
        self.mend()
        wait_for("the inputs to go on", lambda: not self.paused(), 30)
        wait_for("health to recover", lambda: self.health()[0] == 200, 120)
        load.stop()
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(load.sent, load.errors, last)

    def dropped_as_corrupt(self):
        return {row: value for row, value in self.metrics().items()
                if row.startswith("noroshi_output_dropped_records_total") and 'reason="corrupt"' in row and value}

    def fail_syncs(self, seconds, *orders):
        """Lets fsync fail for so long; what is acknowledged stands still meanwhile."""
        for order in orders:
            self.order(order)
        wait_for("health", lambda: self.health()[0] == 500 and b"nothing more is acknowledged" in self.health()[1], 30)
        # What was under way when it began is appended by now.
        appended = self.metrics()["noroshi_journal_appended_offset"]
        time.sleep(seconds)
        self.assertEqual(self.metrics()["noroshi_journal_appended_offset"], appended)
        self.assertTrue(self.paused())
        self.assertEqual(self.health()[0], 500)
        self.mend()
        wait_for("new acknowledgements", lambda: self.metrics()["noroshi_journal_appended_offset"] > appended, 60)
        wait_for("health to recover", lambda: self.health()[0] == 200, 120)
        self.assertFalse(self.paused())

    def check_one_line_each(self, begin, end):
        lines = [line for line in self.log_of("router").splitlines() if " [journal] " in line]
        for text in (begin, end):
            self.assertEqual(sum(text in line for line in lines), 1, "\n".join(lines[-30:]))

    def test_an_fsync_that_fails_for_a_while(self):
        """Acknowledgements stop and come back without a restart; what was in doubt is written again, once."""
        router = self.start_on_failing_disk("    storage.sync full\n")
        load = Load(self.port, 1000)
        time.sleep(1)
        self.fail_syncs(5, "sync")
        time.sleep(1)
        load.stop()
        self.assertEqual(load.reconnects, 0, "the client was sent away")
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(load.sent, load.errors, last)
        self.assertIn("0 dropped, 0 left", last)
        self.check_one_line_each("nothing more is acknowledged until", "written again, nothing is lost")

    def test_clients_that_repeat_themselves_meanwhile_are_stored_once(self):
        router = self.start_on_failing_disk("    storage.sync full\n")
        load = Load(self.port, 1000, timeout=2)
        time.sleep(1)
        self.fail_syncs(7 * PATIENCE, "sync")
        time.sleep(1)
        load.stop()
        self.assertGreater(load.reconnects, 0, "nobody repeated anything: the test tests nothing")
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(load.sent, load.errors, last)

    def test_an_fsync_after_which_the_kernel_has_dropped_the_pages(self):
        """Nobody was told that they are stored: their sender sends them again, and S3 has nothing twice."""
        router = self.start_on_failing_disk("    storage.sync full\n")
        load = Load(self.port, 1000, timeout=5)
        time.sleep(1)
        self.fail_syncs(3, "drop", "sync")
        self.assertTrue(wait_for("the loss to be counted", self.dropped_as_corrupt, 30))
        time.sleep(1)
        load.stop()
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(load.sent, load.errors, last)
        self.check_one_line_each("nothing more is acknowledged until", "not readable any more")

    def test_a_process_killed_before_the_repair(self):
        """Its successor reads what is in doubt from the same cache: it writes it again before it promises anything."""
        router = self.start_on_failing_disk("    storage.sync full\n")
        load = Load(self.port, 1000, timeout=5)
        time.sleep(1)
        self.order("sync")
        wait_for("health", lambda: self.health()[0] == 500 and b"nothing more is acknowledged" in self.health()[1], 30)
        router.kill()
        router.wait()
        untrusted = self.directory / "state" / "journal" / "untrusted"
        self.assertIn(".segment", untrusted.read_text())
        self.mend()
        router = self.start_router(self.config, self.admin, self.environment)
        self.assertIn("written again, nothing is lost", self.log_of("router"))
        self.assertFalse(untrusted.exists())
        time.sleep(1)
        load.stop()
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(load.sent, load.errors, last)

    def test_writes_that_fail_in_the_middle(self):
        router = self.start_on_failing_disk()
        load = Load(self.port, 1000)
        time.sleep(1)
        self.order("write")
        wait_for("health", lambda: self.health()[0] == 500 and b"Input/output error" in self.health()[1], 30)
        time.sleep(3)
        self.assertTrue(self.paused())
        self.mend()
        wait_for("the inputs to go on", lambda: not self.paused(), 30)
        wait_for("health to recover", lambda: self.health()[0] == 200, 120)
        load.stop()
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        self.check_everything_arrived(load.sent, load.errors, last)
        # Thirty attempts at least, and a line when it began and when it was over.
        self.check_one_line_each("nothing more is stored or acknowledged until a write succeeds", "writes succeed again")

    def test_a_quota_that_ends_is_a_full_disk(self):
        for policy in ("block", "drop_oldest"):
            with self.subTest(policy):
                router = self.start_on_failing_disk(f"    storage.when_full {policy}\n")
                load = Load(self.port, 1000)
                time.sleep(1)
                self.order("quota")
                wait_for("the pause", self.paused, 30)
                wait_for("health", lambda: self.health()[0] == 500 and b"Disk quota exceeded" in self.health()[1], 30)
                self.assertIn("Disk quota exceeded", self.log_of("router"))
                self.mend()
                wait_for("the inputs to go on", lambda: not self.paused(), 30)
                load.stop()
                status, last = self.stop_router(router, 120)
                self.assertEqual(status, 0, last)
                # Where not even a new segment's name fits, nothing is dropped in exchange for nothing.
                self.check_everything_arrived(load.sent, load.errors, last)
                self._stop_everything_but_files()
                subprocess.run(["rm", "-rf", str(self.directory / "state"), str(self.orders)], check=True)

    def test_bytes_that_flip_between_two_starts_are_counted_as_corrupt(self):
        router = self.start_on_failing_disk()
        self.fault(service="*", action="reset_before")  # what is in the journal stays there
        client = self.connect(self.port)
        errors = self.send(client, 0, 20_000)
        client.close()
        router.kill()
        router.wait()
        journal = self.directory / "state" / "journal"
        segment = sorted(journal.glob("*.segment"))[0]
        with open(segment, "r+b") as file:
            for at in (10_000, segment.stat().st_size // 2):
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ 0x40]))
        verify = subprocess.run([BIN / "noroshi", "journal", "verify", journal.parent], capture_output=True, text=True)
        self.assertEqual(verify.returncode, 1, verify.stdout)
        self.assertIn("NOT sound", verify.stdout)
        self.heal()
        router = self.start_router(self.config, self.admin, self.environment, wait=False)
        wait_for("the loss to be told", lambda: "LOST" in self.log_of("router") and "damaged" in self.log_of("router"), 60)
        wait_for("health to tell it", lambda: self.health()[0] == 500 and b"lost" in self.health()[1], 30)

        def everything_else():
            fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")
            return all(self.metrics()[f'noroshi_output_waiting_records{{name="{name}"}}'] == 0
                       for name in ("s3.1", "cloudwatch_logs.0"))

        wait_for("everything else", everything_else, 90)
        corrupt = self.dropped_as_corrupt()
        status, last = self.stop_router(router, 120)
        self.assertEqual(status, 0, last)
        seen = collections.Counter(record["n"] for record in self.s3_records())
        missing = 20_000 - len(seen)
        self.assertEqual(max(seen.values()), 1)
        self.assertGreater(missing, 0)
        counted = {row: value for row, value in corrupt.items() if "s3.1" in row}
        self.assertEqual(list(counted.values()), [missing], corrupt)
        part = next(part for part in last.split("; ") if part.strip().split("] ")[-1].startswith("s3"))
        self.assertIn(f"corrupt {missing:,}", part)
        # CloudWatch takes a part of the records; of damaged ones nobody knows which. It is never told less than it lost.
        events = {json.loads(event["message"])["n"] for event in self.log_events()}
        self.assertEqual(events, set(errors) & set(seen))


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""Stops under load: nothing acknowledged is lost, nothing the kernel took is lost, S3 holds it once over the restart.

The signal comes while clients write. A client with acks repeats at the next start what was not acknowledged; a client
without (Docker's driver) counts a record as delivered once the kernel has taken it, and so must the router.
"""

import collections
import json
import pathlib
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from load import LEVELS, Load, docker_record, line
from harness import PATIENCE, SystemTest, event_time, fetch, free_port, run_tests, wait_for

import msgpack


def forward_frame(record):
    return msgpack.packb(["backend-firelens-1", event_time(time.time()), record, {}])


def json_line(record):
    return json.dumps(record).encode() + b"\n"


class DriverLike(threading.Thread):
    """Docker's fluentd driver: one frame a record, no acks, until the connection breaks."""

    def __init__(self, address, first, pause=0.0005, encode=forward_frame):
        """`address`: a port, or the path of a Unix socket."""
        super().__init__(daemon=True)
        self.address, self.first, self.pause, self.encode = address, first, pause, encode
        self.sent = 0  # whole records the kernel took
        self.errors = []
        if isinstance(address, int):
            self.socket = socket.create_connection(("127.0.0.1", address), 30)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(address)
        self.halt = threading.Event()
        self.start()

    def run(self):
        while not self.halt.is_set():
            number = self.first + self.sent
            level = LEVELS[number % len(LEVELS)]
            try:
                self.socket.sendall(self.encode(docker_record(line(number, level))))
            except OSError:
                self.socket.close()
                return
            self.sent += 1
            if level == "ERROR":
                self.errors.append(number)
            time.sleep(self.pause)
        # As Docker does when the container ends: everything is in the kernel's hands.
        self.socket.close()

    def numbers(self):
        return range(self.first, self.first + self.sent)


class Stops(SystemTest):
    def start(self, grace=20):
        self.start_aws()
        self.port, self.tcp_port, self.admin = free_port(), free_port(), free_port()
        self.unix_path = str(self.directory / "fluent.sock")
        self.config = self.specified_config(self.port, self.admin, (
            f"    Grace {grace}\n[INPUT]\n    Name forward\n    Unix_Path {self.unix_path}\n"
            f"[INPUT]\n    Name tcp\n    Listen 127.0.0.1\n    Port {self.tcp_port}\n    Tag backend-firelens-1\n"))
        return self.start_router(self.config, self.admin)

    def fault(self, **fault):
        status, body = fetch(f"{self.endpoint}/_localaws/faults", json.dumps(fault).encode())
        self.assertIn(status, (200, 201), body)

    def heal(self):
        fetch(f"{self.endpoint}/_localaws/faults", method="DELETE")

    def check(self, numbers, errors, last):
        seen = collections.Counter(record["n"] for record in self.s3_records())
        missing = set(numbers) - set(seen)
        self.assertEqual(missing, set(), f"{len(missing)} records missing in S3; {last}")
        self.assertEqual({n: times for n, times in seen.items() if times > 1}, {}, f"records twice in S3; {last}")
        events = {json.loads(event["message"])["n"] for event in self.log_events()}
        self.assertEqual(set(errors) - events, set(), f"errors missing in CloudWatch Logs; {last}")
        return seen

    def end(self, router, load):
        """The sender stops, then the router, and everything is there; its last line."""
        load.stop()
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.check(range(load.sent), load.errors, last)
        return last

    def test_under_load_of_clients_with_acks_over_five_restarts(self):
        router = self.start()
        load = Load(self.port, 3000)
        for _ in range(5):
            time.sleep(1)
            status, last = self.stop_router(router)
            self.assertEqual(status, 0, last)
            router = self.start_router(self.config, self.admin)
        self.end(router, load)
        print(f"\n{load.sent} records over five stops, {load.reconnects} reconnects: all there, none twice in S3")

    def test_under_load_of_clients_without_acks(self):
        """The clients leave after the signal, as an application of the same task does: everything they wrote arrives."""
        router = self.start()
        clients = [DriverLike(self.port, first=number * 1_000_000) for number in range(4)]
        time.sleep(2)
        router.send_signal(signal.SIGTERM)
        time.sleep(1)  # they go on writing: the last words of the application
        for client in clients:
            client.halt.set()
            client.join(30 * PATIENCE)
        status = router.wait(60 * PATIENCE)
        last = self.log_of("router").splitlines()[-1]
        self.assertEqual(status, 0, last)
        numbers = [number for client in clients for number in client.numbers()]
        self.check(numbers, [number for client in clients for number in client.errors], last)
        self.assertIn(f"accepted {len(numbers):,} records", last)
        self.assertNotIn("accounting differs", self.log_of("router"))

    def senders_without_acks(self):
        """Docker's driver reaches the router by the task's Unix socket, or by TCP where the network is its own."""
        drivers = [DriverLike(address, first=number * 1_000_000, pause=0.002)
                   for number, address in enumerate([self.unix_path] * 4 + [self.port] * 4, 1)]
        return drivers + [DriverLike(self.tcp_port, first=number * 1_000_000, pause=0.002, encode=json_line)
                          for number in range(9, 13)]

    def check_senders_that_never_left(self, senders):
        """All that they wrote before their connection was closed is in S3, after the next start.

        A Unix socket tells its peer the moment we read no more: not one record may be missing. TCP has no such moment: a
        record that comes between our last read and the close a few microseconds later is gone. (Before the close was a reset,
        the write after it succeeded as well, and each sender lost a record.)
        """
        for sender in senders:
            sender.join(10 * PATIENCE)
            self.assertFalse(sender.is_alive(), "the router has not closed the connection")
        router = self.start_router(self.config, self.admin)
        status, after = self.stop_router(router)
        self.assertEqual(status, 0, after)
        seen = self.check([], [], after)
        lost = {}
        for sender in senders:
            got = [number for number in sender.numbers() if number in seen]
            self.assertEqual(got, list(range(sender.first, sender.first + len(got))), "a gap in the middle")
            if sender.sent != len(got):
                lost[sender.address] = lost.get(sender.address, []) + [sender.sent - len(got)]
        print(f"\n{sum(sender.sent for sender in senders)} written by {len(senders)} senders, lost: {lost or 'none'}")
        self.assertNotIn(self.unix_path, lost)
        for port in (self.port, self.tcp_port):
            self.assertLess(len(lost.get(port, [])), 2, "not the one record of a few microseconds")

    def test_clients_without_acks_that_never_leave(self):
        """Half of the grace is theirs; then the router takes what the kernel has taken and closes."""
        router = self.start(grace=4)
        senders = self.senders_without_acks()
        time.sleep(1)
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.check_senders_that_never_left(senders)

    def test_a_second_signal_while_it_still_accepts(self):
        """The accept phase ends at once, under the hands of those who write: nothing that was accepted is lost."""
        router = self.start(grace=60)
        senders, load = self.senders_without_acks(), Load(self.port, 1000)
        time.sleep(1)
        router.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        self.alive(router)
        began = time.monotonic()
        status, last = self.stop_router(router)
        self.assertLess(time.monotonic() - began, 3, last)
        self.assertEqual(status, 0, last)
        accepted = int(last.split("accepted ")[1].split(" ")[0].replace(",", ""))
        self.assertGreater(accepted, 0)
        repeats = threading.Thread(target=load.stop)  # it ends when the next start has acknowledged the rest
        repeats.start()
        self.check_senders_that_never_left(senders)
        repeats.join(30)
        self.check(range(load.sent), load.errors, last)

    def test_while_the_destinations_are_down(self):
        router = self.start(grace=3)
        load = Load(self.port, 2000)
        time.sleep(1)
        self.fault(service="*", action="reset_before")
        time.sleep(1)
        began = time.monotonic()
        status, last = self.stop_router(router)
        self.assertLess(time.monotonic() - began, 6 * PATIENCE, last)
        self.assertEqual(status, 0, last)
        self.assertIn(f" left in {self.directory}/state/journal", last)
        self.heal()
        router = self.start_router(self.config, self.admin)
        last = self.end(router, load)
        self.assertIn("0 dropped, 0 left", last)

    def test_a_second_signal_under_load(self):
        router = self.start(grace=60)
        load = Load(self.port, 2000)
        time.sleep(1)
        self.fault(service="s3", action="half_open")
        fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")
        time.sleep(1)
        router.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        status, last = self.stop_router(router)
        self.assertLess(time.monotonic() - began, 2 * PATIENCE, last)
        self.assertEqual(status, 0, last)
        self.heal()
        router = self.start_router(self.config, self.admin)
        self.end(router, load)

    def test_a_lost_answer_at_the_stop_is_no_second_copy(self):
        """S3 stores, the answer is lost, the grace ends: the next start makes the same object again."""
        router = self.start(grace=2)
        load = Load(self.port, 1000)
        time.sleep(1)
        self.fault(service="s3", operation="PutObject", action="half_open_after")
        fetch(f"http://127.0.0.1:{self.admin}/api/v1/deliver", b"")
        wait_for("an object without answer", lambda: self.s3_records())
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.heal()
        router = self.start_router(self.config, self.admin)
        self.end(router, load)


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""A shutdown keeps its deadline whatever the destinations do, and the journal keeps what they did not take."""

import signal
import socket
import threading
import time

from harness import SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

RECORDS = 60


class SilentServer:
    """Accepts, reads, and never answers."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests = 0
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self._read, args=(client,), daemon=True).start()

    def _read(self, client):
        while data := client.recv(65536):
            self.requests += data.count(b" HTTP/1.1\r\n")

    def close(self):
        self.listener.close()
        for client in self.sockets:
            client.close()


class Shutdown(SystemTest):
    def stuck_router(self, grace):
        """A router whose outputs all hang in a request."""
        server = SilentServer()
        self.addCleanup(server.close)
        self.port, self.admin_port = free_port(), free_port()
        self.config = self.specified_config(self.port, self.admin_port, f"    Grace {grace}\n")
        silent = f"http://127.0.0.1:{server.port}"
        router = self.start_router(self.config, self.admin_port, {
            "AWS_ENDPOINT_URL_S3": silent, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": silent})
        client = self.connect(self.port)
        for number in range(RECORDS // 10):
            ack = new_ack_id()
            client.send(packed_forward("backend-firelens-1", [
                entry(time.time(), {"log": '{"level": "ERROR", "n": %d}' % (number * 10 + i)}) for i in range(10)], ack))
            self.assertEqual(client.wait_ack(), ack)
        fetch(f"http://127.0.0.1:{self.admin_port}/api/v1/deliver", b"")
        wait_for("both outputs to hang", lambda: server.requests >= 2)
        client.close()
        return router

    def assert_all_arrives_later(self):
        self.start_aws()
        router = self.start_router(self.config, self.admin_port)
        status, last = self.stop_router(router)
        self.assertEqual(status, 0, last)
        self.assertEqual(sorted(record["n"] for record in self.s3_records()), list(range(RECORDS)))
        self.assertEqual(len({event["message"] for event in self.log_events()}), RECORDS)

    def test_the_grace_holds_although_no_destination_answers(self):
        router = self.stuck_router(grace=3)
        began = time.monotonic()
        status, last = self.stop_router(router)
        self.assertLess(time.monotonic() - began, 4, self.log_of("router"))
        self.assertEqual(status, 0, last)
        self.assertEqual(last.count(f", {RECORDS} left in {self.directory}/state/journal"), 2, last)
        self.assert_all_arrives_later()

    def test_a_second_signal_ends_it_at_once(self):
        router = self.stuck_router(grace=60)
        router.send_signal(signal.SIGTERM)
        time.sleep(1)
        self.assertIsNone(router.poll(), "one signal waits for the destinations")
        began = time.monotonic()
        status, last = self.stop_router(router)
        self.assertLess(time.monotonic() - began, 0.5, self.log_of("router"))
        self.assertEqual(status, 0, last)
        self.assertEqual(last.count(f", {RECORDS} left in "), 2, last)
        self.assert_all_arrives_later()


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""The Forward protocol with TLS, client certificates, shared_key and users, against software nobody here wrote.

Into noroshi: npm fluent-logger and @fluent-org/logger, Python's ssl. Out of noroshi: @fluent-org/logger's server,
another noroshi, and servers that answer wrongly, late or never. The npm programs need `npm ci` in
tests/system/forward_clients (./dev test does it).
"""

import collections
import hashlib
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import BIN, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

import msgpack

CLIENTS = pathlib.Path(__file__).resolve().parent / "forward_clients"


class Certificates:
    """An authority, a server's certificate for localhost, and a client's."""

    def __init__(self, directory):
        self.directory = directory
        self.ca = self.make("ca", ["-x509", "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE"])
        self.server, self.server_key = self.issue("server", "DNS:localhost,IP:127.0.0.1")
        self.client, self.client_key = self.issue("client", "DNS:client")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.directory, check=True, capture_output=True)

    def make(self, name, arguments):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-keyout", f"{name}.key", "-out", f"{name}.pem", *arguments)
        return self.directory / f"{name}.pem"

    def issue(self, name, names):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                     "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.directory / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                     "-days", "2", "-out", f"{name}.pem", "-extfile", f"{name}.ext")
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"


class SecureTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.directory)
        self.routers = 0

    def start(self, name, text, environment=None):
        """A noroshi with this configuration; its own admin port and journal."""
        admin = free_port()
        config = self.directory / f"{name}.conf"
        config.write_text(f"[SERVICE]\n    HTTP_Server On\n    HTTP_Port {admin}\n    Flush 0.05\n{text}")
        process = self.spawn(name, [BIN / "noroshi", "-c", config],
                             {"NOROSHI_STORAGE_PATH": str(self.directory / f"state-{name}"), **(environment or {})})
        wait_for(f"{name}'s health", lambda: self.alive(process) and fetch(
            f"http://127.0.0.1:{admin}/api/v1/health")[0] == 200)
        process.admin = admin
        return process

    def start_receiver(self, port, security):
        """Forward input with `security`, everything to a file of JSON lines."""
        return self.start("receiver", f"""
[INPUT]
    Name    forward
    Listen  127.0.0.1
    Port    {port}
{security}
[OUTPUT]
    Name    file
    Match   *
    Path    {self.directory}
    File    received
    Format  plain
""")

    def received(self):
        path = self.directory / "received"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for_numbers(self, count):
        wait_for(f"{count} records", lambda: len(self.received()) >= count, 60)
        seen = collections.Counter(record["n"] for record in self.received())
        self.assertEqual(seen, collections.Counter(range(count)), "each record once")

    def run_node(self, script, expect_failure=False, **settings):
        result = subprocess.run(["node", script, json.dumps(settings)], cwd=CLIENTS, capture_output=True, text=True,
                                timeout=120)
        if expect_failure:
            return result
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        outcome = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual(outcome, {"confirmed": settings["count"], "failed": 0, "errors": []})
        return outcome

    def server_options(self, mutual=False):
        lines = ["tls on", f"tls.crt_file {self.certificates.server}", f"tls.key_file {self.certificates.server_key}"]
        if mutual:
            lines += ["tls.verify_client_cert on", f"tls.ca_file {self.certificates.ca}"]
        return "\n".join("    " + line for line in lines) + "\n"


class Inputs(SecureTest):
    def test_npm_clients_with_shared_key_users_and_tls(self):
        port = free_port()
        self.start_receiver(port, self.server_options() + """
    shared_key      a secret
    self_hostname   router
    security.users  alice pass word
    security.users  bob other
""")
        count, first = 500, 0
        for script in ("fluent_logger.js", "fluent_org_logger.js"):
            # fluent-logger begins to wait for an ack when its write has come back, which over TLS may be after the
            # ack has come: then it waits for ever. So it asks for none here.
            modes = (("Message", False), ("PackedForward", False)) if script == "fluent_logger.js" else (
                ("Message", True), ("CompressedPackedForward", True))
            for mode, ack in modes:
                self.run_node(script, port=port, tag="npm.app", first=first, count=count, eventMode=mode, ack=ack,
                              sharedKey="a secret", username="alice", password="pass word",
                              ca=str(self.certificates.ca))
                first += count
        self.wait_for_numbers(first)

    def test_npm_clients_with_shared_key_alone(self):
        port = free_port()
        self.start_receiver(port, "    shared_key secret\n")
        for number, script in enumerate(("fluent_logger.js", "fluent_org_logger.js")):
            self.run_node(script, port=port, tag="npm.app", first=number * 100, count=100, eventMode="Message", ack=True,
                          sharedKey="secret")
        self.wait_for_numbers(200)

    def test_a_wrong_key_is_refused_and_said(self):
        port = free_port()
        self.start_receiver(port, "    shared_key secret\n")
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            unpacker = msgpack.Unpacker(raw=True)

            def message():
                while True:
                    for value in unpacker:
                        return value
                    data = connection.recv(4096)
                    self.assertTrue(data, "closed too early")
                    unpacker.feed(data)

            kind, options = message()
            self.assertEqual(kind, b"HELO")
            digest = hashlib.sha512(b"salt" + b"me" + options[b"nonce"] + b"guess").hexdigest()
            connection.sendall(msgpack.packb(["PING", "me", "salt", digest, "", ""]))
            self.assertEqual(message(), [b"PONG", False, b"shared_key mismatch", b"", b""])
            self.assertEqual(connection.recv(1), b"")
        self.assertIn("shared_key mismatch", self.log_of("receiver"))

    def test_python_ssl_with_and_without_a_client_certificate(self):
        port = free_port()
        self.start_receiver(port, self.server_options(mutual=True))
        context = ssl.create_default_context(cafile=self.certificates.ca)

        def send(numbers):
            ack_id = new_ack_id()
            entries = [entry(time.time(), {"n": n, "log": "x" * 1000}) for n in numbers]
            with socket.create_connection(("127.0.0.1", port), 10) as plain, \
                    context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(packed_forward("app", entries, ack_id))
                answer = connection.recv(4096)
                self.assertEqual(msgpack.unpackb(answer) if answer else None, {"ack": ack_id})

        with self.assertRaises((OSError, AssertionError)):
            send(range(1))
        context.load_cert_chain(self.certificates.client, self.certificates.client_key)
        send(range(2000))  # 2 MB: many TLS records
        # Neither plain text nor silence costs anybody else anything.
        with socket.create_connection(("127.0.0.1", port), 10) as plain, \
                socket.create_connection(("127.0.0.1", port), 10):
            plain.sendall(msgpack.packb(["app", 1, {"n": -1}]))
            send(range(2000, 2100))
        self.wait_for_numbers(2100)


class Outputs(SecureTest):
    def feed(self, port, numbers, tag="app.web"):
        client = self.connect(port)
        ack_id = new_ack_id()
        client.send(packed_forward(tag, [entry(1_700_000_000 + n, {"n": n, "log": f"行 {n}"}) for n in numbers], ack_id))
        self.assertEqual(client.wait_ack(), ack_id)

    def start_sender(self, options):
        port = free_port()
        process = self.start("sender", f"""
[INPUT]
    Name    forward
    Listen  127.0.0.1
    Port    {port}
[OUTPUT]
    Name    forward
    Match   *
{options}
""")
        process.port = port
        return process

    def client_options(self, port, *more):
        lines = ["Host localhost", f"Port {port}", "Require_ack_response true", *more]
        return "\n".join("    " + line for line in lines) + "\n"

    def test_two_noroshis_and_a_restart_of_the_second(self):
        port = free_port()
        security = self.server_options(mutual=True) + "    shared_key secret\n    security.users alice pass\n"
        receiver = self.start_receiver(port, security)
        sender = self.start_sender(self.client_options(
            port, "Shared_Key secret", "Username alice", "Password pass", "Self_Hostname sender", "Compress gzip", "tls on",
            f"tls.ca_file {self.certificates.ca}", f"tls.crt_file {self.certificates.client}",
            f"tls.key_file {self.certificates.client_key}"))
        self.feed(sender.port, range(1000))
        self.wait_for_numbers(1000)
        receiver.kill()
        receiver.wait()
        self.feed(sender.port, range(1000, 2000))
        time.sleep(0.5)
        self.start_receiver(port, security)
        self.wait_for_numbers(2000)
        sender.send_signal(signal.SIGTERM)
        self.assertEqual(sender.wait(30), 0, self.log_of("sender")[-2000:])

    def test_npm_server(self):
        for name, settings, options in (
                ("plain", {}, []),
                ("secured", {"sharedKey": "secret", "users": {"alice": "pass"}, "cert": str(self.certificates.server),
                             "key": str(self.certificates.server_key)},
                 ["Shared_Key secret", "Username alice", "Password pass", "Self_Hostname sender", "Compress gzip",
                  "tls on", f"tls.ca_file {self.certificates.ca}"])):
            with self.subTest(name):
                server = subprocess.Popen(["node", "fluent_org_server.js", json.dumps(settings)], cwd=CLIENTS,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                self.processes.append(server)
                self.addCleanup(server.stdout.close)
                port = int(server.stdout.readline())
                sender = self.start_sender(self.client_options(port, *options))
                self.feed(sender.port, range(300))
                lines = [json.loads(server.stdout.readline()) for _ in range(300)]
                self.assertEqual([[tag, record["n"], record["log"]] for tag, _, record in lines],
                                 [["app.web", n, f"行 {n}"] for n in range(300)])
                self.assertEqual([seconds for _, seconds, _ in lines], [1_700_000_000 + n for n in range(300)])
                sender.send_signal(signal.SIGTERM)
                self.assertEqual(sender.wait(30), 0, self.log_of("sender")[-2000:])
                server.kill()

    def test_a_server_that_answers_wrongly_late_and_never(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        chunks, behaviours = [], ["wrong", "close", "late", "garbage", "never", "good", "good"]

        def serve():
            for behaviour in behaviours:
                connection = listener.accept()[0]
                with connection:
                    unpacker = msgpack.Unpacker()
                    while not (frames := list(unpacker)):
                        data = connection.recv(65536)
                        if not data:
                            break
                        unpacker.feed(data)
                    if not frames:
                        continue
                    chunks.append(frames[0][2]["chunk"])
                    if behaviour == "late":
                        time.sleep(1.5)
                    if behaviour == "never":
                        connection.recv(1)  # until the client gives up
                    answer = {"wrong": {"ack": "x"}, "late": {"ack": chunks[-1]}, "good": {"ack": chunks[-1]}}.get(behaviour)
                    if answer:
                        try:
                            connection.sendall(msgpack.packb(answer))
                        except OSError:
                            pass
                    if behaviour == "garbage":
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    if behaviour == "good":
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        sender = self.start_sender(self.client_options(listener.getsockname()[1], "net.io_timeout 1s"))
        self.feed(sender.port, range(10))
        thread.join(60)
        self.assertFalse(thread.is_alive(), self.log_of("sender")[-2000:])
        self.assertEqual(len(chunks), 6)
        self.assertEqual(len(set(chunks)), 1, "every repetition of a batch has its id")
        wait_for("delivery", lambda: json.loads(fetch(f"http://127.0.0.1:{sender.admin}/api/v1/metrics")[1])
                 ["output"]["forward.0"]["proc_records"] == 10)


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""Outputs over HTTP against a server that fails in each way; OTLP read back with Google's own protobuf.

    NOROSHI_BIN_DIR=build/release/bin tests/system/http_outputs_test.py [Class.test …]
"""
import gzip
import http.server
import json
import ssl
import subprocess
import threading
import urllib.request

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from harness import PATIENCE, ForwardClient, SystemTest, entry, free_port, new_ack_id, packed_forward, run_tests, wait_for

RECORDS = 2000


class Server(http.server.ThreadingHTTPServer):
    """Answers what `answer(path, body)` says: a status, None for a reset, or (status, body)."""
    daemon_threads = True

    def __init__(self, answer, context=None):
        self.bodies, self.answer, self.requests = [], answer, 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.lock:
            self.server.requests += 1
            answer = self.server.answer(self.path, body)
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            status, text = answer if isinstance(answer, tuple) else (answer, b"")
            if 200 <= status < 300:
                self.server.bodies.append((self.path, dict(self.headers), body))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


def otlp_request():
    """ExportLogsServiceRequest, built from the published field numbers."""
    file = descriptor_pb2.FileDescriptorProto(name="otlp.proto", package="otlp", syntax="proto3")
    kinds = {"string": 9, "bytes": 12, "int64": 3, "bool": 8, "double": 1, "fixed64": 6, "fixed32": 7, "enum": 5}

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for field_name, number, kind, repeated in fields:
            field = made.field.add(name=field_name, number=number, label=3 if repeated else 1)
            if kind in kinds:
                field.type = kinds[kind]
            else:
                field.type, field.type_name = 11, f".otlp.{kind}"
    message("AnyValue", ("string_value", 1, "string", 0), ("bool_value", 2, "bool", 0), ("int_value", 3, "int64", 0),
            ("double_value", 4, "double", 0), ("array_value", 5, "Array", 0), ("kvlist_value", 6, "Map", 0),
            ("bytes_value", 7, "bytes", 0))
    message("Array", ("values", 1, "AnyValue", 1))
    message("Map", ("values", 1, "KeyValue", 1))
    message("KeyValue", ("key", 1, "string", 0), ("value", 2, "AnyValue", 0))
    message("LogRecord", ("time_unix_nano", 1, "fixed64", 0), ("severity_number", 2, "enum", 0),
            ("severity_text", 3, "string", 0), ("body", 5, "AnyValue", 0), ("attributes", 6, "KeyValue", 1),
            ("flags", 8, "fixed32", 0), ("trace_id", 9, "bytes", 0), ("span_id", 10, "bytes", 0),
            ("observed_time_unix_nano", 11, "fixed64", 0), ("event_name", 12, "string", 0))
    message("Resource", ("attributes", 1, "KeyValue", 1))
    message("Scope", ("name", 1, "string", 0), ("version", 2, "string", 0), ("attributes", 3, "KeyValue", 1))
    message("ScopeLogs", ("scope", 1, "Scope", 0), ("log_records", 2, "LogRecord", 1), ("schema_url", 3, "string", 0))
    message("ResourceLogs", ("resource", 1, "Resource", 0), ("scope_logs", 2, "ScopeLogs", 1),
            ("schema_url", 3, "string", 0))
    message("Request", ("resource_logs", 1, "ResourceLogs", 1))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("otlp.Request"))


class HttpOutputs(SystemTest):
    def run_router(self, output, answer, count=RECORDS, records=None, context=None):
        server = Server(answer, context)
        self.addCleanup(server.shutdown)
        port, admin = free_port(), free_port()
        config = self.directory / "fluent-bit.conf"
        config.write_text(f"""[SERVICE]
    HTTP_Server on
    HTTP_Port {admin}
    Flush 0.2
[INPUT]
    Name forward
    Port {port}
[OUTPUT]
    Alias under_test
    Match *
    Host 127.0.0.1
    Port {server.server_port}
{output}""")
        router = self.start_router(config, admin)
        client = ForwardClient(port)
        for start in range(0, count, 100):
            ack = new_ack_id()
            client.send(packed_forward("app", [entry(1_763_866_380 + n / 1000, (records or self.record)(n))
                                               for n in range(start, min(start + 100, count))], ack))
            self.assertEqual(client.wait_ack(), ack)
        client.close()
        return server, router

    @staticmethod
    def record(n):
        return {"n": n, "log": f"line {n}", "level": "ERROR" if n % 2 else "INFO"}

    def dead_letters(self):
        return [json.loads(line) for path in (self.directory / "state").rglob("under_test.jsonl")
                for line in path.read_text().splitlines()]

    def test_http_delivers_each_record_once_through_every_failure(self):
        script = [503, None, 429, 408, 413, 200, 500, 401, 413, 413]

        def answer(path, body):
            return script.pop(0) if script else 200
        server, router = self.run_router("    Name http\n    Format json_lines\n    Compress gzip\n", answer)

        def numbers():
            return sorted(json.loads(line)["n"] for _, _, body in server.bodies for line in body.splitlines())
        wait_for("all records", lambda: len(numbers()) >= RECORDS, 120)
        status, line = self.stop_router(router)
        self.assertEqual(status, 0, line)
        self.assertEqual(numbers(), list(range(RECORDS)))
        self.assertEqual(script, [])

    def test_http_keeps_what_was_refused_with_the_reason(self):
        def answer(path, body):
            return (422, b"n must not be 7") if b'"n":7,' in body else 200
        server, router = self.run_router("    Name http\n    Body_Key $log\n    Header X-A 1\n", answer, 10,
                                         lambda n: {"log": f'{{"n":{n},"x":1}}'})
        wait_for("nine records", lambda: len(server.bodies) == 9, 60)
        wait_for("the dead letter", self.dead_letters, 30)
        self.stop_router(router)
        self.assertEqual([letter["detail"] for letter in self.dead_letters()], ["HTTP 422: n must not be 7"])

    def test_mutual_tls_with_another_name_than_the_host(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.directory)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
                "-days", "2")
        for name in ("collector.test", "router.test"):
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", "request.pem",
                    "-subj", f"/CN={name}")
            (self.directory / "names").write_text(f"subjectAltName=DNS:{name}\n")
            openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                    "-out", f"{name}.pem", "-days", "2", "-extfile", "names")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "collector.test.pem", self.directory / "collector.test.key")
        context.load_verify_locations(self.directory / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server, router = self.run_router(f"""    Name http
    tls on
    tls.vhost collector.test
    tls.ca_file {self.directory}/ca.pem
    tls.crt_file {self.directory}/router.test.pem
    tls.key_file {self.directory}/router.test.key
""", lambda path, body: 200, 100, context=context)
        wait_for("the records", lambda: sum(len(json.loads(body)) for _, _, body in server.bodies) == 100, 60)
        self.stop_router(router)
        self.assertEqual(server.bodies[0][1]["Host"], f"127.0.0.1:{server.server_port}")

    def test_otlp_as_google_reads_it(self):
        request = otlp_request()
        server, router = self.run_router(
            "    Name opentelemetry\n    add_label service.name backend\n    Compress gzip\n", lambda path, body: 200)

        def records():
            return [(resource.resource, log) for _, _, body in server.bodies
                    for resource in request.FromString(body).resource_logs for scope in resource.scope_logs
                    for log in scope.log_records]
        wait_for("all records", lambda: len(records()) >= RECORDS, 60)
        self.stop_router(router)
        seen = set()
        for resource, log in records():
            attributes = {pair.key: pair.value for pair in log.attributes}
            n = attributes["n"].int_value
            seen.add(n)
            self.assertEqual(log.body.string_value, f"line {n}")
            self.assertEqual(attributes["level"].string_value, "ERROR" if n % 2 else "INFO")
            self.assertEqual(log.severity_number, 17 if n % 2 else 9)
            self.assertEqual(round(log.time_unix_nano / 1e6), 1_763_866_380_000 + n)
            self.assertEqual([(pair.key, pair.value.string_value) for pair in resource.attributes],
                             [("service.name", "backend")])
        self.assertEqual(seen, set(range(RECORDS)))

    def test_otlp_in_is_otlp_out(self):
        """What Google's protobuf wrote goes through both of our codecs and is read by Google's again."""
        request = otlp_request()
        server = Server(lambda path, body: 200)
        self.addCleanup(server.shutdown)
        port, admin = free_port(), free_port()
        config = self.directory / "fluent-bit.conf"
        config.write_text(f"""[SERVICE]
    HTTP_Server on
    HTTP_Port {admin}
    Flush 0.2
[INPUT]
    Name opentelemetry
    Listen 127.0.0.1
    Port {port}
[OUTPUT]
    Name opentelemetry
    Match *
    Host 127.0.0.1
    Port {server.server_port}
""")
        router = self.start_router(config, admin)
        sent = request()
        for name in ("shop", "stock"):
            resource = sent.resource_logs.add(schema_url="https://opentelemetry.io/schemas/1.27.0")
            resource.resource.attributes.add(key="service.name").value.string_value = name
            scope = resource.scope_logs.add(schema_url="s")
            scope.scope.name, scope.scope.version = "lib", "1.2"
            scope.scope.attributes.add(key="a").value.int_value = -7
            for n in range(3):
                log = scope.log_records.add(time_unix_nano=1_763_866_380_123_456_789 + n, severity_number=17,
                                            severity_text="ERROR", flags=1, trace_id=bytes(range(16)),
                                            span_id=bytes(range(8)), observed_time_unix_nano=5 + n, event_name="e")
                log.body.string_value = f"line {n} \u72fc"
                values = log.attributes.add(key="all").value.kvlist_value.values
                values.add(key="d").value.double_value = 1.5
                values.add(key="b").value.bool_value = True
                values.add(key="x").value.bytes_value = b"\xff\x00"
                values.add(key="l").value.array_value.values.add().int_value = 1 << 62
        post = urllib.request.Request(f"http://127.0.0.1:{port}/v1/logs", sent.SerializeToString(),
                                      {"Content-Type": "application/x-protobuf"})
        with urllib.request.urlopen(post, timeout=10 * PATIENCE) as answer:
            self.assertEqual(answer.status, 200)
        wait_for("the logs", lambda: server.bodies, 30)
        self.stop_router(router)
        self.assertEqual(len(server.bodies), 1)
        self.assertEqual(request.FromString(server.bodies[0][2]), sent)

    def test_opensearch_sends_only_what_may_work_later(self):
        stored, attempts = {}, {}

        def answer(path, body):
            lines = body.splitlines()
            items = []
            for action, document in zip(lines[::2], lines[1::2]):
                key, n = json.loads(action)["create"]["_id"], json.loads(document)["n"]
                attempts[n] = attempts.get(n, 0) + 1
                status = 400 if n == 13 else 429 if n % 10 == 3 and attempts[n] < 3 else 409 if key in stored else 201
                if status == 201:
                    stored[key] = n
                items.append({"create": {"status": status, "error": {"type": "t", "reason": "no"}}})
            # The answer to the second request is lost although it was processed.
            return None if sum(attempts.values()) < RECORDS and len(attempts) > 500 else (
                200, json.dumps({"errors": True, "items": items}).encode())
        server, router = self.run_router("    Name opensearch\n    Generate_ID on\n    Suppress_Type_Name on\n", answer)
        wait_for("all documents", lambda: len(stored) == RECORDS - 1, 120)
        wait_for("the dead letter", self.dead_letters, 30)
        self.stop_router(router)
        self.assertEqual(sorted(stored.values()), [n for n in range(RECORDS) if n != 13])
        self.assertEqual([letter["record"]["n"] for letter in self.dead_letters()], [13])


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""A reload under load: no connection closes, nothing is lost, nothing is twice in S3; a bad configuration changes nothing."""

import json
import signal
import threading
import time

from harness import PATIENCE, SystemTest, entry, fetch, free_port, new_ack_id, packed_forward, run_tests, wait_for

S3 = """
[OUTPUT]
    Name            s3
    Alias           archive
    Match           {match}
    bucket          backend-logs
    region          ap-northeast-1
    use_put_object  On
    compression     gzip
    total_file_size 1M
    upload_timeout  1s
    s3_key_format   /logs/$UUID.gz
    store_dir       {directory}/s3
"""


class Load(threading.Thread):
    """One client that waits for every ack, on one connection, until it is told to stop."""

    def __init__(self, client, first):
        super().__init__(daemon=True)
        self.client, self.first, self.sent = client, first, 0
        self.stopping, self.failure = False, None
        self.start()

    def run(self):
        try:
            while not self.stopping:
                ack = new_ack_id()
                self.client.send(packed_forward("app", [
                    entry(time.time(), {"n": self.first + self.sent + i, "level": "ERROR" if i % 2 else "INFO"})
                    for i in range(20)], ack))
                assert self.client.wait_ack() == ack
                self.sent += 20
        except Exception as error:  # noqa: BLE001: whatever it is, the test shows it
            self.failure = error

    def stop(self):
        self.stopping = True
        self.join(30 * PATIENCE)
        self.client.close()
        if self.failure:
            raise self.failure
        return set(range(self.first, self.first + self.sent))


class Reload(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_aws()
        self.port, self.admin = free_port(), free_port()
        self.config = self.directory / "router.conf"

    def write(self, inputs="", filters="", outputs="", match="*", service=""):
        self.config.write_text(f"""
[SERVICE]
    HTTP_Port  {self.admin}
    Hot_Reload On
    Grace      20
    noroshi.statistics_interval off
{service}
[INPUT]
    Name forward
    Port {self.port}
{inputs}
{filters}
{S3.format(match=match, directory=self.directory)}
{outputs}
""")

    def start(self):
        self.router = self.start_router(self.config, self.admin)

    def reload(self, status=200):
        answer, body = fetch(f"http://127.0.0.1:{self.admin}/api/v2/reload", b"")
        self.assertEqual(answer, status, body)
        return json.loads(body)

    def metrics(self, kind):
        return json.loads(fetch(f"http://127.0.0.1:{self.admin}/api/v1/metrics")[1])[kind]

    def archived(self):
        return [record["n"] for record in self.s3_records()]

    def stop(self):
        status, last = self.stop_router(self.router)
        self.assertEqual(status, 0, last)
        return last

    def file_numbers(self, name):
        path = self.directory / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line[line.index("{"):line.rindex("}") + 1])["n"] for line in lines]

    def file_output(self, name, match="*", extra=""):
        return f"\n[OUTPUT]\n    Name file\n    Match {match}\n    Path {self.directory}\n    File {name}\n{extra}"

    def test_twenty_reloads_under_load(self):
        # Every second configuration has a filter more, another output and other options of S3.
        self.write()
        self.start()
        load = [Load(self.connect(self.port), first) for first in (0, 1_000_000)]
        for number in range(20):
            if number % 2:
                self.write()
            else:
                self.write(filters="[FILTER]\n    Name modify\n    Match *\n    Add reloaded yes",
                           outputs=self.file_output("second"), match="a*")
            if number % 3:
                self.assertEqual(self.reload()["status"], 0)
            else:
                self.router.send_signal(signal.SIGHUP)
            wait_for("the reload", lambda: self.count() == number + 1)
            time.sleep(0.15)
        sent = set().union(*(one.stop() for one in load))
        self.assertGreater(len(sent), 1000)
        self.assertIn(f"accepted {len(sent):,} records", self.stop(), "counters survive")
        archived = self.archived()
        self.assertEqual(len(archived), len(set(archived)), "twice in S3")
        self.assertEqual(set(archived), sent)
        self.assertNotIn("LOST", self.log_of("router"))

    def count(self):
        return json.loads(fetch(f"http://127.0.0.1:{self.admin}/api/v2/reload")[1])["hot_reload_count"]

    def test_a_bad_configuration_is_refused_and_the_old_one_runs_on(self):
        self.write()
        self.start()
        load = Load(self.connect(self.port), 0)
        self.write(filters="[FILTER]\n    Name grepp\n    Match *")
        answer = self.reload(400)
        self.assertEqual(answer["status"], -3)
        self.assertIn('did you mean "grep"?', answer["diagnostics"])
        self.assertIn('did you mean "grep"?', self.log_of("router"))
        self.config.write_text("[INPUT\n")
        self.assertEqual(self.reload(400)["status"], -3)
        self.assertEqual(self.count(), 0)
        self.write(service=f"    storage.path {self.directory}/elsewhere\n    HTTP_Port 1")
        self.assertIn("until the next start", self.reload()["diagnostics"])
        self.assertEqual(self.count(), 1)
        sent = load.stop()
        self.stop()
        self.assertEqual(sorted(self.archived()), sorted(sent))

    def test_outputs_come_go_and_change_their_match(self):
        self.write(outputs=self.file_output("second"))
        self.start()
        client = self.connect(self.port)

        def send(numbers, tag="app"):
            ack = new_ack_id()
            client.send(packed_forward(tag, [entry(time.time(), {"n": n}) for n in numbers], ack))
            self.assertEqual(client.wait_ack(), ack)

        send(range(10))
        wait_for("delivery", lambda: self.file_numbers("second") == list(range(10)))
        self.write(outputs=self.file_output("second", match="other"))
        self.reload()
        send(range(10, 20))
        send(range(20, 30), "other")
        wait_for("the changed Match", lambda: self.file_numbers("second") == [*range(10), *range(20, 30)])
        self.assertEqual(self.metrics("output")["file.1"]["proc_records"], 20, "counters survive")
        self.write()
        self.reload()
        send(range(30, 40), "other")
        self.assertEqual(set(self.metrics("output")), {"archive"})
        self.write(outputs=self.file_output("third"))
        self.reload()
        send(range(40, 50))
        wait_for("the new output", lambda: set(range(40, 50)) <= set(self.file_numbers("third")))
        self.assertEqual(self.file_numbers("second"), [*range(10), *range(20, 30)])
        client.close()
        self.stop()
        self.assertEqual(sorted(self.archived()), list(range(50)))

    def test_an_output_that_goes_delivers_what_it_has(self):
        # S3 waits 10 minutes for more: a reload that removes it must not.
        self.write(outputs=self.file_output("second"))
        text = self.config.read_text().replace("upload_timeout  1s", "upload_timeout  10m")
        self.config.write_text(text)
        self.start()
        client = self.connect(self.port)
        ack = new_ack_id()
        client.send(packed_forward("app", [entry(time.time(), {"n": n}) for n in range(7)], ack))
        client.wait_ack()
        head, rest = text.split("[OUTPUT]", 1)
        self.config.write_text(head + "[OUTPUT]" + rest.split("[OUTPUT]", 1)[1])
        self.reload()
        wait_for("the last object", lambda: sorted(self.archived()) == list(range(7)))
        client.close()
        self.stop()

    def test_a_changed_input_hands_its_address_over(self):
        """New connections all the time, while the input is made anew again and again: none is refused."""
        socket_path = self.directory / "forward.sock"

        def write(number):
            self.write()
            self.config.write_text(self.config.read_text().replace(
                f"Port {self.port}", f"Port {self.port}\n    unix_path {socket_path}\n    net.max_connections {100 + number}"))

        write(0)
        self.start()
        refused, numbers, stopping = [], [], False

        def connect():
            while not stopping:
                try:
                    client = self.connect(self.port)
                    n, ack = len(numbers), new_ack_id()
                    client.send(packed_forward("app", [entry(time.time(), {"n": n})], ack))
                    numbers.append(n)
                    client.wait_ack()
                    client.close()
                except ConnectionRefusedError as error:
                    refused.append(error)
                except ConnectionError:
                    pass  # closed by the reload before the ack: a client sends it again

        thread = threading.Thread(target=connect, daemon=True)
        thread.start()
        for number in range(1, 8):
            write(number)
            self.reload()
            time.sleep(0.2)
            self.assertTrue(socket_path.is_socket(), "the old listener took the file along")
        stopping = True
        thread.join(30 * PATIENCE)
        self.assertEqual(refused, [])
        self.assertGreater(len(numbers), 20)
        self.stop()
        self.assertFalse(socket_path.exists())


if __name__ == "__main__":
    run_tests()

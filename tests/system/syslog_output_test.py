#!/usr/bin/python3
"""The output syslog against rsyslogd: UDP, TCP (lines and counted) and TLS, both RFCs."""

import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from forward_secure_test import SecureTest
from harness import entry, free_port, new_ack_id, packed_forward, run_tests, wait_for

RSYSLOGD = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"


class Syslog(SecureTest):
    def start_rsyslogd(self, port, tls=False):
        driver = f'''
global(workDirectory="{self.directory}" defaultNetstreamDriverCAFile="{self.certificates.ca}"
       defaultNetstreamDriverCertFile="{self.certificates.server}" defaultNetstreamDriverKeyFile="{self.certificates.server_key}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
''' if tls else f'global(workDirectory="{self.directory}")\nmodule(load="imtcp")\n'
        (self.directory / "rsyslog.conf").write_text(driver + f'''
module(load="imudp")
template(name="all" type="string" string="%pri%|%timestamp:::date-utc,date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\\n")
input(type="imtcp" address="127.0.0.1" port="{port}")
input(type="imudp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{self.directory}/syslog" template="all")
''')
        process = self.spawn("rsyslogd", [RSYSLOGD, "-n", "-f", self.directory / "rsyslog.conf", "-i",
                                          self.directory / "rsyslog.pid"])
        wait_for("rsyslogd", lambda: self.alive(process) and self.listens(port))
        return process

    def listens(self, port):
        client = self.connect(port)
        client.close()
        return True

    def lines(self):
        path = self.directory / "syslog"
        return path.read_text().splitlines() if path.exists() else []

    def send(self, options, records, environment=None):
        port = free_port()
        self.start("sender", f"""
[INPUT]
    Name    forward
    Listen  127.0.0.1
    Port    {port}
[OUTPUT]
    Name    syslog
    Match   *
    Syslog_Message_Key   log
    Syslog_Severity_Key  level
    Syslog_Appname_Key   app
    Syslog_Procid_Preset 42
    Syslog_Hostname_Preset  web-1
{options}
""", environment)
        client = self.connect(port)
        ack_id = new_ack_id()
        client.send(packed_forward("app", [entry(1_700_000_000 + n, record) for n, record in enumerate(records)], ack_id))
        self.assertEqual(client.wait_ack(), ack_id)

    RECORDS = [{"log": "first 注文", "level": "error", "app": "back end", "context": {"user": 'a"b]', "n": 1}},
               {"log": "second", "app": "shop"}, {"log": "two\nlines", "level": 7, "app": "shop"}]

    def test_rfc5424_over_tls(self):
        port = free_port()
        self.start_rsyslogd(port, tls=True)
        self.send(f"""
    Host localhost
    Port {port}
    Mode tls
    tls.ca_file {self.certificates.ca}
    Syslog_SD_Key context
""", self.RECORDS)
        wait_for("3 messages", lambda: len(self.lines()) >= 3)
        # rsyslogd takes the byte order mark off.
        lines = [line.replace("\ufeff", "") for line in self.lines()]
        self.assertEqual(lines, [
            '11|2023-11-14T22:13:20.000000+00:00|web-1|back_end|42|-|[context user="a\\"b\\]" n="1"]|first 注文',
            "14|2023-11-14T22:13:21.000000+00:00|web-1|shop|42|-|-|second",
            "15|2023-11-14T22:13:22.000000+00:00|web-1|shop|42|-|-|two#012lines"])

    def test_without_a_ca_file_the_systems_authorities_are_trusted(self):
        port = free_port()
        self.start_rsyslogd(port, tls=True)
        options = f"    Host localhost\n    Port {port}\n    Mode tls\n"
        self.send(options, self.RECORDS, {"SSL_CERT_FILE": str(self.certificates.ca)})
        wait_for("3 messages", lambda: len(self.lines()) >= 3)

    def test_an_authority_the_system_does_not_know_is_refused(self):
        port = free_port()
        self.start_rsyslogd(port, tls=True)
        self.send(f"    Host localhost\n    Port {port}\n    Mode tls\n", self.RECORDS)
        wait_for("the refusal", lambda: "certificate is refused" in self.log_of("sender"))
        self.assertEqual(self.lines(), [])

    def test_rfc5424_counted_over_tcp(self):
        port = free_port()
        self.start_rsyslogd(port)
        self.send(f"    Port {port}\n    Mode tcp\n    syslog_framing octet_counted\n",
                  [{"log": f"message {n}\nwith a second line", "app": "shop"} for n in range(500)])
        wait_for("500 messages", lambda: len(self.lines()) >= 500)
        # rsyslogd escapes what it keeps as one message.
        self.assertEqual([line.replace("\ufeff", "").split("|")[-1] for line in self.lines()],
                         [f"message {n}#012with a second line" for n in range(500)])

    def test_rfc3164_over_udp(self):
        port = free_port()
        self.start_rsyslogd(port)
        self.send(f"    Port {port}\n    syslog_format rfc3164\n", self.RECORDS[1:2])
        wait_for("a message", self.lines)
        priority, _, host, app, procid, _, _, message = self.lines()[0].split("|")
        self.assertEqual([priority, host, app, procid, message.strip()], ["14", "web-1", "shop", "42", "second"])

    def test_messages_wait_for_a_server_that_comes_later(self):
        port = free_port()
        self.send(f"    Port {port}\n    Mode tcp\n", [{"log": f"m{n}", "app": "shop"} for n in range(100)])
        time.sleep(0.5)
        self.start_rsyslogd(port)
        wait_for("100 messages", lambda: len(self.lines()) >= 100, 60)
        self.assertEqual([line.replace("\ufeff", "").split("|")[-1] for line in self.lines()], [f"m{n}" for n in range(100)])


if __name__ == "__main__":
    run_tests()

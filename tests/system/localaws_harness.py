"""What the tests of noroshi-localaws share: the server, and clients nobody here wrote: boto3 (Debian's) and the AWS CLI.

Starts build/…/bin/noroshi-localaws (NOROSHI_BIN_DIR) on a free port with an empty data directory for each test
class.
"""
import json
import os
import subprocess
import tempfile
import unittest
import urllib.request

import boto3
import botocore.exceptions
from botocore.config import Config

BIN = os.path.join(os.environ["NOROSHI_BIN_DIR"], "noroshi-localaws")
AWS = "/usr/bin/aws" if os.path.exists("/usr/bin/aws") else "aws"
KEY, SECRET = "AKIALOCALAWSTEST0001", "a/secret+with=signs"
REGION = "eu-west-1"


class Server:
    def __init__(self, directory, *options):
        self.directory = directory
        self.port_file = os.path.join(directory, "port")
        if os.path.exists(self.port_file):
            os.unlink(self.port_file)
        self.process = subprocess.Popen(
            [BIN, "--data", os.path.join(directory, "data"), "--port", "0", "--port-file", self.port_file,
             "--access-key", KEY, "--secret-key", SECRET, "--seed", "7", *options],
            stdout=subprocess.PIPE, text=True)
        self.line = self.process.stdout.readline()
        with open(self.port_file) as file:
            self.port = int(file.read())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self, kill=False):
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code

    def admin(self, what, method="GET", body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/_localaws/{what}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def fault(self, **members):
        return self.admin("faults", "POST", members)["id"]

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class LocalAwsTest(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="localaws-")
        cls.server = Server(cls.temporary.name, *cls.options)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.temporary.cleanup()
        assert code == 0, f"noroshi-localaws ended with {code}"

    def tearDown(self):
        self.server.admin("faults", "DELETE")

    def client(self, service, key=KEY, secret=SECRET, token=None, attempts=1, style="path", **options):
        config = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, signature_version=(
            "s3v4" if service == "s3" else "v4"), s3={"addressing_style": style}, read_timeout=10, connect_timeout=5,
            **options)
        return boto3.client(service, endpoint_url=self.server.url, region_name=REGION, aws_access_key_id=key,
                            aws_secret_access_key=secret, aws_session_token=token, config=config)

    def refused(self, code, function, *arguments, **keywords):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(*arguments, **keywords)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response

    def aws(self, *arguments, **environment):
        return subprocess.run(
            [AWS, *arguments, "--endpoint-url", self.server.url], capture_output=True, text=True, timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": self.temporary.name, "AWS_ACCESS_KEY_ID": KEY,
                 "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "", **environment})

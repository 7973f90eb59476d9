#!/usr/bin/python3
"""The operator's pages, docs/*.md and docs/*.ja.md, against the program and the repository.

Blocks of code say what they are by their first line:

    ```sh                        run here, line by line, from the top of the repository
    ```sh  # in your AWS account   not run; every aws and cdk command in it must exist as it is written
    ```console                   `$ command` and below it exactly what it prints

What `./dev test` does before the tests is in COVERED. Blocks of other languages have tests
where they belong: SQL in tests/system/pages_query_test.py, tables of the deployment in cdk/test/pages.test.ts, messages of
a running router in tests/system/pages_messages_test.py.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

import botocore.session

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "system"))
from reporting import run_tests

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BIN = pathlib.Path(os.environ.get("NOROSHI_BIN_DIR", ROOT / "build/release/bin"))
ACCOUNT = "# in your AWS account"
# Written by whom: these exist in both languages.
PAGES = sorted(path.name.removesuffix(".ja.md") for path in DOCS.glob("*.ja.md"))
# `npm run synth` is run by cdk/test/synth.test.ts, as it stands in cdk/README.md.
COVERED = {"cd cdk", "npm ci"}


def page(name, language=""):
    return (DOCS / f"{name}{language}.md").read_text()


def blocks(text):
    """(language, text) of every block of code."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)


def prose(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)


def lines_of(block):
    """Its commands: lines that end in a backslash go on in the next."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def environment(home):
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "ASAN_OPTIONS") if name in os.environ}
    return {**kept, "HOME": home, "TMPDIR": home}


def run(script):
    """As one shell runs it, with our programs instead of those of build/release."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(["sh", "-c", script.replace("build/release/bin", str(BIN))], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, env=environment(home))


class BothLanguages(unittest.TestCase):
    def test_in_step(self):
        self.assertGreaterEqual(len(PAGES), 8)
        for name in PAGES:
            with self.subTest(page=name):
                english, japanese = page(name), page(name, ".ja")
                self.assertEqual(blocks(english), blocks(japanese), "the same blocks of code")
                shape = [[marks for marks in re.findall(r"(?m)^(#+) ", prose(text))] for text in (english, japanese)]
                self.assertEqual(*shape, "the same headings")
                rows = [re.findall(r"(?m)^\|", prose(text)).__len__() for text in (english, japanese)]
                self.assertEqual(*rows, "tables of the same length")
                code = [sorted(re.findall(r"`[^`\n]+`", prose(text))) for text in (english, japanese)]
                self.assertEqual(*map(set, code), "the same names, commands and options")
                self.assertIn(f"]({name}.ja.md)", english, "a link to the other language")
                self.assertIn(f"]({name}.md)", japanese)

    def test_japanese_stays_in_japanese(self):
        for name in PAGES:
            for link in re.findall(r"\]\((?!https?:)([\w-]+)\.md[)#]", page(name, ".ja")):
                if link != name and link in PAGES:
                    self.fail(f"{name}.ja.md links to {link}.md: there is {link}.ja.md")

    def test_anchors(self):
        """Links to a heading, as GitHub names headings."""
        def anchor(heading):
            return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found = 0
        for path in DOCS.glob("*.md"):
            for target, wanted in re.findall(r"\]\(([\w./-]*)#([^)]+)\)", prose(path.read_text())):
                headings = re.findall(r"(?m)^#+ (.*)$", prose((DOCS / target if target else path).read_text()))
                with self.subTest(page=path.name, anchor=wanted):
                    self.assertIn(wanted, [anchor(heading) for heading in headings])
                found += 1
        self.assertGreaterEqual(found, 14)

    def test_the_index_has_every_page(self):
        for language in ("", ".ja"):
            linked = set(re.findall(r"\]\(([\w-]+)(?:\.ja)?\.md", page("README", language)))
            self.assertEqual(linked - {"README"}, {path.name.split(".")[0] for path in DOCS.glob("*.md")} - {"README"},
                             f"docs/README{language}.md names every page of docs/: give a new one its question there")
        for readme in ("README.md", "README.ja.md"):
            self.assertIn(f"](docs/{readme})", (ROOT / readme).read_text())


class Commands(unittest.TestCase):
    def test_what_needs_no_account_runs(self):
        ran = 0
        for name in PAGES:
            commands = [line for language, text in blocks(page(name)) if language == "sh" and not text.startswith(ACCOUNT)
                        for line in lines_of(text)]
            synths = [line for line in commands if line.startswith("npm run synth")]
            readme = [" ".join(line.split()) for _, text in blocks((ROOT / "cdk/README.md").read_text()) for line in lines_of(text)]
            for line in synths:
                self.assertIn(" ".join(line.split()), readme, "cdk/test/synth.test.ts runs those of cdk/README.md only")
            rest = [line for line in commands if line not in COVERED and line not in synths]
            result = run("set -e\n" + "\n".join(rest))
            self.assertEqual(result.returncode, 0, f"{name}: {rest}\n{result.stdout}")
            ran += len(rest)
        self.assertGreaterEqual(ran, 4)

    def test_consoles_show_what_is_printed(self):
        shown = 0
        for name in PAGES:
            for language, text in blocks(page(name)):
                if language != "console":
                    continue
                for part in re.split(r"(?m)^\$ ", text)[1:]:
                    # A command may hold a here-document: it ends where the shell has read all of it.
                    command, _, output = part.partition("\n")
                    if heredoc := re.search(r"<<'?(\w+)'?", command):
                        body, end, output = output.partition(f"\n{heredoc[1]}\n")
                        command = f"{command}\n{body}{end}"
                    with self.subTest(page=name, command=command):
                        self.maxDiff = None
                        self.assertEqual(run(command).stdout.rstrip("\n"), output.rstrip("\n"))
                    shown += 1
        self.assertGreaterEqual(shown, 5)

    def test_what_needs_an_account_is_written_right(self):
        session = botocore.session.Session()
        keys = re.search(r"KEYS = \[(.*?)\];", (ROOT / "cdk/lib/settings.ts").read_text(), re.S)[1]
        keys = set(re.findall(r"'(\w+)'", keys))
        seen = {"aws": 0, "cdk": 0, "docker": 0}
        for name in PAGES:
            for language, text in blocks(page(name)):
                if language != "sh" or not text.startswith(ACCOUNT):
                    continue
                for line in lines_of(text):
                    for words in self.commands_in(line):
                        with self.subTest(page=name, line=line):
                            if words[0] == "aws":
                                self.check_aws(session, words[1:])
                                seen["aws"] += 1
                            elif words[:2] == ["npx", "cdk"]:
                                self.check_cdk(words[2:], keys)
                                seen["cdk"] += 1
                            elif words[:2] == ["docker", "build"]:
                                self.check_build(words[2:])
                                seen["docker"] += 1
                            else:
                                self.assertIn(words[0], {"docker", "cd", "export", "date"}, "who checks this command?")
        self.assertGreaterEqual(seen["aws"], 10)
        self.assertGreaterEqual(seen["cdk"], 4)
        self.assertGreaterEqual(seen["docker"], 2)

    @staticmethod
    def commands_in(line):
        """The commands of a line: its own, those it pipes into, those in $( )."""
        for inner in re.findall(r"\$\((.*?)\)", line):
            yield shlex.split(inner)
        outer = re.sub(r"\$\(.*?\)", "VALUE", line)
        for part in re.split(r"\s\|\s", outer):
            words = shlex.split(part)
            while words and re.match(r"\w+=", words[0]):
                words = words[1:]
            if words:
                yield words

    def check_aws(self, session, words):
        service, operation, *options = words
        if (service, operation) == ("ecr", "get-login-password"):  # this and the next two are the CLI's own
            self.assertEqual(options[:1], ["--region"])
            return
        if service == "s3":
            self.assertIn(operation, {"cp", "ls", "sync"})
            return
        if (service, operation) == ("logs", "tail"):
            self.assertLessEqual({word for word in options if word.startswith("--")}, {"--since", "--follow", "--format", "--filter-pattern"})
            return
        waiting = operation == "wait"
        if waiting:
            operation, options = options[0], options[1:]
            waiters = session.create_client(service, region_name="us-east-1", aws_access_key_id="a",
                                            aws_secret_access_key="b").waiter_names
            self.assertIn(operation.replace("-", "_"), waiters)
            return
        model = session.get_service_model(service)
        operations = {botocore.xform_name(each, "-"): each for each in model.operation_names}
        self.assertIn(operation, operations, f"{service} has no such operation")
        input_shape = model.operation_model(operations[operation]).input_shape
        known = {botocore.xform_name(member, "-") for member in (input_shape.members if input_shape else {})}
        known |= {"no-" + member for member in known} | {"query", "output", "region", "max-items", "no-cli-pager"}
        for option in options:
            if option.startswith("--"):
                self.assertIn(option[2:].split("=")[0], known, f"{service} {operation}")
        given = {option[2:] for option in options if option.startswith("--")}
        for required in input_shape.required_members if input_shape else ():
            self.assertIn(botocore.xform_name(required, "-"), given, f"{service} {operation} needs it")

    def check_build(self, words):
        """The Dockerfile is there, and all it copies is in the context. Run in cdk/."""
        context = ROOT / "cdk" / words[-1]
        file = ROOT / "cdk" / words[words.index("-f") + 1] if "-f" in words else context / "Dockerfile"
        for arguments in re.findall(r"(?m)^COPY (?!--from)(.*)$", file.read_text()):
            for source in arguments.split()[:-1]:
                self.assertTrue((context / source).exists(), f"{file} copies {source}, which is not in {context}")

    def check_cdk(self, words, keys):
        self.assertIn(words[0], {"bootstrap", "deploy", "diff", "synth", "list"})
        for index, word in enumerate(words[1:], 1):
            if words[index - 1] == "-c":
                self.assertIn(word.split("=")[0], keys)
            elif not word.startswith("-") and words[0] != "bootstrap":
                self.assertIn(word, {"Registry", "Monitoring", "Network", "Compute"})


class Traps(unittest.TestCase):
    """docs/firelens.md says of each of the 30 traps what shows that it is none here: a golden case, or a test by name."""

    def test_what_shows_them_exists(self):
        rows = re.findall(r"^\| (\d+) \| .*? \| .*? \| (.*?) \|$", page("firelens"), re.M)
        self.assertEqual([int(number) for number, _ in rows], list(range(1, 31)))
        for number, cell in rows:
            shown = re.findall(r"`([^`]+)`", cell)
            self.assertTrue(shown, f"trap {number}")
            for where in shown:
                path, _, name = where.partition(": ")
                self.assertTrue((ROOT / path).exists(), f"trap {number}: there is no {path}")
                if name:
                    test = rf"(def {name}\(|^TEST(_F|_P)?\(\w+, {name}\))"
                    self.assertRegex((ROOT / path).read_text(), re.compile(test, re.M), f"trap {number}")
                else:
                    self.assertTrue(list((ROOT / path).glob("expected*")), f"trap {number}: {path} is no golden case")


if __name__ == "__main__":
    run_tests()

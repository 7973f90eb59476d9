#!/usr/bin/python3
"""Runs the commands of README.md as a reader would, and checks what the page claims.

Every ```sh block is run line by line from the top of the repository, but for the ones that run this very test
or need minutes of their own (they are tests themselves: see COVERED). Every relative link must lead somewhere,
in both languages, and the configuration shown must be the specified one.
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "system"))
from reporting import run_tests

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("NOROSHI_BIN_DIR", ROOT / "build/release/bin"))
PAGES = ["README.md", "README.ja.md"]
# The test demo_once runs the first; the others built and started what runs this.
COVERED = {"./dev demo --once", "./dev build", "./dev test"}


def commands(page):
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.S):
        yield from (line for line in block.splitlines() if line.strip())


class Readme(unittest.TestCase):
    def test_commands(self):
        ran = 0
        for page in PAGES:
            self.assertNotIn("@DEMO@", (ROOT / page).read_text())
            script = "\n".join(line for line in commands(page) if line not in COVERED)
            for line in script.splitlines():
                self.assertRegex(line, r"^(export |build/release/bin/)", f"{page}: who runs `{line}`?")
            ran += len(script.splitlines())
            result = subprocess.run(["sh", "-ec", script.replace("build/release/bin", str(BIN))], cwd=ROOT, text=True,
                                    capture_output=True, timeout=60, env={"PATH": os.environ["PATH"]})
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreaterEqual(ran, 8)

    def test_both_languages_show_the_same_commands(self):
        self.assertEqual(list(commands("README.md")), list(commands("README.ja.md")))

    def test_links(self):
        for page in [*PAGES, "CONTRIBUTING.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]:
            folder = (ROOT / page).parent
            for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", (ROOT / page).read_text()):
                with self.subTest(page=page, link=link):
                    self.assertTrue((folder / link).exists())

    def test_the_configuration_is_the_specified_one(self):
        specified = [line.split() for line in (ROOT / "cdk/docker/fluent-bit/fluent-bit.conf").read_text().splitlines()
                     if line.strip() and not line.startswith("#")]
        for page in PAGES:
            shown = [line.split() for line in re.search(r"```ini\n(.*?)```", (ROOT / page).read_text(), re.S)[1].splitlines()]
            for line in shown:
                self.assertIn(line, specified)

    def test_verbs_of_the_front_door(self):
        verbs = subprocess.run([ROOT / "dev"], capture_output=True, text=True).stdout
        for verb in "demo test build check bench fuzz crash docs fmt".split():
            self.assertRegex(verbs, rf"(?m)^  {verb} ")


if __name__ == "__main__":
    run_tests()

#!/usr/bin/python3
"""Writes the option tables of the plugins' READMEs from the program's own option tables.

    /usr/bin/python3 tests/generate_docs.py --noroshi build/release/bin/noroshi [--verify]

A table stands between `<!-- options:NAME -->` and `<!-- end -->`. With --verify nothing is written: exit 1 if a
table is stale or a plugin has none.
"""

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noroshi", required=True)
    parser.add_argument("--verify", action="store_true")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.noroshi).resolve())

    listing = subprocess.run([program, "options"], capture_output=True, text=True, check=True).stdout
    problems = []
    for line in listing.splitlines():
        kind, name = line.split()[:2]
        readme = ROOT / "src" / kind / name / "README.md"
        if not readme.exists():
            problems.append(f"{readme.relative_to(ROOT)} is missing")
            continue
        table = subprocess.run([program, "options", f"{kind}/{name}", "--markdown"], capture_output=True, text=True,
                               check=True).stdout
        text = readme.read_text()
        marker = re.compile(rf"(<!-- options:{re.escape(name)} -->).*?(<!-- end -->)", re.S)
        if not marker.search(text):
            problems.append(f"{readme.relative_to(ROOT)} has no <!-- options:{name} --> … <!-- end -->")
            continue
        fresh = marker.sub(lambda match: f"{match[1]}\n{table}{match[2]}", text)
        if fresh == text:
            continue
        if arguments.verify:
            problems.append(f"{readme.relative_to(ROOT)}: the option table is stale; ./dev docs writes it")
        else:
            readme.write_text(fresh)
            print(f"wrote {readme.relative_to(ROOT)}")
    print("\n".join(problems) if problems else "option tables are fresh")
    sys.exit(1 if problems else 0)


main()

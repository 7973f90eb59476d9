#!/usr/bin/python3
"""Writes the option tables of the plugins' READMEs from the program's own option tables.

    /usr/bin/python3 tests/generate_docs.py --noroshi build/release/bin/noroshi [--verify]

A table stands between `<!-- options:NAME -->` and `<!-- end -->`, and what there is of Fluent Bit's between
`<!-- migration -->` and `<!-- end -->` in docs/migrate-from-fluent-bit.md. With --verify nothing is written: exit 1 if a
table is stale or a plugin has none.
"""

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def freshen(page, name, content, verify, problems):
    """Puts content between the markers of the page, or adds what is wrong to problems."""
    path = page.relative_to(ROOT)
    if not page.exists():
        problems.append(f"{path} is missing")
        return
    text = page.read_text()
    marker = re.compile(rf"(<!-- {re.escape(name)} -->).*?(<!-- end -->)", re.S)
    if not marker.search(text):
        problems.append(f"{path} has no <!-- {name} --> … <!-- end -->")
        return
    fresh = marker.sub(lambda match: f"{match[1]}\n{content}{match[2]}", text)
    if fresh == text:
        return
    if verify:
        problems.append(f"{path}: the part \"{name}\" is stale; ./dev docs writes it")
    else:
        page.write_text(fresh)
        print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noroshi", required=True)
    parser.add_argument("--verify", action="store_true")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.noroshi).resolve())

    problems = []
    migration = subprocess.run([program, "options", "--migration"], capture_output=True, text=True, check=True).stdout
    freshen(ROOT / "docs" / "migrate-from-fluent-bit.md", "migration", migration, arguments.verify, problems)
    listing = subprocess.run([program, "options"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        kind, name = line.split()[:2]
        table = subprocess.run([program, "options", f"{kind}/{name}", "--markdown"], capture_output=True, text=True,
                               check=True).stdout
        freshen(ROOT / "src" / kind / name / "README.md", f"options:{name}", table, arguments.verify, problems)
    print("\n".join(problems) if problems else "option tables are fresh")
    sys.exit(1 if problems else 0)


main()

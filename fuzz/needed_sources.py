#!/usr/bin/python3
"""Prints the sources that the fuzz targets need, one a line: the fuzz build compiles these alone.

A library that a target links would be compiled as a whole, and with the sanitizers that is most of the time that fuzzing
takes in CI. What a source includes it may need: for each header the source of its
name, the sources of its folder that have no header of their own and include it first, and so on. It may find too many;
if it finds too few, the target does not link.
"""

import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent


def included(path):
    return re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE)


def top(path):
    """What the includes of a source begin after."""
    return pathlib.Path("src") if path.parts[0] == "src" else pathlib.Path()


def main():
    sources = {path.relative_to(ROOT): included(path)
               for folder in ("src", "localaws") for path in sorted((ROOT / folder).rglob("*.cc"))
               if not re.search(r"(_test|_bench|/main)\.cc$", str(path))}
    of_header = collections.defaultdict(set)
    for path, headers in sources.items():
        own = path.with_suffix(".h")
        if not (ROOT / own).exists():
            # A part of what a header of its folder declares: its first one.
            beside = [header for header in headers if pathlib.Path(header).parent == path.parent.relative_to(top(path))]
            if not beside or path.name.endswith("_fuzz.cc"):
                continue
            own = top(path) / beside[0]
        of_header[own].add(path)
    needed, seen = set(), set()
    waiting = [path for path in sources if path.name.endswith("_fuzz.cc")]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path in sources:
            needed.add(path)
        for header in included(ROOT / path):
            header_path = next((each for each in (pathlib.Path("src") / header, pathlib.Path(header)) if (ROOT / each).exists()), None)
            if header_path is not None:
                waiting.append(header_path)
                waiting.extend(of_header[header_path])
    print("\n".join(sorted(str(path) for path in needed)))


main()

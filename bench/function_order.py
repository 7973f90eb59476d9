#!/usr/bin/python3
"""Writes cmake/function_order.txt anew: the functions that a start runs, then those that records run.

    ./dev bench order       after changes of what a start does; idle_rss_mb of ./dev bench latency says whether it helps

The linker puts them side by side, so that an idle router has few pages of its program in memory: the kernel maps 16 pages
around each one that is touched. A name that is missing in the list costs some pages, one that no longer exists nothing.
The names are the linker's; valgrind sees which functions run, in the specified configuration.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile
import time

import bench
import latency
from harness import wait_for

LIST = pathlib.Path(__file__).resolve().parent.parent / "cmake/function_order.txt"
HEAD = """\
# The order of the shipped program's functions: first those of the start, in an idle router the only ones that ran, then
# those that records need. Written by ./dev bench order; read by the linker (cmake/noroshi.cmake).
"""
IDLE_SECONDS = 20  # valgrind is slow, and the first second's timers belong to the start
RECORDS_A_SECOND, SECONDS = 200, 10


def functions(profile, program):
    """Names of the functions of `program` that ran, from a file of callgrind's."""
    objects, names, found, current = {}, {}, set(), ""
    for line in profile.read_text().splitlines():
        match = re.match(r"(ob|fn|cob|cfn)=\((\d+)\)(?: (.*))?$", line)
        if not match:
            continue
        kind, number, name = match.groups()
        table = objects if kind.endswith("ob") else names
        if name is not None:
            table[number] = name
        if kind == "ob":
            current = table[number]
        elif kind == "fn" and current == str(program):
            found.add(table[number].partition("'")[0])
    return found


def addresses(program):
    rows = subprocess.run(["nm", "--defined-only", program], check=True, capture_output=True, text=True).stdout
    return {name: address for address, kind, name in (row.split() for row in rows.splitlines()) if kind in "tTwWuU"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    binaries = parser.parse_args().bin.resolve()
    with tempfile.TemporaryDirectory() as directory, latency.Router(bench.ours(binaries)) as router:
        profile = pathlib.Path(directory) / "callgrind"
        router.environment["NOROSHI_CORE_DUMPS"] = "on"  # callgrind_control asks the process
        router.start(["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={profile}", "--quiet"])
        time.sleep(IDLE_SECONDS)
        subprocess.run(["callgrind_control", "--dump=idle", str(router.process.pid)], check=True, capture_output=True)
        ticks = list(latency.pieces(RECORDS_A_SECOND, SECONDS))
        errors = sum(len(tick) - 1 for tick in ticks)
        latency.send_steadily(router.port, ticks, RECORDS_A_SECOND)
        wait_for("the last error", lambda: time.sleep(0.1) or router.report()["log_events"] >= errors)
        router.stop()
        where = addresses(router.binary)
        # In the order they have now: neighbours in the source stay neighbours.
        start = sorted(functions(pathlib.Path(f"{profile}.1"), router.binary) & where.keys(), key=where.get)
        later = sorted((functions(profile, router.binary) & where.keys()) - set(start), key=where.get)
    LIST.write_text("\n".join([HEAD + "# The start:", *start, "# Records:", *later]) + "\n")
    print(f"{LIST}: {len(start)} functions of the start, {len(later)} of records")


if __name__ == "__main__":
    main()

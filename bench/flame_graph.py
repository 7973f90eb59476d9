#!/usr/bin/python3
"""A flame graph of one case: where the router's time goes, as one SVG that a browser shows.

    ./dev bench profile CASE       perf record of the router in that case, then bench/flame-CASE.svg
    ./dev bench profile steady     the same at 10,000 records/s, as bench/latency.py sends them
    perf script | bench/flame_graph.py > flame.svg

Width is time, a frame stands on its caller. Frames under 0.5 % are left out. perf samples the CPU clock, because
virtual machines have no hardware counters.
"""

import argparse
import html
import os
import pathlib
import re
import subprocess
import sys
import time
import zlib

LEAST_SHARE = 0.005
WIDTH, ROW, CHARACTER = 1200, 16, 6.6
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \(([^)]*)\)$")


class Node:
    def __init__(self):
        self.samples, self.children = 0, {}


def short(symbol):
    """A name a person can read: no arguments, no templates, no namespace everybody is in."""
    symbol = re.sub(r"\+0x[0-9a-f]+$", "", symbol)
    symbol = symbol.replace("(anonymous namespace)::", "").replace("operator()", "call").replace("noroshi::", "")
    while (shorter := re.sub(r"<[^<>]*>", "", symbol)) != symbol:
        symbol = shorter
    symbol = re.sub(r"\{lambda[^}]*\}", "lambda", symbol)
    return re.sub(r"\(.*", "", symbol).strip() or "?"


def fold(rows):
    """perf script's output as a tree of callers."""
    root, stack = Node(), []
    for row in rows:
        if match := FRAME.match(row):
            name = short(match[1])
            stack.append(f"[{pathlib.Path(match[2]).name}]" if match[1] == "[unknown]" else name)
        elif not row.strip() and stack:
            node = root
            node.samples += 1
            for name in reversed(stack):
                node = node.children.setdefault(name, Node())
                node.samples += 1
            stack = []
    return root


def depth_of(node, least):
    return 1 + max((depth_of(child, least) for child in node.children.values() if child.samples >= least), default=0)


def boxes(node, name, x, level, root, least, height, out):
    width = node.samples / root.samples * WIDTH
    share, y = node.samples / root.samples * 100, height - (level + 1) * ROW
    hue = 20 + zlib.crc32(name.encode()) % 40
    room = int((width - 4) / CHARACTER)
    text = name if len(name) <= room else name[:max(0, room - 1)] + "…" if room > 3 else ""
    out.append(f'<g><title>{html.escape(name)} {share:.1f} %</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" '
               f'height="{ROW - 1}" fill="hsl({hue},80%,{62 + hue % 3 * 6}%)"/>'
               + (f'<text x="{x + 3:.1f}" y="{y + 11.5}">{html.escape(text)}</text>' if text else "") + "</g>")
    for child_name, child in sorted(node.children.items()):
        if child.samples >= least:
            boxes(child, child_name, x, level + 1, root, least, height, out)
            x += child.samples / root.samples * WIDTH


def svg(root, title):
    least = max(1, root.samples * LEAST_SHARE)
    height = depth_of(root, least) * ROW + 30
    out = []
    boxes(root, "all", 0, 0, root, least, height, out)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
            f'font-size="11"><rect width="{WIDTH}" height="{height}" fill="#fff"/><text x="6" y="16" font-size="13">'
            f'{html.escape(title)}, {root.samples:,} samples; frames under {LEAST_SHARE:.1%} left out</text>\n'
            + "\n".join(out) + "\n</svg>\n")


def steady(binaries, beside, rate=10_000, seconds=5):
    import bench
    import latency
    with latency.Router(bench.ours(binaries)) as router:
        router.start()
        ticks = list(latency.pieces(rate, seconds))
        perf = beside(router.process.pid)
        latency.send_steadily(router.port, ticks, rate)
        router.stop()
        perf.wait(60)


def profile(case, binaries, records, directory):
    """Runs the case under perf: the lines of perf script."""
    import bench
    os.sched_setaffinity(0, bench.OTHER_CORES)
    data = directory / f"perf.{case}"

    def record(pid):
        perf = subprocess.Popen(["perf", "record", "--quiet", "-e", "cpu-clock", "-F", "999", "-p", str(pid),
                                 "--call-graph", "dwarf,16384", "-o", data])
        time.sleep(1)  # until it has attached
        return perf
    if case == "steady":
        steady(binaries, record)
    else:
        row = bench.run(case, binaries, records, beside=record)
        print(f"{case}: {row['us_per_record']:.2f} µs a record, perf's own work included", file=sys.stderr)
    script = ["perf", "script", "--no-inline", "-i", data, "-F", "comm,tid,time,event,ip,sym,dso"]
    return subprocess.run(script, check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="?", help="of bench/bench.py, or steady; without one, perf script's output is read")
    parser.add_argument("--bin", type=pathlib.Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--profiles", type=pathlib.Path, default=pathlib.Path("build/bench"),
                        help="where perf's file goes")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    if not arguments.case:
        sys.stdout.write(svg(fold([*sys.stdin.read().splitlines(), ""]), "perf"))
        return
    arguments.profiles.mkdir(parents=True, exist_ok=True)
    rows = profile(arguments.case, arguments.bin.resolve(), arguments.records, arguments.profiles)
    out = arguments.out or pathlib.Path(__file__).resolve().parent / f"flame-{arguments.case}.svg"
    out.write_text(svg(fold([*rows, ""]), f"noroshi, {arguments.case}"))
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

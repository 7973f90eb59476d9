#!/usr/bin/python3
"""Keeps what was measured in bench/results.json, with the machine, and writes the newest section of bench/RESULTS.md.

    bench/results.py        the section, from the numbers that are there
"""

import datetime
import json
import os
import pathlib
import subprocess

import comparison

HERE = pathlib.Path(__file__).resolve().parent
FILE = HERE / "results.json"
RESULTS = HERE / "RESULTS.md"


def machine():
    model = next((row.split(":", 1)[1].strip() for row in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if row.startswith("model name")), "unknown")
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
    return f"{os.cpu_count()} cores, {model}, {memory:,} MB, Linux {os.uname().release}"


def load_average():
    return float(pathlib.Path("/proc/loadavg").read_text().split()[0])


LOAD_AT_START = load_average()


def commit():
    command = ["git", "-C", HERE, "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def load():
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def save(section, rows, key):
    """Rows with the same key take the place of older ones; each says when and how busy the machine was."""
    kept = load()
    when = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "load_average": max(LOAD_AT_START, load_average()), "commit": commit()}
    new = {tuple(row[name] for name in key): {name: round(value, 3) if isinstance(value, float) else value
                                              for name, value in {**row, **when}.items()} for row in rows}
    old = {tuple(row[name] for name in key): row for row in kept.get(section, [])}
    kept |= {"machine": machine(), section: list({**old, **new}.values())}
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def section(kept):
    """The newest section of RESULTS.md, as text."""
    dates = sorted(row["date"] for name in ("e2e", "latency") for row in kept.get(name, []))
    loads = [row["load_average"] for name in ("e2e", "latency") for row in kept.get(name, [])]
    out = [f"## {dates[-1][:10]}: end to end, latency, and what grows", "",
           f"{kept['machine']}. Release preset, router on one core, generator and sink on the other.",
           f"Load average while measuring {min(loads):.1f} to {max(loads):.1f}" + (
               ": others were building on these two cores, so records/s and\nlatency are worse than on a quiet "
               "machine; CPU a record is a little worse too, as the cache was shared." if max(loads) > 2 else "."),
           "Commands: `./dev bench e2e --all --runs 5 --save`, `./dev bench e2e --runs 5 --vs PATH --save`, `./dev bench latency --vs "
           "PATH --save`;\nthis text: `bench/results.py`.",
           "The bars: [chart.svg](chart.svg). Where the time goes: "
           "[flame-packed-specified.svg](flame-packed-specified.svg).", "",
           "Beside Fluent Bit 5.1.1, smaller is better. \"Reference\": measured before, on a machine of this kind.",
           "",
           "| | noroshi | Fluent Bit | ratio | Fluent Bit's number from |", "|---|---|---|---|---|"]
    out += [f"| {what} | {ours:,.2f} {unit} | {theirs:,.1f} {unit} | {ours / theirs:.2f} | {source} |"
            for what, unit, ours, theirs, source in comparison.rows(kept)]
    cases = comparison.case_rows(kept)
    first = next(iter(cases.values()))[0]
    dates = sorted({row["date"] for row, _ in cases.values()})
    out += ["", "Every case, ratios to the first row"
            + (f". The rows are of {len(dates)} runs of the day, so they differ by 10 % for no reason of their own:"
               if len(dates) > 1 else ":"), "",
            "| case | CPU µs a record | ratio | of that its busiest thread | records/s | ratio | peak RSS MB | peak anonymous MB | runs |",
            "|---|---|---|---|---|---|---|---|---|"]
    out += [f"| {case} | {row['us_per_record']:.2f} | {row['us_per_record'] / first['us_per_record']:.2f} | "
            f"{row['busiest_thread_us']:.2f} | {row['records_per_s']:,.0f} | {row['records_per_s'] / first['records_per_s']:.2f} | "
            f"{row['rss_mb']:.1f} | {row['anonymous_mb']:.1f} | {row['runs']} |" for case, (row, _) in cases.items()]
    for row in (row for row in kept.get("latency", []) if row["router"] == "noroshi"):
        out += ["", f"At a steady {row['rate']:,} records/s, 1 % of them ERROR, one record a frame, default settings:",
                "", "| | |", "|---|---|",
                f"| CPU of a core | {row['cpu_percent']:.1f} % |",
                f"| write to PutLogEvents received | p50 {row['p50_ms']:.0f} ms, p99 {row['p99_ms']:.0f} ms |",
                f"| requests to the stream | {row['requests_per_second']:.1f} a second, at most "
                f"{row['requests_per_second_max']:.0f} received in any second |",
                f"| idle | {row['idle_rss_mb']:.1f} MB resident, {row['idle_anonymous_mb']:.1f} MB anonymous, "
                f"{row['idle_cpu_percent']:.3f} % of a core |",
                f"| exec to listening | {row['listening_ms']:.1f} ms |"]
    return "\n".join(out) + "\n"


def main():
    old = RESULTS.read_text()
    head, mark, rest = old.partition("\n## ")
    text = section(load())
    if rest.partition(":")[0] == text[3:13]:  # written today: it takes the place of that
        rest = rest.partition("\n## ")[2]
    RESULTS.write_text(f"{head}\n{text}" + (mark + rest if rest else ""))
    print(RESULTS)


if __name__ == "__main__":
    main()

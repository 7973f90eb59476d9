#!/usr/bin/python3
"""Keeps what was measured in bench/results.json, with the machine, and writes the newest section of bench/RESULTS.md.

    bench/results.py        the section, from the numbers that are there
"""

import datetime
import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FILE = HERE / "results.json"


def machine():
    model = next((row.split(":", 1)[1].strip() for row in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if row.startswith("model name")), "unknown")
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
    return f"{os.cpu_count()} cores, {model}, {memory:,} MB, Linux {os.uname().release}"


def load_average():
    return float(pathlib.Path("/proc/loadavg").read_text().split()[0])


def commit():
    return subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


def load():
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def save(section, rows, key):
    """Rows with the same key take the place of older ones; each says when and how busy the machine was."""
    kept = load()
    when = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "load_average": load_average(), "commit": commit()}
    new = {tuple(row[name] for name in key): {name: round(value, 3) if isinstance(value, float) else value
                                              for name, value in {**row, **when}.items()} for row in rows}
    old = {tuple(row[name] for name in key): row for row in kept.get(section, [])}
    kept |= {"machine": machine(), section: list({**old, **new}.values())}
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")

#!/usr/bin/python3
"""Runs libFuzzer targets and says what they did and found. ./dev fuzz and ./dev test build them and call it.

    /usr/bin/python3 fuzz/run.py [--bin DIRECTORY] [--seconds N] [--jobs N] [NAME_fuzz…]

Every target begins with its corpus (fuzz/corpus/NAME) and what earlier runs found (build/fuzz/found/NAME) and runs for N
seconds of processor time, so that a busy machine makes the run longer, not weaker. A line tells what each did: runs, edges
covered, inputs of the corpus before and after. What breaks one is printed with its report, as a file and in base64
(the disk of a CI machine is gone afterwards), with the command that tries it again. Exit 1 if any broke or could not run.
"""

import argparse
import base64
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEGABYTES_MAX = 2048  # of a target: more is a finding
# Of one input, on the wall's clock: long, because ./dev test gives the targets only what its tests leave of the processor.
INPUT_SECONDS_MAX = 300
# A target that gets too little of the processor ends after so many times its seconds; its line says so.
WALL_TIMES_MAX = 15
REPORT_LINES_MAX = 80
BASE64_BYTES_MAX = 32 << 10  # of an input that is printed
POLL_SECONDS = 0.2


class Target:
    """One target while it runs."""

    def __init__(self, name, binaries, found):
        self.name = name
        self.corpus = ROOT / "fuzz" / "corpus" / name
        self.found = found / name
        self.found.mkdir(parents=True, exist_ok=True)
        self.log = found / f"{name}.log"
        self.processor_seconds = 0.0
        self.begun = time.monotonic()
        self.asked_to_end = False
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [binaries / name, "-print_final_stats=1", f"-rss_limit_mb={MEGABYTES_MAX}", f"-timeout={INPUT_SECONDS_MAX}",
                 f"-artifact_prefix={self.found}/", self.found, self.corpus],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def poll(self, seconds):
        """True when it has ended. Asks it to end when it has had its seconds."""
        if self.process.poll() is not None:
            return True
        try:
            # After the name in parentheses, which may hold anything: fields 14 and 15 of proc(5), in clock ticks.
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            self.processor_seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return self.process.poll() is not None
        over = time.monotonic() - self.begun > seconds * WALL_TIMES_MAX
        if (self.processor_seconds >= seconds or over) and not self.asked_to_end:
            self.process.send_signal(signal.SIGUSR1)  # libFuzzer: end, with the statistics
            self.asked_to_end = True
        return False

    def tell(self, seconds):
        """True if it did what it should."""
        log = self.log.read_text(errors="replace")
        runs = re.search(r"stat::number_of_executed_units: (\d+)", log)
        edges = re.findall(r"\bcov: (\d+) ft: \d+ corp: (\d+)/", log)
        begun = re.search(r"INITED.* corp: (\d+)/", log)
        if self.process.returncode == 0 and runs and edges and begun:
            text = (f"{self.name:28} {self.processor_seconds:5.0f} s {int(runs[1]):>10,} runs, {int(edges[-1][0]):>6,} edges, "
                    f"corpus {int(begun[1]):,} to {int(edges[-1][1]):,}")
            if self.processor_seconds < 0.9 * seconds:
                text += f" (only {self.processor_seconds:.0f} of {seconds} s of the processor were left for it)"
            print(text, flush=True)
            return True
        print(f"{self.name} BROKE (exit {self.process.returncode}):")
        lines = log.splitlines()
        begin = next((n for n, line in enumerate(lines) if re.match(r"==\d+==|.*(runtime error|CHECK|terminate)", line)), -20)
        print("\n".join(f"    {line[:400]}" for line in lines[begin:][:REPORT_LINES_MAX]))
        written = re.search(r"Test unit written to (\S+)", log)
        if written:
            tell_input(self.name, pathlib.Path(written[1]))
        sys.stdout.flush()
        return False


def tell_input(name, artifact):
    content = artifact.read_bytes()
    print(f"  the input: {artifact}, {len(content)} bytes; try it again: ./dev fuzz {name} {artifact}")
    if len(content) <= BASE64_BYTES_MAX:
        print(f"  elsewhere: echo {base64.b64encode(content).decode()} | base64 -d > input && ./dev fuzz {name} input")
    print(f"  mended? It belongs to fuzz/corpus/{name}/ with a name that says what it is.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "fuzz" / "bin")
    parser.add_argument("--seconds", type=float, default=60, help="of the processor, for each")
    parser.add_argument("--jobs", type=int, default=1, help="how many run at the same time")
    parser.add_argument("names", nargs="*", metavar="NAME_fuzz")
    arguments = parser.parse_args()
    waiting = arguments.names or sorted(path.name for path in arguments.bin.glob("*_fuzz"))
    missing = [name for name in waiting if not (ROOT / "fuzz" / "corpus" / name).is_dir() or not (arguments.bin / name).exists()]
    if missing or not waiting:
        sys.exit(f"no such target, or no corpus of it: {' '.join(missing) or arguments.bin}")
    # Reports have line numbers, also where llvm-symbolizer is not installed; UBSan prints no stack unless asked.
    os.environ.setdefault("ASAN_OPTIONS", "allow_addr2line=1")
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    running, broken, begun, spent = [], [], time.monotonic(), 0.0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        while waiting or running:
            while waiting and len(running) < arguments.jobs:
                running.append(Target(waiting.pop(0), arguments.bin, ROOT / "build" / "fuzz" / "found"))
            time.sleep(POLL_SECONDS)
            for target in [target for target in running if target.poll(arguments.seconds)]:
                running.remove(target)
                spent += target.processor_seconds
                if not target.tell(arguments.seconds):
                    broken.append(target.name)
    finally:
        for target in running:
            target.process.kill()
    print(f"fuzzed for {spent:.0f} s of the processor in {time.monotonic() - begun:.0f} s; "
          + (f"BROKEN: {' '.join(broken)}" if broken else "nothing broke"))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()

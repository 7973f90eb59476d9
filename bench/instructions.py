#!/usr/bin/python3
"""Instructions a record costs, counted by valgrind: the same on a busy machine and on an idle one.

    ./dev bench check            compares every case with bench/instructions.json; over 5 % more fails
    ./dev bench check --save     writes that file anew, after a change that is worth its instructions

Each case runs the real router under callgrind twice, with few and with many records, and divides the difference: what
start and stop cost is not in it. The processor valgrind shows has AVX2 and no AVX-512.
"""

import argparse
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bench

BASELINE = pathlib.Path(__file__).resolve().parent / "instructions.json"
WORSE_MAX_PERCENT = 5
FEW, MANY = 20_000, 60_000
CASES = ["packed-null", "message-null", "packed-specified", "message-specified"]


def instructions(case, binaries, records, profile):
    out = profile.with_name(f"callgrind.{case}.{records}")
    bench.run(case, binaries, records, wrapper=[
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet", "--log-file=/dev/null"])
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--save", action="store_true", help="write the baseline anew")
    parser.add_argument("--profiles", type=pathlib.Path, default=pathlib.Path("build/bench"),
                        help="where callgrind's files go: callgrind_annotate reads them")
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help=", ".join(CASES))
    arguments = parser.parse_args()
    arguments.profiles.mkdir(parents=True, exist_ok=True)
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    measured, failed = {}, 0
    print(f"{'case':20} {'instructions/record':>20} {'baseline':>10} {'change':>8}")
    for case in arguments.cases or CASES:
        few, many = (instructions(case, arguments.bin.resolve(), records, arguments.profiles / "callgrind")
                     for records in (FEW, MANY))
        measured[case] = round((many - few) / (MANY - FEW))
        before = baseline.get(case)
        change = f"{(measured[case] / before - 1) * 100:+.1f} %" if before else "new"
        worse = bool(before) and measured[case] > before * (1 + WORSE_MAX_PERCENT / 100)
        failed += worse
        print(f"{case:20} {measured[case]:20,} {before or 0:10,} {change:>8}{'  WORSE' if worse else ''}", flush=True)
    if arguments.save:
        BASELINE.write_text(json.dumps({**baseline, **measured}, indent=2) + "\n")
        return 0
    if missing := [case for case in measured if case not in baseline]:
        print(f"no baseline for {', '.join(missing)}: ./dev bench check --save", file=sys.stderr)
        return 1
    if failed:
        print(f"{failed} case(s) cost over {WORSE_MAX_PERCENT} % more instructions than bench/instructions.json says",
              file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

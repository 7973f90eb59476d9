#!/usr/bin/python3
"""What one record costs step by step, in instructions, from the files that `./dev bench check` leaves in build/bench.

    ./dev bench steps [CASE]

Per function with everything it calls, many records less few records, so that start and stop are not in it. The kernel's
work (reading the socket, writing the journal) is not counted by callgrind; bench/flame-packed-specified.svg shows it.
"""

import argparse
import pathlib
import re
import subprocess

from instructions import FEW, MANY

STEPS = [  # (function, what it does); indented ones are parts of the one above
    ("forward::Session::decode_frame()", "Forward: find the entries of a frame"),
    ("forward::Session::next_frame()", "Forward: find the end of a frame (Message mode)"),
    ("PartialMessageFilter::apply(", "join what Docker split"),
    ("ParserFilter::apply(", "filter parser"),
    ("JsonToMsgpack::State::parse(", "  JSON to MessagePack"),
    ("dom_parser_implementation::stage1(", "    of that simdjson's first stage"),
    ("RouteTable::route(", "which output gets it (Grep level)"),
    ("JournalImpl::append(", "journal: frame and CRC"),
    ("JournalReaderImpl::load(", "journal: read it again, all outputs"),
    ("S3Batch::append_line(", "S3: the NDJSON line"),
    ("S3Batch::flush_block()", "S3: gzip"),
    ("S3Output::deliver(", "S3: SHA-256 and sending"),
    ("LogBatch::add(", "CloudWatch Logs: the one error in a hundred"),
    ("LogsDelivery::deliver(", "CloudWatch Logs: gzip and sending"),
]


def inclusive(profile):
    """{function: instructions of it and what it calls}"""
    command = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--auto=no", profile]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {}
    for row in text.splitlines():
        if match := re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+(.*)", row):
            found[match[2]] = int(match[1].replace(",", ""))
    return found


def per_record(case, profiles):
    """[(what, instructions a record)] of the steps that case has; the first is everything."""
    few, many = (inclusive(profiles / f"callgrind.{case}.{records}") for records in (FEW, MANY))

    def cost(function):
        return (max((count for name, count in many.items() if function in name), default=0)
                - max((count for name, count in few.items() if function in name), default=0)) / (MANY - FEW)
    return [("everything", cost("PROGRAM TOTALS")),
            *((what, cost(function)) for function, what in STEPS if cost(function) >= 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="?", default="packed-specified")
    parser.add_argument("--profiles", type=pathlib.Path, default=pathlib.Path("build/bench"))
    arguments = parser.parse_args()
    rows = per_record(arguments.case, arguments.profiles)
    for what, count in rows:
        print(f"| {what:48} | {count:7,.0f} | {count / rows[0][1]:5.1%} |")


if __name__ == "__main__":
    main()

"""Ours beside Fluent Bit: rows of (what, unit, ours, Fluent Bit's, where the latter is from) out of bench/results.json.

Fluent Bit's numbers are those of the same run where `--vs` was given, else the reference measurement of Fluent Bit
5.1.1 on a 2-core machine of this kind, with the same pipeline and records. Smaller is better in every row.
"""

REFERENCE = "reference"
CPU_REFERENCE_US = {"packed-specified": 18.4, "message-specified": 21.9, "packed-null": 3.4, "message-null": 6.6}
CASE_NAMES = {"packed-specified": "CPU a record, specified pipeline, 1,000 a frame",
              "message-specified": "CPU a record, specified pipeline, one a frame",
              "packed-null": "CPU a record, read and parsed only, 1,000 a frame",
              "message-null": "CPU a record, read and parsed only, one a frame"}
REFERENCE_RECORDS_PER_S, REFERENCE_RSS_MB = 54_000, 312
LATENCY_REFERENCE = {  # field: (what, unit, Fluent Bit's)
    "cpu_percent": ("CPU at a steady 10,000 records/s", "% of a core", 26),
    "p50_ms": ("ERROR to PutLogEvents, p50", "ms", 539),
    "p99_ms": ("ERROR to PutLogEvents, p99", "ms", 1029),
    "idle_rss_mb": ("idle memory, resident", "MB", 15),
    "listening_ms": ("exec to listening", "ms", 17)}


def case_rows(kept):
    """{case: (our row, the other's row or None)}"""
    found = {}
    for row in kept.get("e2e", []):
        ours, other = found.get(row["case"], (None, None))
        found[row["case"]] = (row, other) if row["router"] == "noroshi" else (ours, row)
    return {case: pair for case, pair in found.items() if pair[0]}


def latency_rows(kept):
    """(our row, the other's row or None) at the steady rate of LATENCY_REFERENCE"""
    at_rate = [row for row in kept.get("latency", []) if row["rate"] == 10_000]
    return (next((row for row in at_rate if row["router"] == "noroshi"), None),
            next((row for row in at_rate if row["router"] != "noroshi"), None))


def rows(kept):
    out, cases = [], case_rows(kept)
    for case, what in CASE_NAMES.items():
        if case in cases:
            ours, other = cases[case]
            out.append((what, "µs", ours["us_per_record"], other["us_per_record"] if other else CPU_REFERENCE_US[case],
                        "the same run" if other else REFERENCE))
    if "packed-specified" in cases:
        ours, other = cases["packed-specified"]
        source = "the same run" if other else REFERENCE
        out.append(("a million records, specified pipeline, one core", "s", 1e6 / ours["records_per_s"],
                    1e6 / (other["records_per_s"] if other else REFERENCE_RECORDS_PER_S), source))
        out.append(("peak memory at full speed, resident", "MB", ours["rss_mb"],
                    other["rss_mb"] if other else REFERENCE_RSS_MB, source))
    ours, other = latency_rows(kept)
    if ours:
        out += [(what, unit, ours[field], other[field] if other else theirs, "the same run" if other else REFERENCE)
                for field, (what, unit, theirs) in LATENCY_REFERENCE.items()]
    return out

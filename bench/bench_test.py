#!/usr/bin/python3
"""The benchmarks run, and what they count is right. Nothing here looks at a time: this machine may be busy."""

import unittest

import bench
import frames
import latency
import flame_graph
from harness import BIN, run_tests

RECORDS = 2_000


class Benchmarks(unittest.TestCase):
    def test_every_record_of_a_case_is_delivered(self):
        row = bench.run("packed-specified", BIN, RECORDS)
        self.assertEqual((row["records"], row["s3_records"], row["log_events"]), (RECORDS, RECORDS, RECORDS // 100))
        self.assertGreater(row["us_per_record"], 0)
        self.assertGreater(row["busiest_thread_us"], 0)

    def test_every_mode_packs_what_the_router_counts(self):
        for mode in frames.MODES:
            buffer, count = frames.pack(mode, 1_000)
            self.assertEqual(count, 1_000)
            self.assertGreater(len(buffer), 1_000)
        self.assertEqual(len(frames.line(1, 4096)), 4096)

    def test_two_seconds_of_errors_arrive_with_their_time(self):
        row = latency.measure(bench.ours(BIN), rate=1_000, seconds=2, idle_seconds=0.1, starts=1)
        self.assertEqual((row["errors"], row["log_events"], row["s3_records"]), (20, 20, 2_000))
        self.assertGreater(row["p99_ms"], 0)

    def test_a_flame_graph_of_two_stacks(self):
        root = flame_graph.fold(["noroshi 1 1.0: 1 cpu-clock:", "\t55 write (libc.so)", "\t56 main (noroshi)", "",
                                 "noroshi 1 1.1: 1 cpu-clock:", "\t57 read (libc.so)", "\t56 main (noroshi)", ""])
        self.assertEqual(root.samples, 2)
        self.assertIn("main", flame_graph.svg(root, "two stacks"))


if __name__ == "__main__":
    run_tests()

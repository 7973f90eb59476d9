"""How a test program ends, so that what was not tested shows: the last line counts what was skipped and says why."""

import sys
import unittest

SKIPPED = 77  # SKIP_RETURN_CODE in tests/CMakeLists.txt


def outcome(result):
    """The last line of a test program, and its exit status."""
    # A part of a test (subTest) and a whole class may be skipped as well: those are no test that was counted.
    skipped_tests = {test.id() for test, _ in result.skipped
                     if isinstance(test, unittest.TestCase) and not isinstance(test, unittest.case._SubTest)}
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    line = f"{result.testsRun} tests, "
    if failed:
        line += f"{failed} failed, "
    line += f"{len(result.skipped)} skipped"
    if result.skipped:
        line += ": " + "; ".join(sorted({" ".join(reason.split()) for _, reason in result.skipped}))
    if failed or (result.testsRun == 0 and not result.skipped):  # no test is a failure too
        return line, 1
    return line, SKIPPED if len(skipped_tests) == result.testsRun else 0


def run_tests(verbosity=2, found=lambda: ""):
    """Runs the tests of the program that was started, or those named on its command line, and ends it.

    The status is 77 where all of them were skipped: ctest shows that as skipped, what unittest's own main() does as passed.
    `found`: text of what else is wrong, asked at the end.
    """
    line, status = outcome(unittest.main(verbosity=verbosity, exit=False).result)
    if text := found():
        print(text)
        status = 1
    print(line, flush=True)
    sys.exit(status)

"""Runs one suite in this process: ``runner.py SUITE``. Writes each outcome to ``$SUITES_OUTCOMES`` at once."""

import json
import os
import sys
import unittest


class Outcomes(unittest.TestResult):
    """Writes one line when a test begins, and one when it ends: a test without the second hangs, or killed us."""

    def __init__(self, file):
        super().__init__()
        self._file = file
        self._outcome = "ok"

    def _write(self, *line):
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def startTest(self, test):
        super().startTest(test)
        self._outcome = "ok"
        self._write(test.id(), "begun")

    def stopTest(self, test):
        super().stopTest(test)
        self._write(test.id(), self._outcome)

    def addError(self, test, err):
        self._outcome = f"error: {err[0].__name__}"
        self._say(test, err)
        if not isinstance(test, unittest.TestCase):  # of a class or a module
            self._write(test.id(), self._outcome)

    def addFailure(self, test, err):
        self._outcome = "failure"
        self._say(test, err)

    def addSkip(self, test, reason):
        self._outcome = "skipped"

    def addExpectedFailure(self, test, err):
        self._outcome = "expected failure"

    def addUnexpectedSuccess(self, test):
        self._outcome = "unexpected success"

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._outcome = "failure"
            self._say(subtest, err)

    def _say(self, test, err):
        print(f"{test.id()}\n{self._exc_info_to_string(err, test)}", file=sys.stderr, flush=True)


def main():
    """Load the suite and run it."""
    from test import support

    support.use_resources = []  # no network, no large files
    support.verbose = 0
    suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1])
    with open(os.environ["SUITES_OUTCOMES"], "w") as file:
        suite.run(Outcomes(file))


if __name__ == "__main__":
    main()

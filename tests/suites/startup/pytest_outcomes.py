"""A plugin of pytest that writes what :mod:`runner` writes: a line when a test begins, and its outcome when it ends."""

import json
import os

_outcomes = {}


def _write(*line):
    with open(os.environ["SUITES_OUTCOMES"], "a") as file:
        file.write(json.dumps(line) + "\n")


def pytest_collectreport(report):
    """Write what cannot be collected."""
    if report.outcome != "passed":
        _write(report.nodeid, f"not collected: {report.outcome}")


def pytest_runtest_logstart(nodeid):
    """Write that the test begins."""
    _outcomes[nodeid] = "passed"
    _write(nodeid, "begun")


def pytest_runtest_logreport(report):
    """Keep the worst of set-up, call and tear-down."""
    if report.outcome != "passed" or hasattr(report, "wasxfail"):
        _outcomes[report.nodeid] = f"{report.outcome}{' as expected' * hasattr(report, 'wasxfail')} in {report.when}"


def pytest_runtest_logfinish(nodeid):
    """Write how the test ended."""
    _write(nodeid, _outcomes.pop(nodeid))

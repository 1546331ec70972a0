"""Other people's suites: every test ends recorded as it ends bare."""

import sys

import pytest

from tests.suites.__main__ import available, compare, run

SUITES = ("test_functools", "test_weakref", "test_contextlib", "test_contextlib_async", "test_asyncgen")


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["adapters", "recorded"])
@pytest.mark.parametrize("suite", SUITES)
def test_suite_of_python_ends_as_bare(suite, arm):
    """Test for test, with the adapters on and under @record_execution."""
    if not available(sys.executable, [suite]):
        pytest.skip(f"this Python has no test.{suite}")
    bare, _ = run(sys.executable, suite, "bare")

    found = compare(sys.executable, suite, arm, 1, [bare])

    assert not found.differences
    assert found.tests == found.equal > 10
    assert (found.executions > 10) == (arm == "recorded")

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


TESTS = """
from concurrent.futures import ThreadPoolExecutor

import pytest

def test_passes():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(abs, -1).result() == 1

def test_fails():
    assert not "true"

@pytest.fixture
def broken():
    yield
    raise ValueError

def test_cannot_be_torn_down(broken):
    pass

@pytest.mark.skip
def test_skipped():
    pass
"""


@pytest.mark.slow
def test_folder_of_pytest_ends_as_bare(tmp_path):
    """Each test is compared by its worst phase."""
    (tmp_path / "test_them.py").write_text(TESTS)
    assert available(sys.executable, [str(tmp_path)]) == [str(tmp_path)]

    bare, _ = run(sys.executable, str(tmp_path), "bare")
    found = compare(sys.executable, str(tmp_path), "adapters", 1, [bare])

    assert {test.rpartition("::")[2]: outcome for test, outcome in bare.items()} == {
        "test_passes": "passed",
        "test_fails": "failed in call",
        "test_cannot_be_torn_down": "failed in teardown",
        "test_skipped": "skipped in setup",
        "(the process)": "ended with 1",
    }
    assert (found.tests, found.equal, found.hangs, found.executions) == (5, 5, 0, 1)


@pytest.mark.slow
def test_hanging_test_ends_its_suite(tmp_path, monkeypatch):
    """It is known by its name."""
    monkeypatch.setattr("tests.suites.__main__.SECONDS", 5.0)
    (tmp_path / "test_them.py").write_text("import time\n\ndef test_hangs():\n    time.sleep(600)\n")

    outcomes, _ = run(sys.executable, str(tmp_path), "bare")

    assert list(outcomes.values()) == ["hangs"]

"""Real libraries of pools: each task has the row that is due, and its caller gets what it gets without the adapter."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from learning_instrument.instrumentation.adapters import MODULES
from tests.pools.__main__ import BEGIN, END, PAGE, environment, faults_of, run_all, table
from tests.pools.matrix import ENVIRONMENTS, LIBRARIES


@pytest.fixture(scope="module")
def environments(request):
    """Make those of the selected libraries, two at a time; an error for one whose libraries cannot be installed."""
    due = test_rows_are_those_that_are_due
    selected = [item.callspec for item in request.session.items if getattr(item, "function", None) is due]
    names = list(dict.fromkeys(LIBRARIES[each.params["library"]] for each in selected))

    def made(name):
        try:
            environment(name)
        except subprocess.CalledProcessError as error:
            return str(error.stderr or error).strip().splitlines()[-1]
        return None

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(names, threads.map(made, names), strict=True))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_are_those_that_are_due(library, environments):
    """For each pool of the library, in each case."""
    fault = environments[LIBRARIES[library]]
    if fault is not None:
        pytest.skip(f"the libraries cannot be installed: {fault}")

    found = run_all([library])

    if "skipped" in found[library]:
        pytest.skip(found[library]["skipped"])
    assert faults_of(found[library]) == []


def test_table_has_a_row_for_each_pool():
    """And a mark for each case: right, wrong, or that the library has no such thing."""
    found = {
        "rq": {
            "adapters": {"rq": "rq"},
            "pools": {"rq": {"succeeded": [], "raised": ["outcome: due 'error', found 'succeeded'"]}},
            "costs": {"rq": {"without": 0.001, "with": 0.00105}},
        }
    }

    rows = table(found).splitlines()

    assert rows[2].startswith("| `rq` | rq | right | **wrong** | - |")
    assert rows[2].endswith("| 50 µs to 1000 µs |")
    assert faults_of({**found["rq"], "extras": {"streams": "Traceback"}}) == [
        "rq, raised: outcome: due 'error', found 'succeeded'",
        "streams: Traceback",
    ]


def test_page_has_every_adapter_and_no_wrong_cell():
    """As the last ``python -m tests.pools --write`` found them; mahavishnu has its own tests."""
    (written,) = re.findall(f"{BEGIN}(.*?){END}", PAGE.read_text("utf-8"), re.DOTALL)

    assert {*re.findall(r"^\| `(.*?)` \|", written, re.MULTILINE)} == {*MODULES} - {"mahavishnu"}
    assert "wrong" not in written


def test_every_environment_is_used():
    """And every library has one."""
    assert set(LIBRARIES.values()) == set(ENVIRONMENTS)

"""Types are part of the API."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from learning_instrument import PoolInstrumentor, configure, current_execution, record_execution
from learning_instrument.recording.fields import SETTABLE
from learning_instrument.recording.settable import SettableColumns

ROOT = Path(__file__).parent.parent
USES = ROOT / "tests" / "typing" / "api.py"


@pytest.mark.slow  # it takes a type checker, which .ci/run runs anyway
def test_decorated_functions_keep_their_types():
    """As mypy sees them, strictly; each use that must fail does."""
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.10", "tests/typing/api.py"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # it takes a type checker
def test_pyright_finds_the_same_mistakes(tmp_path):
    """Each use that must fail fails for it too, and no other."""
    pytest.importorskip("pyright")
    marked = USES.read_text("utf-8").splitlines()
    uses = tmp_path / "api.py"
    uses.write_text("\n".join(re.sub(r"  # type: ignore\[.*?\]", "", line) for line in marked))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(uses)]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = {each["range"]["start"]["line"] for each in found if each["severity"] == "error"}
    assert errors == {number for number, line in enumerate(marked) if "# type: ignore" in line}, done.stdout


def names(function):
    return list(inspect.signature(function).parameters)


def test_columns_that_can_be_set_have_types():
    """All of them, and no others."""
    assert set(SettableColumns.__annotations__) == SETTABLE


def test_signatures_name_their_parameters():
    """For help(), and for editors: inside of an execution and outside."""
    inside = record_execution(lambda task: names(current_execution().set))

    assert set(names(current_execution().set)) == SETTABLE
    assert set(inside({})) == SETTABLE
    assert {"targets", "durability", "capture_content", "learning_db"} <= set(names(PoolInstrumentor.instrument))
    assert {"database", "durability", "budget"} <= set(names(configure))
    assert "Literal['commit', 'batch']" in str(inspect.signature(configure))


def test_instrumentor_takes_what_the_decorator_does():
    """But for what depends on one function, with the same defaults."""
    decorator = inspect.signature(record_execution).parameters
    instrumentor = inspect.signature(PoolInstrumentor.instrument).parameters

    shared = decorator.keys() - {"function", "task", "batch"}
    assert {name: instrumentor[name].default for name in shared} == {name: decorator[name].default for name in shared}
    own = {"self", "targets", "database", "durability", "skip_dep_check", "raise_exception_on_conflict", "unknown"}
    assert instrumentor.keys() == shared | own

"""The real mahavishnu: its manager and pools, instrumented, in an environment of their own."""

import collections
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fresh import install, variables

from learning_instrument import LearningDatabase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

APPLICATION = Path(__file__).with_name("mahavishnu_application.py")
#: The newest release for Python 3.13; later ones need 3.14.
MAHAVISHNU = "mahavishnu==0.14.0"
#: What its pools import, of the 200 packages that it asks for.
ITS_POOLS_IMPORT = ("msgspec>=0.21.1,<0.22", "oneiric", "prometheus_client")
#: In the place of a module that its wheel lacks.
METRICS = """
    from unittest.mock import MagicMock

    def __getattr__(name):
        return MagicMock()
"""
INSTRUMENTED = """
    import runpy
    from learning_instrument import PoolInstrumentor

    PoolInstrumentor().instrument()
    runpy.run_path({application!r}, run_name="__main__")
"""


def python_3_13():
    """Return a Python 3.13 of this machine, or None."""
    if sys.version_info[:2] == (3, 13):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [*sorted(pyenv.glob("versions/3.13.*/bin/python3"), reverse=True), shutil.which("python3.13")]
    for candidate in filter(None, candidates):
        # A shim that leads nowhere, or a Python without ensurepip, is passed over.
        check = "import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))"
        if subprocess.run([candidate, "-c", check], capture_output=True).returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Install mahavishnu, and this source tree, in a fresh environment."""
    found = python_3_13()
    if found is None:
        pytest.skip(f"{MAHAVISHNU} is for Python 3.13, and this machine has none")
    wheel = tmp_path_factory.mktemp("wheel")
    download = ["download", "--no-deps", "--only-binary=:all:", "--python-version=3.13", f"--dest={wheel}", MAHAVISHNU]
    tried = subprocess.run([sys.executable, "-m", "pip", "--quiet", *download], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"{MAHAVISHNU} cannot be had from here: {tried.stderr.strip().splitlines()[-1]}")
    commands = install(tmp_path_factory.mktemp("mahavishnu"), *ITS_POOLS_IMPORT, python=found)
    # By itself, for it asks for packages by the hundred.
    subprocess.run([commands / "python", "-m", "pip", "install", "--quiet", "--no-deps", *wheel.iterdir()], check=True)
    return commands / "python"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stand-in")
    package = folder / "monitoring"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "metrics.py").write_text(dedent(METRICS))
    return variables(PYTHONPATH=str(folder))


@pytest.fixture(scope="module", params=["opentelemetry-instrument", "PoolInstrumentor"])
def ran(request, python, environment, tmp_path_factory):
    """What the application saw, and its rows by task id, of one run."""
    folder = tmp_path_factory.mktemp("ran")
    commands = {
        "opentelemetry-instrument": [python.with_name("opentelemetry-instrument"), python, APPLICATION],
        "PoolInstrumentor": [python, "-c", dedent(INSTRUMENTED.format(application=str(APPLICATION)))],
    }
    path = folder / "learning.db"
    seen = run(commands[request.param], {**environment, "LEARNING_INSTRUMENT_DATABASE": str(path)})
    with LearningDatabase(path) as database:
        rows = database.query("SELECT * FROM executions")
    by_task = collections.defaultdict(list)
    for row in rows:
        by_task[row["task_id"]].append(row)
    return seen, by_task


@pytest.fixture(scope="module")
def seen(ran):
    return ran[0]


@pytest.fixture
def row_of(ran):
    """Return the one row of a task."""

    def row_of(task_id):
        (row,) = ran[1][task_id]
        return row

    return row_of


def run(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def dedent(source):
    return "\n".join(line[4:] for line in source.strip("\n").splitlines())


def without_numbers(seen):
    """Return what was *seen* without ids, ports and durations, which differ from run to run."""
    return re.sub(r"\b[0-9a-f]{8}\b|\d+(\.\d+)?(e-\d+)?", "#", json.dumps(seen))


def test_application_sees_the_same_without_instrumentation(ran, python, environment):
    """Results and exceptions are mahavishnu's own."""
    assert without_numbers(ran[0]) == without_numbers(run([python, APPLICATION], environment))


def test_every_task_has_one_record(ran):
    """Though manager, pool and workers all have an ``execute_task``."""
    _, by_task = ran
    tasks = [
        *("succeeds", "out-of-time", "routed", "fails", "raises", "cancelled"),
        *(f"{name}-{n}" for name in ("good", "bad", "slow") for n in range(3)),
        *(f"{name}-{n}" for name in ("nobody", "abandoned") for n in range(2)),
        *(f"concurrent-{n}" for n in range(20)),
        *(f"gpu-{name}" for name in ("good", "slow", "bad", "rejected", "alone")),
        *("outer", "outer-inner"),
        *(f"buddy-{name}" for name in ("good", "slow", "silent", "broken")),
        *(f"buddies-{name}" for name in ("good", "slow", "unknown")),
        *(f"broken-{n}" for n in range(5)),
    ]

    assert {task: len(rows) for task, rows in by_task.items()} == dict.fromkeys(tasks, 1)


@pytest.mark.parametrize(
    ("task_id", "outcome", "error_type", "message"),
    [
        ("succeeds", "succeeded", None, None),
        ("routed", "succeeded", None, None),
        ("fails", "failed", "unknown", "Error detected in output"),
        ("out-of-time", "timeout", "timeout", "Task timed out"),
        ("raises", "error", "unknown", "No workers available in pool"),
        ("cancelled", "cancelled", "cancelled", "CancelledError"),
        ("gpu-alone", "succeeded", None, None),
        ("buddy-good", "succeeded", None, None),
        ("buddy-slow", "timeout", "timeout", "the worker timed out"),
        ("buddy-silent", "failed", "unknown", "unknown"),
    ],
)
def test_single_task(row_of, task_id, outcome, error_type, message):
    """Its record has the outcome and the error."""
    row = row_of(task_id)

    assert (row["outcome"], row["error_type"], row["error_message"]) == (outcome, error_type, message)
    assert row["success"] == (outcome == "succeeded")
    assert row["batch_id"] is None
    assert row["parent_execution_id"] is None


def test_failed_request_is_a_failed_task(row_of, seen):
    """With the message that the pool returned."""
    row = row_of("buddy-broken")

    assert row["outcome"] == "failed"
    assert row["error_message"] == seen["buddy"]["broken"]["error"]
    assert "500" in row["error_message"]


def test_exception_has_its_class(row_of):
    assert row_of("raises")["exception_type"] == "RuntimeError"
    assert row_of("cancelled")["exception_type"] == "asyncio.exceptions.CancelledError"


def test_record_has_the_fields_of_task_and_result(row_of, seen):
    """Pool and worker, type and prompt; the pool's own duration is within ours."""
    row, result = row_of("succeeds"), seen["succeeds"]

    assert (row["pool_id"], row["worker_id"]) == (result["pool_id"], result["worker_id"])
    assert (row["pool_type"], row["task_type"]) == ("mahavishnu", "shell")
    assert row["task_description"] == "echo all is well $"
    assert row["duration_seconds"] >= result["duration"] - 0.001  # which is by the wall's clock


def test_batch_of_more_tasks_than_workers(row_of, seen):
    """Each of nine tasks has its own outcome, worker and time, though there are three results without errors."""
    results = seen["batch"]
    endings = {
        "good": ("succeeded", None, results["0"]["worker_id"]),
        "bad": ("failed", "Error detected in output", results["1"]["worker_id"]),
        "slow": ("timeout", "Task timed out", results["2"]["worker_id"]),
    }
    rows = {(name, n): row_of(f"{name}-{n}") for name in endings for n in range(3)}

    assert len(results) == 3
    assert {key: (row["outcome"], row["error_message"], row["worker_id"]) for key, row in rows.items()} == {
        (name, n): ending for name, ending in endings.items() for n in range(3)
    }
    assert {row["pool_id"] for row in rows.values()} == {results["0"]["pool_id"]}
    assert {row["pool_type"] for row in rows.values()} == {"mahavishnu"}
    assert len({row["batch_id"] for row in rows.values()}) == 1
    assert not any("duration_seconds" in json.loads(row["defaulted"]) for row in rows.values())


@pytest.mark.parametrize(
    ("name", "outcome", "message"),
    [("nobody", "error", "No workers available in pool"), ("abandoned", "cancelled", "CancelledError")],
)
def test_batch_that_raises(row_of, name, outcome, message):
    """Each of its tasks raised."""
    rows = [row_of(f"{name}-{n}") for n in range(2)]

    assert [(row["outcome"], row["error_message"]) for row in rows] == [(outcome, message)] * 2
    assert len({row["batch_id"] for row in rows}) == 1
    assert rows[0]["batch_id"] is not None


def test_twenty_tasks_at_once(row_of, seen):
    """Each has its own record, with the pool that ran it."""
    rows = [row_of(f"concurrent-{n}") for n in range(20)]

    assert {row["outcome"] for row in rows} == {"succeeded"}
    assert [row["pool_id"] for row in rows] == seen["concurrent"]
    assert len(set(seen["concurrent"])) == 2
    assert len({row["trace_id"] for row in rows}) == 20


def test_batch_whose_pool_calls_its_own_execute_task(row_of, seen):
    """Each call is one record; the nested call of the parent class is not."""
    rows = {name: row_of(f"gpu-{name}") for name in ("good", "slow", "bad", "rejected")}

    assert {name: (row["outcome"], row["error_message"]) for name, row in rows.items()} == {
        "good": ("succeeded", None),
        "slow": ("timeout", "the GPU timed out"),
        "bad": ("failed", "out of memory"),
        "rejected": ("failed", seen["gpu"]["3"]["error"]),
    }
    assert {row["pool_type"] for row in rows.values()} == {"runpod"}
    assert len({row["batch_id"] for row in rows.values()}) == 1


def test_pool_over_a_pool_is_two_records(row_of):
    """The outer execution is the parent."""
    outer, inner = row_of("outer"), row_of("outer-inner")

    assert (outer["pool_type"], inner["pool_type"]) == ("fallback", "mahavishnu")
    assert inner["parent_execution_id"] == outer["execution_id"]
    assert inner["trace_id"] == outer["trace_id"]


def test_batch_of_a_remote_pool(row_of):
    """Results are matched by task id; a task without a result failed."""
    assert {
        name: (row_of(name)["outcome"], row_of(name)["error_message"])
        for name in ("buddies-good", "buddies-slow", "buddies-unknown")
    } == {
        "buddies-good": ("succeeded", None),
        "buddies-slow": ("timeout", "the worker timed out"),
        "buddies-unknown": ("failed", "no result returned"),
    }


def test_batch_whose_request_fails(row_of, seen):
    """Each of its tasks failed, with the error that the pool returned for it."""
    rows = [row_of(f"broken-{n}") for n in range(5)]

    assert {row["outcome"] for row in rows} == {"failed"}
    assert [row["error_message"] for row in rows] == [seen["broken"][str(n)]["error"] for n in range(5)]

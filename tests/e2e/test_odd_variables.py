"""Variables that OpenTelemetry refuses: the application starts, is recorded, and one line says which is ignored."""

import subprocess
import sys
from pathlib import Path

import pytest
from fresh import variables

COMMAND = str(Path(sys.executable).parent / "learning-instrument")
#: Variable, and a value that OpenTelemetry raises an error for.
REFUSED = [
    ("OTEL_PROPAGATORS", "b3"),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many"),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1.5"),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-3"),
    ("OTEL_PYTHON_TRACER_PROVIDER", "unknown"),
    ("OTEL_PYTHON_METER_PROVIDER", "unknown"),
]
#: Variable, and a value that OpenTelemetry logs or ignores.
TOLERATED = [
    ("OTEL_PYTHON_CONTEXT", "unknown"),
    ("OTEL_TRACES_SAMPLER", "unknown"),
    ("OTEL_TRACES_SAMPLER_ARG", "much"),
    ("OTEL_RESOURCE_ATTRIBUTES", "no equals sign"),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "unknown"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
    ("OTEL_METRICS_EXEMPLAR_FILTER", "unknown"),
    ("OTEL_TRACES_EXPORTER", "unknown"),
]

CONFIGURED = """
    from learning_instrument import configure, record_execution
    from some_pools import Pool
    Pool.execute_task = record_execution(Pool.execute_task)
    with configure("../learning.db"):
        Pool().execute_task({"task_id": "t"})
    print("done")
"""
PLAIN = """
    import some_pools
    some_pools.Pool().execute_task({"task_id": "t"})
    print("done")
"""


@pytest.fixture
def start(tmp_path, app):
    """Run the application by a command; return the finished process."""

    def start(source, command, **more):
        app(source)
        return subprocess.run(
            command, cwd=tmp_path / "app", env=variables(**more), capture_output=True, text=True, timeout=100
        )

    return start


@pytest.fixture(params=["configure", "run"])
def started(request, start):
    """Start an application with variables, in its own environment or under ``run``; return the finished process."""
    if request.param == "configure":
        return lambda **more: start(CONFIGURED, [sys.executable, "app.py"], **more)
    command = [COMMAND, "run", "--database", "../learning.db", "--pools", "some_pools:Pool", "app.py"]
    return lambda **more: start(PLAIN, command, **more)


def warnings_in(done):
    """Return the beginnings of our warnings."""
    return [line.partition(":")[0] for line in done.stderr.splitlines() if line.startswith("Invalid ")]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused_variable_is_ignored_with_one_line(no_file, started, task_ids, name, value):
    """The application starts and is recorded; our line names variable and value (OpenTelemetry may log more)."""
    done = started(**{name: value})

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert warnings_in(done) == [f"Invalid {name}={value} is ignored"]
    assert task_ids() == ["t"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), TOLERATED)
def test_tolerated_variable_keeps_nothing_from_being_recorded(no_file, started, task_ids, name, value):
    """What OpenTelemetry logs or ignores is no reason to record nothing."""
    done = started(**{name: value})

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert task_ids() == ["t"]


@pytest.mark.slow
def test_refused_variables_are_named_each(no_file, started, task_ids):
    """Several at once: each has its line, and the application is recorded."""
    done = started(**dict(REFUSED))

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert sorted(warnings_in(done)) == sorted(f"Invalid {name}={value} is ignored" for name, value in REFUSED)
    assert task_ids() == ["t"]

"""Export and import as processes that are interrupted, beside pools that record, and through a real collector."""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request

import pytest
from collector import Rotel, Sink, forwarding_to, why_rotel_cannot_run
from waiting import interrupt

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.columns import COLUMNS
from learning_instrument.record import is_execution
from learning_instrument.transfer import export_executions, import_executions

#: Says how far it is after each slice, and goes on when it is told to.
PROGRAM = """
import sys
from learning_instrument.transfer import export_executions, import_executions

def progress(*step):
    print(*step, flush=True)
    sys.stdin.readline()

transfer, *arguments = sys.argv[1:]
if transfer == "export":
    export_executions(*arguments, progress=progress)
else:
    import_executions(arguments[0], arguments[1:], progress=progress)
"""
ROWS = 1100
#: Executions in one transaction of an import.
SLICE = 128


@pytest.fixture
def source(tmp_path):
    """The path of a database of some slices."""
    path = tmp_path / "source.db"
    with LearningDatabase(path) as database:
        database.append([ExecutionRecord(task_type="t", task_id=f"{number}") for number in range(ROWS)])
    return path


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_after(process, slices, number):
    """Let *process* take so many slices, then send it the signal *number*, and wait for its end."""
    with process:
        for _ in range(slices - 1):
            assert process.stdout.readline()
            print(file=process.stdin, flush=True)
        assert process.stdout.readline()
        return interrupt(process, number)


def ids_in(path):
    with LearningDatabase(path) as database:
        return {row["task_id"] for row in database.query("SELECT task_id FROM executions")}


def interrupted(kinds):
    """Return each kind with each signal; the first with the one and the last with the other are quick to try."""
    quick = [(kinds[0], signal.SIGINT), (kinds[-1], signal.SIGKILL)]
    cases = itertools.product(kinds, [signal.SIGINT, signal.SIGKILL])
    return [case if case in quick else pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize(("kind", "number"), interrupted(["csv", "otlp", "parquet"]))
def test_interrupted_export_leaves_the_file_as_it_was(source, tmp_path, kind, number):
    """The remains of a killed export disturb no other; Ctrl-C leaves none."""
    out = tmp_path / "folder" / f"out.{kind}"
    out.parent.mkdir()
    out.write_text("before")

    assert end_after(started("export", source, out), 2, number) != 0

    assert out.read_text() == "before"
    assert [name for name in os.listdir(out.parent) if not name.startswith(".")] == [out.name]
    if number == signal.SIGINT:
        assert os.listdir(out.parent) == [out.name]
    assert export_executions(source, out).executions == ROWS


@pytest.mark.parametrize(("kind", "number"), interrupted(["jsonl", "otlp", "parquet", "database"]))
def test_interrupted_import_goes_on_where_it_was(source, tmp_path, kind, number):
    """What was stored by then stays; each execution is there once in the end."""
    file, target = source, tmp_path / "target.db"
    if kind != "database":
        file = tmp_path / "exported"
        export_executions(source, file, format=kind)

    assert end_after(started("import", target, file), 3, number) != 0

    assert len(ids_in(target)) == 3 * SLICE
    answer = import_executions(target, [file])
    assert (answer.stored, answer.already_there) == (ROWS - 3 * SLICE, 3 * SLICE)
    assert ids_in(target) == {f"{number}" for number in range(ROWS)}
    with LearningDatabase(target) as database:
        assert database.query("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_pools_record_between_the_slices_of_an_import(source, tmp_path):
    """The import holds no lock while it is not writing, so a task's row is committed and not put off."""
    target = tmp_path / "target.db"
    with LearningDatabase(target) as database, started("import", target, source) as process:
        recorded = []
        while process.stdout.readline():
            recorded.append(f"mine {len(recorded)}")
            assert database.append([ExecutionRecord(task_type="mine", task_id=recorded[-1])])
            print(file=process.stdin, flush=True)
        assert process.wait(60) == 0
        assert len(recorded) >= ROWS // SLICE
        assert (database.statistics().deferred, database.statistics().lost) == (0, {})
        assert ids_in(target) == {f"{number}" for number in range(ROWS)} | set(recorded)


def test_two_imports_of_one_file_at_once_store_each_execution_once(source, tmp_path):
    target, arguments = tmp_path / "target.db", [sys.executable, "-c", PROGRAM, "import"]
    processes = [
        subprocess.Popen([*arguments, target, source], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]

    assert [process.wait(100) for process in processes] == [0, 0]

    with sqlite3.connect(target) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT task_id) FROM executions").fetchone() == (ROWS, ROWS)
    connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="rotel has a wheel for Linux only")
def test_collector_takes_the_lines_as_they_are(tmp_path):
    """Each is the body of a request; what the collector forwards says what the database says."""
    if reason := why_rotel_cannot_run():
        pytest.skip(reason)
    path, lines = tmp_path / "learning.db", tmp_path / "spans.jsonl"
    with Sink() as live:
        environment = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": live.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        subprocess.run(
            [sys.executable, "-m", "collected", path],
            cwd=os.path.dirname(__file__),
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=100,
        )
    exported = export_executions(path, lines, format="otlp").executions

    with Sink() as sink, Rotel(forwarding_to(sink.url), tmp_path / "rotel.log") as rotel:
        for line in lines.read_bytes().splitlines():
            request = urllib.request.Request(
                f"{rotel.endpoints['http/protobuf']}/v1/traces", line, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                assert response.status == 200
        rotel.stop()

    with LearningDatabase(path) as database:
        stored = database.query(f"SELECT {','.join(COLUMNS)} FROM executions ORDER BY execution_id")
    spans = sink.spans()
    assert exported == len(stored) == len(spans) > 100
    assert all(map(is_execution, spans))
    forwarded = sorted((ExecutionRecord.from_span(span) for span in spans), key=lambda record: record.execution_id)
    assert forwarded == [ExecutionRecord.from_dict(row) for row in stored]

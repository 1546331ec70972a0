"""Several processes read an import, and the result is that of one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.sqlite.selection import Selection
from learning_instrument.transfer import export_executions, import_executions, importing, parallel, sources

from .records import make
from .test_importing import line, request, span

PROGRAM = """
import sys
from learning_instrument.transfer import import_executions, parallel, sources

parallel._LEAST_BYTES, sources._PART_BYTES = 0, 50_000
if __name__ == "__main__":
    import_executions(sys.argv[1], sys.argv[2:], progress=lambda *step: print(*step, flush=True))
"""


@pytest.fixture
def files(tmp_path):
    """Files of every kind, among them some that differ, are invalid, or cannot be read."""
    first = make(tmp_path / "a.db", [ExecutionRecord(task_type="t", execution_id=f"{n}", repo="a") for n in range(700)])
    second = make(tmp_path / "b.db", [ExecutionRecord(task_type="t", execution_id=f"{n}") for n in range(690, 900)])
    with LearningDatabase(first) as database:
        database.add_feedback("650", rating=4, comment="kept", visibility="public")
    for kind in ("csv", "jsonl", "parquet", "otlp"):
        export_executions(second, tmp_path / f"c.{kind}", Selection(), format=kind)
    call = span(
        spanId="c" * 16,
        parentSpanId="b7ad6b7169203331",
        attributes={
            "gen_ai.operation.name": {"stringValue": "chat"},
            "gen_ai.request.model": {"stringValue": "gpt-4o"},
            "gen_ai.usage.input_tokens": {"intValue": "10"},
        },
    )
    (tmp_path / "d.json").write_text(json.dumps(request(call, scope="openai")))
    (tmp_path / "e.json").write_text(json.dumps(request(span())))
    (tmp_path / "f.jsonl").write_text("{bad\n" + json.dumps(line(repo="x", execution_id="x")))
    (tmp_path / "g.db").write_text("nothing")
    return [str(tmp_path / "*.*")]


@pytest.fixture
def few_bytes(monkeypatch):
    """Let small files be read in parts, by three processes."""
    monkeypatch.setattr(sources, "_PART_BYTES", 50_000)
    monkeypatch.setattr(importing, "processes_for", lambda parts: 3)


def contents(path):
    """Return all rows of a database, in order; ids of tasks that nobody named are random."""
    with LearningDatabase(path) as database:
        executions = database.query("SELECT rowid AS row, * FROM executions ORDER BY rowid")
        for row in executions:
            row.pop("task_id")
        others = [database.query(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in ("model_calls", "feedback")]
    return [executions, *others]


def test_result_is_that_of_one_process(files, tmp_path, few_bytes, monkeypatch):
    """Down to the order of rows, the conflicts and the complaints; and again, when all is there."""
    targets = [str(tmp_path / "out" / name) for name in ("one.db", "several.db")]
    answers = []
    for target, count in zip(targets, (0, 3), strict=True):
        monkeypatch.setattr(importing, "processes_for", lambda parts, count=count: count)
        answers.append([import_executions(target, files) for _ in range(2)])

    one, several = answers
    assert several[0] == one[0]
    assert (several[1].stored, several[1].already_there) == (0, several[1].read - 1)
    assert (one[0].conflicts, one[0].unread, one[0].refused, one[0].model_calls) == (50, 1, 1, 1)
    assert contents(targets[1]) == contents(targets[0])
    assert len(contents(targets[0])[1]) == 1


def test_what_is_read_ahead_is_bounded(files, tmp_path, few_bytes, monkeypatch):
    """No part is waited for forever, however little may be ahead."""
    monkeypatch.setattr(parallel, "_MOST_BYTES_AHEAD", 1)

    answer = import_executions(tmp_path / "out" / "target.db", files)

    assert answer.stored == 902


def test_import_goes_on_without_processes_that_do_not_start(files, tmp_path, few_bytes, monkeypatch):
    """This process reads all itself."""
    monkeypatch.setattr(parallel, "_PROGRAM", "raise SystemExit(3)")
    assert import_executions(tmp_path / "out" / "one.db", files).stored == 902

    monkeypatch.setattr(parallel.sys, "executable", str(tmp_path / "none"))
    assert import_executions(tmp_path / "out" / "two.db", files).stored == 902


def test_file_whose_process_was_ended_is_named(files, tmp_path, few_bytes, monkeypatch):
    """By the system, that of a process that takes too much memory; another import brings the rest."""
    program = (
        "import sys; sys.path[:] = __import__('json').loads(sys.argv[1])\n"
        "from learning_instrument.transfer import reader_process as process\n"
        "process.source_reader = lambda path, rows: __import__('os')._exit(9)\n"
        "process.main()"
    )
    target = tmp_path / "out" / "target.db"
    with monkeypatch.context() as patched:
        patched.setattr(parallel, "_PROGRAM", program)
        answer = import_executions(target, files)

    assert (answer.unread, {each.reason[-37:] for each in answer.unread_files[1:]}) == (
        2,
        {": the process that read it was ended."},
    )
    assert import_executions(target, files).unread == 1
    with LearningDatabase(target) as database:
        assert database.query("SELECT count(*) AS number FROM executions") == [{"number": 902}]


def test_fault_in_a_process_is_raised(files, tmp_path, few_bytes, monkeypatch):
    program = (
        "import sys; sys.path[:] = __import__('json').loads(sys.argv[1])\n"
        "from learning_instrument.transfer import reader_process as process\n"
        "process.source_reader = lambda path, rows: 1 / 0\n"
        "process.main()"
    )
    monkeypatch.setattr(parallel, "_PROGRAM", program)

    with pytest.raises(Exception, match="ZeroDivisionError"):
        import_executions(tmp_path / "out" / "target.db", files)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or os.cpu_count() == 1, reason="needs two cores")
def test_processes_are_for_much_alone(tmp_path, monkeypatch):
    """A pipe and the standard input are read by the import itself."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x" * 1000)
    parts = [sources.Part("-"), sources.Part(str(tmp_path / "pipe")), sources.Part(str(tmp_path / "file"))]

    assert parallel.processes_for(parts) == 0
    monkeypatch.setattr(parallel, "_LEAST_BYTES", 1000)
    assert parallel.processes_for(parts) == 1
    assert parallel.processes_for(parts[:2]) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_import_of_many_files_goes_on_where_it_was(tmp_path, number, monkeypatch):
    """Its processes end with it, and each execution is there once in the end."""
    paths = []
    for file in range(40):
        records = [ExecutionRecord(task_type="t", execution_id=f"{file}-{n}") for n in range(130)]
        paths.append(make(tmp_path / f"{file:02}.db", records))
    monkeypatch.setattr(parallel, "_LEAST_BYTES", 0)
    parts = [sources.Part(path) for path in paths]
    target = tmp_path / "target.db"
    command = [sys.executable, "-c", PROGRAM, target, *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(5):
            assert process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == parallel.processes_for(parts)
        process.send_signal(number)
        process.wait(60)
    assert process.returncode != 0
    deadline = time.monotonic() + 30
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    with LearningDatabase(target) as database:
        before = database.query("SELECT count(*) AS number FROM executions")[0]["number"]
    monkeypatch.undo()
    answer = import_executions(target, paths)

    assert 0 < before < 40 * 130
    assert (answer.stored, answer.already_there, answer.conflicts) == (40 * 130 - before, before, 0)


def is_alive(child):
    """Tell whether a process runs; one that ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

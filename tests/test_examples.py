"""Every file of ``examples/`` runs alone, and does what it says."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from collector import Rotel, forwarding_to, why_rotel_cannot_run

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: Of which two are bad. It takes 100 by itself.
QUICKSTART_FILES = 20


class Run:
    """One run of an example, in a folder of its own."""

    def __init__(self, example, folder, *arguments, **variables):
        command = [sys.executable, str(ROOT / "examples" / example), *arguments]
        self.finished = subprocess.run(
            command,
            cwd=folder,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=100,
        )
        self.output = self.finished.stdout.decode()
        self.errors = self.finished.stderr.decode()
        self.lines = [re.sub(r"\s+", " ", line.strip()) for line in self.output.splitlines()]
        self.database = Path(folder).resolve() / "data" / "learning.db"

    def query(self, sql):
        return query(self.database, sql)


def environment(**more):
    ours = ("OTEL_", "LEARNING_INSTRUMENT_", "COVERAGE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "80", **more}


def query(database, sql):
    connection = sqlite3.connect(database)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]
    finally:
        connection.close()


# What an example says that it does. Each is given its one run.


def runs_alone(run):
    assert (run.finished.returncode, run.errors) == (0, "")


def leaves_a_sound_database_where_it_says(run):
    assert str(run.database) in run.output
    assert run.query("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert run.query("SELECT * FROM losses") == []


def quickstart_records_every_task(run):
    tasks = 4 * QUICKSTART_FILES
    assert run.query("SELECT count(*) AS n, count(DISTINCT execution_id) AS ids FROM executions") == [
        {"n": tasks, "ids": tasks}
    ]
    assert f"{tasks} executions recorded; {tasks} are in" in run.output


def quickstart_has_files_that_fail_and_time_limits_that_are_too_short(run):
    failures = {
        (row["outcome"], row["error_type"], row["exception"]): row["n"]
        for row in run.query(
            "SELECT outcome, error_type, replace(replace(exception_type, 'asyncio.exceptions.', ''), 'tokenize.', '')"
            " AS exception, count(*) AS n FROM executions WHERE NOT success GROUP BY 1, 2, 3"
        )
    }
    assert failures["timeout", "timeout", "TimeoutError"] >= 6  # more on a machine that is busy for 30 seconds
    assert failures["error", "unknown", "SyntaxError"] > 0
    for (outcome, error_type, exception), runs in failures.items():
        assert f"{error_type} {outcome} {exception or '-'} {runs}" in " ".join(run.lines)


def quickstart_fills_the_columns_it_can(run):
    (filled,) = run.query(
        "SELECT min(repo LIKE '%python-3%' OR repo LIKE 'pypy%') AS repo, min(task_description != '') AS description,"
        " min(pool_type) AS pool_type, min(complexity_score > 0 OR metadata LIKE '%\"bytes\":0,%') AS complexity,"
        " min(json_extract(metadata, '$.task.time_limit')) AS limit_ FROM executions"
    )
    assert filled == {"repo": 1, "description": 1, "pool_type": "asyncio", "complexity": 1, "limit_": 0.005}
    (solved,) = run.query(
        "SELECT min(quality_score) > 0 AS quality, min(actual_cost) > 0 AS cost, min(cpu_time_seconds) > 0 AS cpu,"
        " min(solution_summary != '') AS summary, count(worker_id) > 0 AS workers FROM executions WHERE success"
    )
    assert set(solved.values()) == {1}


def quickstart_reports_what_its_database_says(run):
    for row in run.query(
        "SELECT task_type, model_tier, count(*) AS runs, sum(success) AS succeeded FROM executions GROUP BY 1, 2"
    ):
        start = f"{row['task_type']} {row['model_tier']} {row['runs']} {row['succeeded'] / row['runs']:.0%} "
        assert [line for line in run.lines if line.startswith(start)]


def quickstart_prints_what_the_readme_shows(run):
    shown = re.search(
        r"examples/quickstart\.py\n```\n\n```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S
    )

    def shape(text):
        lines = [re.sub(r"\s+", " ", line.strip()) for line in text.splitlines()]
        lines = [re.sub(r"cpython|pypy", "python", re.sub(r"[\d.]+", "#", line)) for line in lines]
        second_heading = next(i for i, line in enumerate(lines) if line.startswith("error type"))
        return [line for line in lines[: second_heading + 1] if line]  # which errors there are is the interpreter's

    assert shape(run.output) == shape(shown[1])


def pool_manager_records_success_and_failure(run):
    rows = run.query("SELECT * FROM executions ORDER BY task_type")
    assert [(row["task_type"], row["outcome"], row["error_type"]) for row in rows] == [
        ("code_generation", "succeeded", None),
        ("code_review", "succeeded", None),
        ("refactoring", "failed", "unknown"),
        ("search", "timeout", "timeout"),
        ("translation", "error", "unknown"),
    ]
    assert {(row["repo"], row["pool_type"], row["pool_id"]) for row in rows} == {
        ("my_project", "mahavishnu", "mahavishnu-local-1")
    }
    generation, _, refactoring, search, translation = rows
    assert (generation["complexity_score"], generation["task_description"]) == (75, "Write a function")
    assert "0, 1, 1, 2, 3, 5, 8, 13, 21, 34" in generation["solution_summary"]
    assert "another result" in refactoring["error_message"]
    assert search["duration_seconds"] >= 1.0
    assert search["worker_id"].startswith("local-worker-")
    assert translation["error_message"] == "no template for translation"


def pool_manager_does_the_same_without_a_database(run):
    assert run.lines[-2:] == ["the same five endings: True", "rows added: 0"]


CHECKS = {
    "quickstart.py": [
        quickstart_records_every_task,
        quickstart_has_files_that_fail_and_time_limits_that_are_too_short,
        quickstart_fills_the_columns_it_can,
        quickstart_reports_what_its_database_says,
        quickstart_prints_what_the_readme_shows,
    ],
    "pool_manager.py": [pool_manager_records_success_and_failure, pool_manager_does_the_same_without_a_database],
}
ARGUMENTS = {"quickstart.py": ["--files", f"{QUICKSTART_FILES}"]}


@pytest.mark.parametrize("example", [path.name for path in EXAMPLES])
def test_example_does_what_it_says(example, tmp_path, subtests):
    run = Run(example, tmp_path, *ARGUMENTS.get(example, []))
    for check in (runs_alone, leaves_a_sound_database_where_it_says, *CHECKS[example]):
        with subtests.test(check.__name__):
            check(run)


@pytest.mark.slow
def test_quickstart_runs_again_into_the_same_database(tmp_path):
    """After a run of the size that it has by itself."""
    assert "400 executions recorded; 400 are in" in Run("quickstart.py", tmp_path).output
    again = Run("quickstart.py", tmp_path, "--files", "2", "--workers", "1")
    assert "8 executions recorded; 408 are in" in again.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--files", "0"], "--files and --workers are 1 or more"),
        (["--database", "."], "cannot be opened"),
        (["--database", ""], "expected the path of a file"),
    ],
)
def test_quickstart_refuses_what_cannot_work_in_one_sentence(tmp_path, arguments, complaint):
    run = Run("quickstart.py", tmp_path, *arguments)
    assert run.finished.returncode == 2
    assert complaint in run.errors
    assert "Traceback" not in run.errors


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_interrupted_quickstart_reports_what_was_done(tmp_path):
    example = str(ROOT / "examples" / "quickstart.py")
    process = subprocess.Popen(
        [sys.executable, example, "--all"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    database = tmp_path / "data" / "learning.db"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if database.exists() and database.stat().st_size:
            try:
                if query(database, "SELECT count(*) AS n FROM executions")[0]["n"] > 20:
                    break
            except sqlite3.Error:
                pass  # it is being made
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Interrupted. What was done by then is recorded" in output
    (counts,) = query(database, "SELECT count(*) AS n, sum(outcome = 'succeeded') AS succeeded FROM executions")
    assert f"{counts['n']} executions recorded".encode() in output
    assert counts["succeeded"] > 0


def test_auto_instrument_needs_the_one_command_that_its_readme_shows(tmp_path):
    folder = ROOT / "examples" / "auto_instrument"
    readme = (folder / "README.md").read_text("utf-8")
    command, question = re.findall(r"```bash\n(.*?)\n```", readme, re.S)
    output, answer = re.findall(r"```text\n(.*?)```", readme, re.S)
    assert "learning_instrument" not in "".join(path.read_text("utf-8") for path in folder.glob("*.py")).replace(
        "knows nothing of learning_instrument", ""
    )
    variables = dict(re.findall(r"(\w+)=(\S+)", command)) | {
        "LEARNING_INSTRUMENT_DATABASE": str(tmp_path / "learning.db")
    }
    (tmp_path / "sitecustomize.py").write_text(  # what opentelemetry-instrument does, where we are not installed
        "from learning_instrument import PoolInstrumentor\nPoolInstrumentor().instrument()\n"
    )

    finished = subprocess.run(
        [sys.executable, str(folder / "app.py")],
        env=environment(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]), **variables),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, output, "")
    rows = query(tmp_path / "learning.db", re.search(r'"(.*)"', question)[1])
    assert [list(map(str, row.values())) for row in rows] == [line.split() for line in answer.splitlines()[2:]]


def test_collector_example_sends_to_rotel_what_its_readme_shows(tmp_path, sink, monkeypatch):
    if reason := why_rotel_cannot_run():
        pytest.skip(reason)
    folder = ROOT / "examples" / "otel_collector"
    readme = (folder / "README.md").read_text("utf-8")
    _, start, command, question = re.findall(r"```bash\n(.*?)\n```", readme, re.S)
    output, span, answer = re.findall(r"```text\n(.*?)```", readme, re.S)
    variables = dict(re.findall(r"(\w+)=(\S+)", command))
    monkeypatch.setenv("PYTHON", sys.executable)

    with Rotel(
        forwarding_to(sink.url), tmp_path / "rotel.log", ["sh", str(folder / start.removeprefix("sh "))]
    ) as rotel:
        endpoint = rotel.endpoints["http/protobuf"]
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        run = Run("otel_collector/packer.py", tmp_path, **variables)
        rotel.stop()

    def shape(text):
        return re.sub(r"\b[0-9a-f]{32}\b", "ID", re.sub(r"rows:  .*", "rows: FILE", text))

    assert run.errors == ""
    assert shape(run.output).replace(endpoint, "http://localhost:4318") == shape(output)
    assert str(run.database) in run.output
    printed = (tmp_path / "rotel.log").read_text("utf-8").splitlines()
    assert [line for line in span.splitlines() if line not in printed] == []
    rows = run.query(re.search(r'"(.*)"', question)[1])
    assert [list(map(str, row.values())) for row in rows] == [line.split() for line in answer.splitlines()[2:]]
    (trace_id,) = re.findall(r"trace (\w+)", run.output)
    arrived = {(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") for span in sink.spans()}
    stored = {(row["trace_id"], row["span_id"]) for row in run.query("SELECT trace_id, span_id FROM executions")}
    assert {trace for trace, _ in stored} == {trace_id}
    assert stored < arrived  # which has the span around them as well
    assert len(arrived) == len(stored) + 1

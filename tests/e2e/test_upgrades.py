"""Two releases on one file, the newer with one more schema step: nothing is lost, and the newer one catches up."""

import json
import subprocess
import sys

import pytest
from releases import install

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="forks"),
]

#: Records as a pool does, goes on when told to, and answers with the number of executions that it sees.
WORKER = """
import multiprocessing, sys
from learning_instrument import ExecutionRecord, LearningDatabase, analytics, configure, record_execution
from learning_instrument.columns import COLUMNS

path, name = sys.argv[1:]
database = configure(path, retention_days=3650)

@record_execution
def execute_task(task):
    return {"success": task["n"] % 5 != 0, "error_message": "no luck"}

def work(n):
    execute_task({"task_type": name, "n": n})

for line in sys.stdin:
    if line == "end\\n":
        print(0, flush=True)
        break
    if line == "record\\n":
        for n in range(10):
            work(n)
    if line == "fork\\n":
        with multiprocessing.get_context("fork").Pool(3, maxtasksperchild=1) as pool:
            pool.map(work, range(12), chunksize=1)
    if line == "own\\n":
        extra = {"of_newer": "kept"} if "of_newer" in COLUMNS else {}
        database.append([ExecutionRecord(task_type=name, **extra) for _ in range(5)])
    if line == "rebuild\\n":
        database.rebuild_rollups()
    database.flush()
    counted = sum(tier.executions for tier in analytics.summary(database).tiers)
    failed = sum(group.executions for group in analytics.error_groups(database).groups)
    (row,) = database.query("SELECT count(*) AS rows, total(NOT success) AS failed FROM executions")
    assert (counted, failed) == (row["rows"], row["failed"]), (counted, failed, row)
    lost = database.statistics().lost
    assert not lost, lost
    print(row["rows"], flush=True)
"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Both releases, installed."""
    folder = tmp_path_factory.mktemp("releases")
    return {name: install(name, folder) for name in ("older", "newer")}


@pytest.fixture
def worker(releases, tmp_path):
    """Start a worker of a release; return a function that has it do something, and returns how many rows it sees."""
    started = []

    def worker(name):
        process = subprocess.Popen(
            [releases[name].python, "-c", WORKER, "learning.db", name], cwd=tmp_path,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)

        def do(what):
            process.stdin.write(f"{what}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, process.stderr.read()
            if what == "end":
                process.wait(timeout=60)
            return int(answer)

        return do

    yield worker
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert ends == [("", 0)] * len(started)


@pytest.fixture
def command(releases, tmp_path):
    """Run a command of a release on the file; return its output."""

    def command(name, *arguments):
        result = subprocess.run(
            [releases[name].python, "-m", "learning_instrument", *arguments, "--database", "learning.db"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result.stdout

    return command


@pytest.fixture
def ask(releases, tmp_path):
    """Ask the file in SQL, by the newer release, without changing it."""
    program = (
        "import json, sys; from learning_instrument.sqlite.read_only import ReadOnlyDatabase;"
        "print(json.dumps(ReadOnlyDatabase(sys.argv[1]).query(sys.argv[2])))"
    )

    def ask(sql):
        result = subprocess.run(
            [releases["newer"].python, "-c", program, "learning.db", sql],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [tuple(row.values()) for row in json.loads(result.stdout)]

    return ask


@pytest.mark.parametrize("names", [("older", "newer"), ("newer", "older")])
def test_releases_write_read_and_fork_on_one_file(worker, command, ask, names):
    """A running parent of the older release goes on, forks and starts anew beneath the newer one's schema."""
    first = worker(names[0])
    assert first("record") == 10
    second = worker(names[1])
    rows = 10
    for do, what, count in (
        (second, "record", 10), (first, "record", 10), (first, "fork", 12), (second, "fork", 12),
        (worker(names[0]), "fork", 12), (first, "rebuild", 0), (second, "rebuild", 0), (worker("newer"), "own", 5),
        (worker("older"), "own", 5), (second, "record", 10), (first, "record", 10),
    ):  # fmt: skip
        rows += count
        assert do(what) == rows, what

    assert ask("SELECT count(*), count(DISTINCT execution_id) FROM executions") == [(rows, rows)]
    assert ask("SELECT count(*) FROM executions WHERE of_newer = 'kept'") == [(5,)]
    for name in names:
        assert len(json.loads(command(name, "list", "--limit", "1000", "--json"))) == rows
        for question in (
            ["summary"], ["performance"], ["costs"], ["errors"], ["patterns"], ["similar", "x"], ["tail", "--for", "0"],
        ):  # fmt: skip
            command(name, *question)
        assert '"error"' not in command(name, "doctor", "--json")


@pytest.mark.parametrize("last", ["older", "newer"])
def test_newer_release_catches_up_with_what_the_older_one_wrote(worker, command, ask, last):
    """Its derived table has a mark of its own, which the older release leaves behind; its triggers are in the file."""
    newer = worker("newer")
    newer("record")
    newer("end")  # alive, it would catch up meanwhile
    worker("older")("record")
    command("older", "rebuild")
    assert ask("SELECT mark < (SELECT max(rowid) FROM executions) FROM newer_state") == [(1,)]
    command("older", "prune", "--keep", "15", "--yes")
    worker("older")("fork")

    if last == "newer":
        worker("newer")("record")
    command("newer", "rebuild")

    counted = ask("SELECT task_type, executions FROM newer_counts WHERE executions > 0 ORDER BY 1")
    assert counted == ask("SELECT task_type, count(*) FROM executions GROUP BY 1 ORDER BY 1")
    assert sum(executions for _, executions in counted) == 27 + 10 * (last == "newer")


def test_older_release_prunes_imports_and_exports_what_the_newer_one_wrote(worker, command, ask, tmp_path):
    """The archive has the column that it does not know, and the newer one takes it in again."""
    pytest.importorskip("pyarrow")
    worker("newer")("own")
    worker("older")("record")
    for suffix in ("jsonl", "csv", "parquet", "otlp"):
        for name in ("older", "newer"):
            command(name, "export", "--output", str(tmp_path / f"{name}.{suffix}"))

    command("older", "prune", "--keep", "10", "--archive", str(tmp_path / "old.parquet"), "--yes")
    assert ask("SELECT count(*), count(of_newer) FROM executions") == [(10, 0)]
    command("newer", "import", str(tmp_path / "old.parquet"))
    assert ask("SELECT count(*), count(of_newer) FROM executions") == [(15, 5)]

    for name, reader in (("older", "newer"), ("newer", "older")):
        for suffix in ("jsonl", "parquet", "otlp"):
            assert "Stored 0 of 15" in command(reader, "import", "--strict", str(tmp_path / f"{name}.{suffix}"))
    command("older", "prune", "--keep", "0", "--yes")
    assert "Stored 15 of 15" in command("older", "import", "--strict", str(tmp_path / "newer.jsonl"))

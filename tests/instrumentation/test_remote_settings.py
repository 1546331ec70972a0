"""What a process that nobody configured records by: the settings of the one that sent it the function."""

import inspect
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import types
from concurrent.futures import ProcessPoolExecutor

import pytest

import learning_instrument
from learning_instrument import Budget, LearningDatabase, configure, record_execution, shutdown
from learning_instrument.instrumentation.picklers import warn_of_pickling
from learning_instrument.pipeline.installed import Installed

#: A module that both processes import.
JOBS = """
import sys

from learning_instrument import BudgetExceeded, record_execution


@record_execution
def work(task):
    return {"cost": 2.0, "solution_summary": "Smith of Leeds"}


@record_execution(capture_content=False)
def keep(task):
    return task


@record_execution(task="job", pool_type="crew", batch=True)
def work_all(job):
    return [{"success": False} for _ in job]


def plain(task):
    return task


again = record_execution(pool_type="again")(plain)


class Pool:
    @record_execution
    def execute_task(self, task):
        return task


def without_smith(text):
    return text.replace("Smith", "N.N.")


def stop(status):
    print("stopped at", status.spent_usd)
"""
#: Loads what it is given, and calls it.
RECEIVER = """
import pickle, sys

import jobs

{before}
function = pickle.loads(sys.stdin.buffer.read())
{call}
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """The module, here and in every process that is started."""
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delitem(sys.modules, "jobs", raising=False)
    import jobs

    return jobs


def receive(pickled, call="function('task')", before=""):
    """Return what another process, which loads *pickled* and calls it, writes to its two streams."""
    program = RECEIVER.format(before=textwrap.dedent(before), call=textwrap.dedent(call))
    done = subprocess.run([sys.executable, "-c", program], input=pickled, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_function_is_recorded_in_a_process_that_nobody_configured(jobs, database, method):
    """By its name alone it would not be."""
    configure(database)

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(jobs.work, {"task_type": "one"}).result(60)["cost"] == 2.0
        assert list(pool.map(jobs.keep, ["two"])) == ["two"]

    rows = database.query("SELECT task_type, process_id FROM executions")
    assert [row["task_type"] for row in rows] == ["one", "unknown"]
    assert os.getpid() not in {row["process_id"] for row in rows}


def test_a_function_pickles_by_its_name(jobs, database):
    """Here it is the same object, whether or not anything is configured; unconfigured, it is its name and no more."""
    bare = pickle.dumps(jobs.work)
    configure(database)
    settled = pickle.dumps(jobs.work)

    assert pickle.loads(bare) is pickle.loads(settled) is jobs.work
    assert len(bare) < 100 < len(settled) < 500
    assert database.path.encode() in settled
    assert settled == pickle.dumps(jobs.work)  # so that caches find what they keep under the pickled function


@pytest.mark.parametrize(("redact", "found"), [("Smith", "[redacted] of Leeds"), ("without_smith", "N.N. of Leeds")])
def test_texts_are_treated_there_as_here(jobs, database, redact, found):
    """Redaction, contents and the keys that are kept."""
    configure(database, redact=getattr(jobs, redact, redact), keep_metadata=["customer"])

    receive(pickle.dumps(jobs.work), "function({'prompt': 'Smith of Leeds'})")
    receive(pickle.dumps(jobs.keep), "function({'prompt': 'p', 'metadata': {'customer': 'c', 'note': 'n'}})")

    first, second = database.query("SELECT * FROM executions")
    assert first["task_description"] == first["solution_summary"] == found
    assert second["task_description"] == ""
    assert json.loads(second["metadata"])["task"] == {"customer": "c"}


def test_own_rules_that_cannot_be_loaded_hide_every_text(jobs, database, monkeypatch):
    """Nothing is stored that they would have removed."""
    missing = types.ModuleType("elsewhere")
    exec("def redact(text): return text.replace('Smith', '')", vars(missing))
    monkeypatch.setitem(sys.modules, "elsewhere", missing)
    configure(database, redact=missing.redact)

    _, messages = receive(pickle.dumps(jobs.work), "function({'prompt': 'Smith of Leeds'})")

    assert database.query("SELECT task_description FROM executions") == [{"task_description": "[redacted]"}]
    assert messages.count("cannot be loaded") == 1


def test_budgets_limit_there_as_here(jobs, database):
    """A function of the user's is called there."""
    configure(database, budget=[Budget(usd=3.0, on_limit=jobs.stop), Budget(usd=3.0, on_limit="raise")])
    again = """
    function({})
    function({})
    try:
        function({})
    except jobs.BudgetExceeded as refused:
        print(type(refused).__name__)
    """

    output, _ = receive(pickle.dumps(jobs.work), again)

    assert output.split() == ["stopped", "at", "4.0", "BudgetExceeded"]
    assert len(database.query("SELECT * FROM executions")) == 2


def test_a_process_that_is_configured_keeps_its_own(jobs, database, tmp_path):
    """Before the function comes, or after; the sender's database is left alone, and nothing is said."""
    configure(database)
    own = str(tmp_path / "own.db")
    configures = f"from learning_instrument import configure; configure({own!r})"

    for before, call in ((configures, ""), ("", configures)):
        _, messages = receive(pickle.dumps(jobs.work), f"{call}\nfunction('task')", before)
        assert messages == ""

    assert database.query("SELECT * FROM executions") == []
    with LearningDatabase(own) as theirs:
        assert len(theirs.query("SELECT * FROM executions")) == 2


def test_a_process_that_records_for_one_sender_is_no_trap_for_another(jobs, tmp_path):
    """What is sent by value is recorded where its sender records; what is sent by name has one place: it is said."""
    pickled = []
    for name in ("first.db", "second.db"):
        configure(tmp_path / name)
        pickled.append([pickle.dumps(jobs.keep), options_of(jobs, pool_type="crew")])
        shutdown()

    calls = "[call('task') for one in function for call in map(pickle.loads, one)]"
    _, messages = receive(pickle.dumps(pickled), calls)

    found = {}
    for name in ("first.db", "second.db"):
        with LearningDatabase(tmp_path / name) as database:
            found[name] = [
                row["pool_type"] for row in database.query("SELECT pool_type FROM executions ORDER BY rowid")
            ]
    assert found == {"first.db": ["unknown", "crew", "unknown"], "second.db": ["crew"]}
    assert messages.count("\n") == 1
    assert f"Executions of jobs.keep, sent by a process that records into {tmp_path / 'second.db'}" in messages


def test_a_process_that_was_shut_down_stays_so(jobs, tmp_path):
    """What it loads from its own past does not start recording again."""
    configure(tmp_path / "learning.db")
    pickled = pickle.dumps(jobs.work)
    shutdown()

    pickle.loads(pickled)

    assert Installed.builder is None


def test_on_another_machine_the_function_runs_and_one_warning_names_the_way(jobs, tmp_path):
    """No file is made in a place where nobody looks, whether or not the folder exists there."""
    for folder, moves in ((tmp_path / "data", True), (tmp_path, False)):
        database = configure(folder / "learning.db")
        pickled = pickle.dumps(jobs.work)
        shutdown()
        os.rename(database.path, tmp_path / f"away-{moves}.db")
        if moves:
            os.rename(folder, tmp_path / "moved")

        output, messages = receive(pickled, "print(function('task')['cost'], pickle.loads(pickle.dumps(jobs.keep))(1))")

        assert output == "2.0 1\n"
        assert not os.path.exists(database.path)
        assert not moves or not folder.exists()
        assert messages.count("\n") == 1
        assert database.path in messages
        assert "OTLP" in messages


def test_the_file_exists_before_the_first_execution(jobs, tmp_path):
    """So that the process on this machine can tell it from another."""
    database = configure(tmp_path / "new" / "learning.db")

    receive(pickle.dumps(jobs.work))

    assert len(database.query("SELECT * FROM executions")) == 1


def test_durability_is_that_of_the_sender(jobs, tmp_path):
    """Of the database that is configured."""
    configure(tmp_path / "learning.db", durability="batch")

    shown = "from learning_instrument.configuration import configured_database; print(configured_database().durability)"
    output, _ = receive(pickle.dumps(jobs.work), shown)

    assert output == "batch\n"


# What is sent by value, by any pickler: a recorded function beside the original.


def test_a_recorded_function_beside_the_original_pickles(jobs, database):
    """The original does, by its name, and so does the way it is recorded."""
    configure(database)

    assert receive(pickle.dumps(jobs.again), "print(function('task'))")[0] == "task\n"

    (row,) = database.query("SELECT pool_type, task_description FROM executions")
    assert row["pool_type"] == "again"


def options_of(jobs, **options):
    return pickle.dumps(record_execution(**options)(jobs.plain))


def test_options_go_with_the_function(jobs, tmp_path, database):
    """All that decide what is captured, and where it is stored."""
    configure(tmp_path / "configured.db", redact="Smith")
    options = {
        "pool_type": "crew",
        "success_when": json.dumps,
        "response_hook": print,
        "fields": {"repo": "project", "model_tier": jobs.without_smith},
        "learning_db": database,
        "capture_content": False,
        "keep_metadata": ["customer"],
        "budget": Budget(usd=1.0, on_limit=jobs.stop),
    }

    output, _ = receive(
        options_of(jobs, **options),
        "function({'project': 'shop', 'prompt': 'p', 'metadata': {'customer': 'Smith & Co', 'other': 'o'}})",
    )

    (row,) = database.query("SELECT * FROM executions")
    assert (row["pool_type"], row["repo"], row["task_description"]) == ("crew", "shop", "")
    assert json.loads(row["metadata"])["task"] == {"customer": "[redacted] & Co"}
    assert "shop" in output
    with LearningDatabase(tmp_path / "configured.db") as configured:
        assert configured.query("SELECT * FROM executions") == []


def test_options_that_do_not_pickle_stay_here(jobs, database, provider, caplog):
    """With one warning for each; the function pickles, and is recorded where this process records."""
    warn_of_pickling.cache_clear()
    configure(database)
    options = {
        "success_when": lambda result: False,
        "request_hook": lambda *_: None,
        "response_hook": lambda *_: None,
        "fields": {"repo": lambda *_: "r", "model_tier": "tier"},
        "learning_db": lambda pool: None,
        "budget": Budget(usd=1.0, on_limit=lambda status: None),
        "tracer_provider": provider,
    }

    for _ in range(2):
        receive(options_of(jobs, **options), "function({'tier': 'small'})")

    rows = database.query("SELECT success, repo, model_tier FROM executions")
    assert rows == [{"success": 1, "repo": "unknown", "model_tier": "small"}] * 2
    assert len([record for record in caplog.records if "does not pickle" in record.getMessage()]) == len(options)


def test_options_that_cannot_be_loaded_are_left_out(jobs, database, monkeypatch):
    """The original could be loaded, and so can the recorded function."""
    missing = types.ModuleType("elsewhere")
    exec("def judge(result): return False", vars(missing))
    monkeypatch.setitem(sys.modules, "elsewhere", missing)
    configure(database)

    _, messages = receive(options_of(jobs, success_when=missing.judge))

    assert database.query("SELECT success FROM executions") == [{"success": 1}]
    assert messages.count("success_when of jobs.plain cannot be loaded") == 1


def test_a_recorded_function_is_a_function_for_all_but_picklers(jobs):
    """For ``isinstance``, and for the modules that ask it."""
    assert isinstance(jobs.work, types.FunctionType)
    assert inspect.isfunction(jobs.work)
    assert not isinstance(jobs.work, types.MethodType)
    assert learning_instrument.record_execution(jobs.work) is jobs.work

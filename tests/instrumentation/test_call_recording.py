"""A recorded function goes where the original goes: pickled by value, it is recorded where it arrives."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from learning_instrument import LearningDatabase

#: Loads what the family pickled, and calls it. Nobody configures this process.
RECEIVER = """
import asyncio, importlib, json, pickle, sys

library, file, *database = sys.argv[1:]
loads = importlib.import_module(library.split()[0]).loads
run = asyncio.run


async def all_of(generator):
    return [item async for item in generator]


def count():
    if not database:
        return 0
    from learning_instrument import LearningDatabase

    with LearningDatabase(database[0]) as ours:
        return ours.query("SELECT count(*) AS n FROM executions")[0]["n"]


found = {}
with open(file, "rb") as pickled:
    family = pickle.load(pickled)
for name, (data, code, executions) in family.items():
    before = count()
    try:
        result = repr(eval(code, globals(), {"it": loads(data)}))
    except Exception as fault:
        result, executions = data if isinstance(data, str) else type(fault).__name__, None
    found[name] = result, executions, count() - before
print(json.dumps(found))
"""
FAMILY = Path(__file__).with_name("family.py")


def called(tmp_path, mode, library, database=None):
    """Return the result of each of the family, sent to another process, with the executions due and recorded."""
    file, more = tmp_path / f"{mode}.pickle", [] if database is None else [database]
    for command in ([FAMILY, mode, library, file, *more], ["-c", RECEIVER, library, file, *more]):
        done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("library", ["cloudpickle", "dill", "dill recurse", "joblib.externals.loky.backend.reduction"])
def test_what_is_sent_by_value_arrives_as_without_recording(tmp_path, subtests, library):
    """The same results, or the same failure, and each call recorded once."""
    pytest.importorskip(library.split()[0])
    plain = called(tmp_path, "plain", library)
    recorded = called(tmp_path, "recorded", library, tmp_path / "learning.db")

    assert len([name for name in plain if plain[name][1] is not None]) > 15
    for name, (result, due, _) in plain.items():
        with subtests.test(name=name):
            if due is None:
                assert recorded[name][0] == result
            else:
                assert recorded[name] == [result, due, due]


SCRIPT = """
import sys
import threading

import cloudpickle
from learning_instrument import configure, record_execution

configure(sys.argv[1])


def known(result):
    return record.__name__ == "record" and result != 2


@record_execution(success_when=lambda result: known(result) and refused is not None, pool_type="crew")
def record(task):
    return task


@record_execution(success_when=lambda result, lock=threading.Lock(): lock.locked())
def refused(task):
    return record(task)


sys.stdout.buffer.write({dumps})
"""
CALL = """
import pickle, sys

function = pickle.loads(sys.stdin.buffer.read())
print(function(1), function(2))
"""


def sent(tmp_path, dumps, call=CALL):
    """Return what a script pickles by an expression, and the rows and output of a process that calls it."""
    database = tmp_path / "learning.db"
    (tmp_path / "script.py").write_text(SCRIPT.replace("{dumps}", dumps))
    pickled = subprocess.run([sys.executable, tmp_path / "script.py", database], capture_output=True, check=True)
    called = subprocess.run(
        [sys.executable, "-c", call], input=pickled.stdout, capture_output=True, check=True, cwd=tmp_path
    )
    with LearningDatabase(database) as ours:
        rows = ours.query("SELECT pool_type, success FROM executions ORDER BY rowid")
    return pickled, called, [tuple(row.values()) for row in rows]


def test_an_option_that_refers_to_its_function_ends(tmp_path):
    """It is pickled by value as well, once."""
    pickled, called, rows = sent(tmp_path, "cloudpickle.dumps(record)")

    assert (called.stdout, called.stderr) == (b"1 2\n", b"")
    assert rows == [("crew", 1), ("crew", 0)]
    assert b"does not pickle" not in pickled.stderr


def test_an_option_that_does_not_pickle_by_value_stays(tmp_path):
    """The function is recorded without it."""
    pickled, called, rows = sent(tmp_path, "cloudpickle.dumps(refused)")

    assert called.stdout == b"1 2\n"
    assert rows[1::2] == [("unknown", 1)] * 2
    assert pickled.stderr.count(b"success_when of __main__.refused does not pickle") == 1


def test_any_copy_of_cloudpickle_keeps_the_decoration(tmp_path):
    """Libraries have their own, under names that nobody lists."""
    source = importlib.util.find_spec("cloudpickle.cloudpickle").origin
    (tmp_path / "theirs.py").write_text(Path(source).read_text())

    _, called, rows = sent(tmp_path, "__import__('theirs').dumps(record)")

    assert called.stdout == b"1 2\n"
    assert rows == [("crew", 1), ("crew", 0)]


@pytest.mark.parametrize("is_registered", [False, True])
def test_modules_registered_to_be_sent_by_value_are(tmp_path, is_registered):
    """Others go by their names; where neither the module is there nor its functions, loading fails as it did."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "mine.py").write_text(
        "from learning_instrument import record_execution\n\n"
        "@record_execution\ndef function(task):\n    return again(task)\n\n"
        "@record_execution\ndef again(task):\n    return task\n"
    )
    register = "cloudpickle.register_pickle_by_value(mine)" if is_registered else "None"
    steps = f"sys.path.append('{tmp_path}/ours'), mine := __import__('mine'), {register}"
    dumps = f"({steps}, cloudpickle.dumps(mine.function))[-1]"

    if is_registered:
        assert sent(tmp_path, dumps)[2] == [("unknown", 1)] * 4
    else:
        with pytest.raises(subprocess.CalledProcessError):
            sent(tmp_path, dumps)


def test_plain_pickle_sends_functions_of_the_script_by_name(tmp_path):
    """A process that has the script finds them, and another does not: as without recording."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        sent(tmp_path, "__import__('pickle').dumps(record)")

    assert b"has no attribute 'record'" in failed.value.stderr


POOLS = """
import os
import sys

from learning_instrument import configure, record_execution


@record_execution
def double(task):
    return task * 2


class Pool:
    @record_execution
    def execute_task(self, task):
        return task + 1

    @record_execution
    @staticmethod
    def static(task):
        return task + 1


if __name__ == "__main__":
    database = configure(sys.argv[1])
    {run}
    rows = database.query("SELECT pool_type, process_id FROM executions")
    assert os.getpid() not in [row["process_id"] for row in rows]
    print(*sorted(row["pool_type"] for row in rows))
"""
RUNS = {
    "joblib": """
    import joblib
    assert joblib.Parallel(2)(joblib.delayed(double)(n) for n in range(5)) == [0, 2, 4, 6, 8]
    assert joblib.Parallel(2)(joblib.delayed(Pool().execute_task)(n) for n in range(3)) == [1, 2, 3]
    assert joblib.Parallel(2)(joblib.delayed(Pool.static)(n) for n in range(2)) == [1, 2]
""",
    "distributed": """
    import distributed
    with distributed.LocalCluster(n_workers=2, processes=True, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            assert client.gather(client.map(double, range(5))) == [0, 2, 4, 6, 8]
            assert client.gather(client.map(Pool().execute_task, range(2))) == [1, 2]
            actor = client.submit(Pool, actor=True).result()
            assert actor.execute_task(2).result() == 3
            assert client.gather(client.map(Pool.static, range(2))) == [1, 2]
""",
    "ray": """
    import ray
    ray.init(num_cpus=2, include_dashboard=False)
    assert ray.get([ray.remote(double).remote(n) for n in range(5)]) == [0, 2, 4, 6, 8]
    actor = ray.remote(Pool).remote()
    assert ray.get([actor.execute_task.remote(n) for n in range(3)]) == [1, 2, 3]
    assert ray.get([actor.static.remote(n) for n in range(2)]) == [1, 2]
    ray.shutdown()
""",
}


@pytest.mark.parametrize(
    "library", ["joblib", *(pytest.param(name, marks=pytest.mark.slow) for name in RUNS if name != "joblib")]
)
def test_pools_that_send_the_script_by_value_are_recorded(tmp_path, library):
    """Functions, methods, and methods of actors: each call in the process that ran it."""
    pytest.importorskip(library)
    script = tmp_path / "script.py"
    script.write_text(POOLS.replace("{run}", RUNS[library].strip()))

    command = [sys.executable, script, tmp_path / "learning.db"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["Pool"] * 3 + ["unknown"] * 7

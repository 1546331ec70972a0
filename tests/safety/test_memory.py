"""Executions that are lost because memory is exhausted are counted, and the task goes on."""

import json
import signal
import subprocess
import sys

import pytest

from learning_instrument.safety.memory import Misses

#: Fills the memory that it may have but for some bytes, in a thread, whose stack need not grow; runs executions; and
#: frees it. The first execution of the process is among them.
PROGRAM = """
import json, resource, sys, threading
from learning_instrument import configure, record_execution

database = configure(sys.argv[1], durability="commit")
spare, found = int(sys.argv[2]), {"ran": 0, "raised": 0}

@record_execution
def execute_task(task):
    return task

def fill():
    hog = None
    for size in (1 << 22, 1 << 16, 1 << 12, 1 << 9, 1 << 8, 1 << 7, 1 << 6, 1 << 5):
        try:
            while True:
                hog = (bytearray(size), hog)
        except MemoryError:
            pass
    return hog

def work(task):
    kept = bytearray(spare)
    hog = fill()
    kept = None
    ran = raised = 0
    for n in range(200):
        try:
            if execute_task(task) is task:
                ran += 1
        except MemoryError:  # of the call itself
            raised += 1
    while hog is not None:
        hog = hog[1]
    found.update(ran=ran, raised=raised)

thread = threading.Thread(target=work, args=({"task_type": "t"},))
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (32 << 20), resource.RLIM_INFINITY))
thread.start()
thread.join()
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
found["lost"] = database.statistics().lost
execute_task({"task_type": "after"})
(found["rows"],) = database.query("SELECT count(*) FILTER (WHERE task_type = 't') AS t, count(*) AS n FROM executions")
found["losses"] = database.query("SELECT reason, sum(executions) AS n FROM losses GROUP BY reason")
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it limits the address space")
@pytest.mark.parametrize("spare", [0, 2_950, 3_000, 100_000, 1_000_000])
def test_executions_without_memory_are_counted_and_their_tasks_run(tmp_path, spare):
    """Stored and counted are all that ran, from the first of the process on; later ones are recorded again."""
    if spare > 3_000 and sys.version_info < (3, 11):
        pytest.skip("CPython 3.10 may wait forever for a thread that found no memory")
    command = [sys.executable, "-c", PROGRAM, tmp_path / "learning.db", str(spare)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    if done.returncode == -signal.SIGSEGV:
        pytest.skip("CPython may crash without any memory (seen in 3.11 to 3.13): it depends on the length of paths")
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    lost = sum(row["n"] for row in found["losses"])
    assert found["ran"] + found["raised"] == 200
    # One that raised may have been lost before, when it started.
    assert found["ran"] <= found["rows"]["t"] + lost <= 200
    assert found["rows"]["n"] == found["rows"]["t"] + 1
    assert sum(found["lost"].values()) == lost
    assert lost > 0 or found["ran"] == 0 or spare > 3_000  # the calls may find no memory, or enough


def test_counted_once():
    """Reading it counts nothing, though it is read by counting."""
    misses = Misses()
    misses.add()
    misses.add()

    assert misses.take() == 2
    assert misses.take() == 0
    misses.add()
    assert misses.take() == 1

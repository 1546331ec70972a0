"""Fork within recorded tasks, or between them, in a program with one thread. Arguments: database, durability, where.

Ends with an error if a fork warns, or if our threads do not run again after one within a task.
"""

import os
import sys
import warnings

import learning_instrument


def fork():
    was_watched = watched()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        process_id = os.fork()
        if not process_id:
            os._exit(0)
    os.waitpid(process_id, 0)
    if caught:
        sys.exit(f"{caught[0].message}; watched: {was_watched}")
    return watched() or not was_watched


def watched():
    return database._store.running.is_watched


@learning_instrument.record_execution
def work(task):
    return fork() if sys.argv[3] == "within" else True


database = learning_instrument.configure(sys.argv[1], durability=sys.argv[2])
for number in range(10):
    assert work(str(number)), "the watchdog does not run"
    if sys.argv[3] == "between":
        fork()
learning_instrument.shutdown()

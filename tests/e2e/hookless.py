"""Fork from C, as uWSGI does: no hook of Python runs. Arguments: database, durability, number of children.

Threads record, and rest while the process forks: a child of a C fork that takes place while another thread waits for
the lock of the interpreter hangs in the interpreter itself. Each child forks once more.
"""

import ctypes
import os
import sys
import threading
import time

import learning_instrument
from learning_instrument.storage import watchdog

PATH, DURABILITY, CHILDREN = sys.argv[1], sys.argv[2], int(sys.argv[3])
THREADS = 3
REST_SECONDS = 0.1
watchdog._TURN_SECONDS = 60.0  # our threads rest as well
fork = ctypes.PyDLL(None).fork


@learning_instrument.record_execution
def work(task):
    return "done"


def record(name):
    for number in range(5):
        work({"task_id": f"{name}-{number}", "task_type": "hookless"})


def child(name, is_last=False):
    record(name)
    if not is_last:
        time.sleep(REST_SECONDS)
        if not (process_id := fork()):
            child(f"grand{name}", is_last=True)
        os.waitpid(process_id, 0)
    learning_instrument.shutdown()
    os._exit(0)


def background(name):
    for turn in range(CHILDREN):
        go.wait()
        record(f"{name}-{turn}")
        rest.wait()


go, rest = threading.Barrier(THREADS + 1), threading.Barrier(THREADS + 1)
learning_instrument.configure(PATH, durability=DURABILITY)
threads = [threading.Thread(target=background, args=(f"thread-{number}",)) for number in range(THREADS)]
for thread in threads:
    thread.start()
children = []
for turn in range(CHILDREN):
    go.wait()
    rest.wait()
    time.sleep(REST_SECONDS)
    children.append(fork())
    if not children[-1]:
        child(f"child-{turn}")
for process_id in children:
    os.waitpid(process_id, 0)
for thread in threads:
    thread.join()
learning_instrument.shutdown()

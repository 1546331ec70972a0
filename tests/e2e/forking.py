"""Fork within a recorded task of a program with one thread. Arguments: database, durability.

Ends with an error if a fork warns, or if our threads do not run again after it.
"""

import os
import sys
import threading
import warnings

import learning_instrument


@learning_instrument.record_execution
def work(task):
    threads = {thread.name for thread in threading.enumerate()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        process_id = os.fork()
        if not process_id:
            os._exit(0)
    os.waitpid(process_id, 0)
    if caught:
        sys.exit(f"{caught[0].message}; threads: {threads}")
    return "watchdog" in str(threading.enumerate()) or "watchdog" not in str(threads)


learning_instrument.configure(sys.argv[1], durability=sys.argv[2])
for number in range(10):
    assert work(str(number)), "the watchdog does not run"
learning_instrument.shutdown()

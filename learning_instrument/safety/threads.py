"""Starts the threads of this package, where the interpreter can run one.

Where it cannot, the caller does the work itself, and tries again with the next.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from .memory import has_free

#: Memory for the stack and the first objects of a thread: one that has none for its first lines is waited for forever.
_SPARE_BYTES: Final = 16 << 20


def start(
    name: str,
    target: Callable[..., object],
    *args: Any,
    known: Callable[[threading.Thread | None], object] = lambda thread: None,
) -> bool:
    """Start a daemon thread that calls *target* with *args*; tell whether it runs.

    Args:
        name: the name of the thread.
        target: its function.
        args: the arguments of the function.
        known: called with the thread before it runs, and with None where it does not.
    """
    if can_run() and has_free(_SPARE_BYTES):
        try:
            thread = threading.Thread(target=target, args=args, name=name, daemon=True)
            known(thread)
            thread.start()
            return True
        except (
            RuntimeError,
            MemoryError,
        ):  # too many threads for now, or an isolated interpreter, which has no daemon threads
            pass
    known(None)
    return False


def can_run() -> bool:
    """Tell whether a thread that is started now would run.

    Not in an interpreter that is shutting down: Python 3.11 would wait for its start forever. Not in the master of
    uWSGI, whose workers it forks from C, and which would hang in the lock of the interpreter that a thread waits for;
    and not in a worker without ``--enable-threads``, which keeps that lock.
    """
    if sys.is_finalizing():
        return False
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None or not hasattr(uwsgi, "worker_id"):
        return True
    options = getattr(uwsgi, "opt", {})
    return bool(uwsgi.worker_id()) and any(option in options for option in ("enable-threads", "threads"))

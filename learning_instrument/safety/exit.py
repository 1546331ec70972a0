"""Hooks for the end of this process, however it ends: queues are written first, then the crash ledger is closed.

Multiprocessing's children skip ``atexit``, and celery's end by ``os._exit()``: each has a hook of its own. All of them
share one deadline, from the first that runs.
"""

import atexit
import os
import threading
import weakref
from typing import Any, Final, Protocol

from .clocks import time
from .forks import check, copy_of
from .imported import imported

#: The phases, in their order: writers write their queues, watchdogs end, and the databases of both close.
WRITERS: Final = 0
WATCHDOGS: Final = 1
DATABASES: Final = 2
#: How long everything of ours may take at the end of a process, and how much of it is kept for the later phases. The
#: promise is 5 s: on a busy machine each step takes longer than it waits.
EXIT_SECONDS: Final = 4.0
_KEPT_SECONDS: Final = (1.5, 0.5, 0.0)


class ExitHook(Protocol):
    """Has work to do when the process ends."""

    def end(self) -> None:
        """Do the work. Called more than once where several hooks of the system run."""


_phases: Final[tuple["weakref.WeakSet[ExitHook]", ...]] = (weakref.WeakSet(), weakref.WeakSet(), weakref.WeakSet())
#: Process -> its finalizer. One is enough, though threads may start thousands of times.
_finalizers: Final[dict[int, Any]] = {}
#: Process that has begun to end -> the time when everything of ours must be done.
_deadlines: Final[dict[int, float]] = {}
#: Processes whose hooks have begun.
_exiting: Final[set[int]] = set()


def at_exit(hook: ExitHook, *, phase: int) -> None:
    """Call *hook* when this process ends, in its *phase*; it is held weakly. Call this wherever its thread starts."""
    _phases[phase].add(hook)
    finalize = imported("multiprocessing.util", "Finalize")
    if finalize is not None and not is_exiting():
        finalizer = _finalizers.get(os.getpid())
        # A child of a forkserver drops its finalizers when it begins, after it has read the objects sent to it.
        if finalizer is None or not finalizer.still_active():
            _finalizers[os.getpid()] = finalize(None, _end_all, exitpriority=10)
    shutdown = imported("celery.signals", "worker_process_shutdown")
    if shutdown is not None:
        shutdown.connect(_end_all, weak=False, dispatch_uid=_end_all.__qualname__)


def notice_end() -> None:
    """Notice the end of the process before the exit handlers that are registered by now, such as the SDK's.

    They run in the reverse order of their registration, and may wait for us. Call this where a database or a provider
    is made, and not where a thread starts, which may happen without memory: an ``atexit.register`` that fails for want
    of it makes CPython write beyond its table with the next one (seen in 3.10 to 3.13).
    """
    if os.getpid() not in _deadlines:
        atexit.unregister(_begin_to_end)
        atexit.register(_begin_to_end)


def is_exiting() -> bool:
    """Tell whether the hooks of this process have begun.

    Threads may still run executions in it: multiprocessing's children wait for them after their clean-up, and exit
    handlers run in the reverse order of their registration.
    """
    return bool(_exiting) and os.getpid() in _exiting


def seconds_left(phase: int) -> float:
    """Return how long *phase* may still take: for ever, unless this process has begun to end."""
    deadline = _deadlines.get(os.getpid())
    return threading.TIMEOUT_MAX if deadline is None else max(0.0, deadline - time.monotonic() - _KEPT_SECONDS[phase])


def _begin_to_end() -> None:
    _deadlines.setdefault(os.getpid(), time.monotonic() + EXIT_SECONDS)


@atexit.register
def _end_all(**_: Any) -> None:
    check()
    _begin_to_end()
    _exiting.add(os.getpid())
    faults = []
    for phase in _phases:
        for hook in copy_of(phase):
            try:
                hook.end()
            except Exception as fault:  # raised below, after all other hooks
                faults.append(fault)
    if faults:
        raise faults[0]

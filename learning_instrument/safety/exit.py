"""Hooks for the end of this process, however it ends: queues are written first, then the crash ledger is closed.

Multiprocessing's children skip ``atexit``, and celery's end by ``os._exit()``: each has a hook of its own.
"""

import atexit
import os
import sys
import weakref
from typing import Any, Final, Protocol

from .forks import copy_of

#: The phases, in their order: writers write their queues, watchdogs end, and the databases of both close.
WRITERS: Final = 0
WATCHDOGS: Final = 1
DATABASES: Final = 2


class ExitHook(Protocol):
    """Has work to do when the process ends."""

    def end(self) -> None:
        """Do the work. Called more than once where several hooks of the system run."""


_phases: Final[tuple["weakref.WeakSet[ExitHook]", ...]] = (weakref.WeakSet(), weakref.WeakSet(), weakref.WeakSet())
#: Process -> its finalizer. One is enough, though threads may start thousands of times.
_finalizers: Final[dict[int, Any]] = {}
_exiting: Final[set[int]] = set()


def at_exit(hook: ExitHook, *, phase: int) -> None:
    """Call *hook* when this process ends, in its *phase*; it is held weakly. Call this wherever its thread starts."""
    _phases[phase].add(hook)
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not is_exiting():
        finalizer = _finalizers.get(os.getpid())
        # A child of a forkserver drops its finalizers when it begins, after it has read the objects sent to it.
        if finalizer is None or not finalizer.still_active():
            _finalizers[os.getpid()] = util.Finalize(None, _end_all, exitpriority=10)
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(_end_all, weak=False, dispatch_uid=_end_all.__qualname__)


def remove(hook: ExitHook) -> None:
    """Call *hook* no more."""
    for phase in _phases:
        phase.discard(hook)


def is_exiting() -> bool:
    """Tell whether this process has begun to end.

    Threads may still run executions in it: multiprocessing's children wait for them after their clean-up, and exit
    handlers run in the reverse order of their registration.
    """
    return bool(_exiting) and os.getpid() in _exiting


@atexit.register
def _end_all(**_: Any) -> None:
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

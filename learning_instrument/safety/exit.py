"""The end of this process, however it comes: what is queued is written, and then the ledger of what runs is closed.

Multiprocessing's children skip ``atexit``, and celery's end by ``os._exit()``: each has a hook of its own.
"""

import atexit
import os
import sys
import weakref
from typing import Any, Final, Protocol

from .forks import copy_of


class ExitHook(Protocol):
    """What has something to do when the process ends."""

    def end(self) -> None:
        """Do it. The process may be told to end more than once."""


#: Those that come first, such as writers; those that come when these are done, such as what watches over them; and
#: what they all write to.
_phases: Final[tuple["weakref.WeakSet[ExitHook]", ...]] = (weakref.WeakSet(), weakref.WeakSet(), weakref.WeakSet())
#: Process -> its finalizer. One is enough, though threads may start thousands of times.
_finalizers: Final[dict[int, Any]] = {}
_ending: Final[set[int]] = set()


def at_exit(ending: ExitHook, *, phase: int) -> None:
    """Have *ending* told when this process ends, in its *phase*: 0, 1 or 2. To be called wherever its thread starts."""
    _phases[phase].add(ending)
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not has_begun():
        finalizer = _finalizers.get(os.getpid())
        # A child of a forkserver drops those it has when it begins: a database may come with what it was sent.
        if finalizer is None or not finalizer.still_active():
            _finalizers[os.getpid()] = util.Finalize(None, _end_all, exitpriority=10)
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(_end_all, weak=False, dispatch_uid=_end_all.__qualname__)


def forget(ending: ExitHook) -> None:
    """Do not tell *ending* any more."""
    for phase in _phases:
        phase.discard(ending)


def has_begun() -> bool:
    """Tell whether this process has begun to end.

    Threads may still run executions in it: multiprocessing's children wait for them after their clean-up, and exit
    handlers have an order.
    """
    return bool(_ending) and os.getpid() in _ending


@atexit.register
def _end_all(**_: Any) -> None:
    _ending.add(os.getpid())
    faults = []
    for phase in _phases:
        for ending in copy_of(phase):
            try:
                ending.end()
            except Exception as fault:  # raised below: the others have something to do as well
                faults.append(fault)
    if faults:
        raise faults[0]

"""Forks: no connection is open and no thread of ours is inside SQLite while the process forks; the child starts over.

A fork from C, as uWSGI's, runs no hooks of Python. So each way into this package calls :func:`check`, which notices
that the process is another, and starts over then.

A child that inherited an open connection would hold no lock of its own (SQLite believes the process has it
already), and its log would be deleted under it once the parent is gone. A child forked while another thread is
inside SQLite, or holds a lock of ours, would wait for that thread forever.
"""

import itertools
import logging
import mmap
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, Final, Protocol, TypeVar

from . import deferral
from .clocks import time
from .deferral import Section
from .guards import warn
from .progress import wait_for

T = TypeVar("T")
log = logging.getLogger(__name__)

#: How long a fork waits for one lock at most, while other threads make progress.
_FORK_SECONDS: Final = 30.0
#: The processor time of other threads, in seconds, that counts as a step.
_STEP_SECONDS: Final = 0.01
#: Of Linux (4.14): a page with this advice is zero in a forked child. Python has no name for it.
_WIPE_ON_FORK: Final = 18


class Process:
    """The process that the state of this package belongs to: after :func:`check`, this one."""

    id = os.getpid()


class _ById:
    """A mark where the system wipes none: compares process ids, which takes a system call."""

    def __getitem__(self, index: int) -> int:
        return Process.id == os.getpid()

    def __setitem__(self, index: int, value: int) -> None:
        """Do nothing: the id of the process was set."""


def _new_mark() -> Any:
    """Return an object whose item 0 is true in this process, and false in a child until it is set there."""
    if sys.platform == "linux":
        try:
            page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            page.madvise(_WIPE_ON_FORK)
        except (OSError, ValueError):  # an older kernel
            return _ById()
        page[0] = 1
        return page
    return _ById()


#: Item 0 is false in a forked child that has not started over. Reading it takes a tenth of a system call.
mark: Final = _new_mark()


class ForkParticipant(Protocol):
    """Takes part in every fork of the process."""

    def before_fork(self, undo: "Undo") -> None:
        """Prepare for the fork, in the thread that forks; *undo* is closed in the parent."""

    def reset(self) -> None:
        """Start over in the child: queues, threads and connections are the parent's."""


class ForkLock(Section):
    """A lock that the forking thread holds while the process forks, and that is new in the child.

    Args:
        once_held: called before the fork, once the lock is held: closes the connection that the lock guards.
    """

    def __init__(self, once_held: Callable[[], object] | None = None) -> None:
        super().__init__()
        self._once_held = once_held
        register(self)

    def before_fork(self, undo: "Undo") -> None:
        """Hold the lock until the process has forked, unless its holder makes no progress."""
        if self.is_held():  # the fork is that of a signal handler or a destructor in the middle of our own work
            return
        undo.callback(self._release)
        if undo.wait(self._acquire) and self._once_held is not None:
            self._once_held()

    def _acquire(self, seconds: float) -> bool:
        return bool(self._lock.acquire(True, seconds) if seconds else self._lock.acquire(False))

    def _release(self) -> None:
        if self.is_held():
            self._lock.release()
        if deferral.waiting:
            deferral.run_waiting()

    def reset(self) -> None:
        """Take a new lock, which no thread holds.

        A fork without hooks has left open what the lock guards: it is closed if no thread was using it. SQLite would
        believe of a connection left open that it still has the locks of the file, which are the parent's.
        """
        if self._once_held is not None and not self.is_held():
            self.call(self._once_held, timeout=0)
        self.renew()


_numbers: Final = itertools.count()
_participants: "Final[weakref.WeakValueDictionary[int, ForkParticipant]]" = weakref.WeakValueDictionary()
_resets: Final[list[Callable[[], object]]] = []


def register(participant: ForkParticipant) -> None:
    """Include *participant* in every fork from now on, as long as it lives.

    The newest prepares first. So create a participant's locks before it is registered: its threads stop, then its
    locks are taken.
    """
    _participants[next(_numbers)] = participant


def on_child(reset: Callable[[], object]) -> None:
    """Call *reset* in every forked child from now on."""
    _resets.append(reset)


class Undo(ExitStack):
    """What is undone in the parent after one fork."""

    def __init__(self) -> None:
        super().__init__()
        self.has_failed = False

    def wait(self, attempt: Callable[[float], bool]) -> bool:
        """Repeat *attempt* until it succeeds, or no other thread of this process makes progress; tell whether it did.

        Args:
            attempt: called with the seconds that it may wait.
        """
        if attempt(0.0):
            return True
        end, has_succeeded = time.monotonic() + _FORK_SECONDS, False

        def take_turn(seconds: float) -> bool:
            nonlocal has_succeeded
            has_succeeded = attempt(min(seconds, max(0.0, end - time.monotonic())))
            return has_succeeded or time.monotonic() >= end

        wait_for(take_turn, _steps_of_others)
        self.has_failed = self.has_failed or not has_succeeded
        return has_succeeded


def _steps_of_others() -> int:
    """Return how many steps the other threads of this process have made."""
    return int((time.process_time() - time.thread_time()) / _STEP_SECONDS)


class _Forks(threading.local):
    """The forks that this thread is in the middle of. Another thread may fork at the same time."""

    def __init__(self) -> None:
        self.undo: list[Undo] = []


_forks: Final = _Forks()


class _Unprotected:
    """Forks of this process that went on although a thread may have been inside SQLite."""

    count = 0


def _before() -> None:
    check()
    undo = Undo()
    _forks.undo.append(undo)
    for _, participant in sorted(copy_of(_participants.items()), reverse=True):
        try:
            participant.before_fork(undo)
        except Exception:  # gevent's hub can wait for nothing, and while it forks no greenlet runs
            continue


def _after_in_parent() -> None:
    undo = _forks.undo.pop()
    undo.close()
    if undo.has_failed:
        _Unprotected.count += 1
        warn(
            log,
            "The process forked while a thread was writing that made no progress (%d such forks). The child opens the"
            " database anew, and loses no record.",
            _Unprotected.count,
        )


def _after_in_child() -> None:
    _forks.undo.clear()
    check()


def check() -> None:
    """Start over if this is another process than before. Takes some 50 ns."""
    if not mark[0]:
        _start_over()


#: Process -> the lock of its start. Another thread of the parent may have held that of the parent.
_starts: Final[dict[int, Any]] = {}


class _Starting:
    """The process that is starting over."""

    id: int | None = None


def _start_over() -> None:
    process_id = os.getpid()
    with _starts.setdefault(process_id, threading.RLock()):
        if mark[0] or _Starting.id == process_id:  # another thread was first, or a reset called check()
            return
        _Starting.id = process_id
        try:
            _reset_all()
        finally:
            Process.id, _Starting.id = process_id, None
            mark[0] = 1
            _starts.clear()


def _reset_all() -> None:
    deferral.forget()
    participants = [participant for _, participant in sorted(copy_of(_participants.items()))]
    for reset in [*(participant.reset for participant in participants), *_resets]:
        reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def copy_of(items: Iterable[T]) -> list[T]:
    """Return the present *items*. Repeats while another thread adds or removes some."""
    while True:
        try:
            return list(items)
        except RecursionError:
            raise
        except RuntimeError:  # it changed its size
            continue

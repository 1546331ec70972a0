"""Forks: no connection is open and no thread of ours is inside SQLite while the process forks; the child starts over.

A child that inherited an open connection would hold no lock of its own (SQLite believes the process has it
already), and its log would be deleted under it once the parent is gone. A child forked while another thread is
inside SQLite, or holds a lock of ours, would wait for that thread forever.
"""

import itertools
import os
import threading
import types
import weakref
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")
#: How long a fork waits for each lock.
_FORK_SECONDS: Final = 2.0


class ForkParticipant(Protocol):
    """Takes part in every fork of the process."""

    def before_fork(self, undo: ExitStack) -> None:
        """Prepare for the fork, in the thread that forks; *undo* is closed in the parent."""

    def reset(self) -> None:
        """Start over in the child: queues, threads and connections are the parent's."""


class ForkLock:
    """A lock that the forking thread holds while the process forks, and that is new in the child.

    Args:
        once_held: called before the fork, once the lock is held: closes the connection that the lock guards.
        is_reentrant: whether its holder may acquire it again, as a signal handler does that records an execution.
    """

    acquire: Callable[..., bool]
    release: Callable[[], None]

    def __init__(self, once_held: Callable[[], object] | None = None, *, is_reentrant: bool = False) -> None:
        self._make: Callable[[], Any] = threading.RLock if is_reentrant else threading.Lock
        self._once_held = once_held
        self.reset()
        register(self)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.release()
        except RuntimeError:
            pass  # a signal handler has forked in this block, and in its child the lock is new

    def locked(self) -> bool:
        """Tell whether a thread holds the lock."""
        return bool(self._lock.locked())

    def before_fork(self, undo: ExitStack) -> None:
        """Hold the lock until the process has forked, unless another thread keeps it for too long."""
        if self.acquire(timeout=_FORK_SECONDS):
            undo.callback(self.release)
            if self._once_held is not None:
                self._once_held()

    def reset(self) -> None:
        """Take a new lock, which no thread holds."""
        self._lock = self._make()
        self.acquire, self.release = self._lock.acquire, self._lock.release


_numbers: Final = itertools.count()
_participants: "Final[weakref.WeakValueDictionary[int, ForkParticipant]]" = weakref.WeakValueDictionary()
_resets: Final[dict[int, Callable[[], Callable[[], object] | None]]] = {}


def register(participant: ForkParticipant) -> None:
    """Include *participant* in every fork from now on, as long as it lives.

    The newest prepares first. So create a participant's locks before it is registered: its threads stop, then its
    locks are taken.
    """
    _participants[next(_numbers)] = participant


def on_child(reset: Callable[[], object]) -> None:
    """Call *reset* in every forked child. The object of a bound method is held weakly."""
    number = next(_numbers)
    if isinstance(reset, types.MethodType):
        _resets[number] = weakref.WeakMethod(reset, lambda _: _resets.pop(number, None))
    else:
        _resets[number] = lambda: reset


class _Forks(threading.local):
    """The forks that this thread is in the middle of. Another thread may fork at the same time."""

    def __init__(self) -> None:
        self.undo: list[ExitStack] = []


_forks: Final = _Forks()


def _before() -> None:
    undo = ExitStack()
    _forks.undo.append(undo)
    for _, participant in sorted(copy_of(_participants.items()), reverse=True):
        participant.before_fork(undo)


def _after_in_parent() -> None:
    _forks.undo.pop().close()


def _after_in_child() -> None:
    _forks.undo.clear()
    for _, participant in sorted(copy_of(_participants.items())):
        participant.reset()
    for reference in list(_resets.values()):
        reset = reference()
        if reset is not None:
            reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def copy_of(items: Iterable[T]) -> list[T]:
    """Return the present *items*. Repeats while another thread adds or removes some."""
    while True:
        try:
            return list(items)
        except RuntimeError:  # it changed its size
            continue

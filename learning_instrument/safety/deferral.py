"""Actions that wait until this thread holds no lock of ours.

A log handler is foreign code: it may ask the database, wait for another thread, or raise. And the interpreter may run
a destructor or a signal handler at any line, so also in the middle of our own work, whose locks this thread holds then.
"""

import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

Action = Callable[[], object]

_sections: "Final[weakref.WeakSet[Section]]" = weakref.WeakSet()
#: Thread -> its actions. Empty nearly always: :func:`run_waiting` need not be called then.
waiting: Final[dict[int, deque[Action]]] = {}
#: The threads that call theirs.
_running: Final[set[int]] = set()


class Section:
    """A part of the code that one thread at a time is in. Actions wait for its end.

    The thread may enter it again, in a signal handler or a destructor for example. Where that must not use what the
    section guards, it asks :meth:`is_held` first.
    """

    #: Tells whether this thread is in it.
    is_held: Callable[[], bool]

    def __init__(self) -> None:
        self.renew()
        _sections.add(self)

    def renew(self) -> None:
        """Let no thread be in it; in a forked child, where those of the parent do not exist."""
        lock: Any = threading.RLock()
        self._lock = lock
        self.is_held = lock._is_owned  # Condition calls it too

    def call(self, action: Callable[..., T], *arguments: Any, timeout: float = -1) -> T | None:
        """Return the result of *action*, called within the section; None if other threads are in it for too long.

        A signal handler that raises leaves the section: the interpreter calls handlers after a call, or at the first
        line of a function, so never between ``try`` and the lock, nor between ``finally`` and its release. That holds
        for locks in C, not for those of gevent. Both calls are as deep: at the limit of recursion neither is made.

        Args:
            action: the function to call.
            arguments: its arguments.
            timeout: how long to wait for other threads, in seconds; by default for ever.
        """
        try:
            if self._lock.acquire(False) if timeout == 0 else self._lock.acquire(True, timeout):
                return action(*arguments)
            return None
        finally:
            try:
                self._lock.release()
            except RuntimeError as error:  # it was not taken, or in a child that a signal handler forked it is new
                if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                    raise  # of a handler, which was called right after the release
            if waiting:
                run_waiting()

    def is_held_elsewhere(self) -> bool:
        """Tell whether another thread is in it."""
        return self.call(lambda: True, timeout=0) is None


def is_busy() -> bool:
    """Tell whether this thread is in any section. Takes some microseconds."""
    while True:
        try:
            return any(section.is_held() for section in _sections)
        except RecursionError:  # the stack is full: later
            return True
        except RuntimeError:  # another thread has registered one meanwhile
            continue


def when_free(action: Action) -> None:
    """Call *action* as soon as this thread is in no section: usually at once. It must not raise."""
    if is_busy():
        waiting.setdefault(threading.get_ident(), deque()).append(action)
    else:
        action()


def run_waiting() -> None:
    """Call the actions of this thread, if it has left the last section, and calls none already."""
    own = threading.get_ident()
    try:
        if own not in waiting or own in _running or is_busy():
            return
    except RecursionError:  # the stack is full: later
        return
    _running.add(own)
    try:
        while own in waiting:
            while actions := waiting[own]:
                actions.popleft()()
            left = waiting.pop(own)
            if left:  # added by a signal handler just now
                waiting[own] = left
    finally:
        _running.discard(own)


def forget() -> None:
    """Forget all actions; in a forked child, where they are the parent's."""
    waiting.clear()
    _running.clear()

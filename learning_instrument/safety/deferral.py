"""Actions that wait until this thread holds no lock of ours.

A log handler is foreign code: it may ask the database, wait for another thread, or raise. And the interpreter may run
a destructor or a signal handler at any line, so also in the middle of our own work, whose locks this thread holds then.
"""

import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol


class Section(Protocol):
    """A part of the code that one thread at a time is in."""

    @property
    def is_held(self) -> Callable[[], bool]:
        """Tells whether this thread is in it."""
        ...


Action = Callable[[], object]

_sections: "Final[weakref.WeakSet[Section]]" = weakref.WeakSet()
#: Thread -> its actions. Empty nearly always: :func:`run_waiting` need not be called then.
waiting: Final[dict[int, deque[Action]]] = {}
#: The threads that call theirs.
_running: Final[set[int]] = set()


def register(section: Section) -> None:
    """Let actions wait for the end of *section*, as long as it lives. It calls :func:`run_waiting` at its end."""
    _sections.add(section)


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

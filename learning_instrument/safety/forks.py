"""Databases around a fork: while a process forks, none is open, and no thread of ours is inside SQLite.

A child that inherited an open connection would hold no lock of its own (SQLite believes the process has it
already), and its log would be deleted under it once the parent is gone. One forked while a thread is inside
SQLite would wait for that thread's mutexes for ever.
"""

import os
import threading
import weakref
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Forkable(Protocol):
    """What has to be told of a fork."""

    def suspend(self) -> Any:
        """Close connections and keep threads out; return what :meth:`resume` needs."""

    def resume(self, held: Any) -> None:
        """Go on, in the parent."""

    def start_anew(self) -> None:
        """Go on, in the child: what was queued is the parent's."""


_all: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


class _Suspended(threading.local):
    """What this thread suspended for its fork. Another thread may fork at the same time."""

    def __init__(self) -> None:
        self.forks: list[list[tuple[Forkable, Any]]] = []


_suspended = _Suspended()


def tell_of_forks(database: Forkable) -> None:
    """Have *database* told of every fork from now on, as long as it lives."""
    _all.add(database)


def _before() -> None:
    held: list[tuple[Forkable, Any]] = []
    _suspended.forks.append(held)
    for database in snapshot(_all):
        held.append((database, database.suspend()))  # noqa: PERF401 - kept, should one of them raise


def _after_in_parent() -> None:
    for database, held in _suspended.forks.pop():
        database.resume(held)


def _after_in_child() -> None:
    _suspended.forks.clear()
    for database in snapshot(_all):
        database.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def snapshot(items: Iterable[T]) -> list[T]:
    """Return what is in *items* now. Where another thread adds or removes something meanwhile, look again."""
    while True:
        try:
            return list(items)
        except RuntimeError:  # it changed its size
            continue

"""The executions in flight of one database, in this process."""

import weakref
from collections.abc import Callable
from typing import Any


class InFlight:
    """Executions by their ids. Adding one takes a tenth of a microsecond; the watchdog's thread reads them.

    Args:
        watch: called by an execution that begins while no watchdog runs.
    """

    __slots__ = ("__weakref__", "by_id", "is_watched", "watch")

    def __init__(self, watch: Callable[[], object]) -> None:
        #: Weak references: an entry must not keep a task or an unresolved future alive.
        self.by_id: dict[str, weakref.ref[Any]] = {}
        self.is_watched = False
        self.watch = watch

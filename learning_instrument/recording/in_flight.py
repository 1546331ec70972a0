"""The executions of one database that have begun and not ended, in this process: what the hot path notes of them."""

import weakref
from collections.abc import Callable
from typing import Any


class InFlight:
    """Executions by their ids. To note one costs a tenth of a microsecond; another thread watches over them.

    Args:
        watch: called by an execution that begins while nobody watches.
    """

    __slots__ = ("__weakref__", "by_id", "is_watched", "watch")

    def __init__(self, watch: Callable[[], object]) -> None:
        #: Weak: what is noted here must not keep a task alive, or a future that nobody will ever fulfil.
        self.by_id: dict[str, weakref.ref[Any]] = {}
        self.is_watched = False
        self.watch = watch

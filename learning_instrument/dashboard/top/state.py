"""What ``top`` shows: the answers of one look at a database."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ...analytics.error_groups import ErrorGroup, error_groups
from ...analytics.executions import Bookmark, bookmark, latest, stored_after
from ...analytics.performance import Performance, performance
from ...analytics.values import unmatched
from ...errors import DatabaseError
from ...record import ExecutionRecord
from ...safety.clocks import time
from ...sqlite.following import FollowedDatabase
from ...sqlite.selection import Selection
from ..in_flight import InFlight, in_flight

#: The windows of rates and errors, and their names.
_SHORTEST: Final = timedelta(minutes=15)
WINDOWS: Final = {_SHORTEST: "15 minutes", timedelta(hours=1): "hour", timedelta(hours=24): "24 hours"}
#: The finished executions that are kept.
RECENT: Final = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the executions that pass the filters, and rows that have every one of some words."""

    selection: Selection
    window: timedelta = _SHORTEST
    words: tuple[str, ...] = ()

    def narrowed(self, text: str) -> "Asked":
        """Return it with the filters and words of *text*: ``NAME=VALUE`` is a filter, as of ``--where``.

        Raises:
            ConfigurationError: for a name that is neither a column nor ``metadata.KEY``.
        """
        try:
            parts = shlex.split(text)
        except ValueError:  # a quotation mark without another
            parts = text.split()
        filters = [part for part in parts if part.partition("=")[1] and part.partition("=")[0]]
        words = tuple(part.casefold() for part in parts if part not in filters)
        return replace(self, selection=self.selection.narrowed(filters), words=words)

    def has_words(self, text: str) -> bool:
        """Tell whether *text* has every word, in any case of its letters."""
        return not self.words or all(word in text.casefold() for word in self.words)


@dataclass(frozen=True, slots=True)
class Look:
    """The answers of one look at a database."""

    asked: Asked
    #: When it was, in the time zone of all times that are shown.
    moment: datetime
    running: tuple[InFlight, ...]
    #: By pool and tier, of the executions that started in the window.
    groups: tuple[Performance, ...]
    #: The last that were stored, in any order.
    recent: tuple[ExecutionRecord, ...]
    #: Of the executions that started in the window; new ones were first seen in it.
    errors: tuple[ErrorGroup, ...]
    #: What is to be said of the file and the filters.
    notes: tuple[str, ...]
    #: How long it took.
    seconds: float


class Observer:
    """Looks at one database again and again. Used by one thread at a time.

    Args:
        path: the path of the database.
        now: tells the time, with the time zone to show times in.
    """

    def __init__(self, path: str, now: Callable[[], datetime]) -> None:
        self.database = FollowedDatabase(path)
        self._name = os.path.basename(path)
        self._now = now
        self._recent: list[ExecutionRecord] = []
        #: Of what the recent executions are, and up to where.
        self._selection = Selection()
        self._place: Bookmark | None = None
        self._strangers: tuple[str, ...] = ()

    def look(self, asked: Asked) -> Look:
        """Look once.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        began, moment = time.monotonic(), self._now()
        file = self.database.file
        is_at_path = self.database.follow()
        if self.database.file != file or asked.selection != self._selection:
            self._place = None
        try:
            with self.database.snapshot():
                chosen = replace(asked.selection, since=moment - asked.window, until=None)
                if self._place is None:
                    self._strangers = tuple(map(str, unmatched(self.database, asked.selection)))
                self._read_recent(asked.selection)
                answers = Look(
                    asked=asked,
                    moment=moment,
                    running=tuple(in_flight(self.database, asked.selection)),
                    groups=tuple(performance(self.database, ("pool_type", "model_tier"), chosen)),
                    recent=tuple(self._recent),
                    errors=error_groups(self.database, chosen).groups,
                    notes=(*([] if is_at_path else [self._gone()]), *self._strangers),
                    seconds=0.0,
                )
        except DatabaseError:
            self.close()
            raise
        return replace(answers, seconds=time.monotonic() - began)

    def close(self) -> None:
        """Close the file. The next look opens it, or what is in its place."""
        self._place = None
        self.database.close()

    def _read_recent(self, selection: Selection) -> None:
        found: list[ExecutionRecord] = []
        if self._place is not None:
            found, _ = stored_after(self.database, selection, self._place, limit=RECENT)
        if self._place is None or len(found) == RECENT:
            self._recent = list(latest(self.database, selection, RECENT))
        else:
            self._recent = [*found[::-1], *self._recent][:RECENT]
        self._place, self._selection = bookmark(self.database), selection

    def _gone(self) -> str:
        return f"{self._name} is gone, or another program is making it: waiting for it. This is what it held."

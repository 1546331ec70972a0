"""What is news in a file since the last look at it: groups of failures that are new, or back after a week.

A look reads the executions stored since the last one. All failures are grouped only where a message is among them that
this process has not seen, or not for a week.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ..sqlite.executions import placeholders
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso, iso
from .error_groups import SILENCE, GroupHistory, Message, group_histories
from .executions import execution_ids
from .sources.failures import message_of
from .sources.source import source_of

Place = tuple[str, ...]
"""The ids of the executions that were stored last, the newest first. Their rowids change when a file is copied."""

Minutes = Mapping[str, tuple[int, int]]
"""Minute, such as ``2026-11-22T10:00`` -> the executions that ended in it, and those of them that failed."""

_MARKED: Final = 10
_EXAMPLES: Final = 3
#: Executions that ended longer before the first look come from an import, and are not news.
_STORED_LATE: Final = timedelta(hours=1)
_ENDED: Final = "(julianday(timestamp) + duration_seconds / 86400.0)"


@dataclass(frozen=True, slots=True)
class GroupNews:
    """A group of failures that is new, or back."""

    #: Tells it from the others, also when its template changes.
    founder: Message
    template: str
    is_back: bool
    #: The failures stored since the last look.
    failures: int
    first_seen: datetime
    last_seen: datetime
    #: Of a group that is back.
    silence_seconds: float | None
    #: Execution ids, the newest first.
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class News:
    """What was stored since the last look."""

    place: Place
    minutes: Minutes
    #: The largest first.
    groups: tuple[GroupNews, ...]
    #: The ids of the failures stored last.
    examples: tuple[str, ...]
    #: When the group of each message was last seen.
    last_seen: Mapping[Message, str]


@dataclass(slots=True)
class _Found:
    """The new failures of one group."""

    history: GroupHistory
    failures: int = 0
    first: str = "~"
    is_recent: bool = True
    newest: list[int] = field(default_factory=list)


def place_now(database: Queryable) -> Place:
    """Return the place after the executions stored so far."""
    found = database.query("SELECT execution_id FROM executions ORDER BY rowid DESC LIMIT ?", [_MARKED])
    return tuple(row["execution_id"] for row in found)


class NewsReader:
    """Reads what is news, and knows the messages of before.

    Args:
        selection: the filters; its times do not count.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._last_seen: dict[Message, str] = {}

    def read(self, database: Queryable, place: Place, looked: datetime, began: datetime, since: datetime) -> News:
        """Return what was stored since *place*. All questions are to be answered from one snapshot.

        Args:
            database: the one to ask.
            place: that of the last look.
            looked: when that was.
            began: when the first look was: what ended long before it is no news.
            since: only executions that ended since count in ``minutes``.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        filters, values = self._selection.filter_condition()
        parameters = {
            **values,
            "mark": _mark(database, place, looked),
            "began": iso(began - _STORED_LATE),
            "since": iso(since),
        }
        counts = database.query(
            f"SELECT strftime('%Y-%m-%dT%H:%M', {_ENDED}) AS minute, count(*) AS executions,"
            " sum(NOT success) AS failures FROM executions"
            f" WHERE rowid > :mark AND {_ENDED} >= julianday(:since) AND {filters} GROUP BY 1",
            parameters,
        )
        failures = database.query(
            f"SELECT {source_of(database).failure_columns()}, count(*) AS executions, min(timestamp) AS first,"
            f" max(timestamp) AS last, min({_ENDED}) >= julianday(:began) AS is_recent, max(rowid) AS newest"
            f" FROM executions WHERE rowid > :mark AND NOT success AND {filters} GROUP BY 1, 2, 3, 4"
            " ORDER BY newest DESC",
            parameters,
        )
        for row in failures:
            row["message"] = message_of(row)
        has_unknown = any(self._may_be_news(row) for row in failures)
        histories = group_histories(database, self._selection) if has_unknown else {}
        newest = [row["newest"] for row in failures[:_EXAMPLES]]
        return News(
            place=place_now(database),
            minutes={row["minute"]: (row["executions"], row["failures"]) for row in counts},
            groups=_groups(database, failures, histories),
            examples=tuple(execution_ids(database, newest)[rowid] for rowid in newest),
            last_seen={message: iso(history.last_seen) for message, history in histories.items()}
            or {row["message"]: row["last"] for row in failures},
        )

    def remember(self, news: News) -> None:
        """Take what *news* has seen for known: it was told."""
        for message, last in news.last_seen.items():
            self._last_seen[message] = max(last, self._last_seen.get(message, ""))

    def _may_be_news(self, row: Mapping[str, Any]) -> bool:
        last = self._last_seen.get(row["message"])
        return last is None or from_iso(row["first"]) - from_iso(last) >= SILENCE


def _mark(database: Queryable, place: Place, looked: datetime) -> int:
    """Return the rowid after which executions are new."""
    if not place:
        return 0
    newest = "SELECT max(rowid) AS mark FROM executions WHERE"
    (found,) = database.query(f"{newest} execution_id IN {placeholders(place)}", place)
    if found["mark"] is None:  # they were deleted
        (found,) = database.query(f"{newest} timestamp < ?", [iso(looked)])
    return found["mark"] or 0


def _groups(
    database: Queryable, failures: Sequence[Mapping[str, Any]], histories: Mapping[Message, GroupHistory]
) -> tuple[GroupNews, ...]:
    """Return the groups of new *failures* that are news: without any failure of before, or the first for a week."""
    found: dict[Message, _Found] = {}
    for row in failures:
        if (history := histories.get(row["message"])) is None:
            continue
        group = found.setdefault(history.founder, _Found(history))
        group.failures += row["executions"]
        group.first = min(group.first, row["first"])
        group.is_recent = group.is_recent and bool(row["is_recent"])
        group.newest.append(row["newest"])
    news = [group for group in found.values() if group.is_recent and (_is_new(group) or _is_back(group))]
    ids = execution_ids(database, [rowid for group in news for rowid in group.newest[:_EXAMPLES]])
    return tuple(
        GroupNews(
            founder=group.history.founder,
            template=group.history.template,
            is_back=not _is_new(group),
            failures=group.failures,
            first_seen=group.history.first_seen,
            last_seen=group.history.last_seen,
            silence_seconds=None if _is_new(group) else group.history.silence_seconds,
            examples=tuple(ids[rowid] for rowid in group.newest[:_EXAMPLES]),
        )
        for group in sorted(news, key=lambda group: (-group.failures, group.history.founder))
    )


def _is_new(group: _Found) -> bool:
    return group.history.executions == group.failures


def _is_back(group: _Found) -> bool:
    back_since = group.history.back_since
    return back_since is not None and iso(back_since) == group.first

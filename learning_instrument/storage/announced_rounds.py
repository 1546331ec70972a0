"""Rounds of automatic retention. One that would delete much is announced in the file, and begins an hour later.

So a process with a wrong clock deletes nothing before its announcement could be read. The announcement is in the file,
and short processes go on with those of others. Their clocks may disagree, so an hour counts only if the times at which
processes looked are in order and not far apart, and if the executions stored meanwhile are not older than the
announcement.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..safety.guards import warn
from ..sqlite.connection import Connection, WriteConnection
from ..timestamps import from_iso, iso
from . import retention
from .liveness import this_process
from .retention import Limits, count, excess, trim

log = logging.getLogger(__name__)

#: A larger part of the executions than one of so many is announced.
_PART: Final = 10
#: So few are deleted without an announcement, if they are at most half of all.
_FEW: Final = 10
DELAY: Final = timedelta(hours=1)
#: Times further apart may be those of two clocks.
_FAR: Final = timedelta(days=1)
#: Looks at least an hour apart after which the round begins, however far apart they are.
_LOOKS: Final = 2

_ANNOUNCED: Final = (
    "Retention (%s) would delete %d of %d executions. It begins in an hour; by the clock of this process it is %s."
    " If that is right, learning-instrument prune %s does it at once."
)
_DISAGREE: Final = (
    "Retention (%s) does not delete %d of %d executions yet: the clocks of the processes that record here disagree; by"
    " that of this process it is %s. It begins in an hour if they agree; learning-instrument prune %s does it at once."
)
_FAR_APART: Final = (
    "Retention (%s) does not delete %d of %d executions yet: it was announced long ago by the clock of this process, by"
    " which it is %s. It begins in an hour; learning-instrument prune %s does it at once."
)


@dataclass(frozen=True, slots=True)
class _Announcement:
    """A row of ``retention_rounds``."""

    announced: datetime
    #: The last look that counted, and how many did.
    looked: datetime
    looks: int
    #: The newest rowid at the announcement.
    row: int
    #: Executions up to this timestamp are deleted; None: the round has not begun.
    boundary: str | None


class AnnouncedRounds:
    """Deletes the executions beyond *limits* in rounds, and announces the large ones."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._options = options_of(limits)
        #: The messages logged since the last round that was not announced.
        self._logged: set[str] = set()
        #: Whether a round waits for its hour: until then nothing is deleted by age.
        self.is_waiting = False

    def trim(self, connection: WriteConnection) -> bool:
        """Delete the oldest executions beyond the limits, a bounded number of them; tell whether more may be left.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        beyond = excess(connection, self._limits)
        total = count(connection) if beyond else 0
        beyond = min(beyond, total)
        if not _is_large(beyond, total):
            self.is_waiting = False
            self._logged.clear()
            if connection.execute("SELECT 1 FROM retention_rounds WHERE options = ?", (self._options,)):
                connection.execute("DELETE FROM retention_rounds WHERE options = ?", (self._options,))
            return bool(beyond) and trim(connection, self._limits)
        with connection.transaction() as opened:
            boundary, message = self._look(opened, beyond, total)
        self.is_waiting = boundary is None
        if message and message not in self._logged:
            self._logged.add(message)
            warn(log, message, self._options, beyond, total, iso(retention.utc_now()), self._options)
        return boundary is not None and trim(connection, self._limits, boundary)

    def _look(self, connection: Connection, beyond: int, total: int) -> tuple[str | None, str]:
        """Return up to which timestamp the round deletes now, and the message to log."""
        now = retention.utc_now()
        found = self._read(connection)
        if found is not None and found.boundary is not None:
            if connection.execute(
                "SELECT 1 FROM executions WHERE timestamp <= ? LIMIT 1", (found.boundary,)
            ).fetchone():
                return found.boundary, ""
            found = None  # the round is over, and another one is due
        if found is None:
            self._announce(connection, now, beyond, total)
            return None, _ANNOUNCED
        if now < found.looked - DELAY or _has_older_rows(connection, found):
            self._announce(connection, now, beyond, total)
            return None, _DISAGREE
        passed = now - found.looked
        if passed < DELAY:
            return None, ""
        if passed > _FAR and found.looks + 1 < _LOOKS:
            connection.execute(
                "UPDATE retention_rounds SET looked = ?, looks = looks + 1 WHERE options = ?",
                (iso(now), self._options),
            )
            return None, _FAR_APART
        (boundary,) = connection.execute(
            "SELECT timestamp FROM executions ORDER BY timestamp, rowid LIMIT 1 OFFSET ?", (beyond - 1,)
        ).fetchone()
        connection.execute("UPDATE retention_rounds SET boundary = ? WHERE options = ?", (boundary, self._options))
        return boundary, ""

    def _announce(self, connection: Connection, now: datetime, beyond: int, total: int) -> None:
        process = this_process()
        connection.execute(
            "INSERT OR REPLACE INTO retention_rounds"
            " (options, announced, looked, looks, row, executions, total, process_id, host)"
            " VALUES (?, ?, ?, 0, coalesce((SELECT max(rowid) FROM executions), 0), ?, ?, ?, ?)",
            (self._options, iso(now), iso(now), beyond, total, process.process_id, process.host),
        )

    def _read(self, connection: Connection) -> _Announcement | None:
        found = connection.execute(
            "SELECT announced, looked, looks, row, boundary FROM retention_rounds WHERE options = ?", (self._options,)
        ).fetchone()
        if found is None:
            return None
        announced, looked, *rest = found
        return _Announcement(from_iso(announced), from_iso(looked), *rest)


def withdraw_all(connection: WriteConnection) -> None:
    """Delete all announcements: the executions were deleted by hand.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    connection.execute("DELETE FROM retention_rounds")


def options_of(limits: Limits) -> str:
    """Return *limits* as the options of ``prune``."""
    options = []
    if limits.older_than is not None:
        seconds = limits.older_than.total_seconds()
        options.append(f"--older-than {seconds / 86400:.0f}d" if seconds % 86400 == 0 else f"--older-than {seconds:f}s")
    if limits.keep is not None:
        options.append(f"--keep {limits.keep}")
    if limits.max_bytes is not None:
        options.append(f"--max-size {limits.max_bytes}B")
    return " ".join(options)


def _is_large(beyond: int, total: int) -> bool:
    return beyond * _PART > total and (beyond > _FEW or beyond * 2 > total)


def _has_older_rows(connection: Connection, found: _Announcement) -> bool:
    """Tell whether executions stored since the announcement ended long before it: the announcer's clock is ahead."""
    return (
        connection.execute(
            "SELECT 1 FROM (SELECT timestamp, duration_seconds + coalesce(wait_seconds, 0) AS seconds FROM executions"
            " WHERE rowid > ? ORDER BY rowid DESC LIMIT 1000)"
            " WHERE julianday(timestamp) + seconds / 86400 < julianday(?) LIMIT 1",
            (found.row, iso(found.announced - _FAR)),
        ).fetchone()
        is not None
    )

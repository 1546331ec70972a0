"""Limits of age, number and size: finds the oldest executions beyond them, deletes these, and gives the space back.

Automatic retention trims in the background; ``prune`` uses the same parts, with an archive and progress. Rows are
deleted in slices so short that no writer waits for them.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..errors import ConfigurationError
from ..safety.variables import value_of
from ..sqlite.connection import WriteConnection
from ..timestamps import iso

SLICE_ROWS: Final = 500
#: The most slices of one trim, and the most pages given back after each.
_SLICES: Final = 20
_TRIM_PAGES: Final = 500
#: The most pages given back in one transaction when the caller waits for the end.
_PAGES: Final = 2000
#: The least limit of size: an empty database takes a quarter of it, so a smaller one would delete every execution.
LEAST_BYTES: Final = 1_000_000
#: SQLite counts no further.
_MOST_BYTES: Final = 2**63 - 1
#: The variables that have the limits of automatic retention.
DAYS_VARIABLE: Final = "LEARNING_INSTRUMENT_RETENTION_DAYS"
SIZE_VARIABLE: Final = "LEARNING_INSTRUMENT_MAX_SIZE"
_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, slots=True)
class Limits:
    """The executions to keep. None: without limit.

    Args:
        older_than: the age beyond which executions are deleted.
        keep: the number of the newest executions to keep.
        max_bytes: the size of the database beyond which the oldest executions are deleted.
    """

    older_than: timedelta | None = None
    keep: int | None = None
    max_bytes: int | None = None


def retention(days: float | None, max_size: int | str | None) -> Limits:
    """Return the limits of automatic retention.

    Args:
        days: the age beyond which executions are deleted.
        max_size: a number of bytes, or a text such as ``"500MB"``.

    Raises:
        ConfigurationError: for an invalid limit.
    """
    return Limits(
        None if days is None else _age_of(days), max_bytes=None if max_size is None else size_in_bytes(max_size)
    )


def retention_or_default(days: float | None, max_size: int | str | None) -> Limits:
    """Return :func:`retention` of the limits that are given; where one is None, that of the environment.

    Raises:
        ConfigurationError: for an invalid limit that is given.
    """
    return retention(
        value_of(DAYS_VARIABLE, days_in, None) if days is None else days,
        value_of(SIZE_VARIABLE, size_in_bytes, None) if max_size is None else max_size,
    )


def days_in(text: str) -> float:
    """Return the number of days that *text* has.

    Raises:
        ConfigurationError: if it is none above 0.
    """
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not days > 0:
        raise ConfigurationError(f"Invalid retention_days {text!r}: expected a number of days above 0.")
    return days


def size_in_bytes(size: int | str) -> int:
    """Return *size* in bytes. It is a number of bytes, or a text such as ``"500MB"``.

    Raises:
        ConfigurationError: for an invalid size, or one below :data:`LEAST_BYTES`.
    """
    found = _bytes_of(size)
    if found is None or not 0 < found <= _MOST_BYTES:
        raise ConfigurationError(f"Invalid max_size {size!r}: expected bytes or a size such as '500MB'.")
    if found < LEAST_BYTES:
        raise ConfigurationError(
            f"Invalid max_size {size!r}: an empty database takes 0.25 MB; expected at least {LEAST_BYTES // 10**6}MB."
        )
    return found


def _bytes_of(size: Any) -> int | None:
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B)?\s*", size, re.I) if isinstance(size, str) else None
    size_bytes = 0.0 if match is None else float(match[1]) * _UNITS[(match[2] or "").upper()]
    return int(size_bytes) if size_bytes <= _MOST_BYTES else None


def trim(connection: WriteConnection, limits: Limits, boundary: str | None = None) -> bool:
    """Delete the oldest executions beyond *limits*, a bounded number of them; tell whether more may be left.

    What roll-ups and the search index have of them takes space until these are advanced: no more are deleted than were
    beyond the limits at the start, however large the database still is.

    Args:
        connection: the connection to write with.
        limits: the limits.
        boundary: delete the executions up to this timestamp instead.
    """
    left = excess(connection, limits) if boundary is None else 0
    for _ in range(_SLICES):
        # Counted and deleted in one transaction: another process that trims takes none of them away in between.
        with connection.transaction():
            if boundary is None:
                rows = excess(connection, limits, most=min(SLICE_ROWS, left))
                left -= rows
            else:
                rows = _older(connection, "<=", boundary, SLICE_ROWS)
            if rows:
                connection.execute(
                    "DELETE FROM executions WHERE rowid IN"
                    " (SELECT rowid FROM executions ORDER BY timestamp, rowid LIMIT ?)",
                    (rows,),
                )
        if not rows:
            return False
        connection.vacuum(_TRIM_PAGES)
        if boundary is None and not left:
            return excess(connection, limits, most=1) > 0
    return True


def excess(connection: WriteConnection, limits: Limits, *, total: int | None = None, most: int | None = None) -> int:
    """Return the number of the oldest executions that are beyond any of the limits.

    Args:
        connection: the connection to read with.
        limits: the limits.
        total: the number of all executions, where the caller has counted them.
        most: the number at which to stop counting.
    """
    beyond = [0]
    if limits.older_than is not None:
        beyond.append(_older(connection, "<", iso(_ago(limits.older_than)), -1 if most is None else most))
    if limits.keep is not None:
        beyond.append((count(connection) if total is None else total) - limits.keep)
    if limits.max_bytes is not None:
        pages, free, size = _pages(connection)
        used = pages - free
        excess_pages = used - limits.max_bytes // size
        if excess_pages > 0:
            # As if all rows had the same size, and one page more, since deleted rows leave pages partly empty. The next
            # slice or round corrects the error.
            rows = _estimated_count(connection) if total is None else total
            beyond.append(min(rows, -(-rows * (excess_pages + 1) // used)))
    return max(beyond) if most is None else min(max(beyond), most)


def _older(connection: WriteConnection, comparison: str, timestamp: str, most: int) -> int:
    ((rows,),) = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM executions WHERE timestamp {comparison} ? LIMIT ?)", (timestamp, most)
    )
    return int(rows)


def count(connection: WriteConnection) -> int:
    """Return the number of executions."""
    ((rows,),) = connection.execute("SELECT count(*) FROM executions")
    return int(rows)


def _estimated_count(connection: WriteConnection) -> int:
    """Return at least the number of executions, without a scan: retention deletes rows at one end."""
    ((rows,),) = connection.execute("SELECT coalesce(max(rowid) - min(rowid) + 1, 0) FROM executions")
    return int(rows)


def used_bytes(connection: WriteConnection) -> int:
    """Return the size of the database without its free pages."""
    pages, free, size = _pages(connection)
    return (pages - free) * size


def _pages(connection: WriteConnection) -> tuple[int, int, int]:
    """Return the number of pages, of free pages, and the size of a page."""
    (pages,), (free,), (size,) = (
        connection.execute(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return pages, free, size


def give_space_back(connection: WriteConnection, progress: Callable[[int, int], object]) -> None:
    """Make the file smaller by its free pages.

    In parts: VACUUM locks out all writers, needs the space twice, and may renumber rows, whose numbers are used.

    Args:
        connection: the connection to write with.
        progress: called with the pages given back so far, and all free pages.
    """
    _, free, _ = _pages(connection)
    left = free
    while left:
        connection.vacuum(_PAGES)
        _, now, _ = _pages(connection)
        if now >= left:  # another program made the file, without incremental vacuum
            break
        left = now
        progress(free - left, free)


def _age_of(days: float) -> timedelta:
    if not (isinstance(days, (int, float)) and days > 0):
        raise ConfigurationError(f"Invalid retention_days {days!r}: expected a number of days above 0.")
    try:
        return timedelta(days=days)
    except OverflowError:
        return timedelta.max


def utc_now() -> datetime:
    """Return the time by this process's clock."""
    return datetime.now(timezone.utc)


def _ago(age: timedelta) -> datetime:
    try:
        return utc_now() - age
    except OverflowError:  # before the first year
        return datetime.min.replace(tzinfo=timezone.utc)

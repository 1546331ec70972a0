"""``prune``: old executions out, into an archive first where one is wanted.

What is deleted is what was archived, row by row, however much comes in meanwhile. In slices short enough that no
writer waits for them; an interruption leaves what was deleted by then deleted, and the rest as it was.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..columns import COLUMNS
from ..errors import ConfigurationError
from ..rollups import catch_up
from ..sqlite.connection import WriteConnection, open_for_upkeep
from ..storage.retention import size_in_bytes
from ..timestamps import iso
from ..transfer.parquet import append_parquet, check_new

_SLICE_ROWS: Final = 500
_ARCHIVE_ROWS: Final = 5000
_PAGES: Final = 2000
_ROUNDS: Final = 8

Progress = Callable[[str, int, int], None]
"""What is being done, how far it is, and how far it goes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What stays. None: without limit.

    Args:
        older_than: executions that started longer ago go.
        keep: so many of the newest stay.
        max_bytes: the oldest go until the database holds no more than this.
    """

    older_than: timedelta | None = None
    keep: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was pruned, or would be."""

    #: Executions that were deleted, or would be; and those there were before.
    executions: int
    of: int
    archived: int
    bytes_before: int
    bytes_after: int


def limits(older_than: timedelta | None, keep: int | None, max_size: str | int | None) -> Limits:
    """Return the checked limits. *max_size* is a number of bytes, or a text such as ``"500MB"``.

    Raises:
        ConfigurationError: for a limit that is none, or if there is none at all.
    """
    if older_than is None and keep is None and max_size is None:
        raise ConfigurationError("Nothing is beyond no limit; give --older-than, --keep or --max-size.")
    if keep is not None and keep < 0:
        raise ConfigurationError(f"keep={keep!r} is not a number of executions.")
    return Limits(older_than, keep, None if max_size is None else size_in_bytes(max_size))


def prune(
    path: str, beyond: Limits, archive: str | None = None, is_rehearsal: bool = False, progress: Progress | None = None
) -> Pruned:
    """Delete the executions beyond the limits, the oldest first, and give the space back.

    Args:
        path: the database.
        beyond: the limits.
        archive: a new Parquet file that gets the executions before any of them is deleted.
        is_rehearsal: only count.
        progress: told how far it is.

    Raises:
        ConfigurationError: if the archive cannot be written; nothing is deleted then.
        DatabaseError: if the database cannot be written.
    """
    tell = progress or (lambda what, done, of: None)
    if archive is not None:
        check_new(archive)
    with open_for_upkeep(path) as connection:
        total, before = _count(connection), _used_bytes(connection)
        excess = found = _excess(connection, beyond, total)
        archived = deleted = rounds = 0
        while excess and rounds < _ROUNDS and not is_rehearsal:  # again where the size is still beyond its limit
            rounds += 1
            rows = _oldest_rows(connection, excess)
            if archive is not None:
                archived += append_parquet(archive, _archived(connection, rows, tell))
            deleted += _delete(connection, rows, tell)
            catch_up.catch_up_fully(connection, tell)  # what is kept beside the executions takes room as well
            _give_space_back(connection, tell)
            excess = _excess(connection, beyond, _count(connection))
        return Pruned(found if is_rehearsal else deleted, total, archived, before, _used_bytes(connection))


def _count(connection: WriteConnection) -> int:
    ((count,),) = connection.execute("SELECT count(*) FROM executions")
    return int(count)


def _used_bytes(connection: WriteConnection) -> int:
    pages, free, size = _pages(connection)
    return (pages - free) * size


def _pages(connection: WriteConnection) -> tuple[int, int, int]:
    """Return the number of pages, of those that are free, and the size of one."""
    (pages,), (free,), (size,) = (
        connection.execute(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return pages, free, size


def _excess(connection: WriteConnection, beyond: Limits, total: int) -> int:
    """Return how many of the oldest executions are beyond any of the limits."""
    excess = [0]
    if beyond.older_than is not None:
        oldest = iso(_ago(beyond.older_than))
        ((count,),) = connection.execute("SELECT count(*) FROM executions WHERE timestamp < ?", (oldest,))
        excess.append(count)
    if beyond.keep is not None:
        excess.append(total - beyond.keep)
    if beyond.max_bytes is not None:
        used = _used_bytes(connection)
        # As if all rows were alike: what is a little off is mended by the next round.
        excess.append(-(-total * (used - beyond.max_bytes) // used) if used > beyond.max_bytes else 0)
    return min(total, max(excess))


def _ago(age: timedelta) -> datetime:
    try:
        return datetime.now(timezone.utc) - age
    except OverflowError:  # before the first year
        return datetime.min.replace(tzinfo=timezone.utc)


def _oldest_rows(connection: WriteConnection, count: int) -> "array[int]":
    found = connection.execute("SELECT rowid FROM executions ORDER BY timestamp, rowid LIMIT ?", (count,))
    return array("q", [row for (row,) in found])


def _archived(connection: WriteConnection, rows: Sequence[int], tell: Progress) -> Iterator[list[dict[str, Any]]]:
    for start, chunk in _slices(rows, _ARCHIVE_ROWS):
        found = connection.execute(
            f"SELECT {','.join(COLUMNS)} FROM executions WHERE rowid IN ({_marks(chunk)}) ORDER BY timestamp, rowid",
            chunk,
        )
        yield [dict(zip(COLUMNS, row, strict=True)) for row in found]
        tell("Archiving", start + len(chunk), len(rows))


def _delete(connection: WriteConnection, rows: Sequence[int], tell: Progress) -> int:
    deleted = 0
    for start, chunk in _slices(rows, _SLICE_ROWS):
        connection.execute(f"DELETE FROM executions WHERE rowid IN ({_marks(chunk)})", chunk)
        deleted += len(chunk)
        tell("Deleting", start + len(chunk), len(rows))
    return deleted


def _give_space_back(connection: WriteConnection, tell: Progress) -> None:
    """Make the file smaller.

    Piece by piece: VACUUM locks everybody out, needs the space twice, and may renumber rows, whose numbers are used.
    """
    _, free, _ = _pages(connection)
    left = free
    while left:
        connection.vacuum(_PAGES)
        _, now, _ = _pages(connection)
        if now >= left:  # a file that was not made by us
            break
        left = now
        tell("Giving space back", free - left, free)
    connection.checkpoint()


def _slices(rows: Sequence[int], size: int) -> Iterator[tuple[int, list[int]]]:
    for start in range(0, len(rows), size):
        yield start, list(rows[start : start + size])


def _marks(values: Sequence[int]) -> str:
    return ",".join("?" * len(values))

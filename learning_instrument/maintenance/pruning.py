"""``prune``: deletes the executions beyond limits, after archiving them where an archive is wanted.

Exactly the archived rows are deleted, also while others are recorded. An interruption keeps all other rows.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from ..columns import COLUMNS
from ..errors import ConfigurationError
from ..rollups import catch_up
from ..sqlite.connection import WriteConnection, open_for_maintenance
from ..sqlite.executions import placeholders
from ..sqlite.paths import absolute
from ..storage import spill
from ..storage.retention import (
    SLICE_ROWS,
    Limits,
    count,
    delete_slice,
    excess,
    give_space_back,
    oldest_rows,
    size_in_bytes,
    used_bytes,
)
from ..transfer.importing import Progress
from ..transfer.parquet import append_parquet, check_new

_ARCHIVE_ROWS: Final = 5000
#: The most rounds of deleting: others may go on writing meanwhile.
_ROUNDS: Final = 50


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of pruning, or of its rehearsal."""

    #: Executions deleted (in a rehearsal: to delete), and the number before.
    executions: int
    of: int
    archived: int
    bytes_before: int
    bytes_after: int


def limits(older_than: timedelta | None, keep: int | None, max_size: str | int | None) -> Limits:
    """Return the checked limits. *max_size* is a number of bytes, or a text such as ``"500MB"``.

    Raises:
        ConfigurationError: for an invalid limit, or without any.
    """
    if older_than is None and keep is None and max_size is None:
        raise ConfigurationError("Missing limit: expected --older-than, --keep or --max-size.")
    if keep is not None and keep < 0:
        raise ConfigurationError(f"Invalid keep {keep!r}: expected a number of executions, 0 or more.")
    return Limits(older_than, keep, None if max_size is None else size_in_bytes(max_size))


def take_in_spilled(path: str | os.PathLike[str]) -> None:
    """Take in the spill files beside the database at *path*, so that a rehearsal counts what they hold.

    Raises:
        DatabaseError: if the database cannot be written.
    """
    with open_for_maintenance(absolute(path)) as connection:
        spill.take_in(absolute(path), connection)


def prune(
    path: str | os.PathLike[str],
    beyond: Limits,
    archive: str | os.PathLike[str] | None = None,
    is_rehearsal: bool = False,
    progress: Progress | None = None,
) -> Pruned:
    """Delete the executions beyond the limits, the oldest first, and give the space back.

    Args:
        path: the path of the database.
        beyond: the limits.
        archive: the path of a new Parquet file, which gets the executions before any of them is deleted.
        is_rehearsal: whether to count only.
        progress: called after each slice.

    Raises:
        ConfigurationError: if the archive cannot be written; then nothing is deleted.
        DatabaseError: if the database cannot be written.
    """
    tell = progress or (lambda label, done, of: None)
    if archive is not None:
        archive = os.path.expanduser(os.fsdecode(archive))
        check_new(archive)
    with open_for_maintenance(absolute(path)) as connection:
        if not is_rehearsal:
            spill.take_in(absolute(path), connection)
            if beyond.older_than is not None:
                spill.delete_unreadable(absolute(path), beyond.older_than.total_seconds())
        total, before = count(connection), used_bytes(connection)
        left = found = excess(connection, beyond, total=total)
        archived = deleted = rounds = 0
        while left and rounds < _ROUNDS and not is_rehearsal:
            rounds += 1
            rows = oldest_rows(connection, max(left, rounds))  # a row less need not free a page
            if archive is not None:
                archived += append_parquet(archive, _archived(connection, rows, tell))
            deleted += _delete(connection, rows, tell)
            catch_up.catch_up_fully(connection, tell)  # the derived tables shrink as well
            give_space_back(connection, partial(tell, "Giving space back"))
            left = excess(connection, beyond, total=count(connection))
        return Pruned(found if is_rehearsal else deleted, total, archived, before, used_bytes(connection))


def _archived(connection: WriteConnection, rows: Sequence[int], tell: Progress) -> Iterator[list[dict[str, Any]]]:
    for start, chunk in _slices(rows, _ARCHIVE_ROWS):
        found = connection.execute(
            f"SELECT {','.join(COLUMNS)} FROM executions WHERE rowid IN {placeholders(chunk)}"
            " ORDER BY timestamp, rowid",
            chunk,
        )
        yield [dict(zip(COLUMNS, row, strict=True)) for row in found]
        tell("Archiving", start + len(chunk), len(rows))


def _delete(connection: WriteConnection, rows: Sequence[int], tell: Progress) -> int:
    deleted = 0
    for start, chunk in _slices(rows, SLICE_ROWS):
        delete_slice(connection, chunk)
        deleted += len(chunk)
        tell("Deleting", start + len(chunk), len(rows))
    return deleted


def _slices(rows: Sequence[int], size: int) -> Iterator[tuple[int, Sequence[int]]]:
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size]

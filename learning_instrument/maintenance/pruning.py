"""``prune``: deletes the executions beyond limits, after archiving them where an archive is wanted.

Exactly the archived rows are deleted, also while others are recorded. An interruption keeps all other rows.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from ..columns import COLUMN_OF, TABLE, Column, Kind
from ..errors import ConfigurationError, DatabaseError
from ..rollups import catch_up, cubes
from ..sqlite.connection import Connection, WriteConnection, open_for_maintenance
from ..sqlite.dimensions import AFTER, TIME_BUCKETS
from ..sqlite.executions import placeholders
from ..sqlite.paths import absolute
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.relocation import is_full, worked_on_elsewhere
from ..storage import announced_rounds, spill
from ..storage.retention import (
    Limits,
    count,
    excess,
    give_space_back,
    size_in_bytes,
    used_bytes,
)
from ..transfer.importing import Progress
from ..transfer.nested import add_nested, held_by
from ..transfer.parquet import append_parquet, check_new
from .chosen_rows import ChosenRows, slices

_Rows = list[dict[str, Any]]

_ARCHIVE_ROWS: Final = 5000
#: The kinds of columns that a newer release added, by their type in SQL.
_KIND_OF_TYPE: Final = {"INTEGER": Kind.INTEGER, "REAL": Kind.REAL, "FLOAT": Kind.REAL}
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

    On a full disk, which has no room for a deletion, that is done on a copy in the folder for temporary files.

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
    try:
        return _prune(absolute(path), beyond, archive, is_rehearsal, tell)
    except DatabaseError as error:
        if not is_full(error.__cause__, absolute(path)) or (archive is not None and os.path.exists(archive)):
            raise
    with worked_on_elsewhere(absolute(path)) as copy:
        return _prune(copy, beyond, archive, is_rehearsal, tell)


def _prune(path: str, beyond: Limits, archive: str | None, is_rehearsal: bool, tell: Progress) -> Pruned:
    with open_for_maintenance(path) as connection:
        if not is_rehearsal:
            spill.take_in(path, connection)
            if beyond.older_than is not None:
                spill.delete_unreadable(path, beyond.older_than.total_seconds())
        total, before = count(connection), used_bytes(connection)
        left = found = excess(connection, beyond, total=total)
        nested = [] if archive is None else _nested(path)
        archived = deleted = rounds = 0
        while left and rounds < _ROUNDS and not is_rehearsal:
            rounds += 1
            # Of size: a row less need not free a page.
            oldest = _Oldest(connection, left if beyond.max_bytes is None else max(left, rounds), tell)
            if archive is not None:
                rows = _whole(path, oldest.archived(), nested)
                archived += append_parquet(archive, rows, oldest.columns[len(TABLE) :], nested)
            deleted += oldest.delete(oldest.take_out)
            catch_up.catch_up_fully(connection, tell)  # the derived tables shrink as well
            give_space_back(connection, partial(tell, "Giving space back"))
            left = excess(connection, beyond, total=count(connection))
        if deleted:
            announced_rounds.withdraw_all(connection)
        return Pruned(found if is_rehearsal else deleted, total, archived, before, used_bytes(connection))


class _Oldest(ChosenRows):
    """The oldest executions, which can be archived first.

    Args:
        connection: the connection to read and write with.
        number: how many.
        tell: called after each slice.
    """

    def __init__(self, connection: WriteConnection, number: int, tell: Progress) -> None:
        oldest = "SELECT rowid, timestamp FROM executions ORDER BY timestamp, rowid LIMIT ?"
        found = connection.execute(oldest, (number + 1,))
        super().__init__(connection, dict(found[:number]), tell, "timestamp")
        #: Up to where the roll-ups have no days any more, and up to where days are deleted as a whole.
        self._taken_out = ""
        self._kept = str(found[number][1])[: TIME_BUCKETS["day"]] if found[number:] else cubes.AFTER_ALL
        known = dict(connection.execute("SELECT name, type FROM pragma_table_info('executions')"))
        #: Those of the table, and those of the file that a newer release added.
        self.columns = (
            *TABLE,
            *(Column(name, _KIND_OF_TYPE.get(known[name], Kind.TEXT)) for name in known if name not in COLUMN_OF),
        )
        self._names = ", ".join(column.name if column in TABLE else _as_kind(column) for column in self.columns)

    def take_out(self, connection: Connection, rowids: Sequence[int]) -> None:
        """Take the days of these rows out of the roll-ups, which is less work than to correct them for each row.

        Not the day of which some rows are kept.
        """
        end_of_day = f"substr(max(timestamp), 1, {TIME_BUCKETS['day']}) || '{AFTER}'"
        ((reached,),) = connection.execute(
            f"SELECT {end_of_day} FROM executions WHERE rowid IN {placeholders(rowids)}", rowids
        ).fetchall()
        until = min(reached or "", self._kept)
        if until > self._taken_out:
            cubes.take_out(connection, self._taken_out, until)
            self._taken_out = until

    def archived(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows for an archive; only those are deleted then, and as they are in it."""
        self.identify_by(self._names)
        listed, self.rows = list(self.rows.items()), {}
        names = [column.name for column in self.columns]
        for start, chunk in slices(listed, _ARCHIVE_ROWS):
            timestamps = dict(chunk)
            of_chunk = []
            for rowid, *row in self.read(list(timestamps), "ORDER BY timestamp, rowid"):
                values = dict(zip(names, row, strict=True))
                if values["timestamp"] == timestamps[rowid]:
                    self.rows[rowid] = hash(tuple(row))
                    of_chunk.append(values)
            yield of_chunk
            self.tell("Archiving", start + len(chunk), len(listed))


def _nested(path: str) -> list[str]:
    with ReadOnlyDatabase(path) as database:
        return held_by(database.query)


def _whole(path: str, batches: Iterable[_Rows], nested: Collection[str]) -> Iterator[_Rows]:
    """Yield the rows with their feedback, model calls and reported costs."""
    with ReadOnlyDatabase(path) as database:
        for rows in batches:
            add_nested(database.query, rows, nested, "private")
            yield rows


def _as_kind(column: Column) -> str:
    """Return the SQL of a column that other code fills, as its kind."""
    name = '"' + column.name.replace('"', '""') + '"'
    return f"CASE typeof({name}) WHEN 'blob' THEN hex({name}) ELSE CAST({name} AS {column.kind.name}) END"

"""Imports files into a database. Stored executions stay as they are, so the same files can be imported repeatedly.

Slices are committed one by one: other writers wait for one slice at most, and an interruption keeps the slices stored
so far. No mark is kept: the next import skips executions that it finds stored, without taking the lock. A mark would
also skip those deleted since.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..columns import COLUMNS
from ..database import LearningDatabase
from ..errors import ConfigurationError, LearningInstrumentError
from ..record import Row
from ..rollups import catch_up
from ..sqlite.connection import Connection, WriteConnection, open_for_maintenance
from ..sqlite.paths import absolute
from ..sqlite.selection import Selection
from ..storage.feedback import Feedback, restore
from .call_import import CallImport
from .conflicts import EXECUTION_ID, OUTCOME, Conflict, Conflicts, stored_rows
from .input_files import input_files
from .nested import FEEDBACK, MODEL_CALLS
from .parallel import ReaderProcesses, processes_for
from .reading import MOST_REFUSALS, BatchReader, Reading, add_up
from .sources import Part, SourceBatch, SourceReader, parts_of, source_reader

Progress = Callable[[str, int, int], None]
"""Called with a label, the number done, and the total (0: unknown)."""

#: Files kept with the reason why they cannot be read; all are counted.
_MOST_UNREAD: Final = 100
_TRACE_ID: Final = COLUMNS.index("trace_id")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry of a file that is not a valid execution."""

    file: str
    #: ``line 3``, or ``row 3``.
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file that cannot be read, or not to its end."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportAnswer:
    """The numbers of an import."""

    #: Executions found; of these: stored, stored before, excluded by a filter, and refused.
    read: int = 0
    stored: int = 0
    already_there: int = 0
    left_out: int = 0
    refused: int = 0
    #: Spans, lines and members that are not executions or are not known.
    passed_over: int = 0
    #: Pieces of feedback stored.
    feedback: int = 0
    #: Model calls found.
    model_calls: int = 0
    #: Files read, and files that cannot be read to their end.
    files: int = 0
    unread: int = 0
    #: Executions stored before, with other values.
    conflicts: int = 0
    #: The first refusals.
    refusals: tuple[Refusal, ...] = ()
    #: What was passed over -> how many of it: ``{"spans of other scopes": 2}``.
    omitted: Mapping[str, int] = field(default_factory=dict)
    #: The first files that cannot be read.
    unread_files: tuple[UnreadFile, ...] = ()
    #: The first conflicts.
    conflicting: tuple[Conflict, ...] = ()


def import_executions(
    database: LearningDatabase | str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]],
    selection: Selection | None = None,
    *,
    progress: Progress | None = None,
) -> ImportAnswer:
    """Store the executions of files: databases, Parquet, JSON Lines and CSV of this package, and OTLP's JSON.

    A stored execution keeps its row; only a ``lost`` one is replaced by its result. Invalid entries are counted, with
    their place, and skipped; so are files that cannot be read. Where two files differ over an execution, the first by
    name is kept, and the conflict is counted and named.

    Args:
        database: the target; its file is created if missing.
        files: their paths, and patterns such as ``fleet/*.db``; ``-`` is the standard input.
        selection: the executions; None: all.
        progress: called with a label, the number done and the total.

    Raises:
        ConfigurationError: if *files* is no list, or none of them can be read or has a known format.
        DatabaseError: if the database cannot be written, or the only file is one that cannot be read.
    """
    path = _path_of(database)
    names, unmatched = input_files(files, path)
    target = _Target(path, names)
    for pattern in unmatched:
        target.fail(pattern, ConfigurationError(f"No file matches {pattern!r}."))
    sources = {}
    for name in names:
        try:
            sources[name] = source_reader(name)
        except LearningInstrumentError as error:
            target.fail(name, error)
    target.complain_without_files()
    _import(target, path, sources, selection or Selection(), progress)
    return target.answer()


def import_source(
    database: LearningDatabase | str | os.PathLike[str],
    name: str,
    read: SourceReader,
    *,
    progress: Progress | None = None,
) -> ImportAnswer:
    """Store executions from elsewhere than a file, as :func:`import_executions` does.

    The columns that model calls determine become those of the source, unless the file has a model call of the execution
    that the source does not have.

    Args:
        database: the target; its file is created if missing.
        name: that of the source.
        read: reads it. All of it is wanted.
        progress: called with a label, the number done and the total.

    Raises:
        DatabaseError: if the source cannot be read or the database cannot be written.
    """
    path = _path_of(database)
    target = _Target(path, [name], has_newest_totals=True)
    _import(target, path, {name: read}, Selection(), progress)
    return target.answer()


def _path_of(database: LearningDatabase | str | os.PathLike[str]) -> str:
    if isinstance(database, LearningDatabase):
        database.flush()
        database = database.path
    return absolute(database)


def _import(
    target: "_Target",
    path: str,
    sources: Mapping[str, SourceReader],
    selection: Selection,
    progress: Progress | None,
) -> None:
    report = progress or (lambda what, done, of: None)
    with open_for_maintenance(path, may_make=True) as connection:
        with LearningDatabase(path):
            pass  # opening makes the file, or waits while another process makes it
        with contextlib.closing(_readings(sources, selection, connection)) as readings:
            for name, reading in readings:
                if isinstance(reading, Reading):
                    target.take(connection, name, reading)
                    report(name, reading.done, reading.of)
                else:
                    target.fail(name, reading)
        target.finish(connection)
        # As a pool does in the background: reports are slow until then.
        catch_up.catch_up_fully(connection, report)


def _readings(
    sources: Mapping[str, SourceReader], selection: Selection, connection: WriteConnection
) -> Generator[tuple[str, Reading | LearningInstrumentError], None, None]:
    """Yield the batches of each file, in order; of one that cannot be read to its end the error."""
    parts = _parts_of(sources)
    reader = BatchReader(selection, lambda ids: stored_rows(connection.execute, ids))
    failed = None
    with contextlib.closing(ReaderProcesses(parts, selection, connection.path, processes_for(parts))) as processes:
        for number, part in enumerate(parts):
            found = processes.take(number)
            for each in _batches(part, sources) if found is None else found:
                if part.file != failed:
                    yield part.file, reader.read(each) if isinstance(each, SourceBatch) else each
                if isinstance(each, LearningInstrumentError):
                    failed = part.file


def _parts_of(sources: Mapping[str, SourceReader]) -> list[Part]:
    parts = []
    for name in sources:
        try:
            parts += parts_of(name)
        except LearningInstrumentError:
            parts.append(Part(name))  # reading it will say why
    return parts


def _batches(part: Part, sources: Mapping[str, SourceReader]) -> Iterator[SourceBatch | LearningInstrumentError]:
    try:
        yield from (sources[part.file] if part.rows is None else source_reader(*part))()
    except LearningInstrumentError as error:
        yield error


class _Target:
    """Stores batches, and counts.

    Args:
        path: that of the database.
        files: the files.
        has_newest_totals: whether costs and model calls become those of the files.
    """

    def __init__(self, path: str, files: Iterable[str], *, has_newest_totals: bool = False) -> None:
        self._has_newest_totals = has_newest_totals
        self._files = {*files}
        self._counts = dict.fromkeys(
            ("read", "stored", "already_there", "left_out", "refused", "feedback", "model_calls"), 0
        )
        self._omitted: dict[str, int] = {}
        self._calls = CallImport()
        self._refusals: list[Refusal] = []
        self._conflicts = Conflicts(path)
        #: File -> why it cannot be read.
        self._unread: dict[str, LearningInstrumentError] = {}

    def answer(self) -> ImportAnswer:
        """Return the numbers.

        Raises:
            ConfigurationError, DatabaseError: if no file could be read.
        """
        self.complain_without_files()
        return ImportAnswer(
            **self._counts,
            passed_over=sum(self._omitted.values()),
            files=len(self._files),
            unread=len(self._unread),
            conflicts=self._conflicts.count,
            refusals=tuple(self._refusals),
            omitted=dict(sorted(self._omitted.items())),
            unread_files=tuple(
                UnreadFile(name, str(error)) for name, error in itertools.islice(self._unread.items(), _MOST_UNREAD)
            ),
            conflicting=tuple(self._conflicts.first),
        )

    def fail(self, file: str, error: LearningInstrumentError) -> None:
        """Count a file that cannot be read."""
        self._unread.setdefault(file, error)
        self._files.discard(file)

    def complain_without_files(self) -> None:
        """Raise the error of a file that cannot be read, unless there are others."""
        if self._files or not self._unread:
            return
        first = next(iter(self._unread.values()))
        if len(self._unread) == 1:
            raise first
        raise ConfigurationError(f"None of {len(self._unread):,} files can be read. The first: {first}") from first

    def take(self, connection: WriteConnection, file: str, reading: Reading) -> None:
        """Store the new executions of a batch."""
        self._count(file, reading)
        stored = stored_rows(connection.execute, [row[EXECUTION_ID] for row in reading.rows])
        unchanged = stored_rows(connection.execute, reading.known) if self._has_newest_totals else {}
        known = {*reading.known}
        new = self._new_rows(connection, file, reading, stored, known)
        self._store(connection, file, new, sum(row[EXECUTION_ID] not in stored for row in new), reading.feedback)
        self._calls.store_rows(connection, reading.calls, reading.reported, known)
        if self._has_newest_totals:
            rows = [*unchanged.values(), *(row for row in reading.rows if row[EXECUTION_ID] in known)]
            self._calls.take_totals(connection, rows, reading.calls)
        if reading.spans:
            traces = {row[_TRACE_ID] for row in new}
            wanted = known.union(row[EXECUTION_ID] for row in reading.rows)
            self._calls.store_spans(connection, reading.spans, wanted, traces)

    def finish(self, connection: WriteConnection) -> None:
        """Store what is known only when all files are read."""
        self._calls.finish(connection)

    def _count(self, file: str, reading: Reading) -> None:
        self._counts["read"] += reading.read
        self._counts["already_there"] += len(reading.known)
        self._counts["left_out"] += reading.left_out
        self._counts["refused"] += reading.refused
        self._counts["model_calls"] += len(reading.calls) + reading.call_spans
        for what, count in reading.omitted.items():
            add_up(self._omitted, what, count)
        for place, reason in reading.refusals[: MOST_REFUSALS - len(self._refusals)]:
            self._refusals.append(Refusal(file, place, reason))

    def _new_rows(
        self, connection: WriteConnection, file: str, reading: Reading, stored: Mapping[str, Row], known: set[str]
    ) -> list[Row]:
        """Return the rows that are not stored, and add those that are to *known*."""
        new: dict[str, Row] = {}
        added: dict[str, set[str | None]] = {
            MODEL_CALLS: {call.execution_id for call in reading.calls},
            FEEDBACK: {feedback.execution_id for feedback in reading.feedback},
        }
        for row in reading.rows:
            identity = row[EXECUTION_ID]
            before = new.get(identity) or stored.get(identity)
            if before is None or (before[OUTCOME] == "lost" and row[OUTCOME] != "lost"):
                new[identity] = row
                continue
            self._counts["already_there"] += 1
            if identity not in new and before[OUTCOME] != "lost":
                known.add(identity)
            if row[OUTCOME] != "lost":
                more = [kind for kind, ids in added.items() if identity in ids]
                self._conflicts.compare(connection.execute, row, file, before, more)
        return [*new.values()]

    def _store(
        self, connection: WriteConnection, file: str, rows: list[Row], added: int, feedback: list[Feedback]
    ) -> None:
        """Store rows, of which *added* replace none."""

        def remember(opened: Connection) -> None:
            (last,) = opened.execute("SELECT max(rowid) FROM executions").fetchone()
            self._conflicts.origin(file, last - added + 1, last)

        if rows:
            stored = connection.insert(rows, then=remember if added else None)
            self._counts["stored"] += stored
            self._counts["already_there"] += len(rows) - stored
        if feedback:
            self._counts["feedback"] += connection.transact(lambda execute: restore(execute, feedback))

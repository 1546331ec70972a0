"""Imports files into a database. Stored executions stay as they are, so the same files can be imported repeatedly.

Slices are committed one by one: other writers wait for one slice at most, and an interruption keeps the slices stored
so far. No mark is kept: the next import skips executions that it finds stored, without taking the lock. A mark would
also skip those deleted since.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..columns import COLUMN_OF, COLUMNS
from ..costs.model_calls import ModelCall
from ..database import LearningDatabase
from ..errors import ConfigurationError
from ..record import Row
from ..rollups import catch_up
from ..sqlite.connection import WriteConnection, open_for_maintenance
from ..sqlite.dimensions import is_equal, value_in
from ..sqlite.executions import placeholders
from ..sqlite.paths import absolute
from ..sqlite.selection import Selection
from ..storage.feedback import Feedback, restore
from ..storage.stored_text import redacted_row
from ..timestamps import iso
from .call_import import CallImport
from .nested import FEEDBACK, MODEL_CALLS, NESTED, REPORTED_COST, feedback_in, model_calls_in, reported_cost_in
from .otlp_spans import MODEL_CALL
from .sources import STDIN, SourceBatch, source_reader, unknown_column
from .validation import row_of

Progress = Callable[[str, int, int], None]
"""Called with a label, the number done, and the total (0: unknown)."""

#: Refusals kept with their reasons; all are counted.
_MOST_REFUSALS: Final = 100
_REASON_CHARACTERS: Final = 300
#: Kinds of what is passed over, each with its name; a damaged file may have any number.
_MOST_OMITTED: Final = 50
_EXECUTION_ID: Final = COLUMNS.index("execution_id")
_TRACE_ID: Final = COLUMNS.index("trace_id")
_TIMESTAMP: Final = COLUMNS.index("timestamp")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry of a file that is not a valid execution."""

    file: str
    #: ``line 3``, or ``row 3``.
    place: str
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
    #: The first refusals.
    refusals: tuple[Refusal, ...] = ()
    #: What was passed over -> how many of it: ``{"spans of other scopes": 2}``.
    omitted: Mapping[str, int] = field(default_factory=dict)


def import_executions(
    database: LearningDatabase | str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]],
    selection: Selection | None = None,
    *,
    progress: Progress | None = None,
) -> ImportAnswer:
    """Store the executions of files: databases, Parquet, JSON Lines and CSV of this package, and OTLP's JSON.

    A stored execution keeps its row; only a ``lost`` one is replaced by its result. Invalid entries are counted, with
    their place, and skipped.

    Args:
        database: the target; its file is created if missing.
        files: their paths; ``-`` is the standard input.
        selection: the executions; None: all.
        progress: called with a label, the number done and the total.

    Raises:
        ConfigurationError: if *files* is no list, or one cannot be read or has an unknown format: nothing is stored.
        DatabaseError: if the database cannot be written.
    """
    if isinstance(database, LearningDatabase):
        database.flush()
        database = database.path
    path = absolute(database)
    if isinstance(files, str | bytes | os.PathLike) or not isinstance(files, Iterable):
        raise ConfigurationError(f"Invalid files {files!r}: expected a list of paths.")
    names = [os.path.expanduser(os.fsdecode(file)) for file in files]
    readers = [(name, source_reader(name)) for name in names]
    if os.path.realpath(path) in [os.path.realpath(name) for name in names if name != STDIN]:
        raise ConfigurationError(f"Cannot import {path} into itself: name another file or another database.")
    report = progress or (lambda what, done, of: None)
    target = _Target(selection or Selection())
    with open_for_maintenance(path, may_make=True) as connection:
        with LearningDatabase(path):
            pass  # opening makes the file, or waits while another process makes it
        for name, read in readers:
            for batch in read():
                target.take(connection, name, batch)
                report(name, batch.done, batch.of)
        target.finish(connection)
        # As a pool does in the background: reports are slow until then.
        catch_up.catch_up_fully(connection, report)
    return target.answer()


@dataclass(slots=True)
class _Executions:
    """The executions of a batch that are wanted."""

    #: All of them, and the rows of those that are not stored yet.
    ids: set[str] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    #: Execution -> the cost that its pool reported.
    reported: dict[str, float] = field(default_factory=dict)


class _Target:
    """Stores batches, and counts."""

    def __init__(self, selection: Selection) -> None:
        self._filters = selection.filters
        self._since = None if selection.since is None else iso(selection.since)
        self._until = None if selection.until is None else iso(selection.until)
        self._takes_all = selection == Selection()
        self._counts = dict.fromkeys(
            ("read", "stored", "already_there", "left_out", "refused", "feedback", "model_calls"), 0
        )
        self._omitted: dict[str, int] = {}
        self._calls = CallImport()
        self._refusals: list[Refusal] = []

    def answer(self) -> ImportAnswer:
        return ImportAnswer(
            **self._counts,
            passed_over=sum(self._omitted.values()),
            refusals=tuple(self._refusals),
            omitted=dict(sorted(self._omitted.items())),
        )

    def take(self, connection: WriteConnection, file: str, batch: SourceBatch) -> None:
        """Store the new executions of a batch."""
        known = _known(connection, batch)
        found = _Executions()
        for place, values in batch.found:
            if isinstance(values, str):
                if values == MODEL_CALL:
                    self._counts["model_calls"] += 1
                else:
                    self._leave_out(values)
                continue
            self._counts["read"] += 1
            if isinstance(values, ConfigurationError):
                self._refuse(file, place, str(values))
                continue
            try:
                self._read(values, known, found)
            except ConfigurationError as error:
                self._refuse(file, place, str(error))
        self._store(connection, found.rows, found.feedback)
        self._counts["model_calls"] += len(found.calls)
        self._calls.store_rows(connection, found.calls, found.reported, known)
        new_traces = {row[_TRACE_ID] for row in found.rows} if batch.spans else set()
        self._calls.store_spans(connection, batch.spans, found.ids, new_traces)

    def _read(self, values: dict[str, Any], known: Collection[str], found: "_Executions") -> None:
        """Add an execution to *found*, and count it.

        Raises:
            ConfigurationError: if it is invalid.
        """
        nested = {name: values.pop(name) for name in NESTED if name in values}
        identity = values["execution_id"]
        is_known = type(identity) is str and identity in known
        row = None if is_known and self._takes_all else redacted_row(row_of(values))
        if row is not None and not self._is_selected(row):
            self._counts["left_out"] += 1
            return
        identity = identity if row is None else row[_EXECUTION_ID]
        if nested:
            found.feedback += feedback_in(identity, nested.get(FEEDBACK), self._leave_out)
            found.calls += model_calls_in(identity, nested.get(MODEL_CALLS), self._leave_out)
            cost = reported_cost_in(nested.get(REPORTED_COST), self._leave_out)
            if cost is not None:
                found.reported[identity] = cost
        if len(values) > len(COLUMNS):
            for name in values.keys() - COLUMN_OF.keys():
                self._leave_out(unknown_column(name))
        found.ids.add(identity)
        if row is None or is_known:
            self._counts["already_there"] += 1
        else:
            found.rows.append(row)

    def finish(self, connection: WriteConnection) -> None:
        """Store what is known only when all files are read."""
        self._calls.finish(connection)

    def _store(self, connection: WriteConnection, rows: list[Row], feedback: list[Feedback]) -> None:
        if rows:
            stored = connection.insert(rows)
            self._counts["stored"] += stored
            self._counts["already_there"] += len(rows) - stored
        if feedback:
            self._counts["feedback"] += connection.transact(lambda execute: restore(execute, feedback))

    def _is_selected(self, row: Row) -> bool:
        started = row[_TIMESTAMP]
        return (
            (self._since is None or started >= self._since)
            and (self._until is None or started < self._until)
            and (not self._filters or self._matches(dict(zip(COLUMNS, row, strict=True))))
        )

    def _matches(self, row: Mapping[str, Any]) -> bool:
        return all(is_equal(name, value_in(row, name), value) for name, value in self._filters)

    def _leave_out(self, what: str) -> None:
        if what not in self._omitted and len(self._omitted) >= _MOST_OMITTED:
            what = "others"
        self._omitted[what] = self._omitted.get(what, 0) + 1

    def _refuse(self, file: str, place: str, reason: str) -> None:
        self._counts["refused"] += 1
        if len(self._refusals) < _MOST_REFUSALS:
            self._refusals.append(Refusal(file, place, reason[:_REASON_CHARACTERS]))


def _known(connection: WriteConnection, batch: SourceBatch) -> set[str]:
    """Return the ids of stored executions that are not ``lost``."""
    ids = [values["execution_id"] for _, values in batch.found if isinstance(values, dict)]
    ids = [identity for identity in ids if type(identity) is str and identity.isascii()]
    found = connection.execute(
        f"SELECT execution_id FROM executions WHERE execution_id IN {placeholders(ids)} AND outcome <> 'lost'", ids
    )
    return {identity for (identity,) in found}

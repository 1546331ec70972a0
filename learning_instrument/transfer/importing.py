"""Imports files into a database. Stored executions stay as they are, so the same files can be imported repeatedly.

Slices are committed one by one: other writers wait for one slice at most, and an interruption keeps the slices stored
so far. No mark is kept: the next import skips executions that it finds stored, without taking the lock. A mark would
also skip those deleted since.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..columns import COLUMNS, UNKNOWN
from ..costs.attribution import store_model_calls
from ..costs.model_calls import ModelCall
from ..database import LearningDatabase
from ..errors import ConfigurationError
from ..record import Row
from ..rollups import catch_up
from ..sqlite.connection import WriteConnection, open_for_maintenance
from ..sqlite.executions import placeholders
from ..sqlite.paths import absolute
from ..sqlite.selection import Selection
from ..storage.feedback import Feedback, checked, restore
from ..storage.stored_text import redacted_row
from ..timestamps import from_iso, iso
from .slices import FEEDBACK
from .sources import STDIN, SourceBatch, source_reader
from .validation import row_of, timestamp_of

Progress = Callable[[str, int, int], None]
"""Called with a label, the number done, and the total (0: unknown)."""

#: Refusals kept with their reasons; all are counted.
_MOST_REFUSALS: Final = 100
_REASON_CHARACTERS: Final = 300
_CHECKPOINT_ROWS: Final = 10_000
#: Model calls in one transaction.
_MODEL_CALLS: Final = 250
_EXECUTION_ID: Final = COLUMNS.index("execution_id")
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
    #: Spans and other signals that are not executions.
    passed_over: int = 0
    #: Pieces of feedback stored.
    feedback: int = 0
    #: The first refusals.
    refusals: tuple[Refusal, ...] = ()


def import_executions(
    database: LearningDatabase | str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]],
    selection: Selection | None = None,
    *,
    progress: Progress | None = None,
) -> ImportAnswer:
    """Store the executions of files: databases, Parquet, and JSON Lines of this package or of OTLP.

    A stored execution keeps its row; only a ``lost`` one is replaced by its result. Invalid entries are counted, with
    their place, and skipped.

    Args:
        database: the target; its file is created if missing.
        files: their paths; ``-`` is the standard input.
        selection: the executions; None: all.
        progress: called with a label, the number done and the total.

    Raises:
        ConfigurationError: if a file cannot be read or has an unknown format; nothing is stored then.
        DatabaseError: if the database cannot be written.
    """
    if isinstance(database, LearningDatabase):
        database.flush()
        database = database.path
    path = absolute(database)
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
        # As a pool does in the background: reports are slow until then.
        catch_up.catch_up_fully(connection, report)
    return target.answer()


class _Target:
    """Stores batches, and counts."""

    def __init__(self, selection: Selection) -> None:
        self._values = {COLUMNS.index(name): value for name, value in selection.values.items()}
        self._since = None if selection.since is None else iso(selection.since)
        self._until = None if selection.until is None else iso(selection.until)
        self._takes_all = selection == Selection()
        self._counts = dict.fromkeys(
            ("read", "stored", "already_there", "left_out", "refused", "passed_over", "feedback"), 0
        )
        self._refusals: list[Refusal] = []
        self._since_checkpoint = 0

    def answer(self) -> ImportAnswer:
        return ImportAnswer(**self._counts, refusals=tuple(self._refusals))

    def take(self, connection: WriteConnection, file: str, batch: SourceBatch) -> None:
        """Store the new executions of a batch."""
        rows: list[Row] = []
        feedback: list[Feedback] = []
        here: set[str] = set()
        known = _known(connection, batch)
        for place, values in batch.found:
            if values is None:
                self._counts["passed_over"] += 1
                continue
            self._counts["read"] += 1
            if isinstance(values, ConfigurationError):
                self._refuse(file, place, str(values))
                continue
            history = values.pop("feedback", None)
            identity = values["execution_id"]
            is_known = type(identity) is str and identity in known
            try:
                row = None if is_known and self._takes_all else redacted_row(row_of(values))
                if row is not None and not self._is_selected(row):
                    self._counts["left_out"] += 1
                    continue
                identity = identity if row is None else row[_EXECUTION_ID]
                feedback += _feedback_of(identity, history)
            except ConfigurationError as error:
                self._refuse(file, place, str(error))
                continue
            here.add(identity)
            if row is None or is_known:
                self._counts["already_there"] += 1
            else:
                rows.append(row)
        self._store(connection, rows, feedback)
        _store_model_calls(connection, [call for call in batch.model_calls if call.execution_id in here])
        _store_reported_costs(connection, [found for found in batch.reported_costs.items() if found[0] in here])

    def _store(self, connection: WriteConnection, rows: list[Row], feedback: list[Feedback]) -> None:
        if rows:
            stored = connection.insert(rows)
            self._counts["stored"] += stored
            self._counts["already_there"] += len(rows) - stored
        if feedback:
            self._counts["feedback"] += connection.transact(lambda execute: restore(execute, feedback))
        self._since_checkpoint += len(rows)
        if self._since_checkpoint >= _CHECKPOINT_ROWS:
            self._since_checkpoint = 0
            connection.checkpoint()

    def _is_selected(self, row: Row) -> bool:
        started = row[_TIMESTAMP]
        return (
            (self._since is None or started >= self._since)
            and (self._until is None or started < self._until)
            and all((UNKNOWN if row[place] is None else row[place]) == value for place, value in self._values.items())
        )

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


def _store_model_calls(connection: WriteConnection, calls: Sequence[ModelCall]) -> None:
    """Store new calls in slices; their totals are in the rows of their executions."""
    ids = sorted({call.execution_id for call in calls if call.execution_id is not None})
    if not ids:
        return
    found = connection.execute(
        f"SELECT trace_id, span_id FROM model_calls WHERE execution_id IN {placeholders(ids)}",
        ids,
    )
    stored = set(found)
    new = [call for call in calls if (call.trace_id, call.span_id) not in stored]
    for start in range(0, len(new), _MODEL_CALLS):
        with connection.transaction() as opened:
            store_model_calls(opened, new[start : start + _MODEL_CALLS], ())


def _store_reported_costs(connection: WriteConnection, reported: Sequence[tuple[str, float]]) -> None:
    """Store the costs that pools reported, which a later price change may need."""
    ids = [execution_id for execution_id, _ in reported]
    stored = connection.execute(
        f"SELECT execution_id FROM reported_costs WHERE execution_id IN {placeholders(ids)}", ids
    )
    known = {execution_id for (execution_id,) in stored}
    new = [found for found in reported if found[0] not in known]
    if new:
        with connection.transaction() as opened:
            opened.executemany("INSERT OR IGNORE INTO reported_costs VALUES (?, ?)", new)


def _feedback_of(execution_id: str, history: Any) -> list[Feedback]:
    """Return the feedback in *history*.

    Raises:
        ConfigurationError: if it is invalid.
    """
    if history is None:
        return []
    if not isinstance(history, list):
        raise ConfigurationError("feedback is invalid: expected a list")
    return [_checked_feedback(execution_id, values) for values in history]


def _checked_feedback(execution_id: str, values: Any) -> Feedback:
    if not isinstance(values, Mapping) or not values.keys() <= set(FEEDBACK):
        raise ConfigurationError(f"feedback is invalid: expected objects with only the keys {', '.join(FEEDBACK)}")
    accepted = values.get("accepted")
    feedback = checked(
        execution_id,
        bool(accepted) if accepted in (0, 1) else accepted,
        values.get("rating"),
        values.get("comment"),
        values.get("source"),
        values.get("visibility", "private"),
    )
    try:
        return replace(feedback, timestamp=from_iso(timestamp_of(values.get("timestamp"))))
    except ValueError as error:
        raise ConfigurationError(f"the timestamp of its feedback {error}") from None

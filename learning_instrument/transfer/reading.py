"""Validates the entries of a file, away from the database that they go into.

What is stored already in the same words is not validated again, so that a repeated import is quick.
"""

import contextlib
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..columns import COLUMN_OF, COLUMNS
from ..costs.model_calls import ModelCall
from ..errors import ConfigurationError
from ..record import Row
from ..sqlite.dimensions import is_equal, value_in
from ..sqlite.selection import Selection
from ..storage.feedback import Feedback
from ..storage.stored_text import redacted_row
from ..timestamps import iso
from .conflicts import EXECUTION_ID, OUTCOME
from .nested import FEEDBACK, MODEL_CALLS, NESTED, REPORTED_COST, feedback_in, model_calls_in, reported_cost_in
from .otlp_spans import MODEL_CALL
from .sources import SourceBatch, Spans, unknown_column
from .validation import row_of

StoredRows = Callable[[Iterable[Any]], Mapping[str, Row]]
"""Ids -> the rows of the database that have them."""

#: Refusals kept with their reasons; all are counted.
MOST_REFUSALS: Final = 100
_REASON_CHARACTERS: Final = 300
#: Kinds of what is passed over, each with its name; a damaged file may have any number.
_MOST_OMITTED: Final = 50
_TIMESTAMP: Final = COLUMNS.index("timestamp")
_columns: Final = operator.itemgetter(*COLUMNS)


@dataclass(slots=True)
class Reading:
    """The entries of a batch, with the progress."""

    done: int
    of: int
    #: Executions that are wanted, and the ids of others, which the database has in the same words.
    rows: list[Row] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    #: Execution -> the cost that its pool reported.
    reported: dict[str, float] = field(default_factory=dict)
    spans: Spans = ()
    read: int = 0
    left_out: int = 0
    refused: int = 0
    #: Model calls that are spans.
    call_spans: int = 0
    #: The first refusals, each a place and a reason.
    refusals: list[tuple[str, str]] = field(default_factory=list)
    #: What is passed over -> how many of it.
    omitted: dict[str, int] = field(default_factory=dict)

    def leave_out(self, what: str, count: int = 1) -> None:
        """Count what is passed over."""
        add_up(self.omitted, what, count)

    def refuse(self, place: str, reason: str) -> None:
        """Count an invalid entry."""
        self.refused += 1
        if len(self.refusals) < MOST_REFUSALS:
            self.refusals.append((place, reason[:_REASON_CHARACTERS]))


def add_up(omitted: dict[str, int], what: str, count: int) -> None:
    """Add to the number of what is passed over."""
    if what not in omitted and len(omitted) >= _MOST_OMITTED:
        what = "others"
    omitted[what] = omitted.get(what, 0) + count


class BatchReader:
    """Validates batches.

    Args:
        selection: the executions that are wanted.
        stored: asks the database. What it has by the time the batch is stored may be more.
    """

    def __init__(self, selection: Selection, stored: StoredRows) -> None:
        self._stored = stored
        self._filters = selection.filters
        self._since = None if selection.since is None else iso(selection.since)
        self._until = None if selection.until is None else iso(selection.until)
        self._takes_all = selection == Selection()

    def read(self, batch: SourceBatch) -> Reading:
        """Return the valid entries of a batch, and count the others."""
        reading = Reading(batch.done, batch.of, spans=batch.spans)
        stored = self._stored(values["execution_id"] for _, values in batch.found if isinstance(values, dict))
        for place, values in batch.found:
            if isinstance(values, str):
                if values == MODEL_CALL:
                    reading.call_spans += 1
                else:
                    reading.leave_out(values)
                continue
            reading.read += 1
            try:
                if isinstance(values, ConfigurationError):
                    raise values
                self._read(values, stored, reading)
            except ConfigurationError as error:
                reading.refuse(place, str(error))
        return reading

    def _read(self, values: dict[str, Any], stored: Mapping[str, Row], reading: Reading) -> None:
        """Add an execution to *reading*.

        Raises:
            ConfigurationError: if it is invalid.
        """
        nested = {name: values.pop(name) for name in NESTED if name in values}
        identity = values["execution_id"]
        before = stored.get(identity) if type(identity) is str else None
        row = _new_row(values, None if before is None or before[OUTCOME] == "lost" else before)
        if not self._takes_all and not self._is_selected(row or before or ()):
            reading.left_out += 1
            return
        identity = row[EXECUTION_ID] if row else identity
        if nested:
            feedback = feedback_in(identity, nested.get(FEEDBACK), reading.leave_out)
            reading.feedback += feedback
            reading.calls += model_calls_in(identity, nested.get(MODEL_CALLS), reading.leave_out)
            cost = reported_cost_in(nested.get(REPORTED_COST), reading.leave_out)
            if cost is not None:
                reading.reported[identity] = cost
        if len(values) > len(COLUMNS):
            for name in values.keys() - COLUMN_OF.keys():
                reading.leave_out(unknown_column(name))
        if row is None:
            reading.known.append(identity)
        else:
            reading.rows.append(row)

    def _is_selected(self, row: Row) -> bool:
        started = row[_TIMESTAMP]
        return (
            (self._since is None or started >= self._since)
            and (self._until is None or started < self._until)
            and (not self._filters or self._matches(dict(zip(COLUMNS, row, strict=True))))
        )

    def _matches(self, row: Mapping[str, Any]) -> bool:
        return all(is_equal(name, value_in(row, name), value) for name, value in self._filters)


def _new_row(values: Mapping[str, Any], stored: Row | None) -> Row | None:
    """Return the row of *values*; None if it is *stored*, which takes less to know.

    Raises:
        ConfigurationError: if it is invalid.
    """
    with contextlib.suppress(KeyError):
        if stored is not None and _columns(values) == stored:
            return None
    row = row_of(values)
    if row == stored:
        return None
    row = redacted_row(row)
    return None if row == stored else row

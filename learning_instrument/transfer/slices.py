"""Reads the rows of a database in slices, each with its visible feedback."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ..columns import COLUMNS
from ..costs.model_calls import ModelCall
from ..sqlite.executions import placeholders
from ..sqlite.selection import Queryable, Selection
from ..storage.feedback import VISIBILITIES

#: The exported columns of feedback, besides the execution's id.
FEEDBACK: Final = ("timestamp", "accepted", "rating", "comment", "source", "visibility")


class Slice(NamedTuple):
    """Rows as the table has them, with ``row`` (their number) and ``feedback``; and the progress."""

    rows: list[dict[str, Any]]
    done: int
    of: int


def slices(database: Queryable, selection: Selection, visibility: str, size: int) -> Iterator[Slice]:
    """Yield the executions stored so far, in insertion order.

    Each slice is a query of its own: writers do not wait, and the log does not grow.

    Args:
        database: the source.
        selection: the executions.
        visibility: the most confidential feedback to include. More confidential feedback is also removed from the
            columns of its execution.
        size: the most rows of a slice.
    """
    condition, parameters = selection.condition()
    bounds = database.query("SELECT coalesce(min(rowid), 0) AS first, coalesce(max(rowid), 0) AS last FROM executions")
    first, last = bounds[0]["first"], bounds[0]["last"]
    has_feedback = bool(database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'feedback'"))
    row = first - 1
    while row < last:
        # With an index each slice would be sorted again.
        rows = database.query(
            f"SELECT rowid AS row, {','.join(COLUMNS)} FROM executions NOT INDEXED"
            f" WHERE rowid > :row AND rowid <= :last AND {condition} ORDER BY rowid LIMIT {size}",
            {**parameters, "row": row, "last": last},
        )
        if not rows:
            break
        row = rows[-1]["row"]
        if has_feedback:
            _add_feedback(database, rows, VISIBILITIES[VISIBILITIES.index(visibility) :])
        yield Slice(rows, row - first + 1, last - first + 1)


def model_calls_of(database: Queryable, execution_ids: Sequence[str]) -> list[ModelCall]:
    """Return the model calls of these executions, in insertion order."""
    if not database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'model_calls'"):
        return []  # an older release wrote the file
    found = database.query(
        f"SELECT {','.join(ModelCall._fields)} FROM model_calls"
        f" WHERE execution_id IN {placeholders(execution_ids)} ORDER BY rowid",
        list(execution_ids),
    )
    return [ModelCall(**call) for call in found if not any(isinstance(value, bytes) for value in call.values())]


def reported_costs_of(database: Queryable, execution_ids: Sequence[str]) -> dict[str, float]:
    """Return the costs that pools reported for executions whose cost was computed from model calls."""
    if not database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'reported_costs'"):
        return {}  # an older release wrote the file
    found = database.query(
        f"SELECT execution_id, cost FROM reported_costs WHERE execution_id IN {placeholders(execution_ids)}",
        list(execution_ids),
    )
    return {row["execution_id"]: row["cost"] for row in found if isinstance(row["cost"], float)}


def _add_feedback(database: Queryable, rows: Sequence[dict[str, Any]], visible: Sequence[str]) -> None:
    """Add the visible feedback to its executions, and remove the rest from their columns."""
    by_id = {row["execution_id"]: row for row in rows}
    found = database.query(
        f"SELECT execution_id, {','.join(FEEDBACK)} FROM feedback WHERE execution_id IN {placeholders(by_id)}"
        " ORDER BY timestamp, feedback_id",
        list(by_id),
    )
    histories: dict[str, list[dict[str, Any]]] = {}
    for feedback in found:
        histories.setdefault(feedback.pop("execution_id"), []).append(feedback)
    for execution_id in by_id.keys() & histories.keys():  # in a damaged file the id of the one may be a number
        row, history = by_id[execution_id], histories[execution_id]
        row["feedback"] = [feedback for feedback in history if feedback["visibility"] in visible]
        if len(row["feedback"]) < len(history):
            row["user_accepted"] = _latest(row["feedback"], "accepted")
            row["user_rating"] = _latest(row["feedback"], "rating")


def _latest(history: Sequence[dict[str, Any]], name: str) -> Any:
    return next((feedback[name] for feedback in reversed(history) if feedback[name] is not None), None)

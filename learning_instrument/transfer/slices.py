"""The rows of a database, some at a time, each with what was said of it and may be told."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ..columns import COLUMNS
from ..costs.model_calls import ModelCall
from ..sqlite.selection import Queryable, Selection
from ..storage.feedback import VISIBILITIES

#: What is told of a piece of feedback, other than which execution it is about.
FEEDBACK: Final = ("timestamp", "accepted", "rating", "comment", "source", "visibility")


class Slice(NamedTuple):
    """Rows as the table has them, with ``row`` (its number) and ``feedback``; and how far that is, of how far."""

    rows: list[dict[str, Any]]
    done: int
    of: int


def slices(database: Queryable, selection: Selection, visibility: str, size: int) -> Iterator[Slice]:
    """Yield the executions that are there now, in the order in which they were stored.

    Each slice is a question of its own: those who record meanwhile are not held up, nor does their log grow.

    Args:
        database: where to look.
        selection: which executions.
        visibility: the most confidential feedback that may be told. What is said in confidence shows nowhere, and
            in the execution's own columns neither.
        size: how many at a time.
    """
    condition, parameters = selection.condition()
    bounds = database.query("SELECT coalesce(min(rowid), 0) AS first, coalesce(max(rowid), 0) AS last FROM executions")
    first, last = bounds[0]["first"], bounds[0]["last"]
    has_feedback = bool(database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'feedback'"))
    row = first - 1
    while row < last:
        # An index would have to be sorted anew for each slice.
        rows = database.query(
            f"SELECT rowid AS row, {','.join(COLUMNS)} FROM executions NOT INDEXED"
            f" WHERE rowid > :row AND rowid <= :last AND {condition} ORDER BY rowid LIMIT {size}",
            {**parameters, "row": row, "last": last},
        )
        if not rows:
            break
        row = rows[-1]["row"]
        if has_feedback:
            _tell(database, rows, VISIBILITIES[VISIBILITIES.index(visibility) :])
        yield Slice(rows, row - first + 1, last - first + 1)


def calls_of(database: Queryable, execution_ids: Sequence[str]) -> list[ModelCall]:
    """Return the model calls of these executions, in the order in which they were stored."""
    if not database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'model_calls'"):
        return []  # an older release wrote the file
    found = database.query(
        f"SELECT {','.join(ModelCall._fields)} FROM model_calls"
        f" WHERE execution_id IN ({','.join('?' * len(execution_ids))}) ORDER BY rowid",
        list(execution_ids),
    )
    return [ModelCall(**call) for call in found if not any(isinstance(value, bytes) for value in call.values())]


def reported_costs_of(database: Queryable, execution_ids: Sequence[str]) -> dict[str, float]:
    """Return what their pools reported for those of these executions whose model calls say something else."""
    if not database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'reported_costs'"):
        return {}  # an older release wrote the file
    found = database.query(
        f"SELECT execution_id, cost FROM reported_costs WHERE execution_id IN ({','.join('?' * len(execution_ids))})",
        list(execution_ids),
    )
    return {row["execution_id"]: row["cost"] for row in found if isinstance(row["cost"], float)}


def _tell(database: Queryable, rows: Sequence[dict[str, Any]], told: Sequence[str]) -> None:
    """Put feedback beside the executions that it is about; the rest of it is taken out of their columns."""
    by_id = {row["execution_id"]: row for row in rows}
    found = database.query(
        f"SELECT execution_id, {','.join(FEEDBACK)} FROM feedback WHERE execution_id IN ({','.join('?' * len(by_id))})"
        " ORDER BY timestamp, feedback_id",
        list(by_id),
    )
    said: dict[str, list[dict[str, Any]]] = {}
    for feedback in found:
        said.setdefault(feedback.pop("execution_id"), []).append(feedback)
    for execution_id, history in said.items():
        row = by_id[execution_id]
        row["feedback"] = [feedback for feedback in history if feedback["visibility"] in told]
        if len(row["feedback"]) < len(history):
            row["user_accepted"] = _latest(row["feedback"], "accepted")
            row["user_rating"] = _latest(row["feedback"], "rating")


def _latest(history: Sequence[dict[str, Any]], name: str) -> Any:
    return next((feedback[name] for feedback in reversed(history) if feedback[name] is not None), None)

"""What a file holds of an execution besides its columns: feedback, model calls, and the cost that its pool reported.

It is nested in the row of the execution. Members of a newer release are left out, and named.
"""

import json
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ..costs.model_calls import ModelCall
from ..costs.usage import MOST_TOKENS, TEXT_LIMIT
from ..errors import ConfigurationError
from ..safety.sanitize import label_of, utf8
from ..sqlite.executions import placeholders
from ..storage.feedback import VISIBILITIES, Feedback, checked
from ..timestamps import from_iso
from .validation import timestamp_of

#: Column of a table -> its type in Python, and whether it may be NULL.
Members = Mapping[str, tuple[type, bool]]
Query = Callable[[str, Sequence[Any]], list[dict[str, Any]]]
"""Answers SQL with rows as dictionaries."""

FEEDBACK: Final = "feedback"
MODEL_CALLS: Final = "model_calls"
REPORTED_COST: Final = "reported_cost"
NESTED: Final = (FEEDBACK, MODEL_CALLS, REPORTED_COST)


def _member(hint: Any) -> tuple[type, bool]:
    if isinstance(hint, types.UnionType):
        return next(each for each in typing.get_args(hint) if each is not types.NoneType), True
    return hint, False


CALL_MEMBERS: Final[Members] = {
    name: _member(hint) for name, hint in typing.get_type_hints(ModelCall).items() if name != "execution_id"
}
FEEDBACK_MEMBERS: Final[Members] = {
    "timestamp": (str, False),
    "accepted": (bool, True),
    "rating": (int, True),
    "comment": (str, True),
    "source": (str, True),
    "visibility": (str, False),
}
#: Members that a span's text may be in: they are redacted and cut as those of a live span.
_NAMES: Final = (
    "model", "response_model", "provider", "error_type", "scope", "operation", "response_id", "finish_reason",
)  # fmt: skip
#: Of dollars and of seconds.
_MOST: Final = 1e9


# Writing.


def held_by(query: Query, visibility: str = "private") -> list[str]:
    """Return those of :data:`NESTED` that a database has for any execution, with feedback up to *visibility*."""
    tables = {row["name"] for row in query("SELECT name FROM sqlite_master WHERE type = 'table'", ())}
    visible = ", ".join(f"'{each}'" for each in VISIBILITIES[VISIBILITIES.index(visibility) :])
    conditions = {
        FEEDBACK: ("feedback", f"visibility IN ({visible})"),
        MODEL_CALLS: ("model_calls", "execution_id IS NOT NULL"),
    }
    conditions[REPORTED_COST] = ("reported_costs", "1")
    return [
        name
        for name, (table, condition) in conditions.items()
        if table in tables and query(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", ())
    ]


def add_nested(query: Query, rows: Iterable[dict[str, Any]], names: Collection[str], visibility: str) -> None:
    """Add those of *names* that they have to rows of ``executions``.

    Args:
        query: asks the database.
        rows: the rows.
        names: those of :data:`NESTED` that the database has.
        visibility: the most confidential feedback to include. More confidential feedback is also removed from the
            columns of its execution.
    """
    # In a damaged file an id may be of any type.
    by_id = {row["execution_id"]: row for row in rows if isinstance(row["execution_id"], str)}
    if not by_id:
        return
    if FEEDBACK in names:
        found = _select(query, "feedback", list(FEEDBACK_MEMBERS), by_id, "timestamp, feedback_id")
        add_feedback(by_id, found, visibility)
    if MODEL_CALLS in names:
        known = {row["name"] for row in query("SELECT name FROM pragma_table_info('model_calls')", ())}
        for call in _select(query, "model_calls", [name for name in CALL_MEMBERS if name in known], by_id, "rowid"):
            by_id[call.pop("execution_id")].setdefault(MODEL_CALLS, []).append(call)
    if REPORTED_COST in names:
        for reported in _select(query, "reported_costs", ["cost"], by_id, "rowid"):
            by_id[reported["execution_id"]][REPORTED_COST] = reported["cost"]


def _select(query: Query, table: str, columns: Sequence[str], ids: Collection[str], order: str) -> list[dict[str, Any]]:
    found = query(
        f"SELECT execution_id, {','.join(columns)} FROM {table} WHERE execution_id IN {placeholders(ids)}"
        f" ORDER BY {order}",
        list(ids),
    )
    return [row for row in found if row["execution_id"] in ids]


def add_feedback(by_id: Mapping[str, dict[str, Any]], found: Iterable[dict[str, Any]], visibility: str) -> None:
    """Add feedback to rows of ``executions``, and remove what is more confidential from their columns.

    Args:
        by_id: the rows, by their ids.
        found: all their feedback, the oldest first.
        visibility: the most confidential feedback to include.
    """
    visible = VISIBILITIES[VISIBILITIES.index(visibility) :]
    histories: dict[str, list[dict[str, Any]]] = {}
    for feedback in found:
        histories.setdefault(feedback.pop("execution_id"), []).append(feedback)
    for execution_id, history in histories.items():
        row = by_id[execution_id]
        shown = [feedback for feedback in history if feedback["visibility"] in visible]
        if shown:
            row[FEEDBACK] = shown
        if len(shown) < len(history):
            row["user_accepted"] = _latest(shown, "accepted")
            row["user_rating"] = _latest(shown, "rating")


def _latest(history: Sequence[dict[str, Any]], name: str) -> Any:
    return next((feedback[name] for feedback in reversed(history) if feedback[name] is not None), None)


# Reading.


def feedback_in(execution_id: str, history: Any, count: Callable[[str], object]) -> list[Feedback]:
    """Return the feedback in *history*; *count* is called with what is left out.

    Raises:
        ConfigurationError: if it is invalid.
    """
    if history is None:
        return []
    if not isinstance(history, list):
        raise ConfigurationError("feedback is invalid: expected a list")
    return [_feedback(execution_id, values, count) for values in history]


def model_calls_in(execution_id: str, values: Any, count: Callable[[str], object]) -> list[ModelCall]:
    """Return the valid model calls in *values*; *count* is called with what is left out."""
    found = []
    for each in values if isinstance(values, list) else () if values is None else (values,):
        call = _call(execution_id, each)
        if call is None:
            count("invalid model calls")
            continue
        found.append(call)
        _count_unknown(each, CALL_MEMBERS, "model calls", count)
    return found


def reported_cost_in(value: Any, count: Callable[[str], object]) -> float | None:
    """Return the cost that a pool reported; *count* is called with what is left out."""
    cost: float | None = None if value is None else _as(float, value)
    if cost is None and value is not None:
        count("invalid reported costs")
    return cost


def _feedback(execution_id: str, values: Any, count: Callable[[str], object]) -> Feedback:
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"feedback is invalid: expected objects with the keys {', '.join(FEEDBACK_MEMBERS)}")
    _count_unknown(values, FEEDBACK_MEMBERS, FEEDBACK, count)
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


def _call(execution_id: str, values: Any) -> ModelCall | None:
    """Return a model call; None where any of its members is invalid."""
    if not isinstance(values, Mapping):
        return None
    columns: dict[str, Any] = {}
    for name, (kind, may_be_missing) in CALL_MEMBERS.items():
        value = values.get(name)
        if value is None:
            if not may_be_missing:
                return None
        elif (value := _as(kind, value)) is None:
            return None
        columns[name] = value
    try:
        columns["timestamp"] = timestamp_of(columns["timestamp"])
    except ValueError:
        return None
    columns |= {name: label_of(columns[name], TEXT_LIMIT) for name in _NAMES if columns[name]}
    return ModelCall(execution_id=execution_id, **columns)


def _as(kind: type, value: Any) -> Any:
    """Return a value as the column holds it; None where it is invalid. No number of a call is below 0."""
    if kind is str:
        if isinstance(value, Mapping):
            value = json.dumps(value, separators=(",", ":"))
        return utf8(value) if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_TOKENS:
        return None
    if kind is int:
        return int(value) if int(value) == value else None
    return float(value) if value <= _MOST else None


def _count_unknown(values: Mapping[str, Any], known: Collection[str], of: str, count: Callable[[str], object]) -> None:
    for name in values:
        if name not in known and name != "execution_id":
            count(f"unknown members {utf8(str(name))[:60]!r} of {of}")

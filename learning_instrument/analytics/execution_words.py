"""The fields of an execution in words: which are defaults, which costs are unknown or lower bounds, what is missing."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .. import formatting
from ..columns import COLUMNS
from ..costs.model_calls import PARTIAL
from ..record import ExecutionRecord
from .executions import is_cost_partial, measured_seconds, reported_values

#: Columns of model calls that say where they belong, which those who show one execution know.
_OF_THE_TRACE: Final = frozenset(("execution_id", "trace_id", "span_id", "parent_span_id"))
#: Fields that say it in a unit, or in short, that people read.
_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "duration_seconds": formatting.seconds,
    "queue_seconds": formatting.seconds,
    "wait_seconds": formatting.seconds,
    "cost_estimate": formatting.dollars,
    "actual_cost": formatting.dollars,
    "outcome": lambda outcome: str(outcome.value),
    "error_type": lambda error_type: str(error_type.value),
    "success": formatting.yes_or_no,
    "user_accepted": formatting.yes_or_no,
    "metadata": json.dumps,
}


@dataclass(frozen=True, slots=True)
class FieldWords:
    """What a field of an execution says."""

    text: str
    #: Whether nothing was reported, and the column's default is there.
    is_default: bool = False


def fields(execution: ExecutionRecord, when: Callable[[datetime], str]) -> dict[str, FieldWords]:
    """Return every field that has a value, in the order of the columns; *when* writes moments."""
    shown = {**_SHOWN, "timestamp": when}
    found = {
        name: FieldWords(shown.get(name, str)(value), name in execution.defaulted)
        for name, value in _values(execution).items()
        if value is not None and value != {}
    }
    if is_cost_partial(execution):
        cost = formatting.bound(found["actual_cost"].text, True)
        found["actual_cost"] = FieldWords(f"{cost} (partial: the rest is unknown)")
        if "cost_estimate" in execution.defaulted:  # it stands for the actual cost
            found["cost_estimate"] = FieldWords(formatting.bound(found["cost_estimate"].text, True), True)
    known = reported_values(execution)
    for name in ("actual_cost", "cost_estimate"):
        if known[name] is None:
            why = "unpriced" if execution.cost_source == "unpriced" else "not reported"
            found[name] = FieldWords(f"unknown ({why})")
    return found


def duration(execution: ExecutionRecord) -> str:
    """Return how long it took; ``unknown`` where nothing was measured."""
    seconds = measured_seconds(execution)
    return "unknown" if seconds is None else formatting.seconds(seconds)


def missing(execution: ExecutionRecord) -> list[str]:
    """Return the names of the fields that have no value."""
    return [name for name, value in _values(execution).items() if value is None]


def call_columns(calls: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the columns of model calls that any of them has a value in."""
    named = dict.fromkeys(name for call in calls for name, value in call.items() if value is not None)
    return [name for name in named if name not in _OF_THE_TRACE]


def is_call_partial(call: Mapping[str, Any]) -> bool:
    """Tell whether the cost of a model call is a lower bound."""
    return bool(call.get("cost_source") == PARTIAL)


def _values(execution: ExecutionRecord) -> dict[str, Any]:
    return {name: getattr(execution, name) for name in COLUMNS if name != "defaulted"}

"""The columns of the table ``executions``: name, kind, range, default and span attribute key of each.

The field mapping, the import, Parquet files and the reference page read this table. The migrations do not: a released
step is frozen. A test compares both.
"""

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final, NamedTuple, get_args

from . import semconv
from .outcome import ErrorType, Outcome, OutcomeSource

UNKNOWN: Final = "unknown"


class Kind(Enum):
    """How a column stores its values."""

    TEXT = auto()
    #: Text with a fixed set of values.
    WORD = auto()
    #: UTC, as ``2026-11-22T10:00:00.123456+00:00``.
    TIMESTAMP = auto()
    INTEGER = auto()
    REAL = auto()
    #: 0 or 1.
    BOOLEAN = auto()
    #: A JSON object.
    OBJECT = auto()
    #: A JSON array of column names.
    NAMES = auto()


class Column(NamedTuple):
    """One column."""

    name: str
    kind: Kind
    #: The attribute of the span that holds it; None: it is computed, or stored later.
    key: str | None = None
    #: Stored where no value is reported, and then named in ``defaulted``; None: the column is NULL.
    default: Any = None
    #: The range of a reported number. An integer of a task has at most 64 bits.
    low: float = 0.0
    high: float = 1e15
    #: The longest text, in characters.
    limit: int = 500
    words: frozenset[str] = frozenset()
    is_not_null: bool = False


TABLE: Final = (
    Column("task_id", Kind.TEXT, semconv.TASK_ID, is_not_null=True),
    Column("timestamp", Kind.TIMESTAMP, is_not_null=True),
    Column("task_type", Kind.TEXT, semconv.TASK_TYPE, UNKNOWN, is_not_null=True),
    Column("task_description", Kind.TEXT, semconv.TASK_DESCRIPTION, ""),
    Column("repo", Kind.TEXT, semconv.TASK_REPO, UNKNOWN),
    Column("file_count", Kind.INTEGER, semconv.TASK_FILE_COUNT, 0),
    Column("estimated_tokens", Kind.INTEGER, semconv.TASK_ESTIMATED_TOKENS, 0),
    Column("model_tier", Kind.TEXT, semconv.MODEL_TIER, UNKNOWN),
    Column("pool_type", Kind.TEXT, semconv.POOL_TYPE, UNKNOWN),
    Column("swarm_topology", Kind.TEXT, semconv.SWARM_TOPOLOGY),
    Column("routing_confidence", Kind.REAL, semconv.ROUTING_CONFIDENCE, 1.0, high=1.0),
    Column("complexity_score", Kind.REAL, semconv.TASK_COMPLEXITY_SCORE, 50, high=100.0),
    Column("success", Kind.BOOLEAN, is_not_null=True),
    Column("duration_seconds", Kind.REAL, semconv.TASK_DURATION, is_not_null=True),
    Column("quality_score", Kind.REAL, semconv.QUALITY_SCORE, high=100.0),
    Column("cost_estimate", Kind.REAL, semconv.COST_ESTIMATE),
    Column("actual_cost", Kind.REAL, semconv.COST_ACTUAL, 0.0),
    Column("error_type", Kind.WORD, semconv.ERROR_KIND, words=frozenset(error_type.value for error_type in ErrorType)),
    Column("error_message", Kind.TEXT, semconv.ERROR_MESSAGE, limit=1000),
    Column("user_accepted", Kind.BOOLEAN),
    Column("user_rating", Kind.INTEGER, low=1, high=5),
    Column("peak_memory_mb", Kind.REAL, semconv.MEMORY_PEAK, high=1e12),
    Column("cpu_time_seconds", Kind.REAL, semconv.CPU_TIME),
    Column("solution_summary", Kind.TEXT, semconv.SOLUTION_SUMMARY, limit=4000),
    Column("metadata", Kind.OBJECT, semconv.METADATA, is_not_null=True),
    Column("execution_id", Kind.TEXT, semconv.EXECUTION_ID, is_not_null=True),
    Column("trace_id", Kind.TEXT),
    Column("span_id", Kind.TEXT),
    Column("parent_execution_id", Kind.TEXT, semconv.PARENT_EXECUTION_ID),
    Column("batch_id", Kind.TEXT, semconv.BATCH_ID),
    Column("pool_id", Kind.TEXT, semconv.POOL_ID),
    Column("worker_id", Kind.TEXT, semconv.WORKER_ID),
    Column(
        "outcome",
        Kind.WORD,
        semconv.TASK_OUTCOME,
        words=frozenset(outcome.value for outcome in Outcome),
        is_not_null=True,
    ),
    Column("exception_type", Kind.TEXT, semconv.ERROR_TYPE),
    Column("queue_seconds", Kind.REAL, semconv.QUEUE_DURATION),
    Column("model", Kind.TEXT, semconv.REQUEST_MODEL),
    Column("input_tokens", Kind.INTEGER, semconv.INPUT_TOKENS),
    Column("output_tokens", Kind.INTEGER, semconv.OUTPUT_TOKENS),
    Column("cost_source", Kind.TEXT),
    Column("service_name", Kind.TEXT),
    Column("process_id", Kind.INTEGER, semconv.PROCESS_ID),
    Column("defaulted", Kind.NAMES, semconv.DEFAULTED, is_not_null=True),
    Column("outcome_source", Kind.WORD, semconv.TASK_OUTCOME_SOURCE, words=frozenset(get_args(OutcomeSource))),
    Column("wait_seconds", Kind.REAL, semconv.WAIT_DURATION),
    Column("function_name", Kind.TEXT, semconv.CODE_FUNCTION_NAME),
    Column("attempt", Kind.INTEGER, semconv.TASK_ATTEMPT, low=1),
)
#: The names, in the order of the table.
COLUMNS: Final = tuple(column.name for column in TABLE)
COLUMN_OF: Final[Mapping[str, Column]] = {column.name: column for column in TABLE}

_METADATA: Final = "metadata."


def metadata_key(name: str) -> str | None:
    """Return the key of metadata that *name* names, as ``metadata.KEY``; None: it is not so written."""
    key = name.removeprefix(_METADATA)
    return key if key and key != name and "\0" not in key else None


def metadata_text(value: Any) -> str:
    """Return a *value* of parsed metadata as the text that executions are grouped and filtered by."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        digits, exponent, power = f"{value:.15g}".partition("e")  # as SQLite writes it
        return (digits if "." in digits else f"{digits}.0") + exponent + power
    return json.dumps(value, separators=(",", ":"))

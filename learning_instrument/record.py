"""``ExecutionRecord``, and the conversions between span, row and record.

A row is the tuple bound to the INSERT. A span becomes a row directly, in ``commit`` mode on the task's thread; a record
is made of a row when it is read.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from operator import itemgetter
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from . import semconv
from .columns import COLUMNS, TABLE
from .errors import ConfigurationError
from .ids import execution_id, new_uuid, random_bits
from .outcome import ErrorType, Outcome, OutcomeSource
from .record_values import checked
from .safety.clocks import time
from .safety.forks import check
from .safety.redaction import without_secrets
from .safety.sanitize import utf8
from .semconv import BATCH_SIZE, SCOPE_NAME
from .timestamps import from_iso, iso, iso_of_nanoseconds


def is_execution(span: ReadableSpan) -> bool:
    """Tell whether *span* is that of an execution. The span of a batch is not: its items are."""
    scope = span.instrumentation_scope
    if scope is None or scope.name != SCOPE_NAME:
        return False
    attributes = span.attributes or ()
    # The SDK takes twice as long to say that it lacks a key. Only executions have this id.
    return semconv.EXECUTION_ID in attributes or BATCH_SIZE not in attributes


Row = tuple[Any, ...]
"""The values of one row of ``executions``, in the order of :data:`COLUMNS`, ready to be bound."""

# Annotated with the type that a reader finds: __post_init__ replaces None by the default, and marks it.
_DEFAULT: Final[Any] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """One finished execution of one task: a row of the table ``executions``.

    Costs are US dollars, durations seconds, memory MB (10^6 bytes). Only ``task_type`` is required. A missing
    value (or None) becomes the column's default and is named in ``defaulted``. ``outcome`` and ``error_type`` may be
    text; ``success``, where it is given, must agree with ``outcome``.

    Raises:
        ConfigurationError: for a value that the column cannot hold, or a ``success`` that the outcome contradicts.
    """

    task_type: str
    task_id: str = _DEFAULT
    timestamp: datetime = _DEFAULT
    task_description: str = _DEFAULT
    repo: str = _DEFAULT
    file_count: int = _DEFAULT
    estimated_tokens: int = _DEFAULT
    model_tier: str = _DEFAULT
    pool_type: str = _DEFAULT
    swarm_topology: str | None = None
    routing_confidence: float = _DEFAULT
    complexity_score: float = _DEFAULT
    success: bool = _DEFAULT
    duration_seconds: float = 0.0
    quality_score: float | None = None
    cost_estimate: float = _DEFAULT
    actual_cost: float = _DEFAULT
    error_type: ErrorType | None = None
    error_message: str | None = None
    user_accepted: bool | None = None
    user_rating: int | None = None
    peak_memory_mb: float | None = None
    cpu_time_seconds: float | None = None
    solution_summary: str | None = None
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    execution_id: str = _DEFAULT
    trace_id: str | None = None
    span_id: str | None = None
    parent_execution_id: str | None = None
    batch_id: str | None = None
    pool_id: str | None = None
    worker_id: str | None = None
    outcome: Outcome = _DEFAULT
    exception_type: str | None = None
    queue_seconds: float | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_source: str | None = None
    service_name: str | None = None
    process_id: int | None = None
    defaulted: tuple[str, ...] = _DEFAULT
    outcome_source: OutcomeSource | None = None
    wait_seconds: float | None = None
    function_name: str | None = None
    attempt: int | None = None

    def __post_init__(self) -> None:
        """Check the values, fill in the defaults, and mark them."""
        check()
        put = functools.partial(object.__setattr__, self)
        for column in TABLE:
            given = getattr(self, column.name)
            if given is not None:
                value = checked(column, given)
                if value is not given:
                    put(column.name, value)
        if self.outcome is None:
            put("outcome", Outcome.FAILED if self.success is False else Outcome.SUCCEEDED)
        if self.success is None:
            put("success", self.outcome is Outcome.SUCCEEDED)
        elif self.success is not (self.outcome is Outcome.SUCCEEDED):
            raise ConfigurationError(
                f"Invalid success {self.success}: expected {not self.success}, for the outcome is {self.outcome.value}."
            )
        if self.execution_id is None:
            put("execution_id", execution_id(time.time_ns(), random_bits(128), random_bits(64)))
        if self.timestamp is None:
            put("timestamp", datetime.now(timezone.utc))
        missing = [name for name in ("task_id", *_DEFAULTS) if getattr(self, name) is None]
        for name in missing:
            put(name, new_uuid() if name == "task_id" else _DEFAULTS[name])
        if self.cost_estimate is None:
            missing.append("cost_estimate")
            put("cost_estimate", self.actual_cost)
        if self.defaulted is None:
            put("defaulted", tuple(name for name in COLUMNS if name in missing))

    def calculate_prediction_error(self) -> dict[str, float]:
        """Return the error of the cost estimate.

        Returns:
            ``cost_error_abs`` in US dollars (>= 0), and ``cost_error_pct`` in percent of the estimate (0.0 where
            that is 0). Only meaningful where ``cost_estimate`` and ``actual_cost`` are not in ``defaulted``, and
            ``cost_source`` is not ``partial``.
        """
        error = abs(self.actual_cost - self.cost_estimate)
        return {
            "cost_error_abs": error,
            "cost_error_pct": error / self.cost_estimate * 100.0 if self.cost_estimate else 0.0,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the record in JSON types: ISO timestamp, enums as their values, ``defaulted`` as a list."""
        values = {column: getattr(self, column) for column in COLUMNS}
        values["timestamp"] = iso(self.timestamp)
        values["error_type"] = None if self.error_type is None else self.error_type.value
        values["outcome"] = self.outcome.value
        values["metadata"] = _json_ready(self.metadata)
        values["defaulted"] = list(self.defaulted)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ExecutionRecord":
        """Return the record of a dictionary from :meth:`to_dict`, or of a row of the table.

        A whole row may have more columns: those of a newer release.

        Raises:
            ConfigurationError: for a missing ``task_type``, an unknown column, or an invalid value.
        """
        unknown = values.keys() - set(COLUMNS)
        if len(values) - len(unknown) == len(COLUMNS):
            values, unknown = {column: values[column] for column in COLUMNS}, set()
        if unknown or values.get("task_type") is None:
            fault = f"unknown columns {sorted(unknown)}" if unknown else "task_type is missing"
            raise ConfigurationError(f"Invalid record: {fault}; the columns are {', '.join(COLUMNS)}.")
        try:
            return cls(**{column: _PARSERS.get(column, _same)(value) for column, value in values.items()})
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ConfigurationError(f"Invalid record {dict(values)!r:.500}: {error}") from error

    @classmethod
    def from_span(cls, span: ReadableSpan) -> "ExecutionRecord":
        """Return the record of a finished execution's span.

        Raises:
            ConfigurationError: if *span* is not that of a finished execution.
        """
        try:
            row = row_from_span(span)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            name = getattr(span, "name", None)
            raise ConfigurationError(
                f"Invalid span {name!r}: expected that of a finished execution: {error!r}"
            ) from error
        return cls.from_dict(dict(zip(COLUMNS, row, strict=True)))


#: Column -> its default. The default of the task's id is a new one, that of ``cost_estimate`` is ``actual_cost``.
_DEFAULTS: Final = {column.name: column.default for column in TABLE if column.default is not None}
#: What a column is read by: the key of its attribute, or its number where it is computed, which is no attribute's key.
_KEYS: Final = [number if column.key is None else column.key for number, column in enumerate(TABLE)]
_TIMESTAMP, _SUCCESS, _TRACE_ID, _SPAN_ID, _SERVICE_NAME = map(
    COLUMNS.index, ("timestamp", "success", "trace_id", "span_id", "service_name")
)
#: Key -> what a column without a value has. The outcome and the duration are required.
_ABSENT: Final[dict[Any, Any]] = {
    **{key: column.default for key, column in zip(_KEYS, TABLE, strict=True)},
    semconv.METADATA: "{}",
    semconv.DEFAULTED: (),
}
del _ABSENT[semconv.TASK_OUTCOME], _ABSENT[semconv.TASK_DURATION]
_in_order: Final = itemgetter(*_KEYS)


def row_from_span(span: ReadableSpan) -> Row:
    """Return the row of a finished execution's *span*.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: if the span is not that of an execution, or was changed.
    """
    ids = span.context
    # MappingProxyType.copy() reaches the SDK's own copy(): a tenth of the time of dict(span.attributes).
    attributes: dict[str, Any] = span.attributes.copy()  # type: ignore[union-attr]
    return row_of(span, execution_id(span.start_time or 0, ids.trace_id, ids.span_id), attributes)


def row_of(span: ReadableSpan, identity: str, attributes: dict[str, Any]) -> Row:
    """Return the row of a finished execution's *span*, whose id and attributes are known.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: if the span is not that of an execution, or was changed.
    """
    values: dict[Any, Any] = _ABSENT | attributes
    values[semconv.EXECUTION_ID] = identity
    values[_TIMESTAMP] = iso_of_nanoseconds(span.start_time or 0)
    values[_TRACE_ID] = identity[17:49]
    values[_SPAN_ID] = identity[50:]
    values[_SUCCESS] = 1 if values[semconv.TASK_OUTCOME] == "succeeded" else 0  # a bool takes longer to bind
    values[_SERVICE_NAME] = _service_name(span.resource)
    values[semconv.DEFAULTED] = _json_list(values[semconv.DEFAULTED])
    if values[semconv.TASK_ID] is None:
        values[semconv.TASK_ID] = identity
    if values[semconv.COST_ESTIMATE] is None:
        values[semconv.COST_ESTIMATE] = values[semconv.COST_ACTUAL]
    if values[semconv.MEMORY_PEAK] is not None:
        values[semconv.MEMORY_PEAK] /= 1e6
    return _in_order(values)  # type: ignore[no-any-return]


def row_of_unfinished(span: ReadableSpan, attributes: Mapping[str, Any]) -> Row:
    """Return the row that a running execution becomes if its process dies.

    Args:
        span: its span, which has not ended.
        attributes: those captured so far.
    """
    known = {
        **attributes,
        semconv.TASK_OUTCOME: Outcome.LOST.value,
        semconv.ERROR_KIND: ErrorType.CRASH.value,
        semconv.TASK_DURATION: 0.0,
        semconv.DEFAULTED: (*attributes[semconv.DEFAULTED], "duration_seconds"),
    }
    return row_from_span(
        ReadableSpan(
            span.name, context=span.context, resource=span.resource, attributes=known, start_time=span.start_time
        )
    )


def row_from_record(record: ExecutionRecord) -> Row:
    """Return the row of *record*."""
    values = record.to_dict()
    values["metadata"] = json.dumps(values["metadata"], separators=(",", ":"))
    values["defaulted"] = _json_list(tuple(values["defaulted"]))
    return tuple(values[column] for column in COLUMNS)


class _LastResource:
    """The resource of the last span, cached: its attributes are slow to read, and nearly all spans share it."""

    seen: tuple[Resource | None, Any] = (None, None)


def _service_name(resource: Resource) -> Any:
    last, name = _LastResource.seen
    if resource is not last:
        name = resource.attributes.get(semconv.SERVICE_NAME)
        if isinstance(name, str):
            name = without_secrets(name)  # not the user's own rules: a writer's lock may be held
        _LastResource.seen = (resource, name)
    return name


@functools.lru_cache(maxsize=512)
def _json_list(values: tuple[str, ...]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _json_ready(value: Any) -> Any:
    """Return *value* in JSON types; other types become text. ClickHouse reads no object with half a surrogate pair."""
    if isinstance(value, Mapping):
        return {utf8(str(key)): _json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(item) for item in value]
    is_plain = value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else utf8(value if isinstance(value, str) else str(value))


# Parsers: the value of a row or of JSON -> the value of the record.


def _same(value: Any) -> Any:
    return value


def _parse_timestamp(value: Any) -> datetime | None:
    moment = from_iso(value) if isinstance(value, str) else value
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"the timestamp {value!r} has no time zone; add one, such as +00:00")
    return moment


def _parse_bool(value: Any) -> bool | None:
    return None if value is None else bool(value)


def parse_metadata(value: Any) -> dict[str, Any]:
    """Return the object in the column ``metadata``; text that is not a JSON object comes under ``unreadable``."""
    if not isinstance(value, str):
        return dict(value or {})
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):  # an attribute length limit of the host's cut it
        return {"unreadable": value}
    return parsed if isinstance(parsed, dict) else {"unreadable": value}


def _parse_defaulted(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(json.loads(value) if isinstance(value, str) else value)


def _parse_complexity(value: Any) -> Any:
    """Return a whole number as one: SQLite's column has it so, and ClickHouse's does not."""
    return int(value) if type(value) is float and value.is_integer() else value


_PARSERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "timestamp": _parse_timestamp,
    "success": _parse_bool,
    "user_accepted": _parse_bool,
    "error_type": lambda value: None if value is None else ErrorType(value),
    "outcome": lambda value: None if value is None else Outcome(value),
    "complexity_score": _parse_complexity,
    "metadata": parse_metadata,
    "defaulted": _parse_defaulted,
}

"""The field mapping: which column is filled from where, and what counts as a value for it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .. import semconv
from ..safety.sanitize import INTEGER_LIMIT, exact, text_of, utf8

IDENTIFIER_LIMIT: Final = 500

#: What a cleaner answers for a value of the wrong type or out of range.
INVALID: Final = object()


Extractor = Callable[[Any, Any, Any], Any]
"""``(instance, task, result) -> value``"""

# Cleaners: a value that is not None -> the attribute's value, or INVALID.


def _text(value: Any) -> Any:
    """An identifier-like string. Numbers and UUIDs are common ids, paths common repositories."""
    if type(value) is str and len(value) <= 64 and value.isascii():
        return value
    value = exact(value)
    if type(value) is str:
        return utf8(value[:IDENTIFIER_LIMIT])
    if type(value) is int and -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        return str(value)
    if type(value).__module__ in ("uuid", "pathlib", "pathlib._local"):
        return utf8(str(value)[:IDENTIFIER_LIMIT])
    return INVALID


def _repository(value: Any) -> Any:
    """A repository is often a URL, and a URL may hold a password."""
    value = _text(value)
    return text_of(value, IDENTIFIER_LIMIT) if type(value) is str and "://" in value else value


def _prose(limit: int) -> Callable[[Any], Any]:
    def clean(value: Any) -> Any:
        if type(value) is not str:
            value = exact(value)
        return text_of(value, limit) if type(value) is str else INVALID

    return clean


def _number(highest: float = 1e15) -> Callable[[Any], Any]:
    """A finite number from 0 to *highest*. NaN fails both comparisons."""

    def clean(value: Any) -> Any:
        cls = type(value)
        if cls is not float and cls is not int:
            value = exact(value)
            cls = type(value)
        return value if (cls is float or cls is int) and 0.0 <= value <= highest else INVALID

    return clean


def _megabytes(value: Any) -> Any:
    """Megabytes; the attribute is in bytes."""
    value = _number(1e12)(value)
    return value if value is INVALID else round(value * 1e6)


def _count(value: Any) -> Any:
    """A whole number, or the length of a list."""
    value = exact(value)
    cls = type(value)
    if cls is float and value.is_integer():
        value, cls = int(value), int
    if cls is int:
        return value if 0 <= value < INTEGER_LIMIT else INVALID
    for kind in (list, tuple, set, frozenset, dict):
        if issubclass(cls, kind):
            return kind.__len__(value)
    return INVALID


def _token_estimate(value: Any) -> Any:
    """The estimate for a text: 2 characters a token, rounded up."""
    if type(value) is not str:
        value = exact(value)
    return (len(value) + 1) // 2 if type(value) is str else INVALID


def _tokens(value: Any) -> Any:
    """A count of tokens, or the text to estimate them for."""
    estimate = _token_estimate(value)
    return _count(value) if estimate is INVALID else estimate


class Field(NamedTuple):
    """One column that a task, a result, a pool or the user can fill."""

    column: str
    key: str
    clean: Callable[[Any], Any]
    task_names: tuple[str, ...] = ()
    result_names: tuple[str, ...] = ()
    #: The result's word counts before the task's.
    result_first: bool = False
    #: The column has a stand-in, so a missing value is named in ``defaulted``.
    marked: bool = False
    #: What people wrote, which ``capture_content=False`` keeps out.
    content: bool = False


FIELDS: Final = (
    Field("task_id", semconv.TASK_ID, _text, ("task_id",), marked=True),
    Field("task_type", semconv.TASK_TYPE, _text, ("task_type",), marked=True),
    Field(
        "task_description", semconv.TASK_DESCRIPTION, _prose(500), ("prompt", "description"), marked=True, content=True
    ),
    Field("repo", semconv.TASK_REPO, _repository, ("repo", "repo_path"), marked=True),
    Field(
        "file_count",
        semconv.TASK_FILE_COUNT,
        _count,
        ("file_count",),
        ("files_changed",),
        result_first=True,
        marked=True,
    ),
    Field("estimated_tokens", semconv.TASK_ESTIMATED_TOKENS, _token_estimate, ("prompt", "description"), marked=True),
    Field("model_tier", semconv.MODEL_TIER, _text, ("model_tier",), ("model_tier",), result_first=True, marked=True),
    Field("pool_type", semconv.POOL_TYPE, _text, marked=True),
    Field("swarm_topology", semconv.SWARM_TOPOLOGY, _text, ("swarm_topology",)),
    Field("routing_confidence", semconv.ROUTING_CONFIDENCE, _number(1.0), ("routing_confidence",), marked=True),
    Field(
        "complexity_score",
        semconv.TASK_COMPLEXITY_SCORE,
        _number(100.0),
        ("complexity_score",),
        ("complexity",),
        marked=True,
    ),
    Field("quality_score", semconv.QUALITY_SCORE, _number(100.0), (), ("quality_score",)),
    Field("cost_estimate", semconv.COST_ESTIMATE, _number(), ("cost_estimate",), marked=True),
    Field("actual_cost", semconv.COST_ACTUAL, _number(), (), ("cost",), marked=True),
    Field("peak_memory_mb", semconv.MEMORY_PEAK, _megabytes, (), ("peak_memory_mb",)),
    Field("cpu_time_seconds", semconv.CPU_TIME, _number(), (), ("cpu_time_seconds",)),
    Field("solution_summary", semconv.SOLUTION_SUMMARY, _prose(4000), (), ("solution_summary",), content=True),
    Field("pool_id", semconv.POOL_ID, _text, (), ("pool_id",)),
    Field("worker_id", semconv.WORKER_ID, _text, (), ("worker_id",)),
    Field("queue_seconds", semconv.QUEUE_DURATION, _number()),
    Field("model", semconv.REQUEST_MODEL, _text),
    Field("input_tokens", semconv.INPUT_TOKENS, _count),
    Field("output_tokens", semconv.OUTPUT_TOKENS, _count),
)
#: What a user says himself may be of another kind than what is found in a task.
CLEAN_SAID: Final[Mapping[str, Callable[[Any], Any]]] = {
    **{field.column: field.clean for field in FIELDS},
    "estimated_tokens": _tokens,
}
FIELD_OF: Final = {field.column: field for field in FIELDS}
#: What ``fields=`` and ``current_execution().set()`` take: the columns above, and three that no attribute holds alone.
SETTABLE: Final = frozenset(FIELD_OF) | {"success", "error_message", "metadata"}

FieldPlan = tuple[tuple[str, str, str, Callable[[Any], Any], bool], ...]


def _plan(names_of: Callable[[Field], tuple[str, ...]], *, content: bool) -> FieldPlan:
    """Return (name, key, column, cleaner, whether it wins over what is there) in the order of reading."""
    return tuple(
        (name, field.key, field.column, field.clean, field.result_first)
        for field in FIELDS
        if content or not field.content
        for name in names_of(field)
    )


# By capture_content.
FROM_TASK: Final = {content: _plan(lambda field: field.task_names, content=content) for content in (True, False)}
FROM_RESULT: Final = {content: _plan(lambda field: field.result_names, content=content) for content in (True, False)}
MARKED: Final = tuple((field.key, field.column) for field in FIELDS if field.marked)

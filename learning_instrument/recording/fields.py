"""The field mapping: the names that fill each column, and the valid values of it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ..columns import COLUMN_OF, Column, Kind
from ..safety.sanitize import INTEGER_LIMIT, exact, id_of, label_of, repeated_id_of, repeated_label_of, text_of

IDENTIFIER_LIMIT: Final = COLUMN_OF["task_id"].limit

#: Returned by a cleaner for a value of the wrong type or out of range.
INVALID: Final = object()


Extractor = Callable[[Any, Any, Any], Any]
"""``(instance, task, result) -> value``"""

#: Cleaner -> as source text: when ``value``, of class ``cls``, is plain, and what the attribute is then: what the
#: cleaner would return.
PLAIN_FORMS: Final[dict[Callable[[Any], Any], tuple[str, str]]] = {}
_IS_SHORT: Final = f"cls is str and len(value) <= {IDENTIFIER_LIMIT}"

# Cleaners: a value that is not None -> the attribute's value, or INVALID.


def _label(value: Any) -> Any:
    """A text that repeats. Paths are common repositories."""
    if type(value) is str and len(value) <= IDENTIFIER_LIMIT:
        return repeated_label_of(value)
    value = _plain(value)
    return label_of(value) if type(value) is str else INVALID


def _id(value: Any) -> Any:
    """An identifier; one that holds a secret is invalid, for rows must not share what is left of it."""
    if type(value) is not str:
        value = _plain(value)
    found = id_of(value) if type(value) is str else None
    return INVALID if found is None else found


def _repeated_id(value: Any) -> Any:
    """The identifier of a pool or a worker."""
    if type(value) is not str:
        value = _plain(value)
    if type(value) is not str:
        return INVALID
    found = repeated_id_of(value) if len(value) <= IDENTIFIER_LIMIT else id_of(value)
    return INVALID if found is None else found


def _plain(value: Any) -> Any:
    """Return *value* as text. Integers and UUIDs are common ids, paths common repositories."""
    value = exact(value)
    if type(value) is int and -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        return str(value)
    return str(value) if type(value).__module__ in ("uuid", "pathlib", "pathlib._local") else value


def _prose(limit: int) -> Callable[[Any], Any]:
    def clean(value: Any) -> Any:
        if type(value) is not str:
            value = exact(value)
        return text_of(value, limit) if type(value) is str else INVALID

    PLAIN_FORMS[clean] = "cls is str", f"text_of(value, {limit})"
    return clean


def _number(highest: float) -> Callable[[Any], Any]:
    """A finite number from 0 to *highest*. NaN fails both comparisons."""

    def clean(value: Any) -> Any:
        cls = type(value)
        if cls is not float and cls is not int:
            value = exact(value)
            cls = type(value)
        return value if (cls is float or cls is int) and 0.0 <= value <= highest else INVALID

    PLAIN_FORMS[clean] = f"(cls is float or cls is int) and 0.0 <= value <= {highest!r}", "value"
    return clean


_megabytes_in_range: Final = _number(COLUMN_OF["peak_memory_mb"].high)


def _megabytes(value: Any) -> Any:
    """Megabytes; the attribute is in bytes."""
    value = _megabytes_in_range(value)
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


def _attempt(value: Any) -> Any:
    """The number of an attempt, from 1; no length of a list."""
    value = exact(value)
    return _count(value) if type(value) in (int, float) and value >= 1 else INVALID


PLAIN_FORMS[_label] = _IS_SHORT, "repeated_label_of(value)"
PLAIN_FORMS[_id] = "cls is str and is_plain_id(value) and Own.redact is None", "value"
PLAIN_FORMS[_repeated_id] = f"{_IS_SHORT} and (known := repeated_id_of(value)) is not None", "known"
PLAIN_FORMS[_token_estimate] = "cls is str", "(len(value) + 1) // 2"


def _tokens(value: Any) -> Any:
    """A count of tokens, or the text to estimate them for."""
    estimate = _token_estimate(value)
    return _count(value) if estimate is INVALID else estimate


class Field(NamedTuple):
    """One column that a task, a result, a pool or the user can fill."""

    column: str
    #: The key of its span attribute.
    key: str
    clean: Callable[[Any], Any]
    task_names: tuple[str, ...]
    result_names: tuple[str, ...]
    #: The result's value takes precedence over the task's.
    result_first: bool
    #: The column has a default, so a missing value is named in ``defaulted``.
    marked: bool
    #: Content, which ``capture_content=False`` keeps out.
    content: bool
    #: Further names, common in the trade, for a value that those above and ``fields`` do not give.
    guessed_in_task: tuple[str, ...] = ()
    guessed_in_result: tuple[str, ...] = ()


def _cleaner(column: Column) -> Callable[[Any], Any]:
    """Return the cleaner for the kind and the range of *column*."""
    if column.kind is Kind.REAL:
        return _number(column.high)
    return _count if column.kind is Kind.INTEGER else _label


def _field(
    name: str,
    task_names: tuple[str, ...] = (),
    result_names: tuple[str, ...] = (),
    *,
    clean: Callable[[Any], Any] | None = None,
    result_first: bool = False,
    content: bool = False,
    guessed: tuple[str, ...] = (),
    guessed_in_result: tuple[str, ...] = (),
) -> Field:
    column = COLUMN_OF[name]
    assert column.key is not None, name
    marked = column.default is not None or name in ("task_id", "cost_estimate")
    clean = clean or _cleaner(column)
    names = task_names, result_names
    return Field(name, column.key, clean, *names, result_first, marked, content, guessed, guessed_in_result)


_PROSE: Final = ("prompt", "description")
_GUESSED_PROSE: Final = (
    "instructions", "instruction", "task", "query", "question", "input", "user_input", "user_query", "message", "goal",
    "objective", "problem_statement", "request", "content", "text", "title",
)  # fmt: skip
_MODELS: Final = ("model", "model_name")

FIELDS: Final = (
    _field("task_id", ("task_id",), clean=_id),
    _field("task_type", ("task_type",), guessed=("kind", "type", "job_type", "operation")),
    _field(
        "task_description",
        _PROSE,
        clean=_prose(COLUMN_OF["task_description"].limit),
        content=True,
        guessed=_GUESSED_PROSE,
    ),
    _field("repo", ("repo", "repo_path"), guessed=("repository", "repo_name", "repo_url")),
    _field(
        "file_count",
        ("file_count",),
        ("files_changed",),
        result_first=True,
        guessed=("files",),
        guessed_in_result=("changed_files", "modified_files"),
    ),
    _field("estimated_tokens", _PROSE, clean=_token_estimate, guessed=_GUESSED_PROSE),
    _field(
        "model_tier",
        ("model_tier",),
        ("model_tier",),
        result_first=True,
        guessed=("tier",),
        guessed_in_result=("tier",),
    ),
    _field("pool_type"),
    _field("swarm_topology", ("swarm_topology",)),
    _field("routing_confidence", ("routing_confidence",)),
    _field("complexity_score", ("complexity_score",), ("complexity",)),
    _field("quality_score", (), ("quality_score",)),
    _field("cost_estimate", ("cost_estimate",)),
    _field("actual_cost", (), ("cost",), guessed_in_result=("cost_usd", "total_cost_usd", "total_cost")),
    _field("peak_memory_mb", (), ("peak_memory_mb",), clean=_megabytes),
    _field("cpu_time_seconds", (), ("cpu_time_seconds",)),
    _field(
        "solution_summary",
        (),
        ("solution_summary",),
        clean=_prose(COLUMN_OF["solution_summary"].limit),
        content=True,
        guessed_in_result=("summary",),
    ),
    _field("pool_id", (), ("pool_id",), clean=_repeated_id),
    _field("worker_id", (), ("worker_id",), clean=_repeated_id),
    _field("queue_seconds"),
    _field("model", guessed=_MODELS, guessed_in_result=_MODELS),
    _field("input_tokens", guessed_in_result=("input_tokens", "prompt_tokens")),
    _field("output_tokens", guessed_in_result=("output_tokens", "completion_tokens")),
    _field("attempt", clean=_attempt),
)
#: Cleaners of values that a user sets, which may be of another kind than those found in a task.
CLEAN_GIVEN: Final[Mapping[str, Callable[[Any], Any]]] = {
    **{field.column: field.clean for field in FIELDS},
    "estimated_tokens": _tokens,
}
FIELD_OF: Final = {field.column: field for field in FIELDS}
#: The columns that ``fields=`` and ``current_execution().set()`` take: those above, and three without an attribute.
SETTABLE: Final = frozenset(FIELD_OF) | {"success", "error_message", "metadata"}

FieldPlan = tuple[tuple[str, str, str, Callable[[Any], Any], bool], ...]


def _plan(names_of: Callable[[Field], tuple[str, ...]], *, content: bool) -> FieldPlan:
    """Return (name, key, column, cleaner, whether it replaces an earlier value) in the order of reading."""
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

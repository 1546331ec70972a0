"""Validates the values of a file, and makes rows of them.

A value of the wrong type is refused, with its column and the reason. Text is made valid UTF-8, as at capture. Ranges
are not checked: values that a pool stored are kept.
"""

import functools
import hashlib
import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..columns import COLUMN_OF, COLUMNS, TABLE, Column, Kind
from ..errors import ConfigurationError
from ..ids import execution_id
from ..record import ExecutionRecord, Row, row_from_record
from ..safety.sanitize import INTEGER_LIMIT, utf8
from ..sqlite.migrations import ADDED_COLUMNS
from ..timestamps import from_iso, iso

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND: Final = timedelta(microseconds=1)
_CANONICAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", re.ASCII)
#: The most levels of ``metadata``: deeper ones exhaust a reader's stack.
_DEEPEST: Final = 200
_SHOWN_CHARACTERS: Final = 60
#: Columns without a default.
_REQUIRED: Final = ("task_type", "timestamp")
_RATING: Final = COLUMN_OF["user_rating"]
_NEVER_NULL: Final = tuple(column.name for column in TABLE if column.is_not_null)
_never_null: Final = operator.itemgetter(*map(COLUMNS.index, _NEVER_NULL))
_compact: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class _InvalidError(ValueError):
    """A value is invalid for its column."""


def row_of(values: Mapping[str, Any]) -> Row:
    """Return the row of *values*: a line of a file, or a row of another database.

    Raises:
        ConfigurationError: for an invalid value; the message names its column and the reason.
    """
    if values.keys() != _ALL:
        whole = {**_ADDED_SINCE, **values}
        values = whole if whole.keys() == _ALL else _completed(values)
    try:
        row = tuple([None if (value := values[column]) is None else check(value) for column, check in _CHECKS.items()])
    except _InvalidError:
        _refuse_invalid(values)
        raise
    if None in _never_null(row):
        missing = next(column for column in _NEVER_NULL if values[column] is None)
        raise ConfigurationError(f"{missing} is missing")
    return row


def identified(values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* with an execution id; a missing one is derived from the rest, always the same."""
    if values.get("execution_id") is not None:
        return values
    text = json.dumps(values, sort_keys=True, default=str)
    start = nanoseconds(values.get("timestamp"))
    return {**values, "execution_id": execution_id(start, derived_bits(text, 128), derived_bits(text, 64))}


def nanoseconds(timestamp: Any) -> int:
    """Return a timestamp in nanoseconds since the epoch; 0 for an earlier or invalid one."""
    try:
        return max(0, (from_iso(timestamp_of(timestamp)) - _EPOCH) // _MICROSECOND * 1000)
    except ValueError:
        return 0


def derived_bits(text: str, bits: int) -> int:
    """Return a number of *bits* bits, derived from *text*, never 0."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[: bits // 8], "big") or 1


def _completed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *values* with the defaults of missing columns, marked.

    The columns that a whole row of a newer release has more are left out.
    """
    if values.keys() >= _ALL:
        return {column: values[column] for column in COLUMNS}
    if unknown := values.keys() - _ALL:
        raise ConfigurationError(f"unknown columns {_shown(', '.join(sorted(map(str, unknown))))}")
    given = {column: value for column, value in values.items() if value is not None}
    for column in _REQUIRED:
        if column not in given:
            raise ConfigurationError(f"{column} is missing")
    _refuse_invalid(given)
    checked = {column: _CHECKS[column](value) for column, value in given.items()}
    complete = dict(zip(COLUMNS, row_from_record(ExecutionRecord.from_dict(checked)), strict=True))
    if "duration_seconds" not in given and "defaulted" not in given:
        complete["defaulted"] = [*json.loads(complete["defaulted"]), "duration_seconds"]
    return complete


def _refuse_invalid(values: Mapping[str, Any]) -> None:
    for column, value in values.items():
        try:
            if value is not None:
                _CHECKS[column](value)
        except _InvalidError as error:
            raise ConfigurationError(f"{column} {error}") from None


# Checks: a value of a file -> the value to bind.


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _InvalidError(f"is {_shown(value)}: expected text")
    return value if value.isascii() else utf8(value)


def _one_of(words: frozenset[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if type(value) is not str or value not in words:
            raise _InvalidError(f"is {_shown(value)}: expected one of {', '.join(sorted(words))}")
        return value

    return check


def _whole(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise _InvalidError(f"is {_shown(value)}: expected an integer")
    if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        raise _InvalidError("has more than 64 bits")
    return value


def _rating(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not _RATING.low <= value <= _RATING.high:
        raise _InvalidError(f"is {_shown(value)}: expected an integer from {_RATING.low} to {_RATING.high}")
    return value


def _number(value: Any) -> float:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is not int:
        raise _InvalidError(f"is {_shown(value)}: expected a number")
    if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        raise _InvalidError("has more than 64 bits")
    return value


def _truth(value: Any) -> int:
    if type(value) not in (bool, int) or value not in (0, 1):
        raise _InvalidError(f"is {_shown(value)}: expected true or false")
    return int(value)


def timestamp_of(value: Any) -> str:
    """Return the text of the column ``timestamp`` for *value*.

    Raises:
        ValueError: if *value* is not a time with a time zone.
    """
    try:
        if type(value) is str:
            moment = from_iso(value)
            if _CANONICAL.fullmatch(value):
                return value
        else:
            moment = value
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return iso(moment)
    except (ValueError, OverflowError):
        pass  # invalid, or before the first year
    raise _InvalidError(f"is {_shown(value)}: expected a date and time with a time zone")


def _metadata(value: Any) -> str:
    """The JSON text of an object; text is kept, since readers accept JSON that was cut."""
    try:
        text = value if type(value) is str else _json_object(value)
        if text.count("{") + text.count("[") > _DEEPEST and _depth(json.loads(text)) > _DEEPEST:
            raise _InvalidError(f"is nested deeper than {_DEEPEST} levels")
    except RecursionError:
        raise _InvalidError(f"is nested deeper than {_DEEPEST} levels") from None
    except _InvalidError:
        raise
    except ValueError:  # cut, or not JSON at all
        pass
    return _text(text)


def _json_object(value: Any) -> str:
    if type(value) is not dict:
        raise _InvalidError(f"is {_shown(value)}: expected a JSON object")
    try:
        text = _compact(value)
    except ValueError:  # NaN is not valid JSON: stored as text, as in a record
        text = _compact(_finite(value))
    return text if "\\ud" not in text else utf8(json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False))


def _finite(value: Any) -> Any:
    if type(value) is dict:
        return {key: _finite(item) for key, item in value.items()}
    if type(value) is list:
        return [_finite(item) for item in value]
    return str(value) if type(value) is float and not math.isfinite(value) else value


def _depth(value: Any) -> int:
    """Return the number of levels of objects and arrays, without recursion."""
    level, depth = [value], 0
    while level := [item for item in level if type(item) in (dict, list)]:
        depth += 1
        level = [member for item in level for member in (item.values() if type(item) is dict else item)]
    return depth


def _names(value: Any) -> str:
    if type(value) is str:
        return _names_as_text(value)
    if type(value) not in (list, tuple) or not all(type(name) is str for name in value):
        raise _InvalidError(f"is {_shown(value)}: expected a list of names")
    return _names_of(tuple(value))


@functools.lru_cache(maxsize=512)
def _names_of(names: tuple[str, ...]) -> str:
    return _compact(list(map(utf8, names)))


@functools.lru_cache(maxsize=512)
def _names_as_text(text: str) -> str:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if type(names) is not list:
        raise _InvalidError(f"is {_shown(text)}: expected a list of names")
    return _names(names)


def _shown(value: Any) -> str:
    """Return the beginning of a value, for a message."""
    if type(value) is str:
        return repr(utf8(value[:_SHOWN_CHARACTERS]) + ("..." if len(value) > _SHOWN_CHARACTERS else ""))
    if value is None or type(value) in (bool, float):
        return repr(value)
    if type(value) is int and -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        return repr(value)
    return f"of type {type(value).__name__}"


_CHECK_OF_KIND: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.TEXT: _text,
    Kind.TIMESTAMP: timestamp_of,
    Kind.INTEGER: _whole,
    Kind.REAL: _number,
    Kind.BOOLEAN: _truth,
    Kind.OBJECT: _metadata,
    Kind.NAMES: _names,
}


def _check_of(column: Column) -> Callable[[Any], Any]:
    if column.name == "user_rating":
        return _rating
    return _one_of(column.words) if column.kind is Kind.WORD else _CHECK_OF_KIND[column.kind]


_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {column.name: _check_of(column) for column in TABLE}
_ALL: Final = _CHECKS.keys()
#: The columns that a file of an older release lacks.
_ADDED_SINCE: Final = dict.fromkeys(ADDED_COLUMNS["executions"])

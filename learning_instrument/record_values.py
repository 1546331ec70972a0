"""The values that a record can hold: checked where it is made, for what the table cannot store would be lost later."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, Final

from .columns import Column, Kind
from .errors import ConfigurationError
from .outcome import ErrorType, Outcome
from .safety.sanitize import INTEGER_LIMIT, exact, utf8


class _InvalidError(ValueError):
    """A value is invalid; the message says what is expected."""


def checked(column: Column, value: Any) -> Any:
    """Return *value*, which is not None, as *column* of a record has it.

    Raises:
        ConfigurationError: if the table cannot store it.
    """
    try:
        return _CHECKS[column.kind](column, value)
    except (_InvalidError, ArithmeticError, AttributeError, TypeError) as error:
        expected = error if isinstance(error, _InvalidError) else "a plain value"
        raise ConfigurationError(f"Invalid {column.name} {value!r:.200}: expected {expected}.") from error


def _text(column: Column, value: Any) -> str:
    value = exact(value)
    if type(value) is int:
        return str(value)  # an id is often a number
    if type(value) is not str:
        raise _InvalidError("text")
    return utf8(value)


_ENUMS: Final[Mapping[str, type[Outcome] | type[ErrorType]]] = {"outcome": Outcome, "error_type": ErrorType}


def _word(column: Column, value: Any) -> Any:
    enumeration = _ENUMS.get(column.name)
    if enumeration is not None and type(value) is enumeration:
        return value
    word = exact(value)
    if type(word) is not str or word not in column.words:
        raise _InvalidError(f"one of {', '.join(sorted(column.words))}")
    return word if enumeration is None else enumeration(word)


def _timestamp(column: Column, value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise _InvalidError("a datetime with a time zone, such as timezone.utc")
    try:
        value.astimezone(timezone.utc)
    except (OverflowError, ValueError) as error:
        raise _InvalidError("a time that the calendar of UTC has") from error
    return value


def _integer(column: Column, value: Any) -> int:
    value = exact(value)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        raise _InvalidError("an integer of at most 64 bits")
    return value


def _real(column: Column, value: Any) -> int | float:
    value = exact(value)
    if type(value) is int and not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        value = float(value)
    if type(value) not in (int, float) or math.isnan(value):
        raise _InvalidError("a number")
    return value  # type: ignore[no-any-return]


def _boolean(column: Column, value: Any) -> bool:
    value = exact(value)
    if type(value) is not bool and (type(value) is not int or value not in (0, 1)):
        raise _InvalidError("a bool")
    return bool(value)


def _object(column: Column, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise _InvalidError("a dictionary")
    try:
        json.dumps(value, default=str, skipkeys=True)
    except Exception as error:  # such as one that contains itself, or an object without a text
        raise _InvalidError("a dictionary of JSON types") from error
    return value


def _names(column: Column, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(type(name) is str for name in value):
        raise _InvalidError("the names of columns")
    return tuple(map(utf8, value))


_CHECKS: Final[Mapping[Kind, Callable[[Column, Any], Any]]] = {
    Kind.TEXT: _text,
    Kind.WORD: _word,
    Kind.TIMESTAMP: _timestamp,
    Kind.INTEGER: _integer,
    Kind.REAL: _real,
    Kind.BOOLEAN: _boolean,
    Kind.OBJECT: _object,
    Kind.NAMES: _names,
}

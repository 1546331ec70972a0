"""Values of Parquet files that other programs made, as JSON would have them: their columns have types of many kinds."""

import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any, Final

from ..timestamps import iso

#: Column -> a value of it in Python -> the value as JSON has it; a moment stays one.
Converters = Mapping[str, Callable[[Any], Any]]

#: Their UUIDs were hexadecimal digits: DuckDB takes those for UUIDs too.
_DIGITS: Final = frozenset({"trace_id", "parent_span_id", "span_id"})
_UUID_BYTES: Final = 16


def converters_of(arrow: Any, schema: Any) -> Converters:
    """Return converters for the columns whose values need one; *schema* is Arrow's."""
    return {
        field.name: _digits if field.name in _DIGITS else _top
        for field in schema
        if not _is_plain(arrow.types, field.type)
    }


def _is_plain(types: Any, kind: Any) -> bool:
    """Tell whether Python has the values of a type as JSON does, or as moments with a time zone."""
    if types.is_dictionary(kind):
        return _is_plain(types, kind.value_type)
    if types.is_timestamp(kind):
        return bool(kind.tz)
    if types.is_list(kind) or types.is_large_list(kind):
        return bool(types.is_string(kind.value_type))
    checks = (
        types.is_string,
        types.is_large_string,
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_null,
    )
    return any(check(kind) for check in checks)


def _top(value: Any) -> Any:
    """Return the value of a column."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
    return _nested(value)


def _digits(value: Any) -> Any:
    value = _uuid(value)
    return value.hex if isinstance(value, uuid.UUID) else _top(value)


def _uuid(value: Any) -> Any:
    is_uuid = isinstance(value, bytes) and len(value) == _UUID_BYTES  # as older releases of pyarrow read one
    return uuid.UUID(bytes=value) if is_uuid else value


def _nested(value: Any) -> Any:
    if isinstance(value, dict):
        # A structure has the members of all rows; those of the others are null.
        return {name: _nested(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) for item in value):  # a map
            return {str(name): _nested(member) for name, member in value}
        return [_nested(item) for item in value]
    if isinstance(value, datetime):
        return iso(_top(value))
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    value = _uuid(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    return _decoded(value) if isinstance(value, bytes) else value


def _decoded(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value

"""Anything at all -> a small JSON text, or a plain value: bounded, acyclic, valid UTF-8, without secrets.

No code of the value's own class runs here, other than the iteration of mappings and the ``str`` of an
exception, each behind a guard: ``repr``, ``bool`` and ``==`` of a foreign object are never asked.
"""

import enum
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from .redaction import MARKER, names_a_secret, redact

#: SQLite's and OTLP's integers have 64 bits.
INTEGER_LIMIT: Final = 2**63

_encode = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode
_LISTS: Final = (list, tuple, set, frozenset)
# Tried in turn until the text is short enough: longest string, most items, greatest depth.
_BUDGETS: Final = ((2000, 200, 8), (400, 40, 6), (80, 12, 4), (40, 4, 2))
_CUT: Final = "..."


def exact(value: Any) -> Any:
    """Return *value* without its subclass: exact str, int and float, an enum member's value, a numpy scalar's number."""
    cls = type(value)
    if cls is str or cls is int or cls is float or cls is bool:
        return value
    if issubclass(cls, enum.Enum):
        return exact(value._value_)
    if issubclass(cls, str):
        return str.__str__(value)
    if issubclass(cls, int):
        return int.__int__(value)
    if issubclass(cls, float):
        return float.__float__(value)
    if cls.__module__ == "numpy" and hasattr(cls, "item"):
        return value.item()
    if cls.__module__ == "decimal" and cls.__name__ == "Decimal":
        return float(value)
    return value


def utf8(text: str) -> str:
    """Return *text* with lone surrogates, which UTF-8 cannot hold, replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_of(value: str, limit: int) -> str:
    """Return *value* redacted, then cut to *limit* characters, then made valid UTF-8."""
    return utf8(redact(value)[:limit])


def json_of(value: Mapping[str, Any], limit: int) -> str:
    """Return *value* as a JSON object of at most *limit* bytes, cut where it must be."""
    for longest, items, depth in _BUDGETS:
        text = _encode(plain(value, longest, items, depth))
        if len(text) <= limit:
            return text
    return '{"truncated":true}'


def plain(value: Any, longest: int = 2000, items: int = 200, depth: int = 8) -> Any:
    """Return what JSON can hold of *value*: at most *longest* characters, *items* and *depth* levels."""
    value = _guarded_exact(value)
    cls = type(value)
    if value is None or cls is bool:
        return value
    if cls is str:
        text = text_of(value, longest)
        return text if len(value) <= longest else text + _CUT
    if cls is int:
        return value if -INTEGER_LIMIT <= value < INTEGER_LIMIT else f"an integer of {value.bit_length()} bits"
    if cls is float:
        return value if math.isfinite(value) else str(value)
    if issubclass(cls, _LISTS) or issubclass(cls, Mapping):
        return _CUT if depth <= 0 else _plain_container(value, longest, items, depth - 1)
    if issubclass(cls, (bytes, bytearray)):
        return f"{bytes.__len__(value) if issubclass(cls, bytes) else bytearray.__len__(value)} bytes"
    return f"<{type_name(cls)}>"


def _plain_container(value: Any, longest: int, items: int, depth: int) -> Any:
    try:
        if not issubclass(type(value), Mapping):
            return [plain(item, longest, items, depth) for _, item in zip(range(items), value, strict=False)]
        result: dict[str, Any] = {}
        for _, (key, item) in zip(range(items), value.items(), strict=False):
            name = plain(key, 100, 4, 1)
            name = name if type(name) is str else _encode(name)
            result[name] = MARKER if names_a_secret(name) else plain(item, longest, items, depth)
        return result
    except KeyboardInterrupt:
        raise
    except BaseException:  # a container of a user's own class: whatever its iteration raises stays here
        return f"<{type_name(type(value))}>"


def _guarded_exact(value: Any) -> Any:
    try:
        return exact(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # an odd enum or numpy-like object
        return None


def type_name(cls: type) -> str:
    """Return the name of *cls*, whatever its metaclass thinks of that."""
    return utf8(type.__dict__["__name__"].__get__(cls))


def message_of(exception: BaseException) -> str:
    """Return the text of *exception*, or ``""`` where its ``__str__`` fails."""
    try:
        text = str(exception)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a __str__ that raises must not replace the task's own error
        return ""
    return str.__str__(text)

"""Sanitizes foreign values: any object -> a plain value or a small JSON text, bounded, valid UTF-8, without secrets.

Of the value's own class only the iteration of mappings and lists and the ``str`` of an exception run, each behind a
guard: ``repr``, ``bool`` and ``==`` of a foreign object are never called.
"""

import enum
import itertools
import math
import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final

from .guards import guarded, is_interruption
from .named_secrets import MARKER
from .own_redaction import Own, cached
from .readers import is_mapping
from .redaction import SEARCHED_CHARACTERS, SHORTEST_SECRET, redact
from .secret_names import Name, can_be_secret, kind_of

#: SQLite's and OTLP's integers have 64 bits.
INTEGER_LIMIT: Final = 2**63
_LEAST_INTEGER: Final = -INTEGER_LIMIT

_LISTS: Final = (list, tuple, set, frozenset)
# Longest string, most items, greatest depth; tried in turn until the text is short enough.
_BUDGETS: Final = ((2000, 200, 8), (400, 40, 6), (80, 12, 4), (40, 4, 2))
_CUT: Final = "..."
_QUOTED_MARKER: Final = _quoted(MARKER)
_LONGEST_NAME: Final = 100
_LONGEST_LABEL: Final = 500
#: Identifiers that need no closer look: short ones, UUIDs and hashes.
PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_.\-]{0,15}|[0-9a-f\-]{0,64}")


def exact(value: Any) -> Any:
    """Return *value* as an exact str, int or float: enum members by value, Decimals and numpy scalars as numbers."""
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
    """Return *text* with lone surrogates replaced: UTF-8 cannot encode them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_of(value: str, limit: int) -> str:
    """Return *value* redacted, then cut to *limit* characters, then made valid UTF-8."""
    text = redact(value)[:limit]
    return text if text.isascii() else utf8(text)


def label_of(text: str, limit: int = _LONGEST_LABEL) -> str:
    """Return *text*, which repeats, such as a tier or a name, redacted, cut and valid UTF-8. It is looked at once."""
    return _label(text, limit) if len(text) <= SEARCHED_CHARACTERS else text_of(text, limit)


_label = cached(text_of)


@cached
def repeated_label_of(text: str) -> str:
    """Return :func:`label_of` *text*, which is short."""
    return text_of(text, _LONGEST_LABEL)


def id_of(text: str) -> str | None:
    """Return the identifier *text*, or None where it holds a secret: without it, executions would share one id."""
    if PLAIN_ID.fullmatch(text) and Own.redact is None:
        return text
    searched = text[:SEARCHED_CHARACTERS]
    return utf8(text[:_LONGEST_LABEL]) if redact(searched) == searched else None


repeated_id_of = cached(id_of)


def shown(value: Any) -> str:
    """Return the ``repr`` of a function or a name, for a line of a log: without secrets."""
    return text_of(str(guarded(repr, value)), _LONGEST_LABEL)


def json_of(members: Mapping[str, Any], limit: int, head: str = "") -> str:
    """Return *members* as a JSON object of at most *limit* bytes, with values cut to fit.

    Args:
        members: the members, under names that need no escape.
        limit: the greatest length of the text, in bytes.
        head: first members, encoded already, such as ``"pool_id":"p1"``.
    """
    for longest, items, depth in _BUDGETS:
        parts = [head] if head else []
        room = [limit // 2]  # the number of values that may fit: each takes at least two characters
        try:
            for name, value in members.items():
                parts.append(f'"{name}":{_json(value, longest, items, depth, room)}')
        except _TooMuchError:
            continue
        text = "{" + ",".join(parts) + "}"
        if len(text) <= limit:
            return text
    return '{"truncated":true}'


class _TooMuchError(Exception):
    """There are more values than fit. A small graph of objects may have exponentially many paths."""


def _json(value: Any, longest: int, items: int, depth: int, room: list[int]) -> str:
    """Return *value* as JSON: at most *longest* characters a string, *items* a container and *depth* levels."""
    cls = type(value)
    if cls is str:
        if len(value) < SHORTEST_SECRET and Own.redact is None:
            return _quoted(value if value.isascii() else utf8(value))
        text = text_of(value, longest)
        return _quoted(text if len(value) <= longest else text + _CUT)
    if cls is int:
        return str(value) if _LEAST_INTEGER <= value < INTEGER_LIMIT else f'"an integer of {value.bit_length()} bits"'
    if value is None:
        return "null"
    if cls is bool:
        return "true" if value else "false"
    if cls is float:
        return repr(value) if math.isfinite(value) else f'"{value}"'
    if cls is not dict:
        plain = _guarded_exact(value)
        if type(plain) is not cls:
            return _json(plain, longest, items, depth, room)
    if cls is dict or is_mapping(cls):
        return _json_object(value, longest, items, depth - 1, room) if depth > 0 else _quoted(_CUT)
    if issubclass(cls, _LISTS):
        return _json_array(value, longest, items, depth - 1, room) if depth > 0 else _quoted(_CUT)
    if issubclass(cls, (bytes, bytearray)):
        return f'"{len(memoryview(value))} bytes"'
    return _quoted(f"<{type_name(cls)}>")


def _json_object(value: Any, longest: int, items: int, depth: int, room: list[int]) -> str:
    members: dict[str, str] = {}
    try:
        for key, item in itertools.islice(value.items(), items):
            name, kind = _member(key if type(key) is str and len(key) <= _LONGEST_NAME else _name(key))
            if kind and (kind >= Name.SECRET or (type(item) is str and can_be_secret(kind, item, is_quoted=True))):
                members[name] = f"{name}:{_QUOTED_MARKER}"
            else:
                members[name] = f"{name}:{_json(item, longest, items, depth, room)}"
        _take(room, len(members))
    except _TooMuchError:
        raise
    except BaseException as fault:  # the iteration of a user's mapping may raise anything
        if is_interruption(fault):
            raise
        return _quoted(f"<{type_name(type(value))}>")
    return "{" + ",".join(members.values()) + "}"


@cached
def _member(name: str) -> tuple[str, Name]:
    """Return *name* in JSON, without secrets, and what it says of its value."""
    return _quoted(utf8(redact(name))), kind_of(name)


def _json_array(value: Any, longest: int, items: int, depth: int, room: list[int]) -> str:
    try:
        texts = [_json(item, longest, items, depth, room) for item in itertools.islice(value, items)]
        _take(room, len(texts))
        return f"[{','.join(texts)}]"
    except _TooMuchError:
        raise
    except BaseException as fault:  # the iteration of a user's list may raise anything
        if is_interruption(fault):
            raise
        return _quoted(f"<{type_name(type(value))}>")


def _take(room: list[int], count: int) -> None:
    room[0] -= count
    if room[0] < 0:
        raise _TooMuchError


def _name(key: Any) -> str:
    """Return the name of a member for a key that is not a short string: JSON names are strings."""
    if issubclass(type(key), str):
        return text_of(str.__str__(key), _LONGEST_NAME)
    return _json(key, _LONGEST_NAME, 4, 1, [4])


def _guarded_exact(value: Any) -> Any:
    try:
        return exact(value)
    except BaseException as fault:  # such as an enum without a value, or an object that imitates numpy
        if is_interruption(fault):
            raise
        return None


def type_name(cls: type) -> str:
    """Return the name of *cls*, without running code of its metaclass."""
    return utf8(type.__dict__["__name__"].__get__(cls))


def message_of(exception: BaseException) -> str:
    """Return the message of *exception*, or ``""`` where its ``__str__`` fails."""
    try:
        text = str(exception)
    except BaseException as fault:  # a __str__ that raises must not replace the task's own error
        if is_interruption(fault):
            raise
        return ""
    return str.__str__(text)

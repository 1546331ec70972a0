"""Reads fields by name from any object: dicts, mappings, dataclasses, pydantic models, plain objects.

A missing field reads as None, and so does an attribute whose code raises. Each name of an object is read at most once,
since a property may do work. The reader of a dict is its own ``get``: it is fast, and raises only where the comparison
with one of the dict's keys does, so callers guard their loop.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from .guards import is_interruption

Reader = Callable[[str], Any]
"""Name -> value, or None where it is missing."""

_WITHOUT_FIELDS: Final = frozenset(
    {type(None), str, bytes, bytearray, int, float, complex, bool, list, tuple, set, frozenset, object}
)


def reader_of(source: Any) -> Reader | None:
    """Return a reader of the fields of *source*, or None for a type without fields."""
    cls = type(source)
    if cls is dict:
        return source.get  # type: ignore[no-any-return]
    try:
        if cls in _WITHOUT_FIELDS:
            return None
        return _Memo(source, issubclass(cls, Mapping))
    except BaseException as fault:  # the metaclass may fail to hash or compare
        if is_interruption(fault):
            raise
        return _Memo(source, False)


def is_mapping(cls: type) -> bool:
    """Tell whether *cls* is a class of mappings; False where its metaclass raises."""
    try:
        return issubclass(cls, (dict, Mapping))
    except BaseException as fault:  # issubclass() hashes the class and reads its attributes
        if is_interruption(fault):
            raise
        return False


def attribute_reader_of(source: Any) -> Reader | None:
    """Return a reader of the attributes of *source* that remembers no values, or None for None."""
    return None if source is None else functools.partial(_attribute, source)


def _attribute(source: Any, name: str) -> Any:
    try:
        return getattr(source, name, None)
    except BaseException as fault:  # a user's property may raise SystemExit; the task must not see it
        if is_interruption(fault):
            raise
        return None


def read_path(read: Reader, path: str, readers: dict[int, tuple[Any, Reader | None]]) -> Any:
    """Return the value at a dotted *path* of names, or None.

    Args:
        read: the reader of the object where the path starts.
        path: the names.
        readers: the readers of objects met so far, by id; the next path may pass the same objects.
    """
    name, *rest = path.split(".")
    value = read(name)
    for name in rest:
        if id(value) not in readers:
            readers[id(value)] = value, reader_of(value)
        _, reader = readers[id(value)]
        if reader is None:
            return None
        value = reader(name)
    return value


def _item(source: Any, name: str) -> Any:
    try:
        return source.get(name)
    except BaseException as fault:  # a user's mapping may raise anything; the task must not see it
        if is_interruption(fault):
            raise
        return None


class _Memo:
    """Reads each name once: attribute access or item access of these objects may run code."""

    __slots__ = ("_is_mapping", "_seen", "_source")

    def __init__(self, source: Any, is_mapping: bool) -> None:
        self._source = source
        self._is_mapping = is_mapping
        self._seen: dict[str, Any] = {}

    def __call__(self, name: str) -> Any:
        if name in self._seen:
            return self._seen[name]
        value = _item(self._source, name) if self._is_mapping else _attribute(self._source, name)
        self._seen[name] = value
        return value

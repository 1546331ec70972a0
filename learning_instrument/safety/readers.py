"""Names read from anything: dicts, mappings, dataclasses, pydantic models, objects, or nothing at all.

A read answers None where there is nothing, and where an attribute's code raises. Each name of an object
is read at most once, since a property may do work. Only a dict's ``get`` is handed out as it is: fast,
and it can raise only where a key of the dict's own breaks the comparison, so callers guard their loop.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from .guards import is_interruption

Reader = Callable[[str], Any]
"""A name -> the value found under it, or None."""

_WITHOUT_FIELDS: Final = frozenset(
    {type(None), str, bytes, bytearray, int, float, complex, bool, list, tuple, set, frozenset, object}
)


def reader_of(source: Any) -> Reader | None:
    """Return a reader of the fields of *source*, or None where it can have none."""
    cls = type(source)
    if cls is dict:
        return source.get  # type: ignore[no-any-return]
    try:
        if cls in _WITHOUT_FIELDS:
            return None
        return _Memo(source, issubclass(cls, Mapping))
    except BaseException as fault:  # a class whose metaclass lets it be neither hashed nor compared
        if is_interruption(fault):
            raise
        return _Memo(source, False)


def is_mapping(cls: type) -> bool:
    """Tell whether *cls* is a class of mappings, whatever its metaclass thinks of that."""
    try:
        return issubclass(cls, (dict, Mapping))
    except BaseException as fault:  # asking hashes the class, and reads its attributes
        if is_interruption(fault):
            raise
        return False


def attribute_reader_of(source: Any) -> Reader | None:
    """Return a reader of the attributes of *source* that forgets what it read, or None for None."""
    return None if source is None else functools.partial(_attribute, source)


def _attribute(source: Any, name: str) -> Any:
    try:
        return getattr(source, name, None)
    except BaseException as fault:  # a user's property may raise SystemExit; the task must not see it
        if is_interruption(fault):
            raise
        return None


def read_path(read: Reader, path: str, readers: dict[int, tuple[Any, Reader | None]]) -> Any:
    """Return what a dotted *path* of names leads to, or None.

    Args:
        read: where the path starts.
        path: the names.
        readers: those of the objects on the way so far, for the next path may lead by the same.
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
    """A reader for objects whose attribute access or item access may run code."""

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

"""Reads fields by name from any object: dicts, mappings, dataclasses, pydantic models, plain objects.

A missing field reads as None, and so does an attribute whose code raises. Each name of an object is read at most once,
since a property may do work. The reader of a dict is its own ``get``: it is fast, and raises only where the comparison
with one of the dict's keys does, so callers guard their loop.
"""

import functools
import weakref
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
    kind = _kinds.get(id(cls))
    if kind is None or kind.cls() is not cls:
        kind = _kind_of(cls)
    return Memo(source, kind) if kind.has_fields else None


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
    if source is None:
        return None

    def read(name: str) -> Any:
        try:
            return getattr(source, name, None)
        except BaseException as fault:  # a user's property may raise SystemExit; the task must not see it
            if is_interruption(fault):
                raise
            return None

    return read


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


def _item(source: Any, name: str, default: None) -> Any:
    return source.get(name)


class _Kind:
    """How the instances of a class are read: decided once."""

    __slots__ = ("absent", "cls", "fetch", "has_fields")

    def __init__(self, cls: type) -> None:
        #: The class, of which another may have the id later.
        self.cls = weakref.ref(cls)
        self.has_fields = True
        #: ``(source, name, None)`` -> value; it raises what the foreign code does.
        self.fetch: Callable[[Any, str, None], Any] = getattr
        #: Names that no instance has, as they were found.
        self.absent: dict[str, None] = {}
        try:
            if cls in _WITHOUT_FIELDS:
                self.has_fields = False
            elif issubclass(cls, Mapping):
                self.fetch = _item
            elif _is_closed_model(cls):
                self.fetch = functools.partial(_field, self.absent)
        except BaseException as fault:  # the metaclass may fail to hash or compare
            if is_interruption(fault):
                raise


#: By the id of the class: its metaclass may have a hash that fails.
_kinds: Final[dict[int, _Kind]] = {}
_REMEMBERED_KINDS: Final = 1024


def _kind_of(cls: type) -> _Kind:
    if len(_kinds) >= _REMEMBERED_KINDS:
        _kinds.clear()
    kind = _kinds[id(cls)] = _Kind(cls)
    return kind


def _is_closed_model(cls: type) -> bool:
    """Tell whether *cls* is a class of pydantic models that have their fields, and no other attributes."""
    defining = {name: base for base in reversed(cls.__mro__) for name in vars(base)}
    getter = defining.get("__getattr__")
    if getter is None or getter.__module__ != "pydantic.main" or defining["__getattribute__"] is not object:
        return False
    return bool(vars(defining["model_config"])["model_config"].get("extra") != "allow")


def _field(absent: dict[str, None], model: Any, name: str, default: None) -> Any:
    """Return the attribute *name* of a *model*. To say that there is none takes pydantic 4 us: it is asked once."""
    value = getattr(model, name, absent)
    if value is not absent:
        return value
    cls = type(model)
    if name[:1] != "_" and name not in cls.model_fields and not any(name in vars(base) for base in cls.__mro__):
        absent[name] = None
    return None


def _absent_of(kind: _Kind, model: Any) -> dict[str, Any]:
    """Return the names that *model* does not have, each with None."""
    absent = kind.absent
    # A single model may be validated, or set, beyond its class.
    is_closed = getattr(model, "__pydantic_extra__", absent) is None and absent.keys().isdisjoint(vars(model))
    return absent.copy() if is_closed else {}


class Memo:
    """Reads each name once: attribute access or item access of these objects may run code."""

    __slots__ = ("fetch", "seen", "source")

    def __init__(self, source: Any, kind: _Kind) -> None:
        self.source = source
        #: Name -> the value that was read.
        self.seen: dict[str, Any] = _absent_of(kind, source) if kind.absent else {}
        self.fetch = kind.fetch

    def __call__(self, name: str) -> Any:
        """Return the value of *name*, or None."""
        seen = self.seen
        if name in seen:
            return seen[name]
        try:
            value = seen[name] = self.fetch(self.source, name, None)
            return value
        except BaseException as fault:  # a user's property may raise SystemExit; the task must not see it
            if is_interruption(fault):
                raise
            seen[name] = None
            return None

"""Reads fields by name from any object: dicts, mappings, dataclasses, pydantic models, plain objects.

A missing field reads as None, and so does an attribute whose code raises. Each name of an object is read at most once,
since a property may do work. The reader of a dict is its own ``get``: it is fast, and raises only where the comparison
with one of the dict's keys does, so callers guard their loop.
"""

import enum
import functools
import weakref
from collections.abc import Callable, Mapping
from types import GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType
from typing import Any, Final

from .guards import is_interruption

Reader = Callable[[str], Any]
"""Name -> value, or None where it is missing."""

_WITHOUT_FIELDS: Final = frozenset(
    {type(None), str, bytes, bytearray, int, float, complex, bool, list, tuple, set, frozenset, object}
)


def reader_of(source: Any) -> Reader | None:
    """Return a reader of the fields of *source*, or None for a type without fields."""
    if source is None:
        return None
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


def stored_names(read: Reader, names: frozenset[str]) -> frozenset[str]:
    """Return those of *names* under which the object of *read* stores something.

    That are the items of a dict, and attributes kept in the object, in a slot or, as a constant, in its class.
    Properties and the like are not read: they may do work, or ask a database.
    """
    try:
        if type(read) is not Memo:
            return names.intersection(read.__self__)  # type: ignore[attr-defined]
        kind, source = read.kind, read.source
        if kind.is_dict:
            return names.intersection(dict.keys(source))
        held = kind.held.get(names)
        if held is None:
            held = kind.held[names] = names & kind.members
        if kind.has_open_dict:
            own = source.__dict__  # of object's own: no code runs
            return held if names.isdisjoint(own) else held.union(names.intersection(own))
        return held
    except BaseException as fault:  # comparing with a key of a user's dict may raise anything
        if is_interruption(fault):
            raise
        return _NONE


_NONE: Final[frozenset[str]] = frozenset()


def stored_value(read: Reader, name: str) -> Any:
    """Return the value of one of the :func:`stored_names`.

    Raises:
        BaseException: as :func:`stored_names` would.
    """
    if type(read) is not Memo:
        return read(name)
    kind, source = read.kind, read.source
    if kind.is_dict:
        return dict.get(source, name)
    own: dict[str, Any] = source.__dict__ if kind.has_open_dict else {}
    return own[name] if name in own else getattr(source, name, None)


def _item(source: Any, name: str, default: None) -> Any:
    return source.get(name)


class _Kind:
    """How the instances of a class are read: decided once."""

    __slots__ = ("absent", "cls", "fetch", "has_fields", "has_open_dict", "held", "is_dict", "members")

    def __init__(self, cls: type) -> None:
        #: The class, of which another may have the id later.
        self.cls = weakref.ref(cls)
        self.has_fields = True
        #: ``(source, name, None)`` -> value; it raises what the foreign code does.
        self.fetch: Callable[[Any, str, None], Any] = getattr
        #: Names that no instance has, as they were found.
        self.absent: dict[str, None] = {}
        self.is_dict = False
        #: Whether an instance has a dict of its own, which may have any name.
        self.has_open_dict = False
        #: Other names under which an instance stores something.
        self.members: frozenset[str] = frozenset()
        #: Those of them that were asked for.
        self.held: dict[frozenset[str], frozenset[str]] = {}
        try:
            if cls in _WITHOUT_FIELDS:
                self.has_fields = False
            elif issubclass(cls, Mapping):
                self.fetch = _item
                self.is_dict = issubclass(cls, dict)
                return
            elif _is_closed_model(cls):
                self.fetch = functools.partial(_field, self.absent)
            if self.has_fields and not issubclass(cls, type):
                self.has_open_dict, self.members = _storage_of(cls)
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


def _storage_of(cls: type) -> tuple[bool, frozenset[str]]:
    """Return whether instances of *cls* have a dict with any names, and the names that they store something under.

    The fields of a dataclass, of a model of pydantic or attrs are known: their dicts are not looked into.
    """
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found.update(vars(base))
    if type(found["__getattribute__"]) is not WrapperDescriptorType:
        return False, frozenset()
    declared = [found[name] for name in _DECLARATIONS if type(found.get(name)) is dict]
    names = {*(declared[0] if declared else ()), *(each.name for each in found.get("__attrs_attrs__", ()))}
    members = {name for name, value in found.items() if name[:1] != "_" and _is_stored(value, cls)}
    has_dict = type(found.get("__dict__")) in (GetSetDescriptorType, MemberDescriptorType)
    return has_dict and not names, frozenset(members | (names - found.keys()))


_DECLARATIONS: Final = ("__dataclass_fields__", "__pydantic_fields__", "model_fields", "__fields__")


def _is_stored(value: Any, cls: type) -> bool:
    """Tell whether *value*, found in *cls* or above it, is a slot, a field of a named tuple or a constant."""
    kind = type(value)
    if kind is MemberDescriptorType or kind in (str, int, float):
        return True
    return kind.__name__ == "_tuplegetter" or (issubclass(kind, enum.Enum) and kind is not cls)


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

    __slots__ = ("fetch", "kind", "seen", "source")

    def __init__(self, source: Any, kind: _Kind) -> None:
        self.source = source
        self.kind = kind
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

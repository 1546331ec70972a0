"""Reads names from any object."""

import collections
import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import NamedTuple

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    NAMES,
    ODDITIES,
    EndlessMapping,
    RefusingDict,
    RefusingMapping,
    made,
    refusing,
    refusing_class,
    refusing_properties,
    values,
)

from learning_instrument.safety.readers import attribute_reader_of, is_mapping, read_path, reader_of


@dataclasses.dataclass
class Data:
    repo: str = "here"


@dataclasses.dataclass(slots=True)
class Slots:
    repo: str = "here"


class Model(pydantic.BaseModel):
    repo: str = "here"


class Tuple(NamedTuple):
    repo: str = "here"


class Attributes:
    def __init__(self):
        self.repo = "here"


class Dynamic:
    def __getattr__(self, name):
        if name == "repo":
            return "here"
        raise AttributeError(name)


class Counting:
    """Counts how often its names are read."""

    def __init__(self):
        self.reads = collections.Counter()

    @property
    def repo(self):
        self.reads["repo"] += 1
        return "here"

    def __getattr__(self, name):
        self.reads[name] += 1
        raise AttributeError(name)


class CountingMapping(Mapping):
    def __init__(self):
        self.reads = collections.Counter()

    def __getitem__(self, key):
        self.reads[key] += 1
        return {"repo": "here"}[key]

    def __iter__(self):
        return iter(["repo"])

    def __len__(self):
        return 1


SOURCES = [
    {"repo": "here"},
    collections.OrderedDict(repo="here"),
    collections.UserDict(repo="here"),
    collections.ChainMap({}, {"repo": "here"}),
    types.MappingProxyType({"repo": "here"}),
    types.SimpleNamespace(repo="here"),
    Data(),
    Slots(),
    Model(),
    Tuple(),
    Attributes(),
    Dynamic(),
]
ERRORS = [Exception, AttributeError, SystemExit, GeneratorExit, StopIteration, RecursionError]


def test_names_are_read_from_any_kind_of_object(subtests):
    """A missing name is None."""
    for source in SOURCES:
        with subtests.test(source=source):
            read = reader_of(source)

            assert read("repo") == "here"
            assert read("no_such_name") is None


class Computed(pydantic.BaseModel):
    """A model with what its fields do not tell."""

    kind: typing.ClassVar[str] = "of the class"
    _private: str = pydantic.PrivateAttr()

    @functools.cached_property
    def repo(self):
        return "computed"


class Open(pydantic.BaseModel, extra="allow"):
    pass


class OfItsOwn(Model):
    def __getattr__(self, name):
        return "its own"


class Asking(Model):
    def __getattribute__(self, name):
        return "asked" if name == "branch" else super().__getattribute__(name)


def test_models_of_a_class_differ(subtests):
    """What one model does not have is read from the next: an extra value, one set past its class, a private one."""
    for later in (Model.model_construct(), Computed(), Open(branch="main"), OfItsOwn(), Asking()):
        cls = type(later)
        with subtests.test(cls=cls):
            for name in ("branch", "_private"):
                reader_of(cls.model_construct())(name)

            if cls in (Model, Computed):
                assert reader_of(later)("branch") is None
                object.__setattr__(later, "branch", "set")
                later.__pydantic_private__ = {"_private": "set"}
                assert reader_of(later)("_private") == ("set" if cls is Computed else None)
            assert reader_of(later)("branch") == getattr(later, "branch")  # noqa: B009

    found = reader_of(Computed())
    assert [found("repo"), found("kind")] == ["computed", "of the class"]


def test_model_with_values_beyond_its_fields_is_read():
    """pydantic can keep them for a single validation."""
    reader_of(Model())("branch")
    later = Model()
    object.__setattr__(later, "__pydantic_extra__", {"branch": "main"})

    assert reader_of(later)("branch") == "main"


def test_names_that_a_model_does_not_have_are_asked_for_once(monkeypatch):
    """pydantic takes its time to say that there is none: the next model of the class is not asked."""

    class Task(pydantic.BaseModel):
        repo: str = "here"

    asked = []
    ask = pydantic.BaseModel.__getattr__
    monkeypatch.setattr(pydantic.BaseModel, "__getattr__", lambda self, name: asked.append(name) or ask(self, name))
    monkeypatch.setattr(pydantic.BaseModel.__getattr__, "__module__", "pydantic.main")
    for task in (Task(), Task()):
        assert reader_of(task)("branch") is None
        assert reader_of(task)("repo") == "here"

    assert asked == ["branch"]


def test_class_is_read_by_its_attributes():
    """The pool of a class method is a class."""
    assert reader_of(Data)("repo") == "here"
    assert attribute_reader_of(Data)("repo") == "here"


def test_plain_values_have_no_fields(subtests):
    """There is nothing to read from them."""
    for source in [None, "a", b"a", bytearray(), 1, 1.5, 1j, True, [], (), set(), frozenset(), object()]:
        with subtests.test(source=source):
            assert reader_of(source) is None


@pytest.mark.parametrize("source", [Counting(), CountingMapping()], ids=["attributes", "mapping"])
def test_each_name_is_read_once(source):
    """Also a missing one: a property may do work."""
    read = reader_of(source)

    for _ in range(3):
        assert read("repo") == "here"
        assert read("absent") is None

    assert source.reads == {"repo": 1, "absent": 1}


def test_raising_properties_are_none(subtests):
    """For any exception."""
    for error in ERRORS:
        with subtests.test(error=error):
            source = refusing_properties(error)

            assert {reader_of(source)(name) for name in NAMES} == {None}
            assert {attribute_reader_of(source)(name) for name in NAMES} == {None}


@pytest.mark.parametrize("source", [RefusingMapping(), RefusingDict(repo=1)], ids=lambda source: type(source).__name__)
def test_raising_mappings_have_nothing(source):
    """For any exception of their methods."""
    assert reader_of(source)("repo") is None


def test_interrupt_passes():
    """Only Ctrl-C: it is not the property's own."""
    source = refusing_properties(KeyboardInterrupt)

    for read in (reader_of(source), attribute_reader_of(source)):
        with pytest.raises(KeyboardInterrupt):
            read("repo")


@given(values, st.sampled_from(NAMES))
def test_reading_never_fails(value, name):
    """For any object and any name."""
    value = made(value)
    read, read_attribute = reader_of(value), attribute_reader_of(value)

    if read is not None and type(value) is not dict:  # a dict's own get is handed out as it is
        read(name)
    if read_attribute is not None:
        read_attribute(name)


def test_odd_objects_are_read(subtests):
    """Each of them, expensive ones included."""
    for name in ODDITIES:
        with subtests.test(name=name):
            read = reader_of(ODDITIES[name]())

            assert read is None or callable(read)


def test_attribute_reader_remembers_no_values():
    """It reads again each time."""
    source = Counting()
    read = attribute_reader_of(source)

    read("repo"), read("repo")

    assert source.reads["repo"] == 2
    assert attribute_reader_of(None) is None


def test_is_mapping(subtests):
    """Dicts and registered mappings."""
    for cls, expected in [
        (dict, True),
        (collections.OrderedDict, True),
        (collections.UserDict, True),
        (types.MappingProxyType, True),
        (EndlessMapping, True),
        (list, False),
        (Data, False),
    ]:
        with subtests.test(cls=cls, expected=expected):
            assert is_mapping(cls) is expected


def test_class_whose_metaclass_raises_is_not_a_mapping():
    """For any exception."""
    assert is_mapping(refusing_class("__hash__", "__getattribute__", error=SystemExit)) is False


# Paths.


def test_path_leads_through_any_kind_of_object(subtests):
    """Each name may be an item or an attribute."""
    for source in SOURCES:
        with subtests.test(source=source):
            assert read_path(reader_of({"a": types.SimpleNamespace(b=source)}), "a.b.repo", {}) == "here"


def test_path_to_nowhere_is_none(subtests):
    """Wherever it breaks off."""
    for path in ["x", "a.x", "a.b.x", "a.b.c.x", "", ".", "a..b", "a."]:
        with subtests.test(path=path):
            assert read_path(reader_of({"a": {"b": {"c": 1}}}), path, {}) is None


def test_paths_read_a_shared_object_once():
    """The next path uses the same reader."""
    shared, readers = Counting(), {}
    read = reader_of({"a": shared})

    assert [read_path(read, "a.repo", readers) for _ in range(3)] == ["here"] * 3
    assert shared.reads["repo"] == 1


def test_path_does_not_call_bool_or_eq():
    """Nor ``__hash__`` and ``__len__``."""
    methods = dict.fromkeys(("__bool__", "__eq__", "__hash__", "__len__"), refusing())
    source = type("Refusing", (), {**methods, "repo": "here"})()

    assert read_path(reader_of({"a": source}), "a.repo", {}) == "here"

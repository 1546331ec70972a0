"""What a task, a result or an exception may be: objects that misbehave, and hypothesis strategies over them."""

import asyncio
import collections
import concurrent.futures
import dataclasses
import decimal
import enum
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from unittest import mock

from hypothesis import strategies as st

TASK_NAMES = (
    "task_id", "task_type", "prompt", "description", "repo", "repo_path", "file_count", "model_tier",
    "swarm_topology", "routing_confidence", "complexity_score", "cost_estimate", "metadata",
)  # fmt: skip
RESULT_NAMES = (
    "success", "ok", "status", "state", "status_code", "error", "error_message", "cost",
    "quality_score", "files_changed", "model_tier", "complexity",
    "peak_memory_mb", "cpu_time_seconds", "solution_summary", "pool_id", "worker_id", "task_id",
)  # fmt: skip
POOL_NAMES = ("config", "pool_type", "pool_id", "worker_id")
NAMES = tuple(dict.fromkeys(TASK_NAMES + RESULT_NAMES + POOL_NAMES))

DUNDERS = ("__repr__", "__str__", "__getattr__", "__getattribute__", "__bool__", "__eq__", "__len__", "__hash__",
           "__iter__", "__format__", "__int__", "__float__", "__index__", "__instancecheck__")  # fmt: skip


class Refusal(Exception):
    """What an object that misbehaves raises."""


def refusing(error: type[BaseException] = Refusal) -> Callable[..., Any]:
    """Return a function that raises *error* for any arguments."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise error("this object does not take part")

    return refuse


def refusing_object(*methods: str, error: type[BaseException] = Refusal, bases: tuple[type, ...] = ()) -> Any:
    """Return an object whose *methods* raise."""
    return type("Refusing", bases, dict.fromkeys(methods, refusing(error)))()


def refusing_properties(error: type[BaseException] = Refusal, names: tuple[str, ...] = NAMES) -> Any:
    """Return an object whose every property raises."""
    return type("Refusing", (), {name: property(refusing(error)) for name in names})()


def refusing_class(*methods: str, bases: tuple[type, ...] = (), error: type[BaseException] = Refusal) -> Any:
    """Return a class whose metaclass raises in *methods*."""
    return type("RefusingMeta", (type,), dict.fromkeys(methods, refusing(error)))("Refusing", bases, {})


def _cyclic_dict() -> dict[str, Any]:
    cycle: dict[str, Any] = {"task_type": "cyclic"}
    cycle["metadata"] = cycle["self"] = cycle
    return cycle


def _cyclic_list() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    return cycle


def _dense_graph() -> dict[str, Any]:
    """Thirty dicts, each of which holds all of them: 30 ** 8 paths of eight steps."""
    nodes: list[dict[str, Any]] = [{} for _ in range(30)]
    for node in nodes:
        node.update({f"n{index}": other for index, other in enumerate(nodes)})
    return nodes[0]


def _shared_lists() -> list[Any]:
    """A list of 200 times the same list, eight levels deep: 200 ** 8 leaves."""
    value: list[Any] = [1]
    for _ in range(8):
        value = [value] * 200
    return value


def _deep(levels: int = 20_000) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def _deep_dict(levels: int = 20_000) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"metadata": value}
    return value


class _EqualToNobody:
    """As a dict's key it breaks every look-up that meets its hash."""

    def __hash__(self) -> int:
        return hash("metadata")

    def __eq__(self, other: object) -> bool:
        raise Refusal("not comparable")


class RefusingMapping(Mapping[str, Any]):
    """A mapping of which nothing works."""

    __getitem__ = __iter__ = __len__ = __contains__ = get = items = keys = refusing()


class EndlessMapping(Mapping[str, Any]):
    """A mapping that has every key, and more."""

    def __getitem__(self, key: str) -> Any:
        return self

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            yield f"key{number}"
            number += 1

    def __len__(self) -> int:
        return 2**62


class RefusingDict(dict[Any, Any]):
    """A dict whose methods fail."""

    get = items = __getitem__ = __iter__ = __len__ = keys = values = refusing()


class Loud(str):
    """A string whose own methods fail."""

    __slots__ = ()

    __str__ = __repr__ = __eq__ = __len__ = __getitem__ = lower = strip = encode = isascii = refusing()
    __hash__ = str.__hash__


class LoudInteger(int):
    """An integer whose own methods fail."""

    __str__ = __repr__ = __lt__ = __le__ = __ge__ = __gt__ = __int__ = __index__ = __bool__ = refusing()


class LoudFloat(float):
    """A float whose own methods fail."""

    __str__ = __repr__ = __lt__ = __le__ = __ge__ = __gt__ = __float__ = __bool__ = refusing()


class LoudList(list[Any]):
    """A list whose own methods fail."""

    __iter__ = __len__ = __repr__ = __bool__ = __getitem__ = refusing()


class LoudBytes(bytes):
    """Bytes whose own methods fail."""

    __len__ = __repr__ = __iter__ = __bool__ = refusing()


class Odd(enum.Enum):
    """Members that hold what JSON cannot."""

    SURROGATE = "\ud800"
    OBJECT = object()
    HUGE = 2**80


class Cell:
    """Slots without values."""

    __slots__ = NAMES


def _dead_proxy() -> Any:
    return weakref.proxy(type("Gone", (), {})())


def _bad_module(base: type = object) -> Any:
    cls = type("Misnamed", (base,), {})
    cls.__module__ = cls.__qualname__ = "\ud800" * 3
    return cls()


#: Name -> a function that makes the object.
ODDITIES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "cyclic dict": _cyclic_dict,
    "cyclic list": _cyclic_list,
    "dense graph": _dense_graph,
    "shared lists": _shared_lists,
    "deep list": _deep,
    "deep dict": _deep_dict,
    "10 MB string": lambda: "token: x" * 1_250_000,
    "10 MB of bytes": lambda: bytes(10_000_000),
    "lone surrogates": lambda: "a\ud800b\udfff" * 3,
    "NUL": lambda: "a\x00b\x00",
    "control characters": lambda: "".join(map(chr, range(32))) + "\x7f\u2028\ufeff\uffff",
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "-infinity": lambda: float("-inf"),
    "-0.0": lambda: -0.0,
    "smallest float": lambda: 5e-324,
    "largest float": lambda: 1.7976931348623157e308,
    "2**63": lambda: 2**63,
    "2**64": lambda: 2**64,
    "-2**63": lambda: -(2**63),
    "-2**63 - 1": lambda: -(2**63) - 1,
    "10**5000": lambda: 10**5000,  # too long for str()
    "-1": lambda: -1,
    "complex": lambda: 1j,
    "bytes": lambda: b"\xff\x00",
    "bytearray": lambda: bytearray(b"\xff"),
    "memoryview": lambda: memoryview(b"1234").cast("I"),
    "loud bytes": lambda: LoudBytes(b"1"),
    "decimal": lambda: decimal.Decimal("1.5"),
    "signalling nan": lambda: decimal.Decimal("sNaN"),
    "huge decimal": lambda: decimal.Decimal("1e999999"),
    "keys of any type": lambda: {1: 1, None: 2, (1, 2): 3, b"b": 4, 1.5: 5, frozenset({1}): 6, object(): 7, 2**99: 8},
    "surrogate key": lambda: {"\ud800": "\udfff", "password": "hunter2", "x" * 10_000: 1},
    "incomparable key": lambda: {_EqualToNobody(): 1},
    "set": lambda: {1, "a", None},
    "refusing mapping": RefusingMapping,
    "endless mapping": EndlessMapping,
    "refusing dict": lambda: RefusingDict(a=1),
    "defaultdict": lambda: collections.defaultdict(lambda: "made up"),
    "loud string": lambda: Loud("text"),
    "loud integer": lambda: LoudInteger(5),
    "loud float": lambda: LoudFloat(0.5),
    "loud list": lambda: LoudList([1]),
    "enum of a surrogate": lambda: Odd.SURROGATE,
    "enum of an object": lambda: Odd.OBJECT,
    "enum of a huge integer": lambda: Odd.HUGE,
    "empty slots": Cell,
    "dead weak reference": _dead_proxy,
    "a class": lambda: Cell,
    "a function": lambda: refusing(),
    "a module": lambda: threading,
    "a lock": threading.Lock,
    "NotImplemented": lambda: NotImplemented,
    "an exception": lambda: ValueError("not raised"),
    "a mock": mock.MagicMock,
    "a namespace of itself": lambda: _self_namespace(),
    "a class name that is no UTF-8": _bad_module,
    **{f"{name} raises": (lambda name=name: refusing_object(name)) for name in DUNDERS},
    "all methods raise SystemExit": lambda: refusing_object(*DUNDERS, error=SystemExit),
    "__class__ raises": lambda: type("Refusing", (), {"__class__": property(refusing())})(),
    "__dict__ raises": lambda: type("Refusing", (), {"__dict__": property(refusing())})(),
    "properties raise Exception": refusing_properties,
    "properties raise SystemExit": lambda: refusing_properties(SystemExit),
    "properties raise GeneratorExit": lambda: refusing_properties(GeneratorExit),
    "properties raise CancelledError": lambda: refusing_properties(asyncio.CancelledError),
    "properties raise StopIteration": lambda: refusing_properties(StopIteration),
    "properties raise RecursionError": lambda: refusing_properties(RecursionError),
    "an unhashable class": lambda: refusing_class("__hash__")(),
    "an incomparable class": lambda: refusing_class("__eq__", "__ne__", "__hash__", error=SystemExit)(),
    "a class without attributes": lambda: refusing_class("__getattribute__")(),
    "a class that exits on attributes": lambda: refusing_class("__getattribute__", error=SystemExit)(),
    "a class that is no subclass": lambda: refusing_class("__subclasscheck__", "__instancecheck__")(),
    "a class that refuses": lambda: refusing_class("__hash__", "__getattribute__", "__bool__", "__repr__"),
}


def _self_namespace() -> Any:
    namespace = types.SimpleNamespace()
    for name in NAMES:
        setattr(namespace, name, namespace)
    return namespace


def _exception(*methods: str, error: type[BaseException] = Refusal) -> BaseException:
    return type("RefusingError", (Exception,), dict.fromkeys(methods, refusing(error)))("told")


def _group() -> BaseException:
    try:
        return BaseExceptionGroup("several", [ValueError("one"), KeyboardInterrupt()])  # type: ignore[name-defined,unused-ignore]
    except NameError:  # Python 3.10
        return ValueError("several")


def _chained() -> BaseException:
    error = ValueError("effect")
    error.__cause__ = KeyError("cause")
    error.__cause__.__context__ = error
    return error


#: Name -> a function that makes the exception.
EXCEPTIONS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("wrong"),
    "no message": lambda: ValueError(),
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "asyncio.CancelledError": asyncio.CancelledError,
    "asyncio.TimeoutError": asyncio.TimeoutError,
    "futures.CancelledError": concurrent.futures.CancelledError,
    "futures.TimeoutError": concurrent.futures.TimeoutError,
    "StopIteration": lambda: StopIteration(1),
    "StopAsyncIteration": StopAsyncIteration,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "group": _group,
    "chained in a circle": _chained,
    "10 MB message": lambda: ValueError("x" * 10_000_000),
    "lone surrogates": lambda: ValueError("\ud800"),
    "NUL": lambda: ValueError("\x00"),
    "cyclic argument": lambda: ValueError(_cyclic_dict()),
    "unprintable argument": lambda: ValueError(refusing_object("__repr__", "__str__")),
    "__str__ raises": lambda: _exception("__str__"),
    "__str__ raises SystemExit": lambda: _exception("__str__", error=SystemExit),
    "__str__ and __repr__ raise": lambda: _exception("__str__", "__repr__"),
    "__str__ gives no string": lambda: type("Odd", (Exception,), {"__str__": lambda self: 1})(),
    "__str__ gives a loud string": lambda: type("Odd", (Exception,), {"__str__": lambda self: Loud("text")})(),
    "__bool__ raises": lambda: _exception("__bool__", "__eq__", "__len__", "__hash__"),
    "__getattribute__ raises": lambda: _exception("__getattribute__"),
    "__class__ raises": lambda: type("Odd", (Exception,), {"__class__": property(refusing())})(),
    "a class name that is no UTF-8": lambda: _bad_module(Exception),
    "an unhashable class": lambda: refusing_class("__hash__", bases=(Exception,))(),
    "an incomparable class": lambda: refusing_class("__eq__", "__ne__", "__hash__", bases=(Exception,))(),
}


@dataclasses.dataclass
class DataTask:
    """A task as a dataclass."""

    task_type: Any = None
    prompt: Any = None
    repo: Any = None
    complexity_score: Any = None
    metadata: Any = None


class TupleResult(NamedTuple):
    """A result as a named tuple."""

    status: Any = None
    error: Any = None
    cost: Any = None
    quality_score: Any = None


#: Surrogates, NUL and all: ``st.text()`` leaves the former out.
texts = st.text(st.characters(exclude_categories=()), max_size=40)
_words = st.sampled_from(
    ["", "code_generation", "completed", "failed", "timeout", "Timed out.", "cancelled", "validation failed", "ok",
     "password=hunter2hunter2", "https://me:secret-word@host/x", "sk-abcdefghijklmnopqrstuvwxyz", "x" * 5000]
)  # fmt: skip
_numbers = st.one_of(st.integers(), st.floats(), st.integers(-1, 101), st.floats(0, 100), st.integers(2**63 - 1, 2**64))


class Recipe(NamedTuple):
    """How to make an object that hypothesis cannot handle itself, for it prints and compares what it generates."""

    make: Callable[..., Any]
    name: str
    parts: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.name}: {self.parts}>" if self.parts else f"<{self.name}>"


def made(recipe: Any) -> Any:
    """Return what a strategy generated, with the recipes in it carried out."""
    if type(recipe) is Recipe:
        return recipe.make(*map(made, recipe.parts))
    if type(recipe) is dict:
        return {key: made(value) for key, value in recipe.items()}
    return [made(value) for value in recipe] if type(recipe) is list else recipe


def _recipes(makers: dict[str, Callable[[], Any]], without: set[str]) -> st.SearchStrategy[Recipe]:
    return st.sampled_from([Recipe(make, name) for name, make in makers.items() if name not in without])


_EXPENSIVE = {"10 MB string", "10 MB of bytes", "10 MB message", "deep list", "deep dict", "10**5000", "dense graph",
              "shared lists", "endless mapping"}  # fmt: skip
oddities = _recipes(ODDITIES, _EXPENSIVE)
exceptions = _recipes(EXCEPTIONS, _EXPENSIVE)
scalars = st.one_of(st.none(), st.booleans(), _numbers, _words, texts, st.binary(max_size=10))
values = st.one_of(
    scalars,
    oddities,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.one_of(texts, st.integers()), scalars, max_size=3),
    st.lists(st.lists(scalars, max_size=2), max_size=2),
)


def _with_fields(names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from(names), values, max_size=4)
    namespaces = fields.map(lambda found: Recipe(lambda found: types.SimpleNamespace(**found), "namespace", (found,)))
    return st.one_of(fields, namespaces)


def _made_of(cls: Callable[..., Any], count: int) -> st.SearchStrategy[Any]:
    return st.tuples(*[values] * count).map(lambda parts: Recipe(cls, cls.__name__, parts))


#: To be carried out with :func:`made`.
tasks = st.one_of(_with_fields(TASK_NAMES), _with_fields(TASK_NAMES), _made_of(DataTask, 5), values)
results = st.one_of(_with_fields(RESULT_NAMES), _with_fields(RESULT_NAMES), _made_of(TupleResult, 4), values)

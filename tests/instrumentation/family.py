"""A script that pickles functions and classes of its own: ``python family.py recorded|plain LIBRARY FILE [DATABASE]``.

LIBRARY is the module that has ``dumps``, and the settings of that which are turned on.

The file holds, for each name: the pickled object or the type of the exception, the code that calls it, and the number
of executions.
"""

import contextlib
import dataclasses
import functools
import importlib
import pickle
import sys

from learning_instrument import PoolInstrumentor, configure, record_execution

AMOUNT = 3


def unchanged(function):
    return function


mode, library, file, *database = sys.argv[1:]
library, *settings = library.split()
recorded = record_execution if mode == "recorded" else unchanged


@recorded
def function(task, extra=2, *, more=AMOUNT):
    return task + extra + more + len(function.__name__)


@recorded
def even(task):
    return task == 0 or odd(task - 1)


@recorded
def odd(task):
    return task != 0 and even(task - 1)


@recorded
async def coroutine_function(task):
    return task + AMOUNT


@recorded
def generator(task):
    yield task
    yield AMOUNT


@recorded
async def async_generator(task):
    yield task
    yield AMOUNT


@recorded
def with_attribute(task):
    return task, with_attribute.note


with_attribute.note = "note"


def twice(inner):
    @functools.wraps(inner)
    def wrapper(task):
        return inner(task) * 2

    return wrapper


@twice
@recorded
def within_another(task):
    return task


@recorded
@twice
def around_another(task):
    return task


@recorded
@contextlib.contextmanager
def context_manager(task):
    yield task


def closure(amount):
    @recorded
    def inner(task):
        return task if task <= 0 else inner(task - 1) + amount

    return inner


def pair(amount):
    @recorded
    def first(task):
        return task if task <= 0 else second(task - 1)

    @recorded
    def second(task):
        return first(task - 1) + amount

    return first, second


@dataclasses.dataclass
class Pool:
    """Its methods in every order of decorators."""

    amount: int = 5

    @recorded
    def execute_task(self, task):
        return task + self.amount

    @recorded
    async def later(self, task):
        return task + self.amount

    @recorded
    @staticmethod
    def static(task):
        return task + AMOUNT

    @staticmethod
    @recorded
    def static_too(task):
        return Pool, task

    @recorded
    @staticmethod
    def static_of_class(task, extra=1):
        return Pool.__name__, Pool.static.__name__, task + extra

    @recorded
    @classmethod
    def of_class(cls, task):
        return cls.__name__, task

    @classmethod
    @recorded
    def of_class_too(cls, task):
        return cls.__name__, task

    @property
    @recorded
    def doubled(self):
        return self.amount * 2

    def undecorated(self, task):
        return task - self.amount

    def __eq__(self, other):
        return True

    __hash__ = None


class Derived(Pool):
    @recorded
    def execute_task(self, task):
        return super().execute_task(task) * 2, __class__.__name__

    class Inner:
        @recorded
        def execute_task(self, task):
            return task, type(self).__qualname__


class Slotted:
    __slots__ = ("amount",)

    def __init__(self, amount):
        self.amount = amount

    @recorded
    def execute_task(self, task):
        return task + self.amount


class Target:
    """Recorded by the instrumentor."""

    def execute_task(self, task):
        return task + AMOUNT


class Watched:
    """The same, with subclasses that it hears of."""

    def __init_subclass__(cls, **keywords):
        cls.keywords = keywords

    def execute_task(self, task):
        return task + AMOUNT


class OfWatched(Watched, more=1):
    def execute_task(self, task):
        return super().execute_task(task), self.keywords


def target(task):
    return task + AMOUNT


class Callable:
    def __call__(self, task):
        return task + 1


if mode == "recorded":
    configure(database[0])
    PoolInstrumentor().instrument(targets=[Target, Watched, target])

#: Name -> object, the code that calls it as ``it``, and the executions of that.
FAMILY = {
    "function": (function, "it(1)", 1),
    "keyword-only argument": (function, "it(1, more=5)", 1),
    "mutual recursion": (even, "it(3)", 4),
    "coroutine function": (coroutine_function, "run(it(1))", 1),
    "generator": (generator, "list(it(1))", 1),
    "async generator": (async_generator, "run(all_of(it(1)))", 1),
    "attribute": (with_attribute, "it(1)", 1),
    "within another decorator": (within_another, "it(1)", 1),
    "around another decorator": (around_another, "it(1)", 1),
    "context manager": (context_manager, "it(1).__enter__()", 1),
    "lambda": (recorded(lambda task: task + AMOUNT), "it(1)", 1),
    "closure": (closure(4), "it(2)", 3),
    "closures of each other": (pair(4), "it[0](3), it[1](1)", 7),
    "partial": (functools.partial(function, 1, extra=5), "it()", 1),
    "recorded partial": (recorded(functools.partial(target, 1)), "it()", 1 + 1),
    "callable": (recorded(Callable()), "it(1)", 1),
    "built-in function": (recorded(len), "it([1])", 1),
    "list of functions": ([even, odd, odd], "it[0](1), it[1] is it[2], it[1](1)", 4),
    "method": (Pool(7).execute_task, "it(1)", 1),
    "unbound method": (Pool.execute_task, "it(type('Any', (), {'amount': 1}), 1)", 1),
    "coroutine method": (Pool(7).later, "run(it(1))", 1),
    "static method": (Pool.static, "it(1)", 1),
    "static method in the other order": (Pool.static_too, "it(1)[1]", 1),
    "static method with its class": (Pool.static_of_class, "it(1)", 1),
    "class method": (Pool.of_class, "it(1)", 1),
    "class method in the other order": (Pool.of_class_too, "it(1)", 1),
    "instance": (Pool(7), "it.execute_task(1), it.doubled, it.undecorated(1)", 2),
    "class": (Pool, "it().execute_task(1), it.static(1), it.static_of_class(1), it.of_class(1), it.of_class_too(1)", 5),
    "class and its static method": ((Pool, Pool.static), "it[0].static(1), it[1](1)", 2),
    "derived class": (Derived, "it(1).execute_task(1), it.of_class(1)", 2),
    "inner class": (Derived.Inner(), "it.execute_task(1)", 1),
    "slots": (Slotted(1), "it.execute_task(1)", 1),
    "target": (Target, "it().execute_task(1)", 1),
    "function as a target": (target, "it(1)", 1),
    "target with subclasses": (Watched, "type('New', (it,), {}, more=2).keywords, it().execute_task(1)", 1),
    "subclass of a target": (OfWatched(), "it.execute_task(1)", 1),
}

if __name__ == "__main__":
    dumps = importlib.import_module(library).dumps
    pickled = {}
    for name, (thing, code, executions) in FAMILY.items():
        try:
            pickled[name] = bytes(dumps(thing, **dict.fromkeys(settings, True))), code, executions
        except Exception as fault:
            pickled[name] = type(fault).__name__, code, executions
    with open(file, "wb") as output:
        pickle.dump(pickled, output)

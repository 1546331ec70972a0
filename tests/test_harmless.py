"""Harmless: with us a task does what it does without us, and it is one row all the same.

Each kind of function is called twice, as it is and decorated, and what came of it is compared: the objects
returned by identity, exceptions with their traceback (apart from our frames), cause and context.
"""

import asyncio
import collections.abc
import contextlib
import contextvars
import functools
import gc
import http.server
import inspect
import logging
import os
import random
import resource
import sqlite3
import sys
import threading
import traceback
import types
import warnings
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import wrapt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext
from strategies import (
    EXCEPTIONS,
    NAMES,
    ODDITIES,
    Refusal,
    exceptions,
    refusing,
    refusing_object,
    results,
    tasks,
)

import learning_instrument
from learning_instrument import ExecutionRecord, LearningDatabase, current_execution, record_execution

Act = Callable[[Any], Any]
"""What a task does: task -> result."""

OURS = tuple(os.path.dirname(module.__file__) for module in (learning_instrument, wrapt))


# The kinds of functions: each makes one that does *act*, decorated.


def function(act, decorate):
    @decorate
    def execute_task(task=None):
        return act(task)

    return execute_task


def method(act, decorate):
    class Pool:
        @decorate
        def execute_task(self, task=None):
            return act(task)

    return Pool().execute_task


def recorded_class_method(act, decorate):
    class Pool:
        @decorate
        @classmethod
        def execute_task(cls, task=None):
            return act(task)

    return Pool.execute_task


def class_method_of_recorded(act, decorate):
    class Pool:
        @classmethod
        @decorate
        def execute_task(cls, task=None):
            return act(task)

    return Pool.execute_task


def recorded_static_method(act, decorate):
    class Pool:
        @decorate
        @staticmethod
        def execute_task(task=None):
            return act(task)

    return Pool().execute_task


def static_method_of_recorded(act, decorate):
    class Pool:
        @staticmethod
        @decorate
        def execute_task(task=None):
            return act(task)

    return Pool().execute_task


def async_function(act, decorate):
    @decorate
    async def execute_task(task=None):
        await asyncio.sleep(0)
        return act(task)

    return execute_task


def async_method(act, decorate):
    class Pool:
        @decorate
        async def execute_task(self, task=None):
            await asyncio.sleep(0)
            return act(task)

    return Pool().execute_task


def async_class_method(act, decorate):
    class Pool:
        @classmethod
        @decorate
        async def execute_task(cls, task=None):
            return act(task)

    return Pool.execute_task


def generator(act, decorate):
    @decorate
    def execute_task(task=None):
        yield task
        return act(task)

    return execute_task


def generator_method(act, decorate):
    class Pool:
        @decorate
        def execute_task(self, task=None):
            yield act(task)
            return task

    return Pool().execute_task


def async_generator(act, decorate):
    @decorate
    async def execute_task(task=None):
        yield task
        await asyncio.sleep(0)
        yield act(task)

    return execute_task


def async_generator_method(act, decorate):
    class Pool:
        @decorate
        async def execute_task(self, task=None):
            yield act(task)

    return Pool().execute_task


def returns_coroutine(act, decorate):
    async def run(task):
        await asyncio.sleep(0)
        return act(task)

    @decorate
    def execute_task(task=None):
        return run(task)

    return execute_task


class Later:
    """An awaitable of a user's own class."""

    def __init__(self, act, task):
        self.act, self.task = act, task

    def __await__(self):
        yield
        return self.act(self.task)


def returns_awaitable(act, decorate):
    @decorate
    def execute_task(task=None):
        return Later(act, task)

    return execute_task


def returns_asyncio_task(act, decorate):
    async def run(task):
        return act(task)

    @decorate
    def execute_task(task=None):
        return asyncio.get_running_loop().create_task(run(task))

    return execute_task


def returns_future(act, decorate):
    @decorate
    def execute_task(task=None):
        future = Future()
        try:
            future.set_result(act(task))
        except BaseException as error:
            future.set_exception(error)
        return future

    return execute_task


# How a call of each kind is brought to its end. Each answers with all objects that came out.


def finish(call):
    return [call()]


def exhaust(call):
    items = []
    iterator = call()
    while True:
        try:
            items.append(next(iterator))
        except StopIteration as stop:
            return [*items, stop.value]


def drive(call):
    """Await without an event loop: nothing in here waits for anything."""
    steps = call().__await__()
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return [stop.value]


def exhaust_async(call):
    async def exhaust():
        return [item async for item in call()]

    return drive(exhaust)[0]


def run_in_loop(call):
    async def main():
        return await call()

    return [asyncio.run(main())]


def wait(call):
    return [call().result()]


KINDS = {
    function: finish,
    method: finish,
    recorded_class_method: finish,
    class_method_of_recorded: finish,
    recorded_static_method: finish,
    static_method_of_recorded: finish,
    async_function: drive,
    async_method: drive,
    async_class_method: drive,
    generator: exhaust,
    generator_method: exhaust,
    async_generator: exhaust_async,
    async_generator_method: exhaust_async,
    returns_coroutine: drive,
    returns_awaitable: drive,
    returns_asyncio_task: run_in_loop,
    returns_future: wait,
}
RUN_AT_ONCE = [kind for kind, end in KINDS.items() if end in (finish, wait)] + [returns_asyncio_task]


every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


# asyncio itself fails on what raises these: it hangs, or refuses.
NOT_FOR_ASYNCIO = {"__getattribute__ raises", "__class__ raises"}


# The comparison.


class Observed(NamedTuple):
    """What came of a call, by what can be compared without asking the objects themselves."""

    objects: list[int]
    raised: Any = None
    frames: Any = None
    chain: Any = None


def as_it_is(function):
    return function


def observe(kind, act, decorate=as_it_is, args=(None,), kwargs=None, own=None):
    """Call a function of this *kind* that does *act*; *own* is the exception that it raises, if any."""
    execute_task = kind(act, decorate)
    before = None if own is None else [part.__get__(own) for part in EXCEPTION_PARTS]
    try:
        objects = KINDS[kind](lambda: execute_task(*args, **(kwargs or {})))
    except BaseException as error:
        raised = "itself" if error is own else (type(error), str(error))
        cause, context, tb = (part.__get__(error) for part in EXCEPTION_PARTS)
        return Observed([], raised, foreign_frames(tb), (id(cause), id(context)))
    finally:
        if own is not None:  # as if it had not been raised
            for part, value in zip(EXCEPTION_PARTS, before, strict=True):
                part.__set__(own, value)
    return Observed([id(item) for item in objects])


# Read past what a class makes of attribute access.
EXCEPTION_PARTS = [vars(BaseException)[name] for name in ("__cause__", "__context__", "__traceback__")]


def foreign_frames(tb):
    """Return the frames of a traceback that are neither ours nor wrapt's."""
    steps = [(frame.f_code.co_filename, frame.f_code.co_name, line) for frame, line in traceback.walk_tb(tb)]
    return [step for step in steps if not step[0].startswith(OURS)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """One database for all the comparisons, for making one takes longer than they do."""
    with LearningDatabase(tmp_path_factory.mktemp("harmless") / "learning.db") as database:
        reader = sqlite3.connect(database.path)
        database.count = lambda: reader.execute("SELECT max(rowid) FROM executions").fetchone()[0] or 0
        yield database
        reader.close()


def assert_no_difference(archive, kind, act, args=(None,), kwargs=None, own=None, rows=1, **options):
    """Call *act* decorated and as it is; what comes of it is the same, and so many rows are stored."""
    expected = observe(kind, act, as_it_is, args, kwargs, own)
    before = archive.count()

    observed = observe(kind, act, record_execution(learning_db=archive, **options), args, kwargs, own)

    assert (kind.__name__, observed) == (kind.__name__, expected)
    if rows is not None:
        assert (kind.__name__, archive.count() - before) == (kind.__name__, rows)


def returning(result):
    return lambda task: result


def raising(error):
    def act(task):
        raise error

    return act


# Odd objects.


@pytest.mark.parametrize("name", ODDITIES)
def test_odd_objects_make_no_difference(archive, name):
    """Whatever task and result are or hold, the result is the same object, and it is one row."""
    thing = ODDITIES[name]()
    fields = dict.fromkeys(NAMES, thing)

    for kind in KINDS:
        assert_no_difference(archive, kind, returning(thing), (thing,))
        assert_no_difference(archive, kind, returning(types.SimpleNamespace(**fields)), (fields,))
        assert_no_difference(archive, kind, returning({"error": {"k": [thing]}}), ({"metadata": {"k": [thing]}},))


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions_make_no_difference(archive, name):
    """Whatever is raised, it is the same object with the same traceback, and it is one row."""
    error = EXCEPTIONS[name]()

    for kind in KINDS:
        if kind is not returns_asyncio_task or name not in NOT_FOR_ASYNCIO:
            assert_no_difference(archive, kind, raising(error), own=error)


# Arguments.


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [(("task",), {}), ((), {"task": "task"}), ((), {})],
    ids=["positional", "keyword", "missing"],
)
def test_ways_to_pass_the_task_make_no_difference(archive, args, kwargs):
    """The task may come by position, by name, or be left out where it has a default."""
    for kind in KINDS:
        assert_no_difference(archive, kind, returning("result"), args, kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1, 2, 3), {}), ((), {"job": 1}), ((1,), {"task": 1}), ((1,), {"_": 2})],
    ids=["too many", "unknown name", "given twice", "one more"],
)
def test_wrong_arguments_are_the_same_error_at_the_same_place(archive, args, kwargs):
    """A call that does not fit raises TypeError where it is made, not where its result is awaited."""
    for kind in KINDS:
        assert_no_difference(archive, kind, returning("result"), args, kwargs, rows=None)


def test_wrong_arguments_of_a_coroutine_function_raise_at_the_call(archive):
    """As without us, there is no coroutine that would fail later."""
    execute_task = async_function(returning(1), record_execution(learning_db=archive))

    with pytest.raises(TypeError, match="positional argument"):
        execute_task(1, 2)


# Code that users hand us.

REFUSALS = {
    "an error": refusing(),
    "SystemExit": refusing(SystemExit),
    "GeneratorExit": refusing(GeneratorExit),
    "CancelledError": refusing(asyncio.CancelledError),
    "StopIteration": refusing(StopIteration),
    "an error, and has no repr": type("Hook", (), {"__call__": refusing(), "__repr__": refusing(SystemExit)})(),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_callables_that_raise_make_no_difference(archive, refusal):
    """Hooks, ``success_when`` and ``fields`` may raise what they like: the execution is recorded without them."""
    refuse = REFUSALS[refusal]
    fields = {"fields": dict.fromkeys(["task_type", "metadata", "success", "error_message"], refuse)}

    for kind in KINDS:
        for options in ({"request_hook": refuse}, {"response_hook": refuse}, {"success_when": refuse}, fields):
            assert_no_difference(archive, kind, returning({"status": "ok"}), **options)
            assert_no_difference(archive, kind, raising(error := ValueError()), own=error, **options)


@pytest.mark.parametrize("name", ODDITIES)
def test_callables_that_answer_odd_objects_make_no_difference(archive, name):
    """``success_when`` and ``fields`` may answer anything at all, and a path may lead to it."""
    thing = ODDITIES[name]()
    columns = ["task_type", "task_description", "actual_cost", "metadata", "success", "error_message", "pool_type"]

    for options in (
        {"success_when": lambda result: thing},
        {"fields": dict.fromkeys(columns, lambda instance, task, result: thing)},
        {"fields": dict.fromkeys(columns, "a.b")},
    ):
        assert_no_difference(archive, method, returning({"a": {"b": thing}}), ({"a": thing},), **options)


@pytest.mark.parametrize("name", ODDITIES)
def test_odd_objects_said_by_the_task_itself_make_no_difference(archive, name):
    """``current_execution().set()`` takes anything."""
    thing = ODDITIES[name]()

    def act(task):
        current_execution().set(task_type=thing, metadata=thing, success=thing, error_message=thing, no_column=thing)
        return thing

    assert_no_difference(archive, function, act)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_database_callable_that_raises_leaves_the_call_alone(caplog, refusal):
    """Without a database there is no row, and one warning for all the calls."""
    decorate = record_execution(learning_db=REFUSALS[refusal])

    with caplog.at_level(logging.WARNING, "learning_instrument"), contextlib.suppress(SystemExit):
        execute_task = function(returning("result"), decorate)
        assert [execute_task() for _ in range(5)] == ["result"] * 5

    assert len(caplog.records) <= 1


@pytest.mark.parametrize("name", ODDITIES)
def test_a_database_callable_that_answers_no_database_leaves_the_call_alone(name):
    """What is no LearningDatabase is not recorded into."""
    thing = ODDITIES[name]()

    for kind in KINDS:
        decorate = record_execution(learning_db=lambda instance: thing)
        assert observe(kind, returning(thing), decorate, (thing,)) == observe(kind, returning(thing), args=(thing,))


@pytest.mark.parametrize("name", [name for name in ODDITIES if "raise" in name or "class" in name])
def test_odd_pools_make_no_difference(archive, name):
    """The pool itself may be of a class that misbehaves."""
    thing = ODDITIES[name]()
    if issubclass(type(thing), type):
        return
    execute_task = record_execution(learning_db=archive)(lambda self, task: task).__get__(thing, type(thing))
    before = archive.count()

    result = execute_task("task")

    assert result == "task"
    assert archive.count() == before + 1


def test_a_log_handler_that_fails_makes_no_difference(archive):
    """Our warnings stay ours, though the application's logging breaks on them."""
    log = logging.getLogger("learning_instrument")
    handler = type("Handler", (logging.Handler,), {"handle": refusing()})()
    log.addHandler(handler)
    try:
        for options in ({"request_hook": refusing()}, {"response_hook": refusing()}):
            assert_no_difference(archive, function, returning("result"), **options)
        lost = record_execution(learning_db=refusing())
        assert function(returning("result"), lost)() == "result"
    finally:
        log.removeHandler(handler)


@pytest.mark.parametrize("when", ["on_start", "on_end"])
def test_a_span_processor_that_fails_makes_no_difference(archive, when):
    """The application's own tracing may break: that is no reason to fail its tasks, or to lose their rows."""
    provider = TracerProvider()
    provider.add_span_processor(type("Processor", (SpanProcessor,), {when: refusing()})())

    for kind in KINDS:
        assert_no_difference(archive, kind, returning("result"), tracer_provider=provider)


def test_ctrl_c_reaches_the_program(archive):
    """Ctrl-C may be pressed while we read a task; it is not ours to swallow."""
    task = type("Task", (), {"prompt": property(refusing(KeyboardInterrupt))})()

    with pytest.raises(KeyboardInterrupt):
        function(returning(1), record_execution(learning_db=archive))(task)


# Reading.


class Counted:
    """Counts how often each name is read."""

    def __init__(self):
        self.reads = []

    def __getattr__(self, name):
        self.reads.append(name)
        raise AttributeError(name)


class CountedMapping(collections.abc.Mapping):
    """Counts how often each key is read."""

    def __init__(self):
        self.reads = []

    def __getitem__(self, name):
        self.reads.append(name)
        raise KeyError(name)

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0


FIELDS = {"input_tokens": "usage.tokens", "output_tokens": "usage.tokens", "model_tier": "tier", "task_type": "tier"}


@pytest.mark.parametrize("make", [Counted, CountedMapping])
@pytest.mark.parametrize("fields", [{}, FIELDS], ids=["plain", "fields"])
def test_each_name_is_read_at_most_once(archive, make, fields):
    """A property may do work, or have an effect: neither task, nor result, nor pool is asked twice."""
    for kind in KINDS:
        task, result = make(), make()
        observe(kind, returning(result), record_execution(learning_db=archive, fields=fields), (task,))

        assert {"prompt", "metadata"} <= set(task.reads)
        assert {"success", "status"} <= set(result.reads) or "generator" in kind.__name__
        for reads in (task.reads, result.reads):
            assert sorted(reads) == sorted(set(reads)), kind.__name__


@pytest.mark.parametrize("fields", [{}, FIELDS], ids=["plain", "fields"])
def test_a_pool_that_is_its_own_task_and_result_is_read_once(archive, fields):
    """One object in three roles is still asked once for each name."""
    pool = Counted()
    execute_task = record_execution(learning_db=archive, fields=fields)(lambda self, task: task)

    assert execute_task.__get__(pool, Counted)(pool) is pool
    reads = [name for name in pool.reads if not name.startswith("__")]
    assert sorted(reads) == sorted(set(reads))


def test_an_object_on_two_paths_is_read_once(archive):
    """Two ``fields`` may lead through one object, even to one name."""
    usage = Counted()
    fields = {"input_tokens": "usage.tokens", "output_tokens": "usage.tokens", "model": "usage.model"}

    assert_no_difference(archive, function, returning(types.SimpleNamespace(usage=usage)), fields=fields)

    assert sorted(usage.reads) == ["model", "tokens"]

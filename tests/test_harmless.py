"""Harmless: with us a task does what it does without us, and it is one row all the same.

Each kind of function is called twice, as it is and decorated, and what came of it is compared: the objects
returned by identity, exceptions with their traceback (apart from our frames), cause and context.
"""

import asyncio
import collections.abc
import contextlib
import contextvars
import gc
import inspect
import itertools
import logging
import os
import random
import resource
import sqlite3
import sys
import threading
import time
import traceback
import types
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
import wrapt
from collector import through_otlp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strategies import (
    EXCEPTIONS,
    NAMES,
    ODDITIES,
    exceptions,
    made,
    refusing,
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
    """Await in an event loop, but not in ``asyncio.run()``: Python 3.12's prints the result when it is done."""

    async def main():
        return await call()

    loop = asyncio.new_event_loop()
    try:
        return [loop.run_until_complete(main())]
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()


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
        return Observed([], raised, foreign_frames(tb), (type(cause), type(context), cause is own, context is own))
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


@pytest.fixture(scope="module", autouse=True)
def little_garbage():
    """What is there already is left alone, so that collecting, which some tests do, takes no time."""
    gc.collect()
    gc.freeze()


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


def test_odd_objects_make_no_difference(archive, subtests):
    """For any task and result, the result is the same object, and one row is stored."""
    for name in ODDITIES:
        with subtests.test(name=name):
            thing = ODDITIES[name]()
            fields = dict.fromkeys(NAMES, thing)

            for kind in KINDS:
                assert_no_difference(archive, kind, returning(thing), (thing,))
                assert_no_difference(archive, kind, returning(types.SimpleNamespace(**fields)), (fields,))
                assert_no_difference(
                    archive, kind, returning({"error": {"k": [thing]}}), ({"metadata": {"k": [thing]}},)
                )


def test_exceptions_make_no_difference(archive, subtests):
    """Any exception is the same object with the same traceback, and one row is stored."""
    for name in EXCEPTIONS:
        with subtests.test(name=name):
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


def test_callables_that_raise_make_no_difference(archive, subtests):
    """Hooks, ``success_when`` and ``fields`` may raise what they like: the execution is recorded without them."""
    for refusal in REFUSALS:
        with subtests.test(refusal=refusal):
            refuse = REFUSALS[refusal]
            fields = {"fields": dict.fromkeys(["task_type", "metadata", "success", "error_message"], refuse)}

            for kind in KINDS:
                for options in ({"request_hook": refuse}, {"response_hook": refuse}, {"success_when": refuse}, fields):
                    assert_no_difference(archive, kind, returning({"status": "ok"}), **options)
                    assert_no_difference(archive, kind, raising(error := ValueError()), own=error, **options)


def test_callables_that_answer_odd_objects_make_no_difference(archive, subtests):
    """``success_when`` and ``fields`` may answer anything at all, and a path may lead to it."""
    columns = ["task_type", "task_description", "actual_cost", "metadata", "success", "error_message", "pool_type"]
    for name in ODDITIES:
        with subtests.test(name=name):
            thing = ODDITIES[name]()
            for options in (
                {"success_when": returning(thing)},
                {"fields": dict.fromkeys(columns, lambda *_, thing=thing: thing)},
                {"fields": dict.fromkeys(columns, "a.b")},
            ):
                assert_no_difference(archive, method, returning({"a": {"b": thing}}), ({"a": thing},), **options)


def test_odd_objects_said_by_the_task_itself_make_no_difference(archive, subtests):
    """``current_execution().set()`` takes anything."""
    for name in ODDITIES:
        with subtests.test(name=name):
            thing = ODDITIES[name]()

            def act(task, thing=thing):
                current_execution().set(
                    task_type=thing, metadata=thing, success=thing, error_message=thing, no_column=thing
                )
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


def test_a_database_callable_that_answers_no_database_leaves_the_call_alone(subtests):
    """What is no LearningDatabase is not recorded into."""
    for name in ODDITIES:
        with subtests.test(name=name):
            thing = ODDITIES[name]()

            for kind in KINDS:
                decorate = record_execution(learning_db=returning(thing))
                assert observe(kind, returning(thing), decorate, (thing,)) == observe(
                    kind, returning(thing), args=(thing,)
                )


def test_odd_pools_make_no_difference(archive, subtests):
    """The pool itself may be of a class that misbehaves."""
    for name in [name for name in ODDITIES if "raise" in name or "class" in name]:
        with subtests.test(name=name):
            thing = ODDITIES[name]()
            if issubclass(type(thing), type):
                continue
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
        is_seen = "generator" not in kind.__name__ and kind is not returns_awaitable
        assert {"success", "status"} <= set(result.reads) or not is_seen
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


# What comes later: futures, tasks, awaitables, coroutines.


def test_a_future_is_returned_as_it_is(archive):
    """The caller of a pool gets the executor's own future."""
    future = Future()
    execute_task = record_execution(learning_db=archive)(lambda task: future)

    assert execute_task("task") is future


async def test_an_asyncio_task_is_returned_as_it_is(archive):
    """The caller gets the very task, which it may cancel, name, or compare."""
    task = asyncio.ensure_future(asyncio.sleep(0))
    execute_task = record_execution(learning_db=archive)(lambda job: task)

    assert execute_task("job") is task
    await task


def test_a_future_of_an_executor_is_recorded_when_it_is_done(archive):
    """Without a call of ``result()``."""
    before = archive.count()
    with ThreadPoolExecutor(2) as executor:
        execute_task = record_execution(learning_db=archive)(lambda task: executor.submit(abs, task))
        futures = [execute_task(-number) for number in range(20)]

    assert [future.result() for future in futures] == list(range(20))
    assert archive.count() == before + 20


def test_a_cancelled_future_is_recorded_as_cancelled(archive):
    """A future can be cancelled before it runs."""
    future = Future()
    record_execution(learning_db=archive)(lambda task: future)("task")

    assert future.cancel()
    assert last_row(archive)["outcome"] == "cancelled"


def last_row(archive):
    return archive.query("SELECT * FROM executions ORDER BY rowid DESC LIMIT 1")[0]


def test_an_awaitable_is_returned_as_it_is(archive):
    """It is the very object: no stand-in has its exact type, pickles, copies and can be gathered as it can."""
    later = Later(returning("result"), "task")

    assert record_execution(learning_db=archive)(lambda task: later)("task") is later


def test_an_awaitable_may_be_awaited_again(archive):
    """It is one execution, which ended when it was returned."""
    before = archive.count()
    ours = returns_awaitable(returning("result"), record_execution(learning_db=archive))("task")

    assert archive.count() == before + 1
    assert [drive(lambda: ours), drive(lambda: ours)] == [["result"], ["result"]]
    assert archive.count() == before + 1


def test_an_awaitable_that_cannot_be_awaited_raises_the_same(archive):
    """An ``__await__`` that raises, does so at the same place."""

    def observed(decorate):
        awaitable = type("Later", (), {"__await__": refusing()})()

        async def main():
            await decorate(lambda task: awaitable)("task")

        return observe_call(lambda: drive(main))

    assert observed(record_execution(learning_db=archive)) == observed(as_it_is)


def observe_call(call):
    """Return what a call gave, or raised, with its foreign frames."""
    try:
        return call()
    except BaseException as error:
        return type(error), str(error), foreign_frames(error.__traceback__)


@pytest.mark.parametrize("kind", [async_function, async_method, returns_coroutine])
@pytest.mark.parametrize("how", ["dropped", "thrown into", "closed"])
def test_a_coroutine_that_is_never_awaited_warns_as_it_does_without_us(archive, kind, how):
    """One warning in the function's own name, or none."""

    def warned(decorate):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            coroutine = kind(returning(1), decorate)("task")
            if how == "thrown into":
                with contextlib.suppress(ValueError):
                    coroutine.throw(ValueError())
            elif how == "closed":
                coroutine.close()
            del coroutine
            gc.collect()
        return [str(warning.message) for warning in caught]

    before = archive.count()

    assert warned(record_execution(learning_db=archive)) == warned(as_it_is)
    assert archive.count() == before


def test_a_task_cancelled_before_it_starts_neither_warns_nor_counts(archive):
    """It did not run, so there is nothing to record."""
    before = archive.count()

    async def main():
        task = asyncio.ensure_future(async_function(returning(1), record_execution(learning_db=archive))("task"))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
    assert archive.count() == before


def test_an_exception_nobody_retrieves_is_reported_by_asyncio_all_the_same(archive, caplog):
    """We look at a task's exception without taking that report away."""

    async def main(decorate):
        task = returns_asyncio_task(raising(ValueError("unseen")), decorate)("task")
        await asyncio.sleep(0.001)
        del task

    def reports(decorate):
        caplog.clear()
        asyncio.run(main(decorate))
        gc.collect()
        return [record.getMessage().partition("\n")[0] for record in caplog.records]

    assert reports(record_execution(learning_db=archive)) == reports(as_it_is) == ["Task exception was never retrieved"]


# Cancelling. Here *act* is a coroutine function.


def awaits_in_function(act, decorate):
    @decorate
    async def execute_task(task):
        return await act(task)

    return execute_task


def awaits_in_method(act, decorate):
    class Pool:
        @decorate
        async def execute_task(self, task):
            return await act(task)

    return Pool().execute_task


def awaits_in_generator(act, decorate):
    @decorate
    async def execute_task(task):
        yield await act(task)

    async def first(task):
        stream = execute_task(task)
        try:
            return await stream.__anext__()
        finally:
            await stream.aclose()

    return first


def awaits_in_returned_coroutine(act, decorate):
    return decorate(lambda task: act(task))


def awaits_in_awaitable(act, decorate):
    class Awaitable:
        def __init__(self, task):
            self.task = task

        def __await__(self):
            return (yield from act(self.task).__await__())

    return decorate(Awaitable)


def awaits_in_asyncio_task(act, decorate):
    return decorate(lambda task: asyncio.ensure_future(act(task)))


AWAITING_KINDS = [
    awaits_in_function,
    awaits_in_method,
    awaits_in_generator,
    awaits_in_returned_coroutine,
    awaits_in_awaitable,
    awaits_in_asyncio_task,
]


async def waits(task):
    await asyncio.sleep(60)


async def cleans_up(task):
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        task.append("cleaned up")


async def goes_on(task):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "rescued"


async def fails_instead(task):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("while cancelled") from None


async def cancel(execute_task, log):
    async def run():
        return await execute_task(log)

    running = asyncio.ensure_future(run())
    await asyncio.sleep(0.001)
    running.cancel("enough")
    try:
        log.append(await running)
    except BaseException as error:
        log.append((type(error), error.args))
    log.append(running.cancelled())


async def time_out(execute_task, log):
    try:
        log.append(await asyncio.wait_for(execute_task(log), 0.002))
    except BaseException as error:
        log.append((type(error), error.args))


async def interrupt(execute_task, log):
    asyncio.get_running_loop().call_later(0.001, refusing(KeyboardInterrupt))
    await execute_task(log)


@pytest.mark.parametrize("end", [cancel, time_out, interrupt])
@pytest.mark.parametrize("act", [waits, cleans_up, goes_on, fails_instead])
def test_cancelling_makes_no_difference(archive, act, end):
    """Cancelled, timed out or interrupted: what the task does about it, and what its caller sees, is the same."""

    def log_of(kind, decorate):
        log = []
        try:
            asyncio.run(end(kind(act, decorate), log))
        except BaseException as error:
            log.append((type(error), error.args))
        return log

    for kind in AWAITING_KINDS:
        expected = log_of(kind, as_it_is)
        before = archive.count()

        assert (kind.__name__, log_of(kind, record_execution(learning_db=archive))) == (kind.__name__, expected)
        assert (kind.__name__, archive.count() - before) == (kind.__name__, 1)


@pytest.mark.parametrize("kind", AWAITING_KINDS)
def test_a_cancelled_task_is_recorded_as_cancelled(archive, kind):
    """Not as an error, nor as a success."""
    asyncio.run(cancel(kind(waits, record_execution(learning_db=archive)), []))

    row = last_row(archive)
    is_unknown = "duration_seconds" in row["defaulted"]
    assert is_unknown == (kind is awaits_in_awaitable)
    assert row["outcome"] == "cancelled" or is_unknown


# Generators. A script is a list of steps, played to a generator and to its decorated twin.


def echo(log):
    """Yield what it is sent, mind some exceptions, and clean up."""
    value = "ready"
    try:
        while True:
            try:
                value = yield value
                log.append(value)
            except ValueError as error:
                value = str(error)
            if value == "return":
                return "returned"
            if value == "raise":
                raise LookupError(value)
    finally:
        log.append("closed")


def stubborn(log):
    """Go on yielding for any exception thrown in."""
    for number in range(3):
        try:
            yield number
        except BaseException as error:
            log.append(type(error))
    return "worn down"


def delegating(log):
    return (yield from echo(log))


def closing_value(log):
    try:
        yield 1
    except GeneratorExit:
        return "a value at the close"


def empty(log):
    return
    yield


async def async_echo(log):
    value = "ready"
    try:
        while True:
            try:
                value = yield value
                await asyncio.sleep(0)
                log.append(value)
            except ValueError as error:
                value = str(error)
            if value == "return":
                return
            if value == "raise":
                raise LookupError(value)
    finally:
        await asyncio.sleep(0)
        log.append("closed")


async def async_stubborn(log):
    for number in range(3):
        try:
            yield number
        except Exception as error:
            log.append(type(error))


async def async_empty(log):
    return
    yield


THROWN = [ValueError, KeyError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, StopIteration,
          StopAsyncIteration]  # fmt: skip
steps = st.one_of(
    st.just(("next",)),
    st.just(("close",)),
    st.tuples(st.just("send"), st.sampled_from([None, 1, "return", "raise"])),
    st.tuples(st.just("throw"), st.sampled_from(THROWN)),
)
# At the end each is worn down: one that is left suspended is closed by the garbage collector, with complaints.
scripts = st.lists(steps, max_size=6).map(lambda script: [*script, *[("close",)] * 5])


def starts(script):
    """Tell whether a script makes a generator run: one that did not start stays so when it is sent a value."""
    first = next((step for step in script if step[0] != "send" or step[1] is None), None)
    return first in (("next",), ("send", None))


def play(script, generator, log):
    """Play *script* to *generator*, and note what comes of each step."""
    for name, *args in script:
        try:
            if name == "next":
                log.append(next(generator))
            elif name == "throw":
                log.append(generator.throw(args[0]("thrown")))
            else:
                log.append(getattr(generator, name)(*args))
        except BaseException as error:
            # Thrown into a generator that did not start, it never reaches the user's code, and so no frame of it.
            frames = foreign_frames(error.__traceback__) if starts(script) else None
            log.append((type(error), str(error), frames))
            del error
    return log


def play_async(script, generator, log):
    calls = {"next": "__anext__", "send": "asend", "throw": "athrow", "close": "aclose"}
    for name, *args in script:
        args = [args[0]("thrown")] if name == "throw" else args
        try:
            log += drive(lambda: getattr(generator, calls[name])(*args))  # noqa: B023 - called at once
        except BaseException as error:
            # Thrown into a generator that did not start, it never reaches the user's code, and so no frame of it.
            frames = foreign_frames(error.__traceback__) if starts(script) else None
            log.append((type(error), str(error), frames))
            del error
    return log


@pytest.mark.parametrize("function", [echo, stubborn, delegating, closing_value, empty])
def test_generators_play_every_script_alike(archive, function):
    """send, throw, close and what they give are forwarded, and a generator that ran is one row."""
    decorated = record_execution(learning_db=archive)(function)

    @settings(max_examples=150, database=None)
    @given(scripts)
    def check(script):
        expected = play(script, function(theirs := []), theirs)
        before = archive.count()
        observed = play(script, decorated(ours := []), ours)
        assert observed == expected
        assert archive.count() - before == starts(script)

    check()


@pytest.mark.parametrize("function", [async_echo, async_stubborn, async_empty])
def test_async_generators_play_every_script_alike(archive, function):
    """asend, athrow, aclose and what they give are forwarded, and a generator that ran is one row."""
    decorated = record_execution(learning_db=archive)(function)

    @settings(max_examples=150, database=None)
    @given(scripts)
    def check(script):
        expected = play_async(script, function(theirs := []), theirs)
        before = archive.count()
        observed = play_async(script, decorated(ours := []), ours)
        assert observed == expected
        assert archive.count() - before == starts(script)

    check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_async_generator_that_will_not_close_fails_its_closing_as_it_does_without_us(archive):
    """The ``RuntimeError`` that Python has for this is not swallowed."""

    async def unwilling(log):
        try:
            yield 1
        finally:
            yield 2

    script = [("next",), ("close",)]

    expected = play_async(script, unwilling(log := []), log)
    observed = play_async(script, record_execution(learning_db=archive)(unwilling)(log := []), log)

    assert observed == expected
    assert expected[-1][0] is RuntimeError


def test_a_generator_that_is_left_is_closed_at_once(archive):
    """Leaving a loop early runs the generator's ``finally``, and not some time later."""

    def log_of(decorate):
        for _ in decorate(echo)(log := []):
            break
        return [*log, "after"]

    before = archive.count()

    assert log_of(record_execution(learning_db=archive)) == log_of(as_it_is) == ["closed", "after"]
    assert archive.count() == before + 1
    assert last_row(archive)["outcome"] == "cancelled"


async def leave(stream, log):
    async for item in stream:
        log.append(item)
        break


async def leave_and_close(stream, log):
    async for item in stream:
        log.append(item)
        break
    await stream.aclose()


async def keep_suspended(stream, log):
    log.append(await stream.__anext__())
    log.append(stream)


async def leave_in_another_task(stream, log):
    await asyncio.ensure_future(keep_suspended(stream, log))
    await asyncio.ensure_future(leave(stream, log))


async def fail_in_the_loop(stream, log):
    with contextlib.suppress(LookupError):
        async for _ in stream:
            raise LookupError


async def leave_for_the_garbage_collector(stream, log):
    stream = [stream]
    stream.append(stream)
    await stream[0].__anext__()
    del stream
    gc.collect()
    for _ in range(10):  # the loop has it closed, in a task of its own
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "consume",
    [leave, leave_and_close, keep_suspended, leave_in_another_task, fail_in_the_loop, leave_for_the_garbage_collector],
)
def test_an_async_generator_that_is_left_is_closed_by_its_event_loop(archive, caplog, consume):
    """Its ``finally`` may await; nothing is logged, least of all "Failed to detach context"."""

    def log_of(decorate):
        log = []

        async def main():
            await consume(decorate(async_echo)(log), log)
            log.append("after")

        asyncio.run(main())
        gc.collect()
        return [item for item in log if isinstance(item, str)]

    expected = log_of(as_it_is)
    before = archive.count()

    assert log_of(record_execution(learning_db=archive)) == expected
    assert archive.count() == before + 1
    assert last_row(archive)["outcome"] == "cancelled"
    assert caplog.records == []


def test_a_consumer_sees_nothing_of_the_generators_context(archive):
    """The current span is the consumer's between two steps, and the execution's within each."""
    seen = []

    @record_execution(learning_db=archive)
    def stream():
        for number in range(3):
            seen.append(current_execution().execution_id)
            yield number

    for _ in stream():
        assert current_execution().execution_id is None
        assert trace.get_current_span() is trace.INVALID_SPAN

    assert seen[0] is not None
    assert seen == [seen[0]] * 3


def test_what_a_generator_attached_comes_back_with_its_next_step(archive):
    """A context that the generator attached around its yields is its own."""
    key = otel_context.create_key("test")
    seen = []

    @record_execution(learning_db=archive)
    def stream():
        token = otel_context.attach(otel_context.set_value(key, "inner"))
        yield 1
        seen.append(otel_context.get_value(key))
        otel_context.detach(token)
        yield 2
        seen.append(otel_context.get_value(key))

    for _ in stream():
        assert otel_context.get_value(key) is None

    assert seen == ["inner", None]


def test_context_variables_that_a_task_sets_reach_its_caller(archive):
    """A plain call shares its caller's context, and so it does with us."""
    variable = contextvars.ContextVar("variable", default=0)

    for kind in KINDS:

        def value_after(decorate, kind=kind):
            variable.set(0)
            KINDS[kind](kind(lambda task: variable.set(1), decorate))
            return variable.get()

        assert value_after(record_execution(learning_db=archive)) == value_after(as_it_is)


def test_two_interleaved_generators_do_not_mix(archive):
    """Each step runs within its own execution, with other steps in between."""

    @record_execution(learning_db=archive)
    def stream(task):
        for _ in range(3):
            yield current_execution().execution_id

    steps = list(zip(stream(1), stream(2), strict=True))

    assert len({first for first, _ in steps}) == len({second for _, second in steps}) == 1
    assert steps[0][0] != steps[0][1]


# The application's random numbers.


def test_a_seeded_application_computes_the_same(tmp_path):
    """Our ids come from a generator of our own, and the spans' too where we set up the provider."""

    def number(decorate):
        random.seed(1)
        function(returning(1), decorate)("task")
        return random.random()

    learning_instrument.configure(tmp_path / "learning.db")

    assert number(record_execution) == number(as_it_is)


@pytest.mark.parametrize("configured", [True, False])
def test_tasks_that_seed_the_random_generator_are_rows_of_their_own(tmp_path, configured):
    """``random.seed(42)`` in each task makes no two executions the same."""
    with LearningDatabase(tmp_path / "learning.db") as database:
        if configured:
            learning_instrument.configure(database)
        options = {} if configured else {"learning_db": database}
        execute_task = record_execution(**options)(lambda task: random.seed(42))

        for _ in range(10):
            execute_task("task")

        assert database.query("SELECT count(*) AS rows FROM executions") == [{"rows": 10}]
        learning_instrument.shutdown()


# Memory and stack.


class Thing:
    """An object that can be watched."""


def test_task_and_result_are_freed_as_they_are_without_us(archive, subtests):
    """Nothing of ours keeps them, not even until the next garbage collection."""

    def succeed(task):
        return Thing()

    def fail(task):
        raise ValueError

    def survivors(kind, act, decorate):
        task = Thing()
        watched = [weakref.ref(task)]
        execute_task = kind(act, decorate)
        with contextlib.suppress(ValueError):
            watched += map(weakref.ref, filter(None, KINDS[kind](lambda job=task: execute_task(job))))
        task = None
        return sum(ref() is not None for ref in watched)

    cases = list(itertools.product(KINDS, [succeed, fail]))
    for kind, act in cases:
        survivors(kind, act, record_execution(learning_db=archive))
    gc.collect()
    gc.disable()
    try:
        for kind, act in cases:
            with subtests.test(f"{kind.__name__}, {act.__name__}"):
                ours = survivors(kind, act, record_execution(learning_db=archive))
                assert ours == survivors(kind, act, as_it_is)
    finally:
        gc.enable()


@pytest.mark.parametrize("decorate", [False, True])
def test_an_item_that_a_consumer_drops_is_freed_while_its_generator_waits(archive, decorate):
    """A generator of large items holds none of them, if its author saw to that."""

    def stream(task):
        yield Thing()
        yield Thing()

    stream = (record_execution(learning_db=archive) if decorate else as_it_is)(stream)("task")
    item = weakref.ref(next(stream))

    assert item() is None
    stream.close()


def test_a_task_that_ran_does_not_fail_for_lack_of_stack(database):
    """Where the stack is nearly used up, what we need of it is ours to do without."""
    ran = []
    execute_task = record_execution(learning_db=database)(lambda task: ran.append(task))

    def dive():
        with contextlib.suppress(RecursionError):
            dive()
        ran.clear()
        try:
            execute_task("task")
        except RecursionError:
            assert ran == []
            return False
        return True

    limit = sys.getrecursionlimit()
    depth = len(inspect.stack(0))
    sys.setrecursionlimit(depth + 200)
    try:
        assert dive()
    finally:
        sys.setrecursionlimit(limit)
    execute_task("later")
    newest = "SELECT outcome FROM executions ORDER BY timestamp DESC LIMIT 1"
    assert database.query(newest) == [{"outcome": "succeeded"}]


# The database.


def tasks_go_on(execute_task, count):
    """Run so many tasks, and check that each gives what it should."""
    for number in range(count):
        assert execute_task(number) == -number


@contextlib.contextmanager
def below_a_file(path):
    """There is no folder, and there cannot be one."""
    path.parent.write_text("not a folder")
    yield
    path.parent.unlink()


@contextlib.contextmanager
def a_folder(path):
    path.mkdir(parents=True)
    yield
    path.rmdir()


@contextlib.contextmanager
def garbage(path):
    path.parent.mkdir()
    path.write_bytes(b"This is no database. " * 1000)
    yield
    path.unlink()


@contextlib.contextmanager
def read_only(path):
    """A file that SQLite can read but not write, also as root, whom permissions do not stop."""
    with LearningDatabase(path) as database:
        database.open()
    with open(path, "r+b") as file:
        file.seek(18)
        file.write(b"\x03")  # the file format's write version: one from the future
    yield
    with open(path, "r+b") as file:
        file.seek(18)
        file.write(b"\x02")


@contextlib.contextmanager
def full_disk(path):
    """No file may grow any more, beyond a log of some rows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with LearningDatabase(path) as database:
        database.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("trouble", [below_a_file, a_folder, garbage, read_only, full_disk])
def test_a_database_that_cannot_be_written_is_not_noticed(tmp_path, caplog, durability, trouble):
    """One warning for all the tasks; they are counted, kept, and written when the trouble is over."""
    path = tmp_path / "folder" / "learning.db"
    database = LearningDatabase(path, durability)
    execute_task = record_execution(learning_db=database)(lambda task: -task)

    with trouble(path):
        tasks_go_on(execute_task, 50)
        assert not database.flush(0.2)
        # Of this database: the upkeep of another test's finds the disk full as well.
        warned = [record for record in caplog.records if str(path) in record.getMessage()]
        statistics = database.statistics()

    assert database.flush()
    assert len(warned) == 1
    assert "cannot be written" in warned[0].getMessage()
    if durability == "commit" and trouble is not full_disk:  # some rows fit
        assert (statistics.stored, statistics.deferred) == (0, 50)
    assert database.statistics().stored == len(database.query("SELECT * FROM executions")) == 50
    assert database.statistics().lost == {}
    database.close()


def test_what_no_longer_fits_into_the_queue_is_dropped_and_counted(tmp_path, caplog):
    """Memory is bounded; the count comes with the statistics, and into the database with the next write."""
    path = tmp_path / "folder" / "learning.db"
    database = LearningDatabase(path)
    execute_task = record_execution(learning_db=database)(lambda task: -task)

    with below_a_file(path):
        tasks_go_on(execute_task, 9000)
        lost = database.statistics().lost["queue full"]
        warned = [record for record in caplog.records if record.name.startswith("learning_instrument.")]
    assert database.flush()
    execute_task(1)

    assert 0 < lost < 9000
    assert len(warned) == 2  # that it cannot be written, and that executions are lost
    assert database.statistics().stored == 9001 - lost
    (counted,) = database.query("SELECT reason, sum(executions) AS executions FROM losses GROUP BY reason")
    assert counted == {"reason": "queue full", "executions": lost}
    database.close()


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_a_lock_that_others_hold_is_not_waited_for(tmp_path, caplog, durability):
    """Tasks wait a moment once, then their rows take the way through the background; nothing is lost or logged."""
    database = LearningDatabase(tmp_path / "learning.db", durability)
    database.open()
    execute_task = record_execution(learning_db=database)(lambda task: -task)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    tasks_go_on(execute_task, 50)
    while_locked = database.statistics()
    other.execute("ROLLBACK")
    other.close()

    assert database.flush()
    assert while_locked.stored == 0
    assert while_locked.deferred == (50 if durability == "commit" else 0)
    assert (database.statistics().stored, database.statistics().lost) == (50, {})
    assert caplog.records == []
    database.close()


def test_a_file_that_another_process_makes_is_waited_for(tmp_path):
    """A pool's workers make it at the same time, and may be killed as soon as they have returned their results."""
    path = tmp_path / "learning.db"
    database = LearningDatabase(path)
    execute_task = record_execution(learning_db=database)(lambda task: -task)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    made = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    made.start()

    tasks_go_on(execute_task, 3)

    assert (database.statistics().stored, database.statistics().deferred) == (3, 0)
    made.join()
    other.close()
    database.close()


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("what", ["all files", "the database only", "the folder"])
def test_a_database_deleted_while_in_use_is_made_anew(tmp_path, caplog, durability, what):
    """The rows from then on are in the new file, which shares nothing with connections to the deleted one."""
    path = tmp_path / "folder" / "learning.db"
    log_index = path.with_name("learning.db-shm")
    database = LearningDatabase(path, durability)
    execute_task = record_execution(learning_db=database)(lambda task: -task)
    tasks_go_on(execute_task, 10)
    database.flush()
    old_index = log_index.stat().st_ino

    for file in sorted(path.parent.iterdir()):  # the database first: without its log alone, it is mended
        if what != "the database only" or file == path:
            file.unlink()
    if what == "the folder":
        path.parent.rmdir()
    tasks_go_on(execute_task, 7)

    assert database.flush()
    assert len(database.query("SELECT * FROM executions")) == 7
    assert log_index.stat().st_ino != old_index
    assert database.statistics().lost == {}
    assert caplog.records == []
    database.close()


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_a_database_overwritten_while_in_use_is_not_noticed(tmp_path, durability):
    """What becomes of the rows is SQLite's affair; every one of them is accounted for."""
    path = tmp_path / "learning.db"
    database = LearningDatabase(path, durability)
    execute_task = record_execution(learning_db=database)(lambda task: -task)
    tasks_go_on(execute_task, 10)
    database.flush()

    path.write_bytes(b"garbage" * 10_000)
    tasks_go_on(execute_task, 10)
    database.flush(0.2)
    path.unlink()

    assert database.flush()
    tasks_go_on(execute_task, 1)
    assert database.flush()
    assert database.statistics().stored + sum(database.statistics().lost.values()) == 21
    database.close()


def test_what_is_sent_to_a_generator_is_freed_while_it_waits(archive):
    """Nor does ours hold what it was sent, or what was thrown into it."""

    @record_execution(learning_db=archive)
    def stream(task):
        while True:
            with contextlib.suppress(ValueError):
                yield

    stream = stream("task")
    next(stream)
    sent = Thing()
    watched = weakref.ref(sent)
    stream.send(sent)
    del sent

    assert watched() is None
    stream.close()


# Every task and every result.


@pytest.fixture
def spans():
    """Return the finished spans of ``spans.provider``, and forget them."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "pool"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def take():
        finished = exporter.get_finished_spans()
        exporter.clear()
        return finished

    take.provider = provider
    yield take
    provider.shutdown()


def once_there(rows):
    """Wait for a row: a future's comes just after its result, and one that found a lock by the background writer."""
    deadline = time.monotonic() + 10
    while not (found := rows()) and time.monotonic() < deadline:
        time.sleep(0.001)
    return found


@pytest.mark.parametrize("examples", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_no_pair_of_task_and_result_makes_a_difference(tmp_path, spans, examples):
    """1,000 pairs, and 10,000: what comes of each is the same, it is one row, and the row is what its span says."""
    pairs = 0
    database = LearningDatabase(tmp_path / "learning.db")
    database.open()
    decorate = record_execution(learning_db=database, tracer_provider=spans.provider)

    def check(kind, task, result, error):
        nonlocal pairs
        if kind is returns_asyncio_task and error is not None and error.name in NOT_FOR_ASYNCIO:
            kind = function
        task, result, error = made(task), made(result), made(error)
        act = returning(result) if error is None else raising(error)
        expected = observe(kind, act, as_it_is, (task,), own=error)

        assert observe(kind, act, decorate, (task,), own=error) == expected

        pairs += 1
        (span,) = once_there(spans)
        (row,) = once_there(lambda: reader.execute("SELECT * FROM executions WHERE rowid >= ?", (pairs,)).fetchall())
        record = ExecutionRecord.from_dict(dict(row))
        assert ExecutionRecord.from_span(span) == record
        assert ExecutionRecord.from_span(through_otlp(span)) == record

    pair = st.tuples(st.sampled_from(list(KINDS)), tasks, results, st.one_of(st.none(), st.none(), exceptions))

    # Several in each example: most of its time is hypothesis's own.
    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(pair, min_size=20, max_size=20))
    def check_all(several):
        for one in several:
            check(*one)

    with contextlib.closing(sqlite3.connect(database.path)) as reader:
        reader.row_factory = sqlite3.Row
        check_all()

    assert pairs >= 20 * examples
    assert database.statistics().stored == pairs
    assert database.statistics().lost == {}
    assert database.query("SELECT count(*) AS rows FROM executions") == [{"rows": pairs}]
    database.close()


# OTLP.


@pytest.mark.slow
def test_hostile_executions_lose_no_neighbour_on_their_way_to_a_collector(archive, sink, caplog):
    """One hostile execution among 100 ordinary spans in one batch of the real exporter, and all arrive, each time."""
    acts = [(ODDITIES[name](), returning(ODDITIES[name]())) for name in ODDITIES]
    acts += [(dict.fromkeys(NAMES, thing), act) for thing, act in acts]
    acts += [("task", raising(make())) for make in EXCEPTIONS.values()]
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{sink.url}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    tracer = provider.get_tracer("ordinary")
    decorate = record_execution(learning_db=archive, tracer_provider=provider, pool_type="\ud800")

    for task, act in acts:
        for number in range(100):
            tracer.start_span(f"span {number}").end()
        execute_task = function(act, decorate)
        with contextlib.suppress(BaseException):
            execute_task(task)
        provider.force_flush()

    provider.shutdown()
    assert [len(batch) for batch in sink.batches()] == [101] * len(acts)
    assert caplog.records == []

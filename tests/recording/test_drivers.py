"""How each kind of call is timed. What must never differ from an undecorated call is in test_harmless.py."""

import asyncio
import functools
import gc
import inspect
import subprocess
import sys
import types

import pytest
from small_pools import async_generator_function, coroutine_function, generator_function

from learning_instrument import current_execution, record_execution


@pytest.fixture
def decorate(database):
    return record_execution(learning_db=database)


@types.coroutine
def generator_based_coroutine(task):
    yield
    return task


@pytest.mark.parametrize(
    ("function", "cls"),
    [
        (coroutine_function, types.CoroutineType),
        (generator_function, types.GeneratorType),
        (async_generator_function, types.AsyncGeneratorType),
        (lambda task: coroutine_function(task), types.CoroutineType),
    ],
)
def test_our_coroutine_or_generator_has_the_class_and_name_of_theirs(decorate, function, cls):
    """Reprs, warnings and ``inspect`` show the user's function."""
    theirs, ours = function("task"), decorate(function)("task")

    assert type(ours) is type(theirs) is cls
    assert (ours.__name__, ours.__qualname__) == (theirs.__name__, theirs.__qualname__)
    for unused in (theirs, ours):
        getattr(unused, "close", lambda: None)()


@pytest.mark.parametrize(
    ("function", "cls"),
    [
        (functools.partial(coroutine_function), types.CoroutineType),
        (functools.partial(generator_function), types.GeneratorType),
        (functools.partial(functools.partial(async_generator_function)), types.AsyncGeneratorType),
    ],
)
def test_partial_is_driven_like_its_function(decorate, function, cls):
    """A partial of a coroutine function is timed as one."""
    ours = decorate(function)("task")

    assert type(ours) is cls
    getattr(ours, "close", lambda: None)()


def test_a_built_in_function_is_timed(decorate, rows):
    """It has no signature."""
    assert decorate(max)([1, 2]) == 2
    assert len(rows()) == 1


def test_an_object_that_can_be_called_is_timed(decorate, rows):
    """A pool may be one."""

    class Pool:
        def __call__(self, task):
            return task

    assert decorate(Pool())("task") == "task"
    assert len(rows()) == 1


async def test_an_object_with_an_async_call_is_timed_until_it_is_done(decorate, rows):
    """It returns a coroutine, which is timed."""

    class Pool:
        async def __call__(self, task):
            await asyncio.sleep(0.01)
            return task

    assert await decorate(Pool())("task") == "task"
    assert rows()[0]["duration_seconds"] >= 0.009


async def test_a_generator_based_coroutine_is_awaited(decorate, rows):
    """``types.coroutine`` makes generators that can be awaited."""
    assert await decorate(generator_based_coroutine)("task") == "task"
    assert len(rows()) == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="inspect.markcoroutinefunction is new in Python 3.12")
async def test_a_function_that_is_only_marked_as_a_coroutine_function_is_timed(decorate, rows):
    """The type of the returned object decides, not the mark."""

    @inspect.markcoroutinefunction
    def execute_task(task):
        return coroutine_function(task)

    assert await decorate(execute_task)("task") == "task"
    assert len(rows()) == 1


def test_a_generator_runs_within_its_execution_from_the_first_step(decorate, rows):
    """A generator that is never stepped is not an execution."""
    ids = []

    @decorate
    def execute_task(task):
        ids.append(current_execution().execution_id)
        yield task

    unused, used = execute_task(1), execute_task(2)
    unused.close()
    assert list(used) == [2]

    assert [row["execution_id"] for row in rows()] == ids


def test_the_value_a_generator_returns_is_its_result(decorate, rows):
    """It is judged as any result."""

    @decorate
    def execute_task(task):
        yield task
        return {"success": False, "error": "no luck"}

    list(execute_task("task"))

    assert (rows()[0]["outcome"], rows()[0]["error_message"]) == ("failed", "no luck")


@pytest.mark.filterwarnings("error")
def test_a_coroutine_that_ends_before_its_first_step_does_not_warn(decorate, recwarn):
    """As that of a task which is cancelled at once, whose exception is in a cycle with its traceback."""
    coroutine = decorate(coroutine_function)("task")
    cycle: list[object] = []
    cycle.append(cycle)
    try:
        coroutine.throw(asyncio.CancelledError())
    except asyncio.CancelledError as error:
        cycle.append(error)

    del coroutine, cycle
    gc.collect()

    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.slow
def test_tasks_under_nest_asyncio_do_not_warn():
    """It replaces the tasks of asyncio by those that are written in Python."""
    pytest.importorskip("nest_asyncio")

    ended = subprocess.run([sys.executable, "-c", NESTED], capture_output=True, text=True, check=True)

    assert ended.stdout == "[1, 2]\n"
    assert "never awaited" not in ended.stderr


NESTED = """
import asyncio, nest_asyncio, tempfile, warnings
from learning_instrument import LearningDatabase, record_execution

warnings.simplefilter("always")
nest_asyncio.apply()
decorate = record_execution(learning_db=LearningDatabase(tempfile.mkdtemp() + "/learning.db"))

@decorate
async def inner(task):
    await asyncio.sleep(0)
    return task

@decorate
def outer(task):
    return asyncio.get_event_loop().run_until_complete(inner(task))

async def main():
    cancelled = asyncio.create_task(inner(0))
    cancelled.cancel()
    try:
        await cancelled
    except asyncio.CancelledError:
        pass
    print([outer(1), asyncio.run(inner(2))])

asyncio.run(main())
"""

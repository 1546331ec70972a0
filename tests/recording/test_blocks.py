"""How a function that returns a context manager of contextlib is timed: from the start of its block to its end."""

import asyncio
import contextlib

import pytest
from opentelemetry import context as otel_context

from learning_instrument import current_execution, record_execution

pytestmark = pytest.mark.filterwarnings("error")


@contextlib.contextmanager
def block(task):
    """Yield the task; what the block raises it raises, too."""
    yield task


@contextlib.contextmanager
def forgiving(task):
    """Let no ValueError of the block out."""
    with contextlib.suppress(ValueError):
        yield task


@contextlib.contextmanager
def empty(task):
    """Yield nothing, which is an error of contextlib."""
    yield from ()


@contextlib.contextmanager
def endless(task):
    """Yield twice, which is an error of contextlib."""
    yield task
    yield task


def made_async(function):
    """Return the same as an asynchronous context manager."""

    @contextlib.asynccontextmanager
    async def ours(task):
        with function(task) as value:
            await asyncio.sleep(0)
            yield value

    return ours


@contextlib.asynccontextmanager
async def async_empty(task):
    """Yield nothing."""
    if task is None:
        yield


@contextlib.asynccontextmanager
async def async_endless(task):
    """Yield twice."""
    yield task
    yield task


class OwnError(Exception):
    """The user's."""


RAISED = (None, ValueError("v"), OwnError("o"), StopIteration("s"), StopAsyncIteration("s"), RuntimeError("r"))


def outcome_of(function, raised):
    """Return what a caller of the block sees."""
    seen = []
    try:
        with function("task") as value:
            seen.append(value)
            if raised is not None:
                raise raised
        seen.append("after")
    except BaseException as exception:
        seen += [type(exception), str(exception), exception is raised, type(exception.__cause__)]
    return seen


async def async_outcome_of(function, raised):
    """Return what a caller of the asynchronous block sees."""
    seen = []
    try:
        async with function("task") as value:
            seen.append(value)
            await asyncio.sleep(0)
            if raised is not None:
                raise raised
        seen.append("after")
    except BaseException as exception:
        seen += [type(exception), str(exception), exception is raised, type(exception.__cause__)]
    return seen


@pytest.mark.parametrize("raised", RAISED, ids=repr)
@pytest.mark.parametrize("function", [block, forgiving, empty, endless])
def test_a_block_plays_every_script_alike(database, rows, function, raised):
    """Values, suppressed and raised exceptions, and contextlib's own errors are those of the bare function."""
    ours = record_execution(learning_db=database)(function)

    assert outcome_of(ours, raised) == outcome_of(function, raised)
    assert len(rows()) == 1
    assert not otel_context.get_current()


@pytest.mark.parametrize("raised", RAISED, ids=repr)
@pytest.mark.parametrize("function", [made_async(block), made_async(forgiving), async_empty, async_endless])
async def test_an_asynchronous_block_plays_every_script_alike(database, rows, function, raised):
    """The same holds for ``async with``."""
    ours = record_execution(learning_db=database)(function)

    assert await async_outcome_of(ours, raised) == await async_outcome_of(function, raised)
    await asyncio.sleep(0.01)  # before Python 3.12 the event loop closes a generator that yields again
    assert len(rows()) == 1
    assert not otel_context.get_current()


def test_the_caller_gets_the_object_of_the_function(database):
    """It has the class of contextlib's, and decorates functions as that does."""
    ours = record_execution(learning_db=database)(block)

    assert type(ours("task")) is type(block("task"))
    assert ours("task")(lambda: 7)() == 7


def test_each_call_of_a_function_that_a_block_decorates_is_one_execution(database, rows):
    """As in ``with``: it begins with the call and ends as that ends; decorating alone is none."""

    class Pool:
        @record_execution(learning_db=database)
        @contextlib.contextmanager
        def block(self, task):
            yield self

    @Pool().block({"task_id": "t"})
    def run(number):
        current_execution().set(repo=f"repo-{number}")
        return 6 // number

    assert rows() == []
    assert [run(1), run(2)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        run(0)
    assert [(row["task_id"], row["repo"], row["outcome"]) for row in rows()] == [
        ("t", "repo-1", "succeeded"),
        ("t", "repo-2", "succeeded"),
        ("t", "repo-0", "error"),
    ]
    assert not otel_context.get_current()


async def test_each_call_of_a_coroutine_function_that_a_block_decorates_is_one_execution(database, rows):
    """The same holds for asynchronous blocks, at once, too."""

    @record_execution(learning_db=database)(made_async(block))({"task_id": "t"})
    async def run(number):
        await asyncio.sleep(0.01)
        return number

    assert await asyncio.gather(run(1), run(2)) == [1, 2]
    assert [(row["task_id"], row["outcome"]) for row in rows()] == [("t", "succeeded")] * 2


def test_what_runs_in_the_block_runs_in_its_execution(database, rows):
    """It is the current execution there, and the parent of those that start there; afterwards it is neither."""
    inner = record_execution(learning_db=database)(lambda: None)

    with record_execution(learning_db=database)(block)("task"):
        current_execution().set(repo="mine")
        inner()
    inner()

    first, outer, last = rows()
    assert (outer["repo"], outer["outcome"]) == ("mine", "succeeded")
    assert first["parent_execution_id"] == outer["execution_id"]
    assert last["parent_execution_id"] is None


def test_a_block_lasts_until_its_end(database, rows):
    """The time of what the block does is the execution's."""
    manager = record_execution(learning_db=database)(block)("task")

    assert rows() == []
    with manager:
        assert rows() == []
    assert len(rows()) == 1


def test_an_exception_of_the_block_is_how_it_ended(database, rows):
    """It is recorded unless the context manager suppresses it."""
    for function in (block, forgiving):
        with contextlib.suppress(ValueError), record_execution(learning_db=database)(function)("task"):
            raise ValueError("the block failed")

    assert [(row["outcome"], row["error_message"]) for row in rows()] == [
        ("error", "the block failed"),
        ("succeeded", None),
    ]


async def test_a_block_that_ends_in_another_task_is_recorded_in_silence(database, rows, caplog):
    """As fixtures of pytest do, and exit stacks: nothing is logged, and the context of that task stays as it was."""
    manager = record_execution(learning_db=database)(made_async(block))("task")

    await asyncio.create_task(manager.__aenter__())
    await asyncio.create_task(manager.__aexit__(None, None, None))

    assert [row["outcome"] for row in rows()] == ["succeeded"]
    assert not otel_context.get_current()
    assert caplog.records == []


async def test_an_unrecorded_block_runs_as_it_is(database, rows):
    """OpenTelemetry's suppression keeps it from being recorded."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    with suppress_instrumentation():
        with record_execution(learning_db=database)(block)("task") as value:
            assert value == "task"
        async with record_execution(learning_db=database)(made_async(block))("task") as value:
            assert value == "task"

    assert rows() == []

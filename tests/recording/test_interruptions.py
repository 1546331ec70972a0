"""A time limit, or any other exception of a signal's handler, at every line of ours on the way of a call."""

import asyncio
import contextvars
import functools
import gc
import logging
import signal
import threading
from concurrent.futures import Future

import pytest
from interrupting import called_with_a_signal_at, files

from learning_instrument import record_execution
from learning_instrument.adapters import Run
from learning_instrument.database import store_of
from learning_instrument.instrumentation.library_runs import HEADER, RunRecorder
from learning_instrument.instrumentation.options import RecordingOptions
from learning_instrument.instrumentation.submitted_calls import CallRecorder
from learning_instrument.pipeline.installed import PipelineOptions
from learning_instrument.pipeline.resolver import resolver_for
from learning_instrument.recording.capture import CaptureOptions

#: What runs before the task, after it, and around its steps.
WITHIN = files("recording", "instrumentation", "ids.py", "outcome.py", "safety/guards.py", "pipeline/resolver.py")


class Limit(Exception):
    """The time limit of a task."""


class HardLimit(BaseException):
    """A time limit that no ``except Exception`` catches."""


def plain(decorate):
    return functools.partial(decorate(lambda task: {"success": True}), {"task_type": "t"})


def failing(decorate):
    def fail(task):
        raise LookupError(task)

    def call():
        with pytest.raises(LookupError):
            decorate(fail)("task")

    return call


def method(decorate):
    class Pool:
        @decorate
        def execute_task(self, task):
            return None

    return lambda: Pool().execute_task("task")


def coroutine(decorate):
    @decorate
    async def execute_task(task):
        await asyncio.sleep(0)

    def call():
        steps = execute_task("task")
        steps.send(None)
        with pytest.raises(StopIteration):
            steps.send(None)

    return call


def generator(decorate):
    @decorate
    def execute_task(task):
        yield 1
        yield 2

    return lambda: list(execute_task("task"))


def async_generator(decorate):
    @decorate
    async def execute_task(task):
        yield 1
        yield 2

    async def consume():
        return [item async for item in execute_task("task")]

    def call():
        steps = consume()
        with pytest.raises(StopIteration):
            steps.send(None)

    return call


def future(decorate):
    def call():
        made = Future()
        decorate(lambda task: made)("task")
        made.set_result(None)

    return call


def awaitable(decorate):
    class Awaitable:
        def __await__(self):
            yield

    return lambda: decorate(lambda task: Awaitable())("task")


def batch(decorate):
    @decorate(batch=True)
    def execute_batch(tasks):
        return [{"success": True} for _ in tasks]

    return lambda: execute_batch([{"task_id": "1"}, {"task_id": "2"}])


def options_of(decorate):
    resolve = resolver_for(decorate.keywords["learning_db"], PipelineOptions())
    return RecordingOptions(resolve, CaptureOptions())


def submitted(decorate):
    recorder = CallRecorder("test", options_of(decorate))
    recorder.forget()
    return lambda: recorder.wrap(len, None)("task")


def message(decorate):
    recorder = RunRecorder("test", options_of(decorate))
    headers = {HEADER: {"context": {}, "sent": 0.0}}

    def call():
        recorder.run(
            lambda: Run(task_type="t", task="task", headers=headers, task_id="1", function=len), len, None, ("a",), {}
        )

    return call


#: The further ways of a call, which take seconds.
MORE = (failing, method, async_generator, future, awaitable, batch, submitted, message)


def slowly(make):
    return pytest.param(make, marks=pytest.mark.slow)


@pytest.fixture
def handle():
    before = signal.getsignal(signal.SIGINT)
    yield functools.partial(signal.signal, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def quiet():
    """Log nothing: a record of the log that has a traceback keeps its execution alive."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def in_flight(database):
    """Return the executions that the watchdog would enter in the ledger."""
    references = list(store_of(database).running.by_id.values())
    return [execution for reference in references if (execution := reference()) is not None]


@pytest.mark.filterwarnings("ignore:.*was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("limit", [Limit, pytest.param(HardLimit, marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", [plain, coroutine, generator, *map(slowly, MORE)])
def test_a_time_limit_at_any_line_leaves_nothing_behind(database, provider, handle, quiet, make, limit):
    """It goes on to the task; the context is what it was, nothing is in flight, and no lock is held."""

    def ring(number, frame):
        raise limit

    handle(ring)
    decorate = functools.partial(record_execution, learning_db=database, tracer_provider=provider)
    call = make(decorate)
    call()
    before = dict(contextvars.copy_context())
    line, broken = 0, []
    while True:
        line += 1
        gc.disable()  # what it finalizes is no part of the call
        try:
            if not called_with_a_signal_at(line, call, WITHIN):
                break
            if make is not future:  # which logs what its callbacks raise
                broken.append((line, "swallowed"))
        except limit:
            pass
        finally:
            gc.enable()
        if dict(contextvars.copy_context()) != before:
            broken.append((line, "context"))
            break
        if in_flight(database) and gc.collect() and in_flight(database):
            broken.append((line, "in flight"))
        another = threading.Thread(target=call, daemon=True)
        another.start()
        another.join(60)
        assert not another.is_alive(), f"hangs after line {line}"

    assert line > 50
    assert broken == []

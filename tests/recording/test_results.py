"""What a plain call returned: the very object, and an execution that ends when it is done."""

import asyncio
import collections.abc
import copy
import functools
import importlib.util
import inspect
import pickle
import subprocess
import sys
import types
import warnings
from concurrent.futures import CancelledError, Future

import pytest

from learning_instrument import record_execution
from learning_instrument.recording import results


@pytest.fixture
def decorate(database):
    return record_execution(learning_db=database)


class Reference:
    """An awaitable that has no done-callback, as a reference to an object of a cluster."""

    def __init__(self, value):
        self.value = value

    def __await__(self):
        yield
        return self.value

    def __eq__(self, other):
        return type(other) is Reference and other.value == self.value

    __hash__ = None


class Handle:
    """A future of a library of its own: not one of the standard library's classes."""

    def __init__(self):
        self.callbacks = []
        self.fetched = 0
        self.error = None
        self.state = "pending"

    def add_done_callback(self, callback):
        self.callbacks.append(callback)

    def end(self, state, error=None):
        self.state, self.error = state, error
        for callback in self.callbacks:
            callback(self)

    def done(self):
        return self.state in ("finished", "error", "cancelled")

    def cancelled(self):
        return self.state == "cancelled"

    def exception(self):
        return self.error

    def result(self):
        self.fetched += 1

    def __await__(self):
        return iter(())


class Compiled(collections.abc.Coroutine):
    """A coroutine of a class of its own, as compilers make them."""

    def __init__(self, coroutine):
        self._coroutine = coroutine

    def send(self, value):
        return self._coroutine.send(value)

    def throw(self, *exception):
        return self._coroutine.throw(*exception)

    def close(self):
        self._coroutine.close()

    def __await__(self):
        return self._coroutine.__await__()


class Request(Compiled):
    """A coroutine that is a context manager too, as the requests of HTTP libraries are."""

    async def __aenter__(self):
        return await self

    async def __aexit__(self, *exception):
        pass


async def double(task):
    await asyncio.sleep(0)
    return 2 * task


async def test_the_result_of_a_future_is_judged(decorate, rows):
    """As if it had been returned."""
    future = asyncio.get_running_loop().create_future()
    decorate(lambda task: future)("task")

    future.set_result({"status": "failed"})
    await asyncio.sleep(0)

    assert rows()[0]["outcome"] == "failed"


@pytest.mark.parametrize("make", [Reference, lambda value: Handle(), lambda value: Request(double(value))])
def test_what_is_no_coroutine_alone_is_returned_as_it_is(decorate, make):
    """The very object, whatever its class can do."""
    made = make(3)

    returned = decorate(lambda task: made)("task")

    assert returned is made
    assert type(returned) is type(made)
    getattr(made, "close", lambda: None)()


def test_an_awaitable_pickles_and_copies(decorate):
    """As it does without recording."""
    returned = decorate(Reference)(3)

    assert pickle.loads(pickle.dumps(returned)) == returned
    assert copy.copy(returned) == copy.deepcopy(returned) == returned


async def test_an_awaitable_without_a_callback_is_recorded_as_returned(decorate, rows, caplog):
    """Its duration is marked, and a warning names its class, once."""
    results._warn_of_class.cache_clear()
    execute_task = decorate(Reference)

    assert await asyncio.gather(*(asyncio.ensure_future(execute_task(number)) for number in range(3))) == [0, 1, 2]

    assert [row["outcome"] for row in rows()] == ["succeeded"] * 3
    assert all("duration_seconds" in row["defaulted"] for row in rows())
    (record,) = caplog.records
    assert "test_results.Reference" in record.getMessage()


@pytest.mark.parametrize(
    ("state", "error", "outcome"),
    [
        ("finished", None, "succeeded"),
        ("error", ValueError("no"), "error"),
        ("error", TimeoutError(), "timeout"),
        ("cancelled", None, "cancelled"),
        ("lost", None, "failed"),
    ],
)
def test_a_future_of_another_library_is_followed(decorate, rows, state, error, outcome):
    """By its own callback, without fetching the result, which may be on another machine."""
    handle = Handle()
    assert decorate(lambda task: handle)("task") is handle
    assert rows() == []

    handle.end(state, error)

    assert [row["outcome"] for row in rows()] == [outcome]
    assert "duration_seconds" not in rows()[0]["defaulted"]
    assert handle.fetched == 0


def test_a_callback_with_other_arguments_is_understood(decorate, rows):
    """Not every library passes the future alone."""
    handle = Handle()
    decorate(lambda task: handle)("task")

    for callback in handle.callbacks:
        callback()

    assert len(rows()) == 1


@pytest.mark.parametrize("answer", [RuntimeError("closed"), double])
def test_a_future_that_takes_no_callback_is_recorded_as_returned(decorate, rows, answer):
    """Where it refuses, or takes it later."""

    class Refusing:
        async def coroutine(self, callback):
            """Do nothing."""

        def add_done_callback(self, callback):
            if isinstance(answer, Exception):
                raise answer
            return self.coroutine(callback)

        def __await__(self):
            yield

    made = Refusing()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decorate(lambda task: made)("task") is made

    assert len(rows()) == 1


async def test_a_request_may_be_used_as_a_context_manager(decorate, rows):
    """It is more than a coroutine."""
    async with decorate(lambda task: Request(double(task)))(2) as answer:
        assert answer == 4

    assert len(rows()) == 1


#: The ways to run a coroutine.
RUNNERS = {
    "await": lambda call: asyncio.run(awaited(call)),
    "create_task": lambda call: asyncio.run(within_loop(lambda: asyncio.create_task(call()))),
    "gather": lambda call: asyncio.run(within_loop(lambda: asyncio.gather(call())))[0],
    "wait_for": lambda call: asyncio.run(within_loop(lambda: asyncio.wait_for(call(), 60))),
    "run": lambda call: asyncio.run(call()),
}


async def awaited(call):
    return await call()


async def within_loop(run):
    return await run()


@types.coroutine
def generator_based(task):
    yield
    return 2 * task


def from_a_generator(task):
    return types.coroutine(lambda: iter_based(task))()


class Steps(collections.abc.Generator):
    """A generator that is no generator of Python's."""

    def __init__(self, task):
        self.task = task

    def send(self, value):
        raise StopIteration(2 * self.task)

    def throw(self, *exception):
        raise exception[0]


def iter_based(task):
    return Steps(task)


COROUTINES = {"native": double, "compiled": lambda task: Compiled(double(task)), "generator-like": from_a_generator}


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("function", COROUTINES.values(), ids=COROUTINES)
def test_a_coroutine_is_timed_however_it_is_run(decorate, rows, function, runner):
    """A native one runs it, which all these take."""
    if sys.version_info >= (3, 12):
        marked = inspect.markcoroutinefunction(lambda task: function(task))
        assert RUNNERS[runner](lambda: decorate(marked)(3)) == 6
    assert RUNNERS[runner](lambda: decorate(lambda task: function(task))(3)) == 6

    assert {row["outcome"] for row in rows()} == {"succeeded"}
    assert len(rows()) == 1 + (sys.version_info >= (3, 12))
    assert all("duration_seconds" not in row["defaulted"] for row in rows())


def test_a_compiled_coroutine_that_is_never_awaited_is_closed(decorate):
    """With ours: its own warning would come on top."""
    inner = double(3)

    decorate(lambda task: Compiled(inner))("task").close()

    assert inspect.getcoroutinestate(inner) == inspect.CORO_CLOSED


SOURCE = """
import asyncio

async def double(task):
    await asyncio.sleep(0)
    return 2 * task

async def fail(task):
    raise ValueError("no")

class Pool:
    async def execute_task(self, task):
        return await double(task)
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Return a module that Cython compiled."""
    pytest.importorskip("Cython")
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "compiled_pool.pyx").write_text(SOURCE)
    subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-3", "-q", "compiled_pool.pyx"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (binary,) = (path for path in folder.iterdir() if path.suffix in (".so", ".pyd"))
    spec = importlib.util.spec_from_file_location("compiled_pool", binary)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("runner", RUNNERS)
def test_coroutines_of_cython_are_timed(compiled, decorate, rows, runner):
    """A function's and a method's, and one that fails."""
    assert RUNNERS[runner](lambda: decorate(compiled.double)(3)) == 6
    bound = decorate(vars(compiled.Pool)["execute_task"]).__get__(compiled.Pool())
    assert RUNNERS[runner](lambda: bound(3)) == 6
    with pytest.raises(ValueError, match="no"):
        RUNNERS[runner](lambda: decorate(compiled.fail)(3))

    assert [row["outcome"] for row in rows()] == ["succeeded", "succeeded", "error"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_futures_of_dask_are_returned_and_followed(decorate, rows):
    """The scheduler takes them by their exact type; gathered, they give their values."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        submit = decorate(lambda task: client.submit(functools.partial(divmod, 7), task, pure=False))
        good, bad = submit(2), submit(0)

        assert type(good) is distributed.Future
        assert client.gather([good]) == [(3, 1)]
        with pytest.raises(ZeroDivisionError):
            bad.result()
        distributed.wait([good, bad])
        for _ in range(100):
            if len(rows()) == 2:
                break
            client.sync(asyncio.sleep, 0.05)

    assert sorted((row["outcome"], row["exception_type"]) for row in rows()) == [
        ("error", "ZeroDivisionError"),
        ("succeeded", None),
    ]


def test_a_cancelled_future_is_cancelled(decorate, rows):
    """For each class of future."""
    future = Future()
    decorate(lambda task: future)("task")

    future.cancel()

    with pytest.raises(CancelledError):
        future.result()
    assert [row["outcome"] for row in rows()] == ["cancelled"]

"""The engine of adapters: methods that rows name, each call one execution in the context of its message."""

import asyncio
import inspect
import math
import sys
import threading
import types

import pytest

from learning_instrument import PoolInstrumentor, current_execution, record_execution
from learning_instrument.adapters import Adapter, Executes, Run, Sends, Submits


class Worker:
    """What a library has: methods that run a job, and one that sends it."""

    def send(self, job):
        return job

    def run(self, job):
        return job["function"](job["task"])

    async def run_async(self, job):
        await asyncio.sleep(0)
        return await job["function"](job["task"])

    def run_lazily(self, job):
        yield job["function"](job["task"])

    async def run_lazily_async(self, job):
        yield await job["function"](job["task"])

    def run_reported(self, job):
        try:
            return {"value": job["function"](job["task"])}
        except ValueError as error:
            return {"raised": error}

    def start(self, function, *args):
        found = []
        thread = threading.Thread(target=lambda: found.append(function(*args)))
        thread.start()
        thread.join()
        return found[0]


class Other(Worker):
    def run(self, job):
        return super().run(job)


def read(worker, job):
    return Run(task=job["task"], function=job["function"], headers=job["headers"], attempt=2, description="do it")


def rows_for(*methods, **options):
    return tuple(Executes(target=f"some_library:Worker.{name}", read=read, **options) for name in methods)


SENDS = Sends(target="some_library:Worker.send", headers=lambda worker, job: job["headers"])


@pytest.fixture
def instrument(database, monkeypatch):
    """Instrument the library by rows."""
    module = types.ModuleType("some_library")
    module.Worker = Worker
    monkeypatch.setitem(sys.modules, "some_library", module)

    def instrument(*rows):
        adapter = Adapter(name="some-library", package="some_library", rows=rows)
        PoolInstrumentor().instrument(targets=adapter, database=database)

    yield instrument
    PoolInstrumentor().uninstrument()


@pytest.fixture
def rows(database):
    return lambda: database.query("SELECT * FROM executions ORDER BY rowid")


def job(function, task=None):
    return {"function": function, "task": task, "headers": {}}


def here(task):
    return current_execution().execution_id


async def here_async(task):
    return current_execution().execution_id


def fail(task):
    raise ValueError("no order")


async def fail_async(task):
    raise ValueError("no order")


async def _list(generator):
    return [item async for item in generator]


CALLS = {
    "run": lambda job: Worker().run(job),
    "run_async": lambda job: asyncio.run(Worker().run_async(job)),
    "run_lazily": lambda job: next(iter(list(Worker().run_lazily(job)))),
    "run_lazily_async": lambda job: asyncio.run(_list(Worker().run_lazily_async(job)))[0],
}


@pytest.mark.parametrize("name", CALLS)
def test_the_body_runs_within_its_execution(name, instrument, rows):
    """Of each kind of method, and the row has what its reader said."""
    instrument(*rows_for(name))
    function = here_async if "async" in name else here

    found = CALLS[name](job(function))

    (row,) = rows()
    assert found == row["execution_id"]
    assert (row["task_type"], row["pool_type"], row["attempt"]) == (function.__name__, "some-library", 2)
    assert (row["task_description"], row["function_name"]) == ("do it", f"{__name__}.{function.__name__}")


@pytest.mark.parametrize("name", CALLS)
def test_sender_is_the_parent_and_the_wait_is_measured(name, instrument, rows):
    """Also of a coroutine, whose body runs after its call."""
    instrument(SENDS, *rows_for(name))

    @record_execution
    def send(task):
        return Worker().send(job(here_async if "async" in name else here))

    CALLS[name](send({"task_type": "send"}))

    sender, row = rows()
    assert row["parent_execution_id"] == sender["execution_id"]
    assert row["trace_id"] == sender["trace_id"]
    assert row["queue_seconds"] >= 0


@pytest.mark.parametrize("name", CALLS)
def test_exception_is_the_tasks_own(name, instrument, rows):
    """And the outcome is error."""
    instrument(*rows_for(name))

    with pytest.raises(ValueError, match="no order"):
        CALLS[name](job(fail_async if "async" in name else fail))

    assert [(row["outcome"], row["error_message"]) for row in rows()] == [("error", "no order")]


@pytest.mark.parametrize("name", CALLS)
def test_decorated_function_records_itself_once(name, instrument, rows):
    """In the context of its message."""
    instrument(SENDS, *rows_for(name))
    function = record_execution(here_async if "async" in name else here)

    @record_execution
    def send(task):
        return Worker().send(job(function, {"task_type": "own"}))

    CALLS[name](send({"task_type": "send"}))

    sender, row = rows()
    assert row["task_type"] == "own"
    assert row["parent_execution_id"] == sender["execution_id"]
    assert row["queue_seconds"] >= 0


def test_returned_exception_is_a_raised_one(instrument, rows):
    """Where the row says what the returned value means; the caller gets it as it is."""
    instrument(*rows_for("run_reported", result=lambda found: found.get("raised", found.get("value"))))

    returned = Worker().run_reported(job(fail))
    Worker().run_reported(job(lambda task: {"status": "failed", "error": "closed"}))
    Worker().run_reported(job(here))

    assert type(returned["raised"]) is ValueError
    assert [(row["outcome"], row["error_message"]) for row in rows()] == [
        ("error", "no order"),
        ("failed", "closed"),
        ("succeeded", None),
    ]


@pytest.mark.parametrize(("limit", "outcome"), [(0.05, "timeout"), (60, "cancelled"), (None, "cancelled")])
def test_cancellation_after_the_librarys_time_limit_is_a_timeout(limit, outcome, instrument, rows):
    """The task only hears of a cancellation, whatever it comes from."""

    async def wait_long(task):
        await asyncio.sleep(60)

    def read_limit(worker, job):
        return Run(function=job["function"], time_limit=limit)

    instrument(Executes(target="some_library:Worker.run_async", read=read_limit))

    with pytest.raises(TimeoutError if sys.version_info >= (3, 11) else asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(Worker().run_async(job(wait_long)), 0.1))

    (row,) = rows()
    assert (row["outcome"], row["error_type"]) == (outcome, outcome)


def test_call_that_is_no_task_is_no_execution(instrument, rows):
    """Its reader returns None."""
    instrument(Executes(target="some_library:Worker.run", read=lambda worker, job: None))

    assert Worker().run(job(lambda task: "done")) == "done"
    assert rows() == []


def test_reader_that_fails_loses_no_execution(instrument, rows, caplog):
    """One warning names the adapter; the row lacks what it would have said."""

    def read(worker, job):
        raise SystemExit("another release")

    instrument(Executes(target="some_library:Worker.run", read=read))

    assert [Worker().run(job(lambda task: "done")) for _ in range(2)] == ["done", "done"]
    assert [row["task_type"] for row in rows()] == ["Worker.run", "Worker.run"]
    assert [line.getMessage() for line in caplog.records] == [
        "The adapter of some-library cannot read a task; rows lack its fields."
    ]


def repr_of_class(value):
    return type(value).__name__


class Refusing:
    def __getattr__(self, name):
        raise SystemExit(name)


@pytest.mark.parametrize(
    "found",
    [
        {"task_type": "report"},
        True,
        Refusing(),
        Run(task_type=5),
        Run(task_type=Refusing()),
        Run(function=Refusing()),
        Run(time_limit="10"),
        Run(time_limit=math.nan),
        Run(time_limit=math.inf),
        Run(time_limit=-1.0),
        Run(args=None, kwargs=None),
        Run(headers=Refusing(), queued_at="yesterday", attempt="third", metadata=Refusing()),
    ],
    ids=repr_of_class,
)
def test_reader_that_returns_nonsense_changes_nothing(found, instrument, rows):
    """The task runs, and is recorded with what is valid."""
    instrument(Executes(target="some_library:Worker.run", read=lambda worker, job: found))

    assert Worker().run(job(lambda task: "done")) == "done"
    assert [(row["outcome"], row["task_type"]) for row in rows()] == [("succeeded", "Worker.run")]


def test_subclass_is_recorded_once(instrument, rows):
    """Where the row wants subclasses, and the method calls the one that it overrides."""
    instrument(*rows_for("run", subclasses=True))

    Other().run(job(here))

    assert len(rows()) == 1


def test_submitted_function_is_recorded_where_it_runs(instrument, rows):
    """With its sender as the parent."""
    instrument(Submits(target="some_library:Worker.start", function="function"))

    @record_execution
    def send(task):
        return Worker().start(here, {"prompt": "count"})

    found = send({"task_type": "send"})

    by_type = {row["task_type"]: row for row in rows()}
    assert by_type["here"]["execution_id"] == found
    assert by_type["here"]["parent_execution_id"] == by_type["send"]["execution_id"]
    assert by_type["here"]["task_description"] == "count"


@pytest.mark.parametrize("name", ["plain", "of_class", "static"])
def test_any_kind_of_method_may_submit(name, instrument, rows):
    """The parameter is found behind ``self`` and ``cls``."""

    class Starter:
        def plain(self, function):
            return function()

        @classmethod
        def of_class(cls, function):
            return function()

        @staticmethod
        def static(function):
            return function()

    sys.modules["some_library"].Starter = Starter
    instrument(Submits(target=f"some_library:Starter.{name}", function="function"))

    def work():
        return "done"

    assert [getattr(Starter(), name)(work), getattr(Starter(), name)(function=work)] == ["done"] * 2
    assert [(row["outcome"], row["task_type"]) for row in rows()] == [("succeeded", "work")] * 2


def test_missing_method_is_one_warning(instrument, caplog):
    """The rest of the adapter works, and so does the application."""
    instrument(*rows_for("walk", "run"))

    assert Worker().run(job(lambda task: 1)) == 1
    assert [line.getMessage() for line in caplog.records] == [
        "This release of some-library is not supported, and not recorded: there is no function or method"
        " some_library:Worker.walk."
    ]


def test_what_is_no_method_is_left_as_it_is(instrument, caplog):
    """A property, a value and a class would be something else under a wrapper."""

    class Odd(Worker):
        size = 5

        @property
        def names(self):
            return ["a"]

        class Inner:
            pass

    sys.modules["some_library"].Odd = Odd
    inner = Odd.Inner
    instrument(*(Executes(target=f"some_library:Odd.{name}", read=read) for name in ("size", "names", "Inner")))

    assert [type(Odd().size), type(Odd().names)] == [int, list]
    assert Odd.Inner is inner
    assert [line.getMessage().rpartition(" ")[2] for line in caplog.records] == [
        "some_library:Odd.size.",
        "some_library:Odd.names.",
        "some_library:Odd.Inner.",
    ]


def test_library_is_as_before_after_uninstrument(instrument):
    """The very objects, and while it is instrumented its methods look the same."""
    before = dict(vars(Worker))
    instrument(SENDS, *rows_for(*CALLS), Submits(target="some_library:Worker.start", function="function"))

    for name in CALLS:
        assert inspect.signature(getattr(Worker, name)) == inspect.signature(before[name])
        assert inspect.iscoroutinefunction(getattr(Worker, name)) == inspect.iscoroutinefunction(before[name])
    PoolInstrumentor().uninstrument()

    assert dict(vars(Worker)) == before


def test_hostile_headers_change_nothing(instrument, rows):
    """Neither for the sender nor for the worker."""

    class Headers(dict):
        def __setitem__(self, key, value):
            raise SystemExit

        def get(self, *args):
            raise SystemExit

    instrument(SENDS, *rows_for("run"))
    message = {**job(lambda task: "done"), "headers": Headers()}

    assert Worker().run(Worker().send(message)) == "done"
    assert [row["outcome"] for row in rows()] == ["succeeded"]

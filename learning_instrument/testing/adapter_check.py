"""The cases of ``check_adapter()``: what a library runs, the rows that are due, and what its caller gets.

The functions here are what the library runs. They can be imported by name, so that any worker finds them.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from ..analytics.executions import stored_after
from ..database import LearningDatabase
from ..instrumentation.decorator import record_execution
from ..instrumentation.instrumentor import PoolInstrumentor
from ..safety.clocks import time
from ..sqlite.selection import Selection

if TYPE_CHECKING:
    from ..adapters import Adapter
    from ..record import ExecutionRecord

#: ``(function, task) -> what the caller of the library gets``: gives the task to the library, and waits for its end.
Run = Callable[[Callable[[Any], Any], Any], Any]

#: How long a row may take to come, and how long a row too many is waited for after all cases, in seconds.
_LONGEST_SECONDS: Final = 10.0
_SETTLED_SECONDS: Final = 0.3
_MANY: Final = 5
EXECUTORS: Final = ("concurrent.futures", "multiprocessing")


def succeed(task: Any) -> Any:
    """Return a result."""
    return {"counted": task["number"]}


def fail(task: Any) -> Any:
    """Raise an exception."""
    raise ValueError(f"there is no order {task['number']}")


def report_failure(task: Any) -> Any:
    """Return a result that says that the task failed."""
    return {"status": "failed", "error": "the order is closed"}


def time_out(task: Any) -> Any:
    """Raise what a time limit raises."""
    raise TimeoutError("no answer")


def cancel(task: Any) -> Any:
    """Raise what a cancelled task raises."""
    raise concurrent.futures.CancelledError


def fail_once(task: Any) -> Any:
    """Fail the first time, and succeed the second."""
    with contextlib.suppress(FileExistsError), open(task["marker"], "x"):
        raise ValueError("not yet")
    return {"counted": task["number"]}


async def succeed_async(task: Any) -> Any:
    """Do what ``succeed`` does."""
    return succeed(task)


async def fail_async(task: Any) -> Any:
    """Do what ``fail`` does."""
    return fail(task)


async def report_failure_async(task: Any) -> Any:
    """Do what ``report_failure`` does."""
    return report_failure(task)


async def time_out_async(task: Any) -> Any:
    """Do what ``time_out`` does."""
    return time_out(task)


async def cancel_async(task: Any) -> Any:
    """Raise what a cancelled asyncio task raises."""
    raise asyncio.CancelledError


async def fail_once_async(task: Any) -> Any:
    """Do what ``fail_once`` does."""
    return fail_once(task)


@record_execution
def decorated(task: Any) -> Any:
    """Do what ``succeed`` does, and record itself."""
    return succeed(task)


@record_execution
async def decorated_async(task: Any) -> Any:
    """Do what ``succeed`` does, and record itself."""
    return succeed(task)


@dataclass(frozen=True, slots=True)
class Due:
    """What the row of one attempt must say; None: what it says does not matter."""

    outcome: str
    exception_type: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A function that the library runs, and the rows of one task that are due."""

    functions: tuple[Callable[[Any], Any], Callable[[Any], Any]]
    due: tuple[Due, ...] = (Due("succeeded"),)


_NOT_YET: Final = Due("error", "ValueError", "not yet")
CASES: Final[Mapping[str, Case]] = {
    "succeeded": Case((succeed, succeed_async)),
    "raised": Case((fail, fail_async), (Due("error", "ValueError", "there is no order 7"),)),
    "returned": Case((report_failure, report_failure_async), (Due("failed", None, "the order is closed"),)),
    "timeout": Case((time_out, time_out_async), (Due("timeout", "TimeoutError", "no answer"),)),
    "cancelled": Case((cancel, cancel_async), (Due("cancelled"),)),
    "retried": Case((fail_once, fail_once_async), (_NOT_YET, Due("succeeded"))),
    "parent": Case((succeed, succeed_async)),
    "many": Case((succeed, succeed_async), (Due("succeeded"),) * _MANY),
    "decorated": Case((decorated, decorated_async)),
    "beside": Case((succeed, succeed_async)),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A case, and what is wrong in it; nothing: it is right."""

    case: str
    problems: tuple[str, ...]


def cells(
    adapter: "str | Adapter",
    run: Run,
    *,
    retried: Run | None = None,
    is_async: bool = False,
    queued: bool = True,
    task_type: Callable[[Any], str] | None = None,
    cases: Sequence[str] = tuple(CASES),
    without: Mapping[str, str] | None = None,
    wrapped: bool = False,
) -> Iterator[Cell]:
    """Run the cases, and yield the cell of each.

    Args:
        adapter: an adapter, or the name of one.
        run: gives a task to the library.
        retried: like *run*, where the library tries a task that failed a second time; None: it does not retry.
        is_async: whether the library runs async functions: those of the cases are such, then.
        queued: whether tasks wait in a queue, so that ``queue_seconds`` is due.
        task_type: ``function -> task type`` that is due; by default the function's name.
        cases: which of the cases.
        without: case -> why the library has no such thing.
        wrapped: whether the library raises exceptions of its own, whose message only contains that of the task.
    """
    check = _Check(adapter, queued, task_type or (lambda function: function.__name__), wrapped)
    ended = []
    with contextlib.ExitStack() as stack:
        for name in cases:
            run_it = retried if name == "retried" else run
            if run_it is None or name in (without or {}):
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            database = stack.enter_context(contextlib.closing(LearningDatabase(folder / "check.db")))
            ended.append(check.ended(name, run_it, CASES[name].functions[is_async], database, folder))
        time.sleep(_SETTLED_SECONDS)
        for each in ended:
            yield Cell(each.name, tuple(check.problems(each)))


@dataclass(frozen=True, slots=True)
class _Ended:
    """A case that has run, and what its caller got with the adapter and without."""

    name: str
    function: Any
    database: LearningDatabase
    seconds: float
    uninstrumented: datetime
    seen: Any
    bare: Any


@dataclass(frozen=True, slots=True)
class _Check:
    adapter: "str | Adapter"
    queued: bool
    task_type: Callable[[Any], str]
    wrapped: bool

    def ended(self, name: str, run: Run, function: Any, database: LearningDatabase, folder: Path) -> _Ended:
        """Run one case, with the adapter and without."""
        count = _MANY if name == "many" else 1
        targets = [self.adapter, *(each for each in EXECUTORS if name == "beside" and each != self.adapter)]
        with instrumented(targets, database):
            started = time.monotonic()
            if name == "parent":
                outer = record_execution(learning_db=database)(_as_a_parent)
                seen = _called(outer, run, function, folder / "with")
            else:
                seen = [_called(run, function, _task(folder / "with", number)) for number in range(7, 7 + count)]
            seconds = time.monotonic() - started
            _wait_for(database, len(CASES[name].due) + (name == "parent"))
        uninstrumented = datetime.now(timezone.utc)
        plain = {decorated: succeed, decorated_async: succeed_async}.get(function, function)
        if name == "parent":
            bare = _called(_as_a_parent, run, plain, folder / "without")
        else:
            bare = [_called(run, plain, _task(folder / "without", number)) for number in range(7, 7 + count)]
        return _Ended(name, function, database, seconds, uninstrumented, seen, bare)

    def problems(self, ended: _Ended) -> Iterator[str]:
        """Yield what is wrong."""
        due, all_rows = CASES[ended.name].due, _rows(ended.database)
        rows = [row for row in all_rows if row.timestamp <= ended.uninstrumented]
        if len(rows) < len(all_rows):
            yield "it records after uninstrument()"
        if ended.name == "parent":
            parents = [row for row in rows if row.task_type == "parent"]
            rows = [row for row in rows if row.task_type != "parent"]
            if [row.parent_execution_id for row in rows] != [row.execution_id for row in parents]:
                yield "the execution that sent the task is not its parent"
        if len(rows) != len(due):
            yield f"due {len(due)} rows, found {len(rows)}: {[(row.task_type, row.outcome) for row in rows]}"
        else:
            for row, one in zip(rows, due, strict=True):
                yield from self._wrong(row, one, ended.function, ended.seconds)
        if ended.name == "retried" and [row.attempt for row in rows] != [1, 2]:
            yield f"attempt: due 1 and 2, found {[row.attempt for row in rows]}"
        if ended.name == "retried" and len({row.task_id for row in rows}) != 1:
            yield "its attempts have several task ids"
        if ended.name == "succeeded" and ended.bare[0][0] == "raised":
            yield f"the library itself does not run the task: {ended.bare}"
        if ended.bare != ended.seen:
            yield f"the caller got {ended.seen}, and without the adapter {ended.bare}"

    def _wrong(self, row: "ExecutionRecord", due: Due, function: Any, elapsed: float) -> Iterator[str]:
        is_decorated = function in (decorated, decorated_async)
        if row.outcome != due.outcome:
            yield f"outcome: due {due.outcome!r}, found {row.outcome.value!r}"
        if due.error_message is not None and not (
            due.error_message in str(row.error_message) if self.wrapped else due.error_message == row.error_message
        ):
            yield f"error_message: due {due.error_message!r}, found {row.error_message!r}"
        if due.exception_type is not None and not self.wrapped and row.exception_type != due.exception_type:
            yield f"exception_type: due {due.exception_type!r}, found {row.exception_type!r}"
        if not is_decorated and row.task_type != self.task_type(function):
            yield f"task_type: due {self.task_type(function)!r}, found {row.task_type!r}"
        if "Count the order" not in row.task_description:
            yield f"task_description: due 'Count the order', found {row.task_description!r}"
        if self.queued and not (row.queue_seconds is not None and 0 <= row.queue_seconds <= elapsed + 1):
            yield f"queue_seconds: due at most {elapsed:.3f}, found {row.queue_seconds}"


def _task(marker: Path, number: int = 7) -> dict[str, Any]:
    return {"description": "Count the order", "number": number, "marker": f"{marker}-{number}"}


def _as_a_parent(run: Run, function: Any, marker: Path) -> Any:
    from ..recording.current import current_execution

    current_execution().set(task_type="parent")
    return run(function, _task(marker))


def _called(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a caller of *function* sees."""
    try:
        return "returned", repr(function(*args))
    except BaseException as exception:  # compared with that of another call
        return "raised", type(exception).__qualname__, str(exception)


@contextlib.contextmanager
def instrumented(targets: Sequence[Any], database: LearningDatabase) -> Iterator[None]:
    """Instrument *targets* in this process; workers that it starts find the environment of those that are named."""
    variables = {
        "LEARNING_INSTRUMENT_DATABASE": database.path,
        "LEARNING_INSTRUMENT_POOLS": ",".join(each for each in targets if isinstance(each, str)),
    }
    with patch.dict(os.environ, variables):
        PoolInstrumentor().instrument(targets=targets, database=database)
        try:
            yield
        finally:
            PoolInstrumentor().uninstrument()


def _rows(database: LearningDatabase) -> list["ExecutionRecord"]:
    database.flush()
    return stored_after(database, Selection(), (), limit=-1)[0]


def _wait_for(database: LearningDatabase, count: int) -> None:
    """Wait until there are *count* rows."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while len(_rows(database)) < count and time.monotonic() < deadline:
        time.sleep(0.02)

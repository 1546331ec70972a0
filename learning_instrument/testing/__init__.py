"""Pytest fixtures for tests of recorded pools, installed as a plugin; and a check for authors of adapters."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import pytest

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..adapters import Adapter
    from ..database import LearningDatabase
    from ..record import ExecutionRecord


class CheckOptions(TypedDict, total=False):
    """What a library has, for :func:`check_adapter`."""

    #: Like *run*, where the library tries a task that failed a second time. Left out: it does not retry.
    retried: Callable[[Callable[[Any], Any], Any], Any] | None
    #: It runs async functions.
    is_async: bool
    #: Its tasks wait in a queue, so that ``queue_seconds`` is due (by default).
    queued: bool
    #: ``function -> task type`` that is due; by default the function's name.
    task_type: Callable[[Any], str] | None
    #: Which of the cases; by default all.
    cases: Sequence[str]
    #: Case -> why the library has no such thing.
    without: Mapping[str, str]
    #: It raises exceptions of its own, whose message contains that of the task.
    wrapped: bool


# The functions import the rest: pytest loads this file in every project of the environment.


def check_adapter(
    adapter: "str | Adapter", run: Callable[[Callable[[Any], Any], Any], Any], **options: "Unpack[CheckOptions]"
) -> None:
    """Check that *adapter* records each task of its library rightly, and changes nothing for its caller.

    The cases: the task succeeds, raises, returns a failure, times out, is cancelled, is retried by the library, is sent
    by an execution (its parent), is one of many, is a decorated function, and runs while the adapters of executors are
    on, too. Each also runs without the adapter, and its caller must get the same.

    Args:
        adapter: an adapter, or the name of one.
        run: ``(function, task) -> result``: gives *task* to the library so that a worker calls ``function(task)``;
            returns or raises what the library's caller gets once that has ended.
        options: what the library has, and what it has not.

    Raises:
        AssertionError: if a case is wrong; it names each, with what was due and what was found.
    """
    from .adapter_check import cells

    wrong = [f"{cell.case}: {problem}" for cell in cells(adapter, run, **options) for problem in cell.problems]
    if wrong:
        raise AssertionError("\n".join([f"The adapter {adapter} is not right:", *wrong]))


@pytest.fixture
def unconfigured_learning_database(tmp_path: Path) -> "Iterator[LearningDatabase]":
    """An empty database, ``tmp_path / "learning.db"``, for code that takes one or calls ``configure()`` itself."""
    from ..database import LearningDatabase

    with contextlib.closing(LearningDatabase(tmp_path / "learning.db")) as database:
        yield database


@pytest.fixture
def learning_database(
    unconfigured_learning_database: "LearningDatabase", monkeypatch: pytest.MonkeyPatch
) -> "Iterator[LearningDatabase]":
    """An empty database, ``tmp_path / "learning.db"``, into which the test's executions are recorded.

    It replaces the configuration for the test, also in processes that the test starts and that call ``configure()``.
    The global tracer provider stays as it is.
    """
    from ..configuration import redirected_to

    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", unconfigured_learning_database.path)
    with redirected_to(unconfigured_learning_database) as database:
        yield database


@pytest.fixture
def recorded_executions(
    learning_database: "LearningDatabase",
) -> "Callable[[], contextlib.AbstractContextManager[list[ExecutionRecord]]]":
    """Lists of the executions recorded in a block.

    ``with recorded_executions() as executions:`` makes a list that is filled when the block ends, also by an
    exception, in the order in which the executions ended.
    """
    from ..analytics.executions import bookmark, stored_after
    from ..sqlite.selection import Selection

    @contextlib.contextmanager
    def record() -> "Iterator[list[ExecutionRecord]]":
        executions: list[ExecutionRecord] = []
        before = bookmark(learning_database)
        try:
            yield executions
        finally:
            executions += stored_after(learning_database, Selection(), before, limit=-1)[0]

    return record

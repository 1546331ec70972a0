"""Pytest fixtures for tests of recorded pools, installed as a plugin."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .database import LearningDatabase
    from .record import ExecutionRecord


# The fixtures import the rest: pytest loads this file in every project of the environment.


@pytest.fixture
def unconfigured_learning_database(tmp_path: Path) -> "Iterator[LearningDatabase]":
    """An empty database, ``tmp_path / "learning.db"``, for code that takes one or calls ``configure()`` itself."""
    from .database import LearningDatabase

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
    from .configuration import redirected_to

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
    from .analytics.executions import bookmark, stored_after
    from .sqlite.selection import Selection

    @contextlib.contextmanager
    def record() -> "Iterator[list[ExecutionRecord]]":
        executions: list[ExecutionRecord] = []
        before = bookmark(learning_database)
        try:
            yield executions
        finally:
            executions += stored_after(learning_database, Selection(), before, limit=-1)[0]

    return record

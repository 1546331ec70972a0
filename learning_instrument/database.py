"""``LearningDatabase``: records in, questions answered; belongs to no thread, process or event loop."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, get_args

from .errors import ConfigurationError
from .record import ExecutionRecord
from .rollups import catch_up
from .safety.clocks import time
from .safety.forks import check
from .safety.variables import value_of
from .sqlite.backup import backup
from .sqlite.paths import DEFAULT_PATH, absolute, default_path
from .storage import feedback
from .storage import vectors as description_vectors
from .storage.statistics import Statistics
from .storage.store import CLOSE_SECONDS, Durability, Store
from .storage.stored_text import redacted

__all__ = ["DEFAULT_PATH", "Durability", "LearningDatabase", "Statistics"]

#: Between two slices of a rebuild, so that tasks can commit.
_PAUSE_SECONDS: Final = 0.001
_DURABILITY_VARIABLE: Final = "LEARNING_INSTRUMENT_DURABILITY"


class LearningDatabase:
    """The database of executions, one SQLite file.

    Opening is lazy: an invalid path is an error for a direct call (``initialize``, ``query``), and a logged,
    counted loss for a task.

    Args:
        database_path: the file; it and its folder are made where there are none.
        durability: ``"commit"`` (a row is committed before its task returns), ``"batch"`` (within 100 ms), or
            None for ``$LEARNING_INSTRUMENT_DURABILITY``, else ``"commit"``.

    Raises:
        ConfigurationError: for an invalid durability or path.
    """

    def __init__(
        self, database_path: str | os.PathLike[str] = DEFAULT_PATH, durability: Durability | None = None
    ) -> None:
        default: Durability = "commit" if durability else value_of(_DURABILITY_VARIABLE, _durability, "commit")
        self._store = Store(absolute(database_path), _durability(durability or default))

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        return self._store.path

    @property
    def durability(self) -> Durability:
        """``"commit"`` or ``"batch"``."""
        return self._store.durability

    def open(self) -> None:
        """Open the database; make or migrate its file.

        Raises:
            DatabaseError: if it cannot be opened; :class:`SchemaVersionError` if a newer release wrote it.
        """
        self._store.open()

    def append(self, records: Iterable[ExecutionRecord]) -> bool:
        """Store *records* without secrets, as the durability says. A database that cannot be written raises nothing.

        Returns:
            False if any of them was lost.
        """
        check()
        return self._store.append(map(redacted, records))

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """Answer a question in SQL, column name -> value for each row. The queue is written first.

        Raises:
            DatabaseError: if the database cannot be opened, or the question not answered.
        """
        return self._store.query(sql, parameters)

    def flush(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Wait, at most *timeout* seconds, until the queue as it is now is committed. Tell whether it is.

        A database that cannot be written at all is not waited for; its executions are kept and retried.
        """
        return self._store.flush(timeout)

    def statistics(self) -> Statistics:
        """Return how many records were stored, deferred and lost through this object, in this process."""
        return self._store.statistics()

    def close(self) -> Awaitable[None]:
        """Write the queue and close. A later record opens the database again.

        Returns:
            An awaitable that is done already, so that ``await database.close()`` works as well.
        """
        self._store.close()
        return _Done()

    def backup(self, path: str | os.PathLike[str], progress: Callable[[int, int], object] | None = None) -> None:
        """Copy the database to a new file, the queue and the write-ahead log included. Writers do not wait for it.

        Args:
            path: the path of the copy, which appears when it is whole; its mode is 0600.
            progress: called with the number of pages copied, and of all.

        Raises:
            ConfigurationError: if the file exists or cannot be written.
            DatabaseError: if the database cannot be opened or read.
        """
        self._store.open()
        self._store.flush()
        backup(self.path, path, progress=progress)

    def add_feedback(
        self,
        execution: str,
        *,
        accepted: bool | None = None,
        rating: int | None = None,
        comment: str | None = None,
        source: str | None = None,
        visibility: feedback.Visibility = "private",
    ) -> feedback.Feedback:
        """Store feedback on an execution. The history is kept; the columns of the execution have the latest.

        Args:
            execution: the id of an execution, or of a task for its last execution.
            accepted: whether the result was accepted.
            rating: 1 to 5.
            comment: any text; secrets are removed.
            source: the person or tool that gives the feedback.
            visibility: ``"private"``, ``"team"`` or ``"public"``.

        Raises:
            ConfigurationError: for an invalid value, or without accepted, rating and comment.
            UnknownExecutionError: if there is no such execution.
            DatabaseError: if the database cannot be written.
        """
        said = feedback.checked(execution, accepted, rating, comment, source, visibility)
        return self._store.transact(lambda execute: feedback.add(execute, said))

    def delete_feedback(self, execution: str) -> int:
        """Delete the feedback on one execution; return the number deleted.

        Raises:
            UnknownExecutionError: if there is no such execution.
            DatabaseError: if the database cannot be written.
        """
        return self._store.transact(lambda execute: feedback.delete(execute, execution))

    def clear_feedback(self) -> int:
        """Delete the feedback on all executions; return the number deleted.

        Raises:
            DatabaseError: if the database cannot be written.
        """
        return self._store.transact(feedback.clear)

    def rebuild_rollups(self, progress: Callable[[int], object] | None = None) -> None:
        """Rebuild roll-ups, error counts and search index: some seconds for each 100,000 executions.

        Answers are the same before, during and after it, and recording goes on. An interrupted rebuild continues
        with the next one.

        Args:
            progress: called between slices with the approximate number of executions left.

        Raises:
            DatabaseError: if the database cannot be opened or written.
        """
        self.flush()
        self._store.between_batches(catch_up.begin_rebuild)
        while self._store.between_batches(catch_up.advance):
            if progress is not None:
                progress(self._store.between_batches(catch_up.lag))
            time.sleep(_PAUSE_SECONDS)
        self._store.between_batches(catch_up.end_rebuild)

    def get_tier_performance(self, repo: str | None = None, days_back: float = 30) -> list[dict[str, Any]]:
        """Return the last days of the view ``tier_performance``: a row per day, repository and model tier.

        Args:
            repo: only this repository.
            days_back: the number of days.

        Raises:
            ConfigurationError: for an invalid number of days.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import views

        return views.tier_performance(self, repo, days_back)

    def get_pool_performance(self, repo: str | None = None, days_back: float = 7) -> list[dict[str, Any]]:
        """Return the last days of the view ``pool_performance``: a row per hour, repository and pool type.

        Args:
            repo: only this repository.
            days_back: the number of days.

        Raises:
            ConfigurationError: for an invalid number of days.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import views

        return views.pool_performance(self, repo, days_back)

    def get_solution_patterns(
        self, repo: str | None = None, min_usage: int = 5, limit: int = 10
    ) -> list[dict[str, Any]]:
        """Return the rows of the view ``solution_patterns`` with the most executions.

        Args:
            repo: only this repository.
            min_usage: the least number of executions with the same summary.
            limit: the most rows.

        Raises:
            ConfigurationError: for a usage or limit below 1.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import views

        return views.solution_patterns(self, repo, min_usage, limit)

    def find_similar_executions(
        self,
        task_description: str,
        repo: str | None = None,
        limit: int = 10,
        days_back: float = 90,
        threshold: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return the executions whose descriptions are most similar to *task_description*, the most similar first.

        Each has its ``score``, and in ``likeness`` the word for it: ``"close"``, ``"related"`` or ``"far"``.

        Args:
            task_description: any text.
            repo: only this repository.
            limit: the most executions.
            days_back: the number of days.
            threshold: the least score, from 0 (nothing in common) to 1 (the same words). An execution that shares no
                word is never among them.

        Raises:
            ConfigurationError: for an invalid limit, number of days or threshold.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import similarity

        found = similarity.last_days(self, task_description, repo, limit, days_back, threshold)
        return [asdict(execution) for execution in found]

    def _keep_vectors(self, model: str, probe: bytes, vectors: Mapping[str, bytes]) -> None:
        """Store vectors of descriptions; see :mod:`learning_instrument.analytics.vectors`."""
        self._store.transact(lambda execute: description_vectors.add(execute, model, probe, vectors))

    async def initialize(self) -> None:
        """Open the database; make or migrate its file.

        Raises:
            DatabaseError: if it cannot be opened; :class:`SchemaVersionError` if a newer release wrote it.
        """
        await asyncio.to_thread(self.open)

    async def store_execution(self, record: ExecutionRecord) -> None:
        """Store one record, as the durability says."""
        await asyncio.to_thread(self.append, (record,))

    def __enter__(self) -> "LearningDatabase":
        """Open the database."""
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Write the queue and close."""
        self.close()

    async def __aenter__(self) -> "LearningDatabase":
        """Open the database."""
        await self.initialize()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Write the queue and close."""
        await asyncio.to_thread(self.close)

    def __reduce__(self) -> Any:
        """Pickle as path and durability: another process opens the file anew."""
        return type(self), (self.path, self.durability)

    def __repr__(self) -> str:
        return f"LearningDatabase({self.path!r}, durability={self.durability!r})"


class _Done:
    """An awaitable that is done."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


def store_of(database: LearningDatabase) -> Store:
    """Return the write path of *database*. For the rooms of this package; users have the database itself."""
    return database._store


def as_database(
    database: "LearningDatabase | str | os.PathLike[str] | None", durability: Durability | None = None
) -> LearningDatabase:
    """Return *database*, or the one of a path, or of ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``.

    Raises:
        ConfigurationError: for an invalid path or durability.
    """
    if isinstance(database, LearningDatabase):
        if durability not in (None, database.durability):
            raise ConfigurationError(
                f"Invalid durability {durability!r}: it contradicts {database!r}. Pass it to LearningDatabase()."
            )
        return database
    return LearningDatabase(default_path() if database is None else database, durability)


def _durability(chosen: str) -> Durability:
    for durability in get_args(Durability):
        if chosen == durability:
            return durability  # type: ignore[no-any-return]
    raise ConfigurationError(f"Invalid durability {chosen!r}: expected 'commit' or 'batch'.")

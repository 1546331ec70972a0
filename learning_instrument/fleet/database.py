"""``FleetDatabase``: the executions of many machines, asked as a file is."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ..analytics.sources.cube_rows import CubeQuestion, LargestGroups
from ..analytics.sources.failures import Failures
from ..analytics.sources.source import Source
from ..analytics.sources.words import Frequencies, WordList
from ..sqlite.selection import Parameters, Selection, has_table
from ..storage.feedback import Feedback, Visibility, checked
from . import cubes, failures, feedback, schema
from .address import Address
from .client import Client
from .dialect import translated
from .words import described, frequencies

#: A column of SQLite's that has whole numbers as integers, and others as they are.
_WHOLE: Final = "complexity_score"
#: Not of system.parts, which needs a right of its own.
_SIZE: Final = (
    "SELECT sum(total_bytes) AS bytes FROM system.tables WHERE database = currentDatabase()"
    " AND startsWith(name, 'learning_instrument_')"
)


class FleetDatabase(Source):
    """The executions that a fleet has sent to ClickHouse. Connected by the first question; any thread may ask.

    Every question of ``learning_instrument.analytics`` takes it in place of a file.

    Args:
        address: ``clickhouse://USER:PASSWORD@HOST:PORT/DATABASE``.

    Raises:
        ConfigurationError: for an address of another form.
    """

    def __init__(self, address: Address | str) -> None:
        self._address = Address.parse(address)
        #: The address, without the password.
        self.path = str(self._address)
        self._client: Client | None = None
        self._lock = threading.RLock()

    def query(self, sql: str, parameters: Parameters = (), /) -> list[dict[str, Any]]:
        """Answer a question in the part of SQLite's SQL that our questions are written in.

        It is over ``executions``, ``model_calls`` and ``feedback``. Beyond that part ClickHouse's meaning counts.

        Returns:
            For each row column name -> value.

        Raises:
            ConfigurationError: without the extra ``scale``.
            DatabaseError: if the fleet cannot be reached or cannot answer.
        """
        rows = self._open().rows(*translated(sql, parameters))
        if rows and _WHOLE in rows[0]:
            for row in rows:  # as SQLite has it in a column of integers
                if isinstance(row[_WHOLE], float) and row[_WHOLE].is_integer():
                    row[_WHOLE] = int(row[_WHOLE])
        return rows

    def name(self) -> str:
        """Return what the database is called in a title."""
        return self.path

    def size(self) -> int:
        """Return the size of the tables of executions and of what is derived from them, in bytes."""
        (row,) = self._open().rows(_SIZE)
        return int(row["bytes"] or 0)

    def groups(self, question: CubeQuestion) -> LargestGroups:
        """Return the totals of each group of executions, in the groups' order."""
        return cubes.groups(self._open(), question)

    def has_cube(self, by: Sequence[str], selection: Selection) -> bool:
        """Tell whether such sums are kept; else the executions are read for them."""
        return cubes.cube_for(by, selection) is not None

    def failures(self, selection: Selection) -> list[Failures]:
        """Return the failures until the end of *selection* that pass its filters; the places are of its time alone."""
        return failures.failures(self._open(), selection)

    def failure_columns(self) -> str:
        """Return SQL of four columns of a failure: error type, exception class, message, and whether that is masked."""
        return failures.columns(self._open())

    def frequencies(self, words: Iterable[str]) -> Frequencies:
        """Return how many executions have each of the words in their description."""
        return frequencies(self, self._open(), words)

    def described(self, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
        """Return the descriptions of executions with the most weight of *lists*, by their rowids."""
        return described(self, self._open(), lists, selection)

    def add_feedback(
        self,
        execution: str,
        *,
        accepted: bool | None = None,
        rating: int | None = None,
        comment: str | None = None,
        source: str | None = None,
        visibility: Visibility = "private",
    ) -> Feedback:
        """Store feedback on an execution, as :meth:`LearningDatabase.add_feedback` does.

        Raises:
            ConfigurationError: for an invalid value.
            UnknownExecutionError: if there is no such execution.
            DatabaseError: if the fleet cannot be read or written.
        """
        said = checked(execution, accepted, rating, comment, source, visibility)
        return feedback.add(self, self._open(), said)

    def delete_feedback(self, execution: str) -> int:
        """Delete the feedback on one execution; return the number deleted.

        Raises:
            UnknownExecutionError: if there is no such execution.
            DatabaseError: if the fleet cannot be read or written.
        """
        return feedback.delete(self, self._open(), execution)

    def clear_feedback(self) -> int:
        """Delete the feedback on all executions; return the number deleted.

        Raises:
            DatabaseError: if the fleet cannot be read or written.
        """
        return feedback.clear(self, self._open())

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Answer all questions in this block; executions that arrive meanwhile may be in some answers only."""
        self._open()
        yield

    def has_table(self, name: str) -> bool:
        """Tell whether there is the table *name*."""
        return has_table(self, name)

    def close(self) -> None:
        """Close. The next question connects again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __enter__(self) -> "FleetDatabase":
        """Connect."""
        self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _open(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = schema.connect_to_fleet(self._address)
            return self._client

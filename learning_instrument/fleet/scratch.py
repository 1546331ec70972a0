"""Works out the costs of executions in a scratch database, by what does it for SQLite: attribution, prices, totals.

Whole traces are worked out anew each time, so neither the order of their spans nor their repetition matters.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan

from ..costs.attribution import SpanLink, store_model_calls
from ..costs.execution_totals import DETERMINED, apply_totals
from ..costs.model_calls import ModelCall
from ..costs.prices import Prices
from ..costs.span_sorter import SpanSorter
from ..sqlite.executions import placeholders
from ..sqlite.opening import open_in_memory

Row = Mapping[str, Any]

#: Columns that the scratch database needs of an execution, and those that its calls determine.
NEEDED: Final = (
    "task_id", "timestamp", "task_type", "success", "duration_seconds", "metadata", "outcome", "execution_id",
    "trace_id", "span_id", "parent_execution_id", *DETERMINED,
)  # fmt: skip
_INSERT: Final = f"INSERT INTO executions ({', '.join(NEEDED)}) VALUES {placeholders(NEEDED)}"
_CALL: Final = ", ".join(ModelCall._fields)


class WorkedOut(NamedTuple):
    """What became of some traces."""

    #: Execution -> the columns that its calls determine, and the cost that its pool reported, where they replaced it.
    totals: Mapping[str, tuple[Any, ...]]
    #: Those within an execution.
    calls: Sequence[ModelCall]


class Scratch:
    """A database in memory for one thing after another.

    Args:
        prices: price the calls.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._connection = open_in_memory()

    def work_out(
        self, executions: Iterable[Row], reported: Mapping[str, float], kept: Sequence[ModelCall],
        spans: Sequence[ReadableSpan],
    ) -> WorkedOut:  # fmt: skip
        """Return the totals of *executions* and all their calls.

        Args:
            executions: rows, with the columns :data:`NEEDED`.
            reported: execution -> the cost that its pool reported, where its row has that of its calls.
            kept: the calls that are known already; they keep their execution and their cost.
            spans: those of the traces of the executions.
        """
        connection = self._connection
        connection.execute("BEGIN")
        try:
            rows = [[row[name] for name in NEEDED] for row in executions]
            connection.executemany(_INSERT, rows)
            links = [SpanLink(row["trace_id"], row["span_id"], None, row["execution_id"]) for row in executions]
            batch = SpanSorter().sort(spans)
            known = {(call.trace_id, call.span_id) for call in kept}
            new = [self._prices.priced(call) for call in batch.calls if (call.trace_id, call.span_id) not in known]
            connection.executemany("INSERT INTO reported_costs VALUES (?, ?)", [*reported.items()])
            store_model_calls(connection, kept, links)
            store_model_calls(connection, new, batch.links)
            found = connection.execute("SELECT DISTINCT execution_id FROM model_calls WHERE execution_id IS NOT NULL")
            apply_totals(connection, [execution_id for (execution_id,) in found.fetchall()], self._prices.priced)
            totals = connection.execute(
                f"SELECT execution_id, {', '.join(DETERMINED)}, reported_costs.cost FROM executions"
                " LEFT JOIN reported_costs USING (execution_id)"
            )
            calls = connection.execute(f"SELECT {_CALL} FROM model_calls WHERE execution_id IS NOT NULL")
            return WorkedOut(
                {execution_id: tuple(values) for execution_id, *values in totals}, [ModelCall(*row) for row in calls]
            )
        finally:
            connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the database, and so delete it."""
        self._connection.close()

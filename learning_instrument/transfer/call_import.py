"""Stores the model calls of imported files beside their executions."""

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from ..columns import COLUMNS
from ..costs.attribution import awaited_links, delete_old, store_model_calls
from ..costs.call_store import ModelCallBatch, ModelCallStore
from ..costs.execution_totals import DETERMINED
from ..costs.model_calls import ModelCall
from ..costs.span_sorter import SpanSorter
from ..record import Row
from ..sqlite.connection import WriteConnection
from ..sqlite.executions import placeholders

#: Model calls in one transaction.
_CALLS: Final = 250
#: All of a file: an import may be the first that brings the calls.
_ALL_EXECUTIONS: Final = 2**62
_EXECUTION_ID: Final = COLUMNS.index("execution_id")
_determined: Final = operator.itemgetter(*map(COLUMNS.index, DETERMINED))
_SET_TOTALS: Final = f"UPDATE executions SET {', '.join(f'{name} = ?' for name in DETERMINED)} WHERE execution_id = ?"
_REPLACE: Final = (
    f"UPDATE model_calls SET {', '.join(f'{name} = ?' for name in ModelCall._fields)}"
    " WHERE trace_id = ? AND span_id = ?"
)


class CallImport:
    """Stores model calls: of rows as they are, of spans as the exporter of a live application does."""

    def __init__(self) -> None:
        self._sorter = SpanSorter()
        self._store = ModelCallStore()
        self._has_spans = False

    def store_rows(
        self,
        connection: WriteConnection,
        calls: Sequence[ModelCall],
        reported: Mapping[str, float],
        known: Collection[str],
    ) -> None:
        """Store new calls, and the costs that pools reported.

        Args:
            connection: the target.
            calls: the calls.
            reported: execution -> the cost.
            known: executions that were there; the totals of the others are in their rows.
        """
        if reported:
            stored = set(_rows(connection, "reported_costs", ["execution_id"], reported))
            missing = [(each, cost) for each, cost in reported.items() if (each,) not in stored]
            if missing:
                with connection.transaction() as opened:
                    opened.executemany("INSERT OR IGNORE INTO reported_costs VALUES (?, ?)", missing)
        ids = {call.execution_id for call in calls if call.execution_id is not None}
        if ids:
            stored = set(_rows(connection, "model_calls", ["trace_id", "span_id"], ids))
            new = [call for call in calls if (call.trace_id, call.span_id) not in stored]
            for start in range(0, len(new), _CALLS):
                with connection.transaction() as opened:
                    store_model_calls(opened, new[start : start + _CALLS], ())
            changed = ids.intersection(known, [call.execution_id for call in new])
            self._store_batch(connection, ModelCallBatch(due=sorted(changed)))

    def take_totals(self, connection: WriteConnection, rows: Sequence[Row], calls: Sequence[ModelCall]) -> None:
        """Take from a source that knows better what it says of stored executions, their calls being stored.

        A call that has a cost keeps it where the source has none. Where the file has calls that the source has not,
        its totals stay.

        Args:
            connection: the target.
            rows: the executions.
            calls: all that the source has of them.
        """
        by_key = {(call.trace_id, call.span_id): call for call in calls}
        stored: dict[str, list[ModelCall]] = {}
        for values in _rows(connection, "model_calls", ModelCall._fields, [row[_EXECUTION_ID] for row in rows]):
            call = ModelCall(*values)
            stored.setdefault(str(call.execution_id), []).append(call)
        ours = [call for calls_ in stored.values() for call in calls_]
        better = [
            new
            for call in ours
            if (new := by_key.get((call.trace_id, call.span_id), call)) != call
            and (new.cost is not None or call.cost is None)
        ]
        complete = [
            row
            for row in rows
            if all((call.trace_id, call.span_id) in by_key for call in stored.get(row[_EXECUTION_ID], ()))
        ]
        before = {
            execution_id: tuple(values)
            for execution_id, *values in _rows(
                connection, "executions", ("execution_id", *DETERMINED), [row[_EXECUTION_ID] for row in complete]
            )
        }
        changed = [row for row in complete if before.get(row[_EXECUTION_ID]) != _determined(row)]
        if better or changed:
            with connection.transaction() as opened:
                opened.executemany(_REPLACE, [(*call, call.trace_id, call.span_id) for call in better])
                opened.executemany(_SET_TOTALS, [(*_determined(row), row[_EXECUTION_ID]) for row in changed])

    def store_spans(
        self,
        connection: WriteConnection,
        spans: Sequence[ReadableSpan],
        imported: Collection[str],
        new_traces: Collection[str],
    ) -> None:
        """Store the model calls among *spans*, and add them up for their executions.

        Args:
            connection: the target.
            spans: all spans of some requests.
            imported: the executions among them that are stored. Calls of the others stay without one.
            new_traces: those of executions that were not there. Unknown spans of the others were counted before.
        """
        if not spans:
            return
        self._has_spans = True
        batch = self._sorter.sort(spans)
        self._store_batch(
            connection,
            batch._replace(
                calls=[call for call in batch.calls if call.execution_id is None or call.execution_id in imported],
                links=[link for link in batch.links if link.execution_id is None or link.execution_id in imported],
                unknown=[span for span in batch.unknown if f"{span.trace_id:032x}" in new_traces],
            ),
        )

    def finish(self, connection: WriteConnection) -> None:
        """Attribute the calls whose execution came before the first call of its file, or before this import."""
        if self._has_spans:
            links = awaited_links(connection.execute, _ALL_EXECUTIONS)
            self._store_batch(connection, ModelCallBatch(links=links))
            with connection.transaction() as opened:
                delete_old(opened)

    def _store_batch(self, connection: WriteConnection, batch: ModelCallBatch) -> None:
        for part in self._store.parts([self._store.pricing(batch)], ()):
            with connection.transaction() as opened:
                self._store.store(opened, part)


def _rows(connection: WriteConnection, table: str, columns: Iterable[str], ids: Collection[str]) -> list[Any]:
    """Return what a table has for some executions."""
    return connection.execute(
        f"SELECT {', '.join(columns)} FROM {table} WHERE execution_id IN {placeholders(ids)}", sorted(ids)
    )

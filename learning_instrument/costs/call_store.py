"""Prices and stores model calls, and adds them up for their executions.

This runs on the background writer's thread, in the transaction that stores the calls. A call may be stored before the
row of its execution, by this process or another: such executions are remembered, in memory and in the file.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from ..columns import COLUMNS
from ..errors import ConfigurationError
from ..record import Row
from ..safety.clocks import time
from ..safety.guards import warn
from ..sqlite.connection import Connection, WriteConnection
from .attribution import SpanLink, awaited_links, delete_old, store_model_calls
from .execution_totals import TotalsChange, apply_totals, due, put_off
from .model_calls import ModelCall, is_model_call, model_call
from .prices import Prices, prices_of
from .unknown_spans import UnknownSpan, store_unknown, unknown_span

T = TypeVar("T")
log = logging.getLogger(__name__)


_EXECUTION_ID: Final = COLUMNS.index("execution_id")
#: Executions awaited in memory; beyond this number they are forgotten here, and the file still has them.
_MOST_AWAITED: Final = 100_000
#: How many of the last executions housekeeping holds against the calls that wait.
_LAST_EXECUTIONS: Final = 5000
_FORGET_SECONDS: Final = 60.0
#: Calls, links, or executions to add up, in one transaction.
_PART: Final = 256


class ModelCallBatch(NamedTuple):
    """The calls and links of one export, or of one finished model call."""

    calls: Sequence[ModelCall] = ()
    links: Sequence[SpanLink] = ()
    #: Executions to add up: their row is stored now.
    due: Sequence[str] = ()
    unknown: Sequence[UnknownSpan] = ()
    #: Executions that are added up with calls of a later part.
    later: frozenset[str | None] = frozenset()

    @property
    def size(self) -> int:
        """The number of rows to store."""
        return len(self.calls) + len(self.links) + len(self.unknown)


def merged(batches: Sequence[ModelCallBatch]) -> ModelCallBatch:
    """Return the contents of all *batches* in one."""
    return ModelCallBatch(
        [call for batch in batches for call in batch.calls],
        [link for batch in batches for link in batch.links],
        list({execution_id: None for batch in batches for execution_id in batch.due}),
        [span for batch in batches for span in batch.unknown],
    )


def batch_of(span: Any, execution_id: str, path: Sequence[int]) -> ModelCallBatch:
    """Return the batch of one finished *span* within an execution: a model call, or what looks like one.

    Raises:
        AttributeError: if the span has no context.
    """
    if is_model_call(span.attributes or {}):
        return ModelCallBatch([model_call(span, execution_id, path)])
    return ModelCallBatch(unknown=[unknown_span(span)])


def left_by_others(execute: Callable[..., Iterable[Any]]) -> ModelCallBatch | None:
    """Return what other processes left to do: the executions that calls wait for, and those to add up.

    Raises:
        sqlite3.Error: if the database cannot be read.
    """
    batch = ModelCallBatch(links=awaited_links(execute, _LAST_EXECUTIONS), due=due(execute))
    return batch if batch.links or batch.due else None


TotalsListener = Callable[[Mapping[str, TotalsChange]], object]
"""Receives changed executions: id -> the change of its totals."""


class ModelCallStore:
    """Stores model calls beside the executions of one database."""

    def __init__(self) -> None:
        self._prices: Prices | None = None
        #: Executions whose calls were stored before their row.
        self._awaited: set[str] = set()
        self._forgot = time.monotonic()
        self._listeners: list[TotalsListener] = []

    def add_listener(self, listener: TotalsListener) -> None:
        """Call *listener* with each change of totals. It is called before the commit, and again if that is retried."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def _apply_totals(self, connection: Connection, execution_ids: Iterable[str]) -> Mapping[str, TotalsChange]:
        changes = apply_totals(connection, execution_ids, lambda call: self.prices.priced(call))
        for listener in self._listeners:
            listener(changes)
        return changes

    def price_with(self, prices: Prices) -> None:
        """Price the calls to come with *prices*; those in the queue keep the prices before."""
        self._prices = prices

    @property
    def prices(self) -> Prices:
        """The prices in force; by default those of the environment."""
        if self._prices is None:
            try:
                self._prices = prices_of(None)
            except ConfigurationError as error:  # on the writer's thread no caller can catch it
                warn(log, "%s", error)
                self._prices = Prices()
        return self._prices

    @property
    def pricing(self) -> Callable[[ModelCallBatch], ModelCallBatch]:
        """Adds the costs to a batch later, on the writer's thread, with the prices in force now."""
        # The environment's are read there: that may take long.
        return self._priced_by_default if self._prices is None else partial(_priced, self._prices)

    def _priced_by_default(self, batch: ModelCallBatch) -> ModelCallBatch:
        return _priced(self.prices, batch)

    def awaited(self, rows: Sequence[Row]) -> list[str]:
        """Return the executions in *rows* whose calls were stored earlier."""
        if not self._awaited:
            return []
        return [row[_EXECUTION_ID] for row in rows if row[_EXECUTION_ID] in self._awaited]

    def parts(self, batches: Sequence[ModelCallBatch], rows: Sequence[Row]) -> list[ModelCallBatch]:
        """Return *batches* cut into short transactions; the first goes with *rows*."""
        calls, links, due_ids, unknown, _ = merged(batches)
        last = {call.execution_id: number // _PART for number, call in enumerate(calls)}
        awaited = list({*due_ids, *self.awaited(rows)} - last.keys())
        parts = [ModelCallBatch(due=part) for part in _parts(awaited)]
        # Links first: calls with a complete chain of parents need no second step.
        parts += [ModelCallBatch(links=part) for part in _parts(links)]
        parts += [ModelCallBatch(unknown=part) for part in _parts(unknown)]
        # An execution with thousands of calls is added up once, and not with each part.
        parts += [
            ModelCallBatch(
                part, later=frozenset(call.execution_id for call in part if last[call.execution_id] > number)
            )
            for number, part in enumerate(_parts(calls))
        ]
        return parts

    def store(self, connection: Connection, part: ModelCallBatch) -> None:
        """Store *part*, and add up the executions it touches, within a transaction.

        Raises:
            sqlite3.Error: if that cannot be stored.
        """
        if part.unknown:
            store_unknown(connection, part.unknown)
        touched = store_model_calls(connection, part.calls, part.links) | set(part.due)
        # Before the rows are read: a task that commits its row after this transaction must see that it is awaited.
        self._awaited |= touched
        self._awaited -= self._apply_totals(connection, touched - part.later).keys()
        put_off(connection, touched & part.later)
        if len(self._awaited) > _MOST_AWAITED:
            self._awaited.clear()

    def run_housekeeping(self, connection: WriteConnection) -> bool:
        """Attribute and add up calls that another process left, and delete old links. Tell whether more are left.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        links = awaited_links(connection.execute, _LAST_EXECUTIONS)
        if links:
            with connection.transaction() as opened:
                self.store(opened, ModelCallBatch(links=links))
        awaited = due(connection.execute, _PART)
        if awaited:
            with connection.transaction() as opened:
                self._apply_totals(opened, awaited)
        if time.monotonic() - self._forgot > _FORGET_SECONDS:
            self._forgot = time.monotonic()
            with connection.transaction() as opened:
                delete_old(opened)
        return len(awaited) == _PART

    def reset(self) -> None:
        """Clear the parent's state in a forked child."""
        self._awaited = set()


def _priced(prices: Prices, batch: ModelCallBatch) -> ModelCallBatch:
    return batch._replace(calls=[prices.priced(call) for call in batch.calls])


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[start : start + _PART] for start in range(0, len(items), _PART)]

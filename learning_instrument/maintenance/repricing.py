"""Recomputes the cost of stored model calls after prices changed. Reported costs stay."""

import functools
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..costs.execution_totals import TotalsChange, apply_totals
from ..costs.model_calls import REPORTED, ModelCall
from ..costs.price_list import price_table
from ..costs.prices import Prices, prices_of
from ..database import LearningDatabase, store_of
from ..sqlite.connection import Connection

_SLICE: Final = 500
#: A reported cost of 0 gives way to a price.
_PRICEABLE: Final = "(cost_source <> ? OR cost = 0)"
_COLUMNS: Final = ", ".join(ModelCall._fields)


@dataclass(frozen=True, slots=True)
class Repriced:
    """The changes by a new price table."""

    #: Model calls without a reported cost, which were priced again.
    calls: int
    #: Those whose cost changed, became known or became unknown.
    changed: int
    #: Executions whose cost changed.
    executions: int
    #: The change of their known cost in US dollars. Unpriced executions count as 0.
    difference: float
    #: The price table used, beside the user's own.
    price_table: str


def reprice(
    database: LearningDatabase,
    prices: "Prices | Mapping[str, Any] | str | os.PathLike[str] | None" = None,
    progress: Callable[[int, int], object] | None = None,
) -> Repriced:
    """Recompute the cost of all model calls of *database*, and of their executions. Interrupted work stays.

    Args:
        database: the database of the calls.
        prices: as in :func:`learning_instrument.configure`; by default those in use for new calls.
        progress: called between slices with the calls done, and about their total.

    Raises:
        ConfigurationError: for invalid prices.
        DatabaseError: if the database cannot be read or written.
    """
    prices = store_of(database).model_calls.prices if prices is None else prices_of(prices)
    last = calls = changed = 0
    of = 0 if progress is None else _count(database)
    changes: dict[str, TotalsChange] = {}
    while rows := _slice(database, last):
        last = rows[-1][0]
        # Outside of the transaction: prices take a while to load.
        pairs = [(old, prices.priced(old)) for _, old in rows]
        new = [call for old, call in pairs if call != old]
        calls += len(rows)
        changed += sum(call.cost != old.cost for old, call in pairs)
        # All of them: what several spans tell of one call may have a price where none of them alone has one.
        touched = {old.execution_id for old, _ in pairs if old.execution_id is not None}
        store = functools.partial(_store, new, touched, prices)
        for execution_id, change in store_of(database).within_transaction(store).items():
            first = changes.get(execution_id, change)
            changes[execution_id] = TotalsChange(first.before, change.after)
        if progress is not None:
            progress(calls, of)
    moved = [change for change in changes.values() if change.before != change.after]
    difference = math.fsum((change.after or 0.0) - (change.before or 0.0) for change in moved)
    return Repriced(calls, changed, len(moved), difference, str(price_table()))


def _count(database: LearningDatabase) -> int:
    (row,) = database.query(f"SELECT count(*) AS calls FROM model_calls WHERE {_PRICEABLE}", (REPORTED,))
    return int(row["calls"])


def _slice(database: LearningDatabase, last: int) -> list[tuple[int, ModelCall]]:
    rows = database.query(
        f"SELECT rowid AS number, {_COLUMNS} FROM model_calls WHERE rowid > ? AND {_PRICEABLE} ORDER BY rowid LIMIT ?",
        (last, REPORTED, _SLICE),
    )
    return [(row.pop("number"), ModelCall(**row)) for row in rows]


def _store(
    calls: list[ModelCall], execution_ids: set[str], prices: Prices, connection: Connection
) -> dict[str, TotalsChange]:
    connection.executemany(
        "UPDATE model_calls SET cost = ?, cost_source = ?, price_table = ? WHERE trace_id = ? AND span_id = ?",
        [(call.cost, call.cost_source, call.price_table, call.trace_id, call.span_id) for call in calls],
    )
    return apply_totals(connection, execution_ids, prices.priced)

"""Adds up the model calls of an execution, and updates its columns.

Totals are computed from all calls of an execution, so neither order nor repetition matters.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NamedTuple

from ..columns import COLUMNS
from ..sqlite.connection import Connection
from ..sqlite.executions import placeholders
from .model_calls import ESTIMATED, PRICED, REPORTED, UNPRICED

_CHUNK: Final = 500
#: An execution's id ends with its span id; this is its length.
_SPAN_ID: Final = 16


class _Call(NamedTuple):
    execution_id: str
    span_id: str
    path: str
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    cost_source: str
    error_type: str | None

    @property
    def has_usage(self) -> bool:
        return not (self.input_tokens is None and self.output_tokens is None and self.cost is None)


class _Row(NamedTuple):
    """The columns of an execution that its calls determine."""

    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    actual_cost: float
    cost_estimate: float
    cost_source: str | None
    defaulted: str


@dataclass(frozen=True, slots=True)
class CallTotals:
    """The totals of one execution's calls. None: no call reported the value."""

    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    #: US dollars; None if any call has no price: a partial sum would look complete.
    cost: float | None
    cost_source: str


class TotalsChange(NamedTuple):
    """An execution's cost before and after, in US dollars, and its tokens after; None: unknown."""

    before: float | None
    after: float | None
    input_tokens: int | None = None
    output_tokens: int | None = None


def apply_totals(connection: Connection, execution_ids: Iterable[str]) -> dict[str, TotalsChange]:
    """Update these executions from their model calls, within a transaction.

    Executions without a row are noted in ``totals_due``.

    Returns:
        For each execution that has a row, its cost before and after.

    Raises:
        sqlite3.Error: if the change cannot be stored.
    """
    ids = sorted(execution_ids)
    changes: dict[str, TotalsChange] = {}
    for start in range(0, len(ids), _CHUNK):
        changes.update(_apply(connection, ids[start : start + _CHUNK]))
    return changes


def due(execute: Callable[[str, tuple[int]], Iterable[Any]], most: int = 10_000) -> list[str]:
    """Return executions whose calls were stored before their row, and whose row is stored by now.

    Raises:
        sqlite3.Error: if the database cannot be read.
    """
    rows = execute("SELECT execution_id FROM totals_due JOIN executions USING (execution_id) LIMIT ?", (most,))
    return [execution_id for (execution_id,) in rows]


def totals_of(calls: Sequence[_Call], own_span_id: str) -> CallTotals | None:
    """Add up the calls of one execution, or return None where none counts.

    A call within another one counts as part of it, unless the outer call reports no usage. A failed call without
    reported usage is excluded. A call written onto the execution's own span encloses no other.
    """
    users = {call.span_id for call in calls if call.has_usage}
    around = {span_id for call in calls if call.has_usage for span_id in call.path.split()}
    users.discard(own_span_id)
    counted = [
        call
        for call in calls
        if users.isdisjoint(call.path.split())
        and (call.has_usage or (call.span_id not in around and call.error_type is None))
    ]
    if not counted:
        return None
    costs = [call.cost for call in counted if call.cost is not None]
    is_whole = len(costs) == len(counted)
    is_reported = all(call.cost_source == REPORTED for call in counted)
    return CallTotals(
        model=_main_model(counted),
        input_tokens=_sum([call.input_tokens for call in counted]),
        output_tokens=_sum([call.output_tokens for call in counted]),
        cost=_total_cost(costs) if is_whole else None,
        cost_source=(REPORTED if is_reported else PRICED) if is_whole else UNPRICED,
    )


def _main_model(calls: Iterable[_Call]) -> str | None:
    """Return the model that used the most tokens."""
    tokens: dict[str, int] = {}
    for call in calls:
        if call.model is not None:
            tokens[call.model] = tokens.get(call.model, 0) + (call.input_tokens or 0) + (call.output_tokens or 0)
    return min(tokens, key=lambda model: (-tokens[model], model), default=None)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _total_cost(costs: Iterable[float]) -> float:
    """Add up amounts as decimals: 0.1 and 0.2 are 0.3, in any order."""
    return float(sum(map(Fraction, map(repr, costs))))


def _apply(connection: Connection, ids: Sequence[str]) -> dict[str, TotalsChange]:
    calls = _calls_of(connection, ids)
    rows = _rows_of(connection, ids)
    reported = _reported_of(connection, ids)
    changes = {}
    for execution_id, row in rows.items():
        totals = totals_of(calls[execution_id], execution_id[-_SPAN_ID:])
        before = _reported_before(row, reported.get(execution_id))
        changed = row if totals is None else _changed(row, totals, before)
        if changed != row:
            connection.execute(
                f"UPDATE executions SET {', '.join(f'{name} = ?' for name in _Row._fields)} WHERE execution_id = ?",
                (*changed, execution_id),
            )
        if before is not None and changed.cost_source in (REPORTED, PRICED):
            connection.execute("INSERT OR REPLACE INTO reported_costs VALUES (?, ?)", (execution_id, before))
        changes[execution_id] = TotalsChange(
            _known_cost(row), _known_cost(changed), changed.input_tokens, changed.output_tokens
        )
    connection.executemany("DELETE FROM totals_due WHERE execution_id = ?", [(each,) for each in rows])
    connection.executemany("INSERT OR IGNORE INTO totals_due VALUES (?)", [(each,) for each in ids if each not in rows])
    return changes


def _changed(row: _Row, totals: CallTotals, reported: float | None) -> _Row:
    """Return the columns computed from the calls and the pool's reported cost."""
    if totals.cost is not None:
        cost, source = totals.cost, totals.cost_source
    elif reported is not None:
        cost, source = reported, ESTIMATED
    else:
        cost, source = 0.0, UNPRICED
    names = set(json.loads(row.defaulted))
    names = names | {"actual_cost"} if source == UNPRICED else names - {"actual_cost"}
    return _Row(
        model=row.model if totals.model is None else totals.model,
        input_tokens=row.input_tokens if totals.input_tokens is None else totals.input_tokens,
        output_tokens=row.output_tokens if totals.output_tokens is None else totals.output_tokens,
        actual_cost=cost,
        # The default of the estimate is a copy of the cost.
        cost_estimate=cost if "cost_estimate" in names else row.cost_estimate,
        cost_source=source,
        defaulted=json.dumps(sorted(names, key=_position), separators=(",", ":")),
    )


def _position(column: str) -> tuple[int, str]:
    return COLUMNS.index(column) if column in COLUMNS else len(COLUMNS), column


def _known_cost(row: _Row) -> float | None:
    return None if "actual_cost" in json.loads(row.defaulted) else row.actual_cost


def _reported_before(row: _Row, kept: float | None) -> float | None:
    """Return the cost that the pool reported. It is in the row, or, once a total replaced it, in ``reported_costs``."""
    return kept if row.cost_source in (REPORTED, PRICED) else _known_cost(row)


def _calls_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[_Call]]:
    found: dict[str, list[_Call]] = {execution_id: [] for execution_id in ids}
    for values in _select(connection, ", ".join(_Call._fields), "model_calls", ids):
        call = _Call(*values)
        found[call.execution_id].append(call)
    return found


def _rows_of(connection: Connection, ids: Sequence[str]) -> dict[str, _Row]:
    rows = _select(connection, f"execution_id, {', '.join(_Row._fields)}", "executions", ids)
    return {execution_id: _Row(*values) for execution_id, *values in rows}


def _reported_of(connection: Connection, ids: Sequence[str]) -> dict[str, float]:
    return dict(_select(connection, "execution_id, cost", "reported_costs", ids))


def _select(connection: Connection, columns: str, table: str, ids: Sequence[str]) -> list[Any]:
    return connection.execute(
        f"SELECT {columns} FROM {table} WHERE execution_id IN {placeholders(ids)}", ids
    ).fetchall()

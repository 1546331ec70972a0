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
from .counting import Price, counted
from .model_calls import ESTIMATED, PARTIAL, PRICED, REPORTED, UNPRICED, ModelCall
from .same_call import is_aggregate, tokens_of
from .vocabularies import AGGREGATES

_CHUNK: Final = 500
#: An execution's id ends with its span id; this is its length.
_SPAN_ID: Final = 16


#: Where the cost of an execution is that of its calls.
_OF_CALLS: Final = (REPORTED, PRICED, PARTIAL)


_NESTED: Final = (
    "WITH RECURSIVE nested (outermost, id) AS ("
    "SELECT parent_execution_id, execution_id FROM executions WHERE parent_execution_id IN {ids} UNION"
    " SELECT outermost, execution_id FROM nested JOIN executions ON parent_execution_id = id)"
    f" SELECT outermost, {', '.join(ModelCall._fields)} FROM nested JOIN model_calls ON execution_id = id"
)
_AROUND: Final = (
    "WITH RECURSIVE around (id) AS ("
    "SELECT parent_execution_id FROM executions WHERE execution_id IN {ids} UNION"
    " SELECT parent_execution_id FROM around JOIN executions ON execution_id = id)"
    " SELECT id FROM around JOIN executions ON execution_id = id WHERE EXISTS (SELECT 1 FROM model_calls AS c"
    f" WHERE c.execution_id = id AND operation IN ({', '.join(map(repr, sorted(AGGREGATES)))}))"
)


class _Row(NamedTuple):
    """The columns of an execution that its calls determine."""

    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    actual_cost: float
    cost_estimate: float
    cost_source: str | None
    defaulted: str


#: The columns that change when model calls come, or their prices do.
DETERMINED: Final = _Row._fields


@dataclass(frozen=True, slots=True)
class CallTotals:
    """The totals of one execution's calls. None: no call reported the value."""

    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    #: US dollars, a lower bound where the source is ``partial``; None where no call has a price.
    cost: float | None
    cost_source: str


class TotalsChange(NamedTuple):
    """An execution's cost before and after, in US dollars, and its tokens after; None: unknown."""

    before: float | None
    after: float | None
    input_tokens: int | None = None
    output_tokens: int | None = None


def apply_totals(connection: Connection, execution_ids: Iterable[str], price: Price) -> dict[str, TotalsChange]:
    """Update these executions from their model calls, within a transaction.

    Executions without a row are noted in ``totals_due``.

    Args:
        connection: within a transaction.
        execution_ids: the executions to add up.
        price: adds the cost to a call that was merged of several spans.

    Returns:
        For each execution that has a row, its cost before and after.

    Raises:
        sqlite3.Error: if the change cannot be stored.
    """
    touched = sorted(execution_ids)
    ids = sorted(
        {
            *touched,
            *(
                found
                for start in range(0, len(touched), _CHUNK)
                for found in _runs_around(connection, touched[start : start + _CHUNK])
            ),
        }
    )
    changes: dict[str, TotalsChange] = {}
    for start in range(0, len(ids), _CHUNK):
        changes.update(_apply(connection, ids[start : start + _CHUNK], price))
    return changes


def put_off(connection: Connection, execution_ids: Iterable[str]) -> None:
    """Note executions to be added up later, by this process or another.

    Raises:
        sqlite3.Error: if that cannot be stored.
    """
    connection.executemany("INSERT OR IGNORE INTO totals_due VALUES (?)", [(each,) for each in execution_ids])


def due(execute: Callable[[str, tuple[int]], Iterable[Any]], most: int = 10_000) -> list[str]:
    """Return executions whose calls were stored before their row, and whose row is stored by now.

    Raises:
        sqlite3.Error: if the database cannot be read.
    """
    rows = execute("SELECT execution_id FROM totals_due JOIN executions USING (execution_id) LIMIT ?", (most,))
    return [execution_id for (execution_id,) in rows]


def totals_of(
    calls: Sequence[ModelCall], own_span_id: str, price: Price, nested: Sequence[ModelCall] = ()
) -> CallTotals | None:
    """Add up the calls of one execution, each once, or return None where none counts.

    Args:
        calls: all that is stored of the execution.
        own_span_id: the span of the execution itself.
        price: adds the cost to a call that was merged of several spans.
        nested: the calls of the executions within it, where an agent's run may repeat their usage.
    """
    found = counted(calls, own_span_id, price, nested) if calls else ()
    if not found:
        return None
    cost, source = _cost_of(found)
    # Of what no call tells, the spans that are not counted may know: a run of an agent names the model of its calls.
    return CallTotals(
        model=_main_model(found) or _main_model(calls),
        input_tokens=_sum([call.input_tokens for call in found], [call.input_tokens for call in calls]),
        output_tokens=_sum([call.output_tokens for call in found], [call.output_tokens for call in calls]),
        cost=cost,
        cost_source=source,
    )


def _cost_of(calls: Sequence[ModelCall]) -> tuple[float | None, str]:
    """Return the sum of the known costs, and what it is made of. What is unknown makes it a lower bound."""
    costs = [call.cost for call in calls if call.cost is not None]
    total = _total_cost(costs)
    sources = {UNPRICED if call.cost is None else call.cost_source for call in calls}
    if sources <= {REPORTED, PRICED}:
        return total, REPORTED if sources == {REPORTED} else PRICED
    return (total, PARTIAL) if total > 0 else (None, UNPRICED)


def _main_model(calls: Iterable[ModelCall]) -> str | None:
    """Return the model that used the most tokens."""
    tokens: dict[str, int] = {}
    for call in calls:
        if call.model is not None:
            tokens[call.model] = tokens.get(call.model, 0) + tokens_of(call)
    return min(tokens, key=lambda model: (-tokens[model], model), default=None)


def _sum(counts: Iterable[int | None], others: Iterable[int | None]) -> int | None:
    """Return the sum of the known *counts*; where there is none, the highest of *others*, which tell of the same."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else max((count for count in others if count is not None), default=None)


def _total_cost(costs: Iterable[float]) -> float:
    """Add up amounts as decimals: 0.1 and 0.2 are 0.3, in any order."""
    return float(sum(map(Fraction, map(repr, costs))))


def _apply(connection: Connection, ids: Sequence[str], price: Price) -> dict[str, TotalsChange]:
    rows = _rows_of(connection, ids)
    calls = _calls_of(connection, list(rows))  # of a running execution, which has no row, they may be many
    reported = _reported_of(connection, ids)
    nested = _nested_calls(connection, [each for each in rows if any(map(is_aggregate, calls[each]))])
    changes = {}
    for execution_id, row in rows.items():
        totals = totals_of(calls[execution_id], execution_id[-_SPAN_ID:], price, nested.get(execution_id, ()))
        before = _reported_before(row, reported.get(execution_id))
        if totals is not None:
            changed = _changed(row, totals, before)
        else:  # what was counted may have turned out to be that of executions within
            changed = row if row.cost_source is None or not calls[execution_id] else _without_calls(row, before)
        if changed != row:
            connection.execute(
                f"UPDATE executions SET {', '.join(f'{name} = ?' for name in _Row._fields)} WHERE execution_id = ?",
                (*changed, execution_id),
            )
        if before is not None and changed.cost_source in _OF_CALLS:
            connection.execute("INSERT OR REPLACE INTO reported_costs VALUES (?, ?)", (execution_id, before))
        changes[execution_id] = TotalsChange(
            _known_cost(row), _known_cost(changed), changed.input_tokens, changed.output_tokens
        )
    connection.executemany("DELETE FROM totals_due WHERE execution_id = ?", [(each,) for each in rows])
    put_off(connection, [each for each in ids if each not in rows])
    return changes


def _changed(row: _Row, totals: CallTotals, reported: float | None) -> _Row:
    """Return the columns computed from the calls and the pool's reported cost."""
    cost, source = totals.cost or 0.0, totals.cost_source
    if source in (PARTIAL, UNPRICED) and reported is not None and reported >= cost:
        cost, source = reported, ESTIMATED
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


def _without_calls(row: _Row, reported: float | None) -> _Row:
    """Return the columns of an execution whose spans are counted in the executions within it."""
    none = _changed(row, CallTotals(None, None, None, None, UNPRICED), reported)
    return none._replace(model=None, input_tokens=None, output_tokens=None, cost_source=None)


def _position(column: str) -> tuple[int, str]:
    return COLUMNS.index(column) if column in COLUMNS else len(COLUMNS), column


def _known_cost(row: _Row) -> float | None:
    return None if "actual_cost" in json.loads(row.defaulted) else row.actual_cost


def _reported_before(row: _Row, kept: float | None) -> float | None:
    """Return the cost that the pool reported. It is in the row, or, once a total replaced it, in ``reported_costs``."""
    return kept if row.cost_source in _OF_CALLS else _known_cost(row)


def _calls_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[ModelCall]]:
    found: dict[str, list[ModelCall]] = {execution_id: [] for execution_id in ids}
    for execution_id, *values in _select(connection, ", ".join(ModelCall._fields), "model_calls", ids):
        found[execution_id].append(ModelCall(execution_id, *values))
    return found


def _nested_calls(connection: Connection, ids: Sequence[str]) -> dict[str, list[ModelCall]]:
    """Return the calls of the executions within each of *ids*, at any depth."""
    found: dict[str, list[ModelCall]] = {}
    for outermost, *values in connection.execute(_NESTED.format(ids=placeholders(ids)), ids) if ids else ():
        found.setdefault(outermost, []).append(ModelCall(*values))
    return found


def _runs_around(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Return the executions around *ids* that have the run of an agent: it may repeat the usage of calls in *ids*."""
    return [execution_id for (execution_id,) in connection.execute(_AROUND.format(ids=placeholders(ids)), ids)]


def _rows_of(connection: Connection, ids: Sequence[str]) -> dict[str, _Row]:
    rows = _select(connection, f"execution_id, {', '.join(_Row._fields)}", "executions", ids)
    return {execution_id: _Row(*values) for execution_id, *values in rows}


def _reported_of(connection: Connection, ids: Sequence[str]) -> dict[str, float]:
    return dict(_select(connection, "execution_id, cost", "reported_costs", ids))


def _select(connection: Connection, columns: str, table: str, ids: Sequence[str]) -> list[Any]:
    return connection.execute(
        f"SELECT {columns} FROM {table} WHERE execution_id IN {placeholders(ids)}", ids
    ).fetchall()

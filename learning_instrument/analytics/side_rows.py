"""What a comparison reads of one side: each execution, and of many executions their sums by cell, band and time."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from ..rollups.measures import IS_ASSUMED, IS_PARTIAL, IS_PRICED, IS_TIMED
from ..sqlite.dimensions import DIMENSIONS
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso
from .mix import COMPLEXITY_BAND, MIX

#: More executions than this are added up by SQLite: Python takes ten times as long for each.
_MANY: Final = 20_000
#: Of these, so many durations are taken for quantiles, at even distances.
_QUANTILE_ROWS: Final = 20_000
#: How much of a timestamp tells apart what is added up, and how many seconds that is; the first that cuts the time of
#: all executions into at most so many.
_MOMENTS: Final = ((19, 1), (18, 10), (16, 60), (15, 600), (13, 3600), (10, 86400))
_MOST_MOMENTS: Final = 1000
#: The least duration, in seconds: a logarithm needs one above 0.
SHORTEST_SECONDS: Final = 1e-6

Rows = list[dict[str, Any]]

#: Larger ones are invalid, as in roll-ups.
_MOST_SECONDS: Final = 1e9
_MOST_USD: Final = 1e6
_SECONDS: Final = f"CASE WHEN {IS_TIMED} THEN min(duration_seconds, {_MOST_SECONDS}) END"
# A cost of 0, or an imported negative one, has no logarithm, and is excluded.
_COST: Final = f"CASE WHEN {IS_PRICED} AND NOT {IS_PARTIAL} AND actual_cost > 0 THEN min(actual_cost, {_MOST_USD}) END"


@dataclass(frozen=True, slots=True)
class SideRows:
    """The executions of one side, in order of time; each row has the cell and the band.

    Args:
        rows: each execution with ``seconds`` and ``cost``, or of many the sums of ``duration`` and ``cost`` logarithms.
        durations: of many, some executions with ``seconds``; else the same rows.
        are_sums: which of both.
    """

    rows: Rows
    durations: Rows
    are_sums: bool


def read(database: Queryable, chosen: Selection, mix: Collection[str]) -> SideRows:
    """Return the executions of one side, by the dimensions of *mix*."""
    condition, parameters = chosen.condition()
    names = ", ".join(f"{DIMENSIONS[name] if name in mix else 'NULL'} AS {name}" for name in MIX)
    columns = f"{names}, {COMPLEXITY_BAND} AS band, {_SECONDS} AS seconds"
    more = (
        f"timestamp AS moment, success AS succeeded, {IS_ASSUMED} AS assumed, {IS_PARTIAL} AS partial, {_COST} AS cost"
    )
    length = _length_of_moments(database, condition, parameters)
    if length is None:
        rows = database.query(
            f"SELECT 1 AS executions, {columns}, {more} FROM executions WHERE {condition} ORDER BY timestamp",
            parameters,
        )
        return SideRows(rows, rows, are_sums=False)
    # LIMIT -1 keeps SQLite from working a logarithm out again for each sum.
    each = (
        f"SELECT {columns}, {more}, ln(max({_SECONDS}, {SHORTEST_SECONDS})) AS duration_log, ln({_COST}) AS cost_log"
        f" FROM executions WHERE {condition} LIMIT -1"
    )
    sums = ", ".join(
        f"count({metric}_log) AS {metric}_count, total({metric}_log) AS {metric}_total,"
        f" total({metric}_log * {metric}_log) AS {metric}_squares"
        for metric in ("duration", "cost")
    )
    rows = database.query(
        f"SELECT {', '.join(MIX)}, band, substr(moment, 1, {length}) AS moment, count(*) AS executions,"
        f" sum(succeeded) AS succeeded, sum(assumed) AS assumed, sum(partial) AS partial, {sums} FROM ({each})"
        f" GROUP BY 4, 1, 2, 3 ORDER BY 4",
        parameters,
    )
    step = max(1, sum(row["executions"] for row in rows) // _QUANTILE_ROWS)
    durations = database.query(
        f"SELECT {columns}, timestamp AS moment FROM executions WHERE rowid % {step} = 0 AND {condition}"
        " ORDER BY timestamp",
        parameters,
    )
    return SideRows(rows, durations, are_sums=True)


def _length_of_moments(database: Queryable, condition: str, parameters: dict[str, Any]) -> int | None:
    """Return how much of a timestamp tells apart what is added up; None where each execution is read."""
    found = f"FROM executions WHERE {condition}"
    (many,) = database.query(f"SELECT count(*) > {_MANY} AS many FROM (SELECT 1 {found} LIMIT {_MANY + 1})", parameters)
    # ln() is a compile option of SQLite.
    if not many["many"] or not database.query("SELECT 1 FROM pragma_function_list WHERE name = 'ln'"):
        return None
    first, last = (
        from_iso(
            database.query(f"SELECT timestamp {found} ORDER BY timestamp {order} LIMIT 1", parameters)[0]["timestamp"]
        )
        for order in ("ASC", "DESC")
    )
    seconds = (last - first).total_seconds()
    return next((length for length, unit in _MOMENTS if seconds <= unit * _MOST_MOMENTS), _MOMENTS[-1][0])

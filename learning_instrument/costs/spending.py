"""What was spent in a window, from one query: of all rows, or of the newest ones added to an earlier result.

Nested executions count once. A cost added up from model calls is the execution's own, without those of the executions
within it, and counts in full. A cost that the pool reported may include the costs of the executions directly within it,
so only what exceeds these counts. An unknown cost counts as unknown, and one of which a part is unknown with the rest.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from ..budgets import MOST_USD, NANO, Budget, BudgetStatus, Window, window_around
from ..columns import UNKNOWN
from ..safety.clocks import time
from ..sqlite.connection import Execute
from ..sqlite.dimensions import dimension, value_in
from ..sqlite.read_only import read_briefly
from ..sqlite.selection import Queryable
from ..timestamps import iso

#: The group of rows and tasks without a value.
UNKNOWN_GROUP: Final = UNKNOWN
#: Executions so long after the window are dated by a clock that is ahead of this process's.
_LATER_THAN: Final = timedelta(hours=1)
#: A model call's cost may be stored after its execution. A cost unknown for longer is reported as missing.
_LATE_SECONDS: Final = 60.0

_KNOWN: Final = "(instr(defaulted, '\"actual_cost\"') = 0 AND actual_cost >= 0 AND cost_source IS NOT 'unpriced')"
#: In billionths of a US dollar; NULL where it is unknown.
_COST: Final = f"CASE WHEN {_KNOWN} THEN round(min({MOST_USD}, actual_cost) * {NANO}) END"
_IN_WINDOW: Final = "timestamp >= :start AND timestamp < :end"
#: Executions within others. One that began before the window is within one that began before it too.
_WITHIN_WINDOW: Final = "timestamp >= :start AND parent_execution_id IS NOT NULL"
# The plus keeps SQLite from using the index on timestamp: by rowid there are fewer rows.
_LAST: Final = "executions.rowid > :mark AND +timestamp >= :start AND +timestamp < :end"
_WITHIN_LAST: Final = f"parent_execution_id IN (SELECT execution_id FROM executions WHERE {_LAST})"
# LIMIT -1 keeps SQLite from computing a cost again for each use. total() does not overflow, as sum() does.
_QUESTION: Final = f"""
    WITH within AS (
        SELECT parent_execution_id AS id, total({_COST}) AS cost FROM executions WHERE {{within}} GROUP BY 1
    ), chosen AS (
        SELECT {{group}} AS name, executions.rowid AS number, execution_id, timestamp, {_COST} AS cost,
            cost_source IN ('reported', 'priced', 'partial') AS is_own, within.id IS NULL AS is_innermost,
            {_KNOWN} AND cost_source IS 'partial' AS is_partial, coalesce(within.cost, 0) AS cost_within
        FROM executions LEFT JOIN within ON within.id = execution_id WHERE {{chosen}} LIMIT -1
    )
    SELECT name, number > :mark AS is_last,
        total(CASE WHEN is_own THEN cost ELSE max(0, cost - cost_within) END) AS nano, count(*) AS executions,
        total(is_partial) AS partial, total(cost IS NULL AND is_innermost) AS unpriced,
        total((is_partial OR cost IS NULL AND is_innermost) AND timestamp < :missed) AS missed,
        max(number) AS newest, execution_id AS newest_id
    FROM chosen GROUP BY 1, 2
"""


_FOUND: Final = "SELECT execution_id FROM executions WHERE execution_id IN (SELECT value FROM json_each(?))"
_NEWEST: Final = "SELECT rowid, execution_id FROM executions ORDER BY rowid DESC LIMIT 1"
_LATER: Final = "SELECT count(*) FROM executions WHERE timestamp >= :later"
_IS_THERE: Final = "SELECT 1 FROM executions WHERE rowid = :mark AND execution_id = :id"


class Spent(NamedTuple):
    """The totals of the executions of one group."""

    #: Billionths of a US dollar.
    nano: int = 0
    executions: int = 0
    #: Executions of which a part of the cost is unknown, and those of which all of it is.
    partial: int = 0
    unpriced: int = 0
    #: Those of both whose cost is no longer expected.
    missed: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(*map(int.__add__, self, other))


Spending = Mapping[str, Spent]
"""What was spent, by group; a budget without groups has one, named ``""``."""


Uncertain = Mapping[str, tuple[str, int]]
"""Executions that are being stored: id -> group, and cost in billionths of a US dollar."""

_Mark = tuple[int, str]
"""A rowid and the id of its execution; the rowid alone is soon that of another, where the newest rows are deleted."""
_BEFORE_ALL: Final = (0, "")


class _Settled(NamedTuple):
    """The totals of a window up to *mark*, and the newest row of that reading."""

    window: Window
    spending: Spending
    mark: _Mark
    newest: _Mark


class SpendReader:
    """Reads what was spent from the file at *path*.

    A whole reading takes all rows of the window. Costs can change after their rows were stored, so a reading of the
    last rows starts some time back: after the newest row of the whole reading before the last.

    Args:
        path: the absolute path of the database.
        by: the column or ``metadata.KEY`` to group by, or None.
    """

    def __init__(self, path: str, by: str | None) -> None:
        self._path = path
        self._by = by
        self._settled: _Settled | None = None
        #: The duration of the last whole reading, and its start by the monotonic clock.
        self.whole_seconds = float("inf")
        self.whole_began = float("-inf")
        #: The executions dated long after the window, which count in none of now.
        self.later = 0

    def read_whole(
        self,
        window: Window,
        busy_seconds: float,
        is_over: Callable[[], bool],
        uncertain: Callable[[], Uncertain] = dict,
    ) -> Spending | None:
        """Return what was spent in *window*, or None where *is_over* ended the reading or the file was locked.

        Args:
            window: the window.
            busy_seconds: how long to wait for a lock of the file.
            is_over: called repeatedly, tells whether to stop.
            uncertain: called once the rows to read are fixed; returns executions that may be among them, and that
                count elsewhere.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        return self._read(lambda execute: self._whole(execute, window, uncertain), busy_seconds, is_over)

    def read_last(
        self,
        window: Window,
        busy_seconds: float,
        is_over: Callable[[], bool],
        uncertain: Callable[[], Uncertain] = dict,
    ) -> Spending | None:
        """Return the same as :meth:`read_whole`, from the last whole reading and the rows stored since.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        return self._read(lambda execute: self._last(execute, window, uncertain), busy_seconds, is_over)

    def _read(
        self, read: Callable[[Execute], Spending], busy_seconds: float, is_over: Callable[[], bool]
    ) -> Spending | None:
        try:
            return read_briefly(self._path, read, busy_seconds, is_over)
        except FileNotFoundError:  # the first execution creates it
            return {}

    def _whole(self, execute: Execute, window: Window, uncertain: Callable[[], Uncertain]) -> Spending:
        began, settled = time.monotonic(), self._settled
        newest = [settled.newest] if settled is not None and settled.window == window else execute(_NEWEST)
        mark = newest[0] if newest else _BEFORE_ALL
        known = uncertain()
        rows = execute(question(self._by), _parameters(window, mark[0]))
        ((self.later,),) = execute(_LATER, {"later": iso(window.end + _LATER_THAN)})
        newest_row = max((row[-2:] for row in rows), default=_BEFORE_ALL)
        found = _found(execute, known)
        self._settled = _Settled(window, _by_group(row for row in rows if not row[1]), mark, newest_row)
        self.whole_began, self.whole_seconds = began, time.monotonic() - began
        return _without(found, _by_group(rows))

    def _last(self, execute: Execute, window: Window, uncertain: Callable[[], Uncertain]) -> Spending:
        settled = self._settled
        if settled is None or settled.window != window:
            return self._whole(execute, window, uncertain)
        mark, execution_id = settled.mark
        if mark and not execute(_IS_THERE, {"mark": mark, "id": execution_id}):
            return self._whole(execute, window, uncertain)  # newer rows may have lower rowids
        known = uncertain()
        rows = execute(question(self._by, _LAST, _WITHIN_LAST), _parameters(window, mark))
        return _without(_found(execute, known), _together(settled.spending, _by_group(rows)))


def _found(execute: Execute, uncertain: Uncertain) -> list[tuple[str, int]]:
    """Return group and cost of those executions that are in the file."""
    found = execute(_FOUND, [json.dumps([*uncertain])]) if uncertain else []
    return [uncertain[execution_id] for (execution_id,) in found]


def _without(found: Iterable[tuple[str, int]], spending: dict[str, Spent]) -> Spending:
    for group, nano in found:
        if group in spending:
            spending[group] = spending[group].plus(Spent(-nano))
    return spending


def question(by: str | None, chosen: str = _IN_WINDOW, within: str = _WITHIN_WINDOW) -> str:
    """Return the SQL for what was spent in a window, by default of all its rows."""
    group = "''" if by is None else dimension(by)
    return _QUESTION.format(group=group, chosen=chosen, within=within)


def group_in(metadata: str, by: str) -> str:
    """Return the group of an execution with this JSON of *metadata*, as the question has it."""
    return value_in({"metadata": metadata}, by)


def budget_status(database: Queryable, budget: Budget, now: datetime | None = None) -> tuple[BudgetStatus, ...]:
    """Return what was spent of *budget* by each group with executions in the present window, the costliest first.

    A budget without groups has exactly one status. The call neither warns nor refuses tasks.

    Args:
        database: the database to query.
        budget: a budget; it need not be in force.
        now: a time in the window, with a time zone; None for the present.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    window = window_around(now or datetime.now(timezone.utc), budget.per)
    rows = database.query(question(budget.by), _parameters(window, 0))
    spending = _by_group(tuple(row.values()) for row in rows)
    if budget.by is None and not spending:
        spending = {"": Spent()}
    statuses = [status(budget, group, spent, window) for group, spent in spending.items()]
    return tuple(sorted(statuses, key=lambda found: (-found.spent_usd, found.group or "")))


def status(budget: Budget, group: str, spent: Spent, window: Window) -> BudgetStatus:
    """Return the status of one *group* that has *spent* so much of *budget*."""
    name = None if budget.by is None else group
    return BudgetStatus(budget, name, spent.nano / NANO, *window, spent.executions, spent.unpriced, spent.partial)


def _parameters(window: Window, mark: int) -> dict[str, Any]:
    missed = datetime.now(timezone.utc) - timedelta(seconds=_LATE_SECONDS)
    times = {"start": window.start, "end": window.end, "missed": missed}
    # As the column has it: of one length, so that the text is in the order of time.
    return {"mark": mark} | {name: iso(value) for name, value in times.items()}


def _by_group(rows: Iterable[Sequence[Any]]) -> dict[str, Spent]:
    spending: dict[str, Spent] = {}
    for group, _, nano, executions, partial, unpriced, missed, *_ in rows:
        found = Spent(int(nano), executions, int(partial), int(unpriced), int(missed))
        spending[group] = spending.get(group, Spent()).plus(found)
    return spending


def _together(one: Spending, other: Spending) -> dict[str, Spent]:
    return {group: one.get(group, Spent()).plus(other.get(group, Spent())) for group in {**one, **other}}

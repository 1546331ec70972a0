"""What was spent in a window: one question, asked as a whole or for what came last.

What an execution cost counts once, however executions are nested. A cost that was added up from model calls is the
execution's own, without those within it, and counts whole. One that the pool itself reported may be the sum of what
the executions directly within it cost, so it counts as far as it exceeds that. A cost that nobody knows counts as
unknown.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from ..budgets import MOST_USD, NANO, Budget, BudgetStatus, Window, window_around
from ..sqlite.read_only import read_briefly
from ..sqlite.selection import Queryable
from ..timestamps import iso

#: In rows, and for tasks that do not say.
UNKNOWN_GROUP: Final = "unknown"
#: A model call's cost may come after its execution. Only what began before that is missed.
_LATE_SECONDS: Final = 60.0

_KNOWN: Final = "(instr(defaulted, '\"actual_cost\"') = 0 AND actual_cost >= 0 AND cost_source IS NOT 'unpriced')"
#: In billionths of a US dollar; NULL where it is unknown.
_COST: Final = f"CASE WHEN {_KNOWN} THEN round(min({MOST_USD}, actual_cost) * {NANO}) END"
_IN_WINDOW: Final = "timestamp >= :start AND timestamp < :end"
#: Those within others. One that began before the window is within one that did.
_WITHIN_WINDOW: Final = "timestamp >= :start AND parent_execution_id IS NOT NULL"
# The plus keeps SQLite from going by the time: by the row is the shorter way.
_LAST: Final = "executions.rowid > :mark AND +timestamp >= :start AND +timestamp < :end"
_WITHIN_LAST: Final = f"parent_execution_id IN (SELECT execution_id FROM executions WHERE {_LAST})"
# LIMIT -1 keeps SQLite from working a cost out anew wherever it is named. A sum as total() does not overflow.
_QUESTION: Final = f"""
    WITH within AS (
        SELECT parent_execution_id AS id, total({_COST}) AS cost FROM executions WHERE {{within}} GROUP BY 1
    ), chosen AS (
        SELECT {{group}} AS name, executions.rowid AS number, timestamp, {_COST} AS cost,
            cost_source IN ('reported', 'priced') AS is_whole, within.id IS NULL AS is_innermost,
            coalesce(within.cost, 0) AS cost_within
        FROM executions LEFT JOIN within ON within.id = execution_id WHERE {{chosen}} LIMIT -1
    )
    SELECT name, number > :mark AS is_last,
        total(CASE WHEN is_whole THEN cost ELSE max(0, cost - cost_within) END) AS nano, count(*) AS executions,
        total(cost IS NULL AND is_innermost) AS unpriced,
        total(cost IS NULL AND is_innermost AND timestamp < :missed) AS missed,
        max(number) AS newest
    FROM chosen GROUP BY 1, 2
"""


class Spent(NamedTuple):
    """What the executions of one group add up to."""

    #: Billionths of a US dollar.
    nano: int = 0
    executions: int = 0
    unpriced: int = 0
    #: Those of the unpriced whose cost is no longer to be expected.
    missed: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(*map(int.__add__, self, other))


Spending = Mapping[str, Spent]
"""What was spent, by group; a budget over all has one, called ``""``."""


class _Settled(NamedTuple):
    """A sum up to a row, the newest row that was there, and when all of it was read."""

    window: Window
    spending: Spending
    mark: int
    newest: int


class SpendReader:
    """Reads what was spent, from the file at *path*.

    A whole reading goes through all rows of the window. Costs can change after their rows were stored, so a reading of
    what came last begins some time back: at the newest row that the whole reading before the last one saw.

    Args:
        path: the absolute path of the database.
        by: the column that groups are told apart by, or None.
    """

    def __init__(self, path: str, by: str | None) -> None:
        self._path = path
        self._by = by
        self._settled: _Settled | None = None
        #: How long the last whole reading took, and when it began, by the monotonic clock.
        self.whole_seconds = float("inf")
        self.whole_began = float("-inf")

    def read_whole(self, window: Window, busy_seconds: float, is_over: Callable[[], bool]) -> Spending | None:
        """Return what was spent in *window*, or None where that took too long.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        began = time.monotonic()
        settled = self._settled
        mark = settled.newest if settled is not None and settled.window == window else None
        if mark is None:
            newest = self._ask("SELECT max(rowid) FROM executions", {}, busy_seconds, is_over)
            mark = newest[0][0] or 0 if newest else 0
        rows = self._ask(question(self._by), _parameters(window, mark), busy_seconds, is_over)
        if rows is None:
            return None
        newest_row = max((row[-1] for row in rows), default=0)
        self._settled = _Settled(window, _by_group(row for row in rows if not row[1]), mark, newest_row)
        self.whole_began, self.whole_seconds = began, time.monotonic() - began
        return _by_group(rows)

    def read_last(self, window: Window, busy_seconds: float, is_over: Callable[[], bool]) -> Spending | None:
        """Return the same from what the last whole reading found and the rows that came since.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        settled = self._settled
        if settled is None or settled.window != window:
            return self.read_whole(window, busy_seconds, is_over)
        rows = self._ask(
            question(self._by, _LAST, _WITHIN_LAST), _parameters(window, settled.mark), busy_seconds, is_over
        )
        return None if rows is None else _together(settled.spending, _by_group(rows))

    def _ask(
        self, sql: str, parameters: Mapping[str, Any], busy_seconds: float, is_over: Callable[[], bool]
    ) -> list[Any] | None:
        try:
            return read_briefly(self._path, sql, parameters, busy_seconds, is_over)
        except FileNotFoundError:  # the first execution makes it
            return []


def question(by: str | None, chosen: str = _IN_WINDOW, within: str = _WITHIN_WINDOW) -> str:
    """Return the SQL of what was spent in a window, by default all of it."""
    group = "''" if by is None else f"coalesce({by}, '{UNKNOWN_GROUP}')"
    return _QUESTION.format(group=group, chosen=chosen, within=within)


def budget_status(database: Queryable, budget: Budget, now: datetime | None = None) -> tuple[BudgetStatus, ...]:
    """Return what is spent of *budget*: of each group that has executions in the present window, the costliest first.

    A budget over all has exactly one. Nothing is refused or announced by asking.

    Args:
        database: the one to ask.
        budget: any, whether it is in force or not.
        now: the moment whose window is meant, with a time zone; None: the present.

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
    """Return what one *group* has *spent* of *budget*."""
    name = None if budget.by is None else group
    return BudgetStatus(budget, name, spent.nano / NANO, *window, spent.executions, spent.unpriced)


def _parameters(window: Window, mark: int) -> dict[str, Any]:
    missed = datetime.now(timezone.utc) - timedelta(seconds=_LATE_SECONDS)
    moments = {"start": window.start, "end": window.end, "missed": missed}
    # As the column has it: of one length, so that the text is in the order of time.
    return {"mark": mark} | {name: iso(moment) for name, moment in moments.items()}


def _by_group(rows: Iterable[Sequence[Any]]) -> dict[str, Spent]:
    spending: dict[str, Spent] = {}
    for group, _, nano, executions, unpriced, missed, _ in rows:
        found = Spent(int(nano), executions, int(unpriced), int(missed))
        spending[group] = spending.get(group, Spent()).plus(found)
    return spending


def _together(one: Spending, other: Spending) -> dict[str, Spent]:
    return {group: one.get(group, Spent()).plus(other.get(group, Spent())) for group in {**one, **other}}

"""How much of a budget is spent in the present period."""

from dataclasses import dataclass, replace
from datetime import datetime

from ..rollups.measures import NANO_SCALE
from ..sqlite.selection import Queryable, Selection
from .burndown import period_around
from .group_totals import totals


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What is spent of a budget, in US dollars: a lower bound where ``partial`` or ``unpriced`` is not 0."""

    budget_usd: float
    period: str
    period_start: datetime
    period_end: datetime
    spent_usd: float
    #: The executions of which a part of the cost is unknown, and those of which all of it is.
    partial: int
    unpriced: int


def budget_use(database: Queryable, budget_usd: float, period: str, selection: Selection, now: datetime) -> BudgetUse:
    """Return how much of *budget_usd* is spent in the *period* around *now*.

    Args:
        database: the one to ask.
        budget_usd: the budget, in US dollars.
        period: as in :func:`burn_down`.
        selection: whose budget it is; its times do not count.
        now: the present, with a time zone.

    Raises:
        ConfigurationError: for another period.
        DatabaseError: if the database cannot be read.
    """
    start, end = period_around(now, period)
    chosen = replace(selection, since=start, until=None)
    found = totals(database, (), chosen, ("cost_nano", "partial", "unpriced")).get(())
    return BudgetUse(
        budget_usd=budget_usd,
        period=period,
        period_start=start,
        period_end=end,
        spent_usd=found.sums["cost_nano"] / NANO_SCALE if found else 0.0,
        partial=found.count("partial") if found else 0,
        unpriced=found.count("unpriced") if found else 0,
    )

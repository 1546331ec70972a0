"""The one-screen overview of a database."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ..rollups.measures import NANO_SCALE
from ..sqlite.selection import Queryable, Selection, has_table
from ..timestamps import from_iso, iso
from .group_totals import totals
from .intervals import Proportion, wilson
from .sources.cube_rows import GroupTotals

#: Outcome -> the measure that counts it.
_OUTCOMES: Final = {
    "succeeded": "succeeded", "failed": "failed", "error": "errors", "timeout": "timeouts", "cancelled": "cancelled",
    "lost": "lost",
}  # fmt: skip
_COSTS: Final = ("cost_nano", "failure_nano", "priced", "priced_succeeded", "partial", "unpriced")


@dataclass(frozen=True, slots=True)
class TierSummary:
    """The executions of one model tier."""

    model_tier: str
    executions: int
    success: Proportion
    #: Of those that succeeded: how many returned without saying so.
    assumed: int
    #: The known cost, in US dollars; a lower bound where ``partial`` or ``unpriced`` is above 0.
    cost_usd: float | None
    #: Executions of which a part of the cost is unknown, and those whose model calls could not be priced.
    partial: int
    unpriced: int


@dataclass(frozen=True, slots=True)
class Summary:
    """An overview of the executions."""

    executions: int
    #: The share that succeeded, with its 95% Wilson interval; None of no executions.
    success: Proportion | None
    #: Of those that succeeded: how many returned without saying so.
    assumed: int
    #: How many ended how; outcomes that nothing had are left out.
    outcomes: Mapping[str, int]
    #: The largest tier first.
    tiers: tuple[TierSummary, ...]
    #: The known cost, in US dollars; None where no cost was reported.
    cost_usd: float | None
    #: The part of it that was spent on executions that did not succeed; None where the cost of none of these is known.
    failures_cost_usd: float | None
    #: Executions whose cost is known; those among them of which a part of it is not, so that ``cost_usd`` is a lower
    #: bound; and those whose model calls could not be priced.
    priced: int
    partial: int
    unpriced: int
    #: Executions that could not be recorded, by reason.
    losses: Mapping[str, int]
    first: datetime | None
    last: datetime | None
    #: How many are the first attempt at their task, so that each task counts once: ``attempt`` is 1, or not known.
    tasks: int

    @property
    def unreported(self) -> int:
        """The number of executions without a reported cost."""
        return self.executions - self.priced - self.unpriced

    def __iter__(self) -> Iterator[TierSummary]:
        """Yield the tiers."""
        return iter(self.tiers)


def summary(database: Queryable, selection: Selection | None = None) -> Summary:
    """Return the overview of the executions of *selection*; None: of all.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    chosen = selection or Selection()
    measures = (*_OUTCOMES.values(), "assumed", "retries", *_COSTS)
    groups = totals(database, ("model_tier",), chosen, measures)
    whole = {name: sum(group.sums[name] for group in groups.values()) for name in ("executions", *measures)}
    executions = round(whole["executions"])
    tiers = []
    for (tier,), group in groups.items():
        count = group.count("executions")
        success = wilson(group.count("succeeded"), count)
        assert success is not None, "a group has executions"
        cost = group.total("cost_nano", NANO_SCALE, "priced")
        unknown = group.count("partial"), group.count("unpriced")
        tiers.append(TierSummary(tier, count, success, group.count("assumed"), cost, *unknown))
    first, last = span(database, chosen)
    return Summary(
        executions=executions,
        success=wilson(round(whole["succeeded"]), executions),
        assumed=round(whole["assumed"]),
        outcomes={outcome: round(whole[name]) for outcome, name in _OUTCOMES.items() if whole[name]},
        tiers=tuple(sorted(tiers, key=lambda tier: -tier.executions)),
        cost_usd=whole["cost_nano"] / NANO_SCALE if whole["priced"] else None,
        failures_cost_usd=GroupTotals(whole, Counter()).failures_cost(),
        priced=round(whole["priced"]),
        partial=round(whole["partial"]),
        unpriced=round(whole["unpriced"]),
        losses=losses_of(database, chosen),
        first=first,
        last=last,
        tasks=executions - round(whole["retries"]),
    )


def span(database: Queryable, selection: Selection) -> tuple[datetime | None, datetime | None]:
    """Return when the first and the last execution of *selection* started; None of no executions.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    condition, parameters = selection.condition()
    # Each in a question of its own: for both at once SQLite would read every row.
    (row,) = database.query(
        f"SELECT (SELECT min(timestamp) FROM executions WHERE {condition}) AS first,"
        f" (SELECT max(timestamp) FROM executions WHERE {condition}) AS last",
        parameters,
    )
    first, last = (None if row[name] is None else from_iso(row[name]) for name in ("first", "last"))
    return first, last


def losses_of(database: Queryable, selection: Selection) -> dict[str, int]:
    """Return how many executions could not be recorded in the time of *selection*, by reason.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    if not has_table(database, "losses"):  # a fleet has none
        return {}
    parameters: dict[str, Any] = {
        "since": "" if selection.since is None else iso(selection.since),
        "until": "~" if selection.until is None else iso(selection.until),
    }
    if not has_table(database, "losses"):
        return {}  # of a fleet, each application's own file knows them
    rows = database.query(
        "SELECT reason, sum(executions) AS executions FROM losses WHERE timestamp >= :since AND timestamp < :until"
        " GROUP BY reason ORDER BY 2 DESC, 1",
        parameters,
    )
    return {row["reason"]: row["executions"] for row in rows}

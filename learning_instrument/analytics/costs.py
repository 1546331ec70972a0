"""Spend by day, and the accuracy of cost estimates."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ..rollups.measures import IS_SCALED, LOG_SCALE, MICRO_SCALE, NANO_SCALE
from ..sqlite.dimensions import TIME_BUCKETS
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso
from .calibration import Cell, LogRatios, fit, typical_error
from .group_totals import check_limit, dimensions_of, largest, totals
from .intervals import Proportion, wilson
from .sources.cube_rows import Group, GroupTotals

_LOGS: Final = ("scaled", "log_e5", "log2_e10")
_SPENT: Final = ("succeeded", "priced", "priced_succeeded", "partial", "unpriced", "cost_nano", "failure_nano")
_MEASURES: Final = (
    *_SPENT, "compared", "estimate_nano", "actual_nano", "off_nano", "off_rated", "off_e6", "within_20", *_LOGS,
)  # fmt: skip
#: The share of the executions, the last in time, that the correction is tested on.
_TESTED: Final = 0.2


@dataclass(frozen=True, slots=True)
class DaySpend:
    """The cost of one UTC day, in US dollars; None where no cost was reported.

    It is a lower bound where ``partial`` or ``unpriced`` is above 0.
    """

    day: str
    executions: int
    cost_usd: float | None
    failures_cost_usd: float | None
    partial: int
    unpriced: int


@dataclass(frozen=True, slots=True)
class GroupSpend:
    """The cost of one group of executions, in US dollars; None where no cost was reported.

    It is a lower bound where ``partial`` or ``unpriced`` is above 0.
    """

    #: The values of the group, in the order of ``by``.
    group: Group
    executions: int
    cost_usd: float | None
    failures_cost_usd: float | None
    partial: int
    unpriced: int
    #: How many groups this is: above 1 for the others beyond a limit, whose names are ``others``.
    groups: int = 1


@dataclass(frozen=True, slots=True)
class EstimateAccuracy:
    """Estimates beside actual costs, of executions with both known; a lower bound is not."""

    compared: int
    estimate_usd: float
    actual_usd: float
    #: Estimates minus actual costs, as a share of the actual; below 0: too low. None: the actual costs are 0.
    bias: float | None
    #: The sum of absolute errors, as a share of the actual costs.
    wape: float | None
    #: The mean of how far each was off, as a share of its actual cost; those that cost nothing are left out.
    mape: float | None
    #: The share that was off by at most 20% of the actual cost.
    within_20_percent: Proportion


@dataclass(frozen=True, slots=True)
class Correction:
    """The factor that corrects the cost estimates of a task type and tier."""

    task_type: str
    model_tier: str
    compared: int
    #: The shrunken factor, and that of this cell alone: geometric means of actual over estimated cost.
    factor: float
    raw_factor: float
    #: The share of the factor that is the cell's own, 0 to 1; the rest is shared by all cells.
    weight: float


@dataclass(frozen=True, slots=True)
class CorrectionTest:
    """Factors learned before *since*, tried on the executions from then on: the last fifth in time."""

    since: datetime
    learned_from: int
    tested_on: int
    #: How far estimates are typically off: 0.25 means by a factor of 1.25, either way.
    error_before: float
    error_after: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in US dollars. None: not reported."""

    executions: int
    #: Executions whose cost is known; those among them of which a part of it is not, so that ``cost_usd`` is a lower
    #: bound; and those whose model calls could not be priced.
    priced: int
    partial: int
    unpriced: int
    cost_usd: float | None
    #: The part that was spent on executions that did not succeed; None where the cost of none of these is known.
    failures_cost_usd: float | None
    by_day: tuple[DaySpend, ...]
    accuracy: EstimateAccuracy | None
    #: The cell with the most executions first.
    corrections: tuple[Correction, ...]
    #: None where there are fewer than five executions to learn from and try on.
    correction_test: CorrectionTest | None
    #: With ``by``: the groups, the costliest first.
    groups: tuple[GroupSpend, ...] = ()

    @property
    def unreported(self) -> int:
        """The number of executions without a reported cost."""
        return self.executions - self.priced - self.unpriced

    def __iter__(self) -> Iterator[DaySpend | GroupSpend]:
        """Yield the groups; without ``by`` the days."""
        return iter(self.groups or self.by_day)


def costs(
    database: Queryable,
    selection: Selection | None = None,
    *,
    by: str | Sequence[str] | None = None,
    limit: int | None = None,
) -> Costs:
    """Return costs, and the accuracy of cost estimates.

    Args:
        database: the one to ask.
        selection: which executions; None: all.
        by: what to group costs by, besides the day: one or two columns, or ``metadata.KEY``, as of
            :func:`performance`.
        limit: how many groups, those that cost most; the others are one group, the last. None: all groups.

    Raises:
        ConfigurationError: for an invalid *by* or *limit*.
        DatabaseError: if the database cannot be read.
    """
    chosen = selection or Selection()
    check_limit(limit)
    spend = () if by is None else _by_group(database, dimensions_of(by), chosen, limit)
    days = totals(database, ("day",), chosen, _MEASURES)
    whole = _add(days.values())
    # Of many cells most have nothing to compare, where there is no estimate at all.
    cells = totals(database, ("task_type", "model_tier"), chosen, _LOGS) if whole.sums["scaled"] else {}
    ratios = _ratios(cells.items())
    return Costs(
        executions=whole.count("executions"),
        priced=whole.count("priced"),
        partial=whole.count("partial"),
        unpriced=whole.count("unpriced"),
        cost_usd=whole.total("cost_nano", NANO_SCALE, "priced"),
        failures_cost_usd=whole.failures_cost(),
        by_day=tuple(DaySpend(day, of_day.count("executions"), *_spent(of_day)) for (day,), of_day in days.items()),
        accuracy=_accuracy(whole),
        corrections=_corrections(ratios),
        correction_test=_test(database, chosen, days, ratios),
        groups=spend,
    )


def _by_group(
    database: Queryable, by: tuple[str, ...], selection: Selection, limit: int | None
) -> tuple[GroupSpend, ...]:
    found = largest(database, by, selection, _SPENT, limit)
    spend = [
        GroupSpend(group, of_group.count("executions"), *_spent(of_group)) for group, of_group in found.groups.items()
    ]
    if not set(by) & TIME_BUCKETS.keys():
        spend.sort(key=lambda each: (-(each.cost_usd or 0.0), -each.executions))
    others = (
        GroupSpend(group, of_group.count("executions"), *_spent(of_group), found.merged)
        for group, of_group in found.others.items()
    )
    return (*spend, *others)


def _spent(of_group: GroupTotals) -> tuple[float | None, float | None, int, int]:
    """Return cost, cost of failures, and how many executions are partial and unpriced."""
    cost = of_group.total("cost_nano", NANO_SCALE, "priced")
    return cost, of_group.failures_cost(), of_group.count("partial"), of_group.count("unpriced")


def _accuracy(whole: GroupTotals) -> EstimateAccuracy | None:
    within = wilson(whole.count("within_20"), whole.count("compared"))
    if within is None:
        return None
    estimate, actual, off = (whole.sums[name] / NANO_SCALE for name in ("estimate_nano", "actual_nano", "off_nano"))
    return EstimateAccuracy(
        compared=whole.count("compared"),
        estimate_usd=estimate,
        actual_usd=actual,
        bias=(estimate - actual) / actual if actual else None,
        wape=off / actual if actual else None,
        mape=whole.mean("off_e6", MICRO_SCALE, "off_rated"),
        within_20_percent=within,
    )


def _corrections(ratios: Mapping[Cell, LogRatios]) -> tuple[Correction, ...]:
    fitted = fit(ratios)
    if fitted is None:
        return ()
    found = [
        Correction(*cell, ratios[cell].count, math.exp(shift), math.exp(ratios[cell].mean), weight)
        for cell, (shift, weight) in fitted.cells.items()
    ]
    return tuple(sorted(found, key=lambda correction: -correction.compared))


def _test(
    database: Queryable, selection: Selection, days: Mapping[Group, GroupTotals], ratios: Mapping[Cell, LogRatios]
) -> CorrectionTest | None:
    cut = _start_of_last_fifth(database, selection, days)
    if cut is None:
        return None
    late_groups = totals(database, ("task_type", "model_tier"), replace(selection, since=cut), _LOGS)
    late = _ratios(late_groups.items())
    early = {cell: logs - late[cell] if cell in late else logs for cell, logs in ratios.items()}
    fitted = fit(early)
    if fitted is None or not late:  # all of them at the same moment
        return None
    return CorrectionTest(
        since=cut,
        learned_from=sum(logs.count for logs in early.values()),
        tested_on=sum(logs.count for logs in late.values()),
        error_before=typical_error(late),
        error_after=typical_error(late, fitted),
    )


def _start_of_last_fifth(
    database: Queryable, selection: Selection, days: Mapping[Group, GroupTotals]
) -> datetime | None:
    """Return when the first execution of the last fifth began: of those with an estimate and an actual cost."""
    counts = {day: of_day.count("scaled") for (day,), of_day in days.items()}
    total = sum(counts.values())
    position = math.ceil(total * (1 - _TESTED))
    if position == total:
        return None
    day, before = _day_of(counts, position)
    start = from_iso(f"{day}T00:00:00+00:00")
    # Of that day, and within the selection.
    since = max(start, selection.since or start)
    until = min(start + timedelta(days=1), selection.until or start + timedelta(days=1))
    condition, parameters = replace(selection, since=since, until=until).condition()
    rows = database.query(
        f"SELECT timestamp FROM executions WHERE {condition} AND {IS_SCALED} ORDER BY timestamp LIMIT 1 OFFSET :offset",
        parameters | {"offset": position - before},
    )
    return from_iso(rows[0]["timestamp"]) if rows else None


def _day_of(counts: Mapping[str, int], position: int) -> tuple[str, int]:
    """Return the day of the execution at *position*, counted from 0, and how many the days before it have."""
    before = 0
    for day, count in counts.items():
        if position < before + count:
            return day, before
        before += count
    raise AssertionError(f"{position} is not among {before} executions")


def _ratios(groups: Iterable[tuple[Group, GroupTotals]]) -> dict[Cell, LogRatios]:
    sums: dict[Cell, LogRatios] = {}
    for (task_type, model_tier), of_group in groups:
        if not of_group.sums["scaled"]:
            continue
        before = sums.get((task_type, model_tier), LogRatios(0, 0.0, 0.0))
        sums[task_type, model_tier] = LogRatios(
            before.count + of_group.count("scaled"),
            before.total + of_group.sums["log_e5"] / LOG_SCALE,
            before.squares + of_group.sums["log2_e10"] / LOG_SCALE**2,
        )
    return sums


def _add(groups: Iterable[GroupTotals]) -> GroupTotals:
    """Return the totals of *groups* together, durations apart."""
    sums = dict.fromkeys(("executions", *_MEASURES), 0.0)
    for group in groups:
        for name in sums:
            sums[name] += group.sums[name]
    return GroupTotals(sums, Counter())


def price_tables(database: Queryable) -> tuple[str, ...]:
    """Return the price tables, with their dates, of the first and of the last model call that was priced.

    Empty: every cost that is known was reported. A table is kept with each call, for the one that is installed today
    need not be that of the costs.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    columns = {row["name"] for row in database.query("SELECT name FROM pragma_table_info('model_calls')")}
    if "price_table" not in columns:  # an older release wrote the file
        return ()
    ends = [
        row["price_table"]
        for order in ("ASC", "DESC")
        for row in database.query(
            f"SELECT price_table FROM model_calls WHERE price_table IS NOT NULL ORDER BY rowid {order} LIMIT 1"
        )
    ]
    return tuple(dict.fromkeys(ends))

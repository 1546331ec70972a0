"""What the first screen of a page says of a period: what happened, which tier to use, and four figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from .. import formatting
from ..columns import UNKNOWN
from ..sqlite.selection import Queryable, Selection
from .blocks import frequent
from .days import Day, Days, read_days, within
from .error_groups import ErrorGroup, ErrorReport, error_groups
from .events import Events, after, find_events
from .group_totals import check_limit, dimensions_of, totals
from .headings import Heading, new_kinds
from .headlines import (
    NOTHING,
    advice,
    comparison_days,
    days_heading,
    durations_heading,
    failures_heading,
    nothing_happened,
    nothing_matches,
    spend_heading,
    what_happened,
)
from .overview import losses_of, span
from .performance import Performance, performance_of
from .periods import Period
from .side_by_side import SideBySide, side_by_side
from .sources.cube_rows import GroupTotals
from .tiles import Figure, tiles
from .values import unmatched

#: Executions of the period before, as a share of those of the period, without which nothing is new.
_KNOWN: Final = 0.1
#: Of more executions, what is read of each of them is left out: a page is made in some seconds.
MOST_READ: Final = 50_000


@dataclass(frozen=True, slots=True)
class Briefing:
    """What happened in a period."""

    period: Period
    #: The filters that its executions pass.
    selection: Selection
    #: The most important first.
    headlines: tuple[Heading, ...]
    executions: Figure
    success: Figure
    #: The known cost of all executions, in US dollars; its verdict is about that of one execution.
    cost: Figure
    #: The 95th percentile of durations, in seconds; its verdict is about all durations.
    p95: Figure
    #: What no figure includes.
    left_out: tuple[str, ...]
    #: Every day of the period in order, also those without executions.
    days: tuple[Day, ...]
    days_heading: Heading
    spend_heading: Heading
    durations_heading: Heading
    failures_heading: Heading
    #: The executions of the whole period; None: there are none.
    totals: Performance | None
    #: The failures, with what they cost, unless there are more than :data:`MOST_READ` executions; by :func:`briefing`.
    errors: ErrorReport | None = None
    #: The kinds of failures first seen in the period, of 3 failures or more; only :func:`briefing` looks for them.
    new_errors: tuple[ErrorGroup, ...] = ()
    #: The executions of a spell of failures that is over; None: there was none.
    outage: Selection | None = None
    #: The tiers side by side, where they were asked for: by :func:`briefing`, of more than one tier.
    tiers: SideBySide | None = None
    #: The days that they are compared over, without an outage; and which one to use.
    tiers_period: Period | None = None
    tiers_heading: Heading | None = None


def briefing(
    database: Queryable, period: Period, selection: Selection | None = None, days: Days | None = None
) -> Briefing:
    """Return what happened in *period*.

    Args:
        database: the one to ask.
        period: its times are in place of those of the selection.
        selection: which executions; None: all.
        days: theirs, where they were read before, for this period and others.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    selection = selection or Selection()
    selection = Selection(where=selection.filters)
    days = days or read_days(database, [period], selection)
    executions = days.totals(period).sums["executions"]
    errors = error_groups(database, within(selection, period), with_costs=executions <= MOST_READ)
    # Where little is known from before, all is new.
    is_known = days.totals(period.before).sums["executions"] >= _KNOWN * executions
    first, _ = span(database, Selection())
    return _briefing(database, days, period, selection, first, errors, is_known=is_known)


def briefings(
    database: Queryable,
    periods: Sequence[Period],
    by: str,
    limit: int = 8,
    selection: Selection | None = None,
    days: Days | None = None,
) -> Mapping[str, Mapping[Period, Briefing]]:
    """Return what happened in each of *periods*, for each of the most frequent values of a dimension.

    One pass over the days answers for all values and periods. Where in pools and repositories something happened, new
    kinds of failures, and which tier to use are questions of each value: :func:`briefing` asks them.

    Args:
        database: the one to ask.
        periods: at least one.
        by: a column, such as ``model_tier``, or ``metadata.KEY``.
        limit: how many values, those that the longest period has most of.
        selection: which executions; None: all. The periods are in place of its times.
        days: those of all values, where they were read before; they answer for a dimension of their mix.

    Raises:
        ConfigurationError: for another name, or a limit below 1.
        DatabaseError: if the database cannot be read.
    """
    dimensions_of(by)
    check_limit(limit)
    longest = max(periods, key=lambda period: (period.days, period.until))
    filters = Selection(where=() if selection is None else selection.filters)
    values = frequent(database, by, within(filters, longest), limit).values
    if not values:
        return {}
    if days is None or by not in days.mix:
        days = read_days(database, periods, filters, by, values)
    first, _ = span(database, Selection())
    return {
        value: {
            period: _briefing(database, of_value, period, filters.narrowed({by: value}), first) for period in periods
        }
        for value, of_value in days.of_values(by, values).items()
    }


def _briefing(
    database: Queryable,
    days: Days,
    period: Period,
    selection: Selection,
    first: datetime | None,
    errors: ErrorReport | None = None,
    *,
    is_known: bool = False,
) -> Briefing:
    """Return what happened in one slice; one with its *errors* is alone, and may have questions of its own.

    *first* is when the first execution of all started.
    """
    is_alone = errors is not None
    new = None if errors is None or not is_known else [group for group in errors if group.is_new]
    whole = days.totals(period)
    events = find_events(database, days, period, selection, everywhere=is_alone)
    found = tiles(days, period, events, first is not None and first <= period.before.since)
    tiers = tiers_period = tiers_heading = None
    failed = whole.count("executions") - whole.count("succeeded")
    if whole.sums["executions"]:
        performance = performance_of((), whole)
        told = what_happened(found, events, period, new, whole.count("lost"))
        if is_alone and "model_tier" not in dict(selection.filters):
            is_read = whole.sums["executions"] <= MOST_READ
            later = after(days, events["success"], "model_tier", period) if "success" in events else {}
            for tiers_period in comparison_days(events, period):
                tiers = side_by_side(database, "model_tier", within(selection, tiers_period), most_read=MOST_READ)
                models = _models(database, within(selection, tiers_period)) if is_read else {}
                tiers_heading = advice(tiers, tiers_period, events, period, models, later)
                if tiers_heading is not None:
                    told = (*told, tiers_heading)
                    break
        of_days = tuple(
            heading(performance, events, period, days.are_enough(period))
            for heading in (days_heading, spend_heading, durations_heading)
        )
    else:
        performance = None
        _, last = span(database, Selection(until=period.until).narrowed(selection.filters))
        told = (_nothing(database, period, selection, first, last),)
        of_days = told * 3
    return Briefing(
        period=period,
        selection=selection,
        headlines=told,
        executions=found.executions,
        success=found.success,
        cost=found.cost,
        p95=found.p95,
        left_out=_left_out(database, performance, whole, period, selection),
        days=days.days(period),
        days_heading=of_days[0],
        spend_heading=of_days[1],
        durations_heading=of_days[2],
        failures_heading=failures_heading(failed, errors, new),
        totals=performance,
        errors=errors,
        new_errors=new_kinds(new or ()),
        outage=_outage(events, selection),
        tiers=tiers,
        tiers_period=tiers_period,
        tiers_heading=tiers_heading,
    )


def _nothing(
    database: Queryable, period: Period, selection: Selection, first: datetime | None, last: datetime | None
) -> Heading:
    """Return that there is no execution in *period*, or that none passes the filters; *first* is that of all."""
    if first is None:
        return NOTHING
    if last is None and selection.filters and span(database, selection) == (None, None):
        return nothing_matches(selection, unmatched(database, selection))
    return nothing_happened(period, last)


def _models(database: Queryable, selection: Selection) -> dict[str, str]:
    """Return tier -> its model, of those that have one."""
    models: dict[str, list[str]] = {}
    for tier, model in totals(database, ("model_tier", "model"), selection, ()):
        models.setdefault(tier, []).append(model)
    return {tier: of_tier[0] for tier, of_tier in models.items() if len(of_tier) == 1 and of_tier[0] != UNKNOWN}


def _outage(events: Events, selection: Selection) -> Selection | None:
    event = events.get("success")
    if event is None or not event.is_worse or not event.spell.is_over:
        return None
    since, until = (datetime.fromisoformat(f"{day}T00:00:00+00:00") for day in (event.spell.first, event.spell.last))
    of_place = selection if event.place is None else selection.narrowed({event.place.by: event.place.value})
    return replace(of_place, since=since, until=until + timedelta(days=1))


def _left_out(
    database: Queryable, performance: Performance | None, whole: GroupTotals, period: Period, selection: Selection
) -> tuple[str, ...]:
    if performance is None:
        missing = []
    else:
        missing = formatting.missing_costs(performance.partial, performance.unpriced, performance.unreported)
        untimed = performance.executions - whole.count("timed")
        if untimed:
            missing.append(f"{formatting.counted(untimed, 'execution')} whose duration was not measured")
    if not selection.filters:
        for reason, count in losses_of(database, within(selection, period)).items():
            missing.append(formatting.lost(count, reason))
    return tuple(missing)

"""Sections that set values of one dimension beside each other: which is best, slowest, dearest."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from ... import formatting
from ...analytics import (
    Alternative,
    Performance,
    QueueWait,
    SideBySide,
    alternative_words,
    performance,
    queue_waits,
    side_by_side,
)
from ...analytics.blocks import are_rolled_up
from ...analytics.briefing import MOST_READ, Briefing
from ...analytics.days import within
from ...analytics.headings import Heading, of_durations, of_groups, of_routing, of_side_by_side
from ...analytics.mix import mix_without
from ...analytics.names import nouns
from ...analytics.routing import RoutingCalibration, routing_calibration
from ...analytics.values import metadata_keys
from ...columns import UNKNOWN
from ...sqlite.selection import Queryable, Selection
from ..charts import row_charts
from ..charts.daily_charts import CalibrationPoint, calibration
from ..charts.row_charts import BarRow, Panel, QuantileRow, Quantiles, WhiskerRow, bar_rows, quantile_rows, whisker_rows
from ..markup import Markup, joined
from ..tables import Column, Table
from .section import Section, cost_notes

#: Values of one dimension that are shown, the most frequent or the dearest.
_VALUES: Final = 8
#: Keys of metadata that have a section, those that most executions have.
_KEYS: Final = 3
#: Dimensions that a choice is made of -> what they are called.
CHOICES: Final = {"model_tier": "Tier", "model": "Model", "pool_type": "Pool", "metadata.version": "Version"}
_SUCCESS: Final = Panel("Succeeded", "share")
_PER_SUCCESS: Final = Panel("Cost of each success", "dollars")
_QUALITY: Final = Panel("Quality, of those that have one", "quality")
_CHOICE_COLUMNS: Final = (
    Column("Executions", is_number=True),
    Column("Succeeded (95% interval)", is_number=True),
    Column("Cost of each success", is_number=True),
    Column("Duration", is_number=True),
    Column("Dominance"),
)
#: Shown where any execution has one.
_QUALITY_COLUMNS: Final = (Column("Quality, 0 to 100", is_number=True), Column("With a quality", is_number=True))
_ROUTING_COLUMNS: Final = (
    Column("Confidence"),
    Column("Executions", is_number=True),
    Column("Stated", is_number=True),
    Column("Succeeded (95% interval)", is_number=True),
    Column("Beyond chance"),
)
_GROUP_COLUMNS: Final = (
    Column("Executions", is_number=True),
    Column("Succeeded", is_number=True),
    Column("p95", is_number=True),
    Column("Cost", is_number=True),
    Column("Cost of each success", is_number=True),
)
_DURATION_COLUMNS: Final = tuple(
    Column(f"{quantile} {what}", is_number=True) for what in ("run", "wait") for quantile in ("p50", "p95", "p99")
)


def choice(database: Queryable, selection: Selection, by: str, briefing: Briefing | None = None) -> Section | None:
    """Return all values of a dimension side by side: success beside cost, over the tasks that they share.

    None where there are fewer than two.

    Args:
        database: the one to ask.
        selection: which executions.
        by: the dimension.
        briefing: that of their period: which tier to use, and over which days values are compared.
    """
    if briefing is not None and briefing.tiers is not None and by == briefing.tiers.by:
        found, heading = briefing.tiers, briefing.tiers_heading
    else:
        chosen, heading = _compared(selection, briefing), None
        found = side_by_side(database, by, chosen, limit=_VALUES, most_read=MOST_READ)
    if len(found.alternatives) < 2:
        return None
    section = alternatives(found, heading)
    days = None if briefing is None else briefing.tiers_period
    if days is None or briefing is None or days == briefing.period:
        return section
    last = formatting.day(days.until - timedelta(microseconds=1))
    caption = f"{section.caption}; {formatting.day(days.since)} to {last}"
    return replace(section, caption=caption, selection=within(selection, days))


def is_rolled_up(database: Queryable, selection: Selection, by: str, briefing: Briefing) -> bool:
    """Tell whether roll-ups have all that :func:`choice` compares."""
    return are_rolled_up(database, by, mix_without({by}), _compared(selection, briefing))


def _compared(selection: Selection, briefing: Briefing | None) -> Selection:
    days = None if briefing is None else briefing.tiers_period
    return selection if days is None else within(selection, days)


def alternatives(found: SideBySide, heading: Heading | None = None) -> Section:
    """Return the values of a dimension side by side, by default under what these alone come to."""
    name = CHOICES.get(found.by) or nouns(found.by)[0].capitalize()
    rows = [_whisker_row(each) for each in found.alternatives]
    has_costs = any(each.cost_per_success_usd is not None for each in found.alternatives)
    panels = (_SUCCESS, _PER_SUCCESS) if has_costs else (_SUCCESS,)
    heading, quality = heading or of_side_by_side(found), alternative_words.of_quality(found)
    table = Table(
        (Column(name), *_CHOICE_COLUMNS, *(_QUALITY_COLUMNS if quality else ())),
        tuple(
            (
                each.value,
                f"{each.executions:,}",
                formatting.interval(each.success),
                alternative_words.cost(each, each.cost_per_success_usd),
                alternative_words.duration(each),
                _standing(each),
                *((alternative_words.quality(each), f"{each.rated:,}") if quality else ()),
            )
            for each in found.alternatives
        ),
    )
    return Section(
        f"choice-{name.lower()}",
        heading,
        f"95% intervals{_over(found)}",
        joined(whisker_rows(heading.text, rows, panels), _qualities(quality, found)),
        table,
        (
            *([f"{quality.text}: {quality.evidence}."] if quality else []),
            *_choice_notes(found),
            *(_left_out(found.alternatives) if has_costs else ()),
        ),
    )


def waits(database: Queryable, selection: Selection, by: str = "pool_type") -> Section | None:
    """Return how long the executions of each value of a dimension ran, and how long they waited before it."""
    groups = performance(database, by, selection)[:_VALUES]
    if all(group.p50_seconds is None for group in groups):
        return None
    waits = {wait.group: wait for wait in queue_waits(database, by, selection)}
    heading = of_durations(groups, list(waits.values()), by)
    rows = [_quantile_row(group, waits.get(group.group)) for group in groups]
    table = Table(
        (Column(CHOICES[by]), *_DURATION_COLUMNS),
        tuple((group.group[0], *_quantiles(group), *_quantiles(waits.get(group.group))) for group in groups),
    )
    return Section(
        "waits",
        heading,
        "Run time, and the wait before it: the most that half (p50), 95% and 99% took",
        quantile_rows(heading.text, rows),
        table,
    )


def routing(database: Queryable, selection: Selection) -> Section | None:
    """Return the stated confidence of routing beside what became of it; None where none was reported."""
    found = routing_calibration(database, selection)
    return confidence(found) if found.bins else None


def confidence(found: RoutingCalibration) -> Section:
    """Return the stated confidence of routing beside what became of it."""
    heading = of_routing(found)
    points = [
        CalibrationPoint(
            each.mean_confidence, each.success.estimate, each.success.low, each.success.high, each.executions
        )
        for each in found.bins
    ]
    table = Table(
        _ROUTING_COLUMNS,
        tuple(
            (
                f"{each.low:.1f} to {each.high:.1f}",
                f"{each.executions:,}",
                formatting.share(each.mean_confidence),
                formatting.interval(each.success),
                "off" if each.is_off else "as stated",
            )
            for each in found.bins
        ),
    )
    return Section(
        "routing",
        heading,
        "Succeeded (upwards) by stated confidence (across); on the line both are equal",
        calibration(heading.text, points),
        table,
    )


def keys(database: Queryable) -> list[str]:
    """Return the keys of metadata that most executions have, each as a dimension."""
    found = (f"metadata.{key}" for key in metadata_keys(database))
    return [name for name in found if name not in CHOICES][:_KEYS]


def group(database: Queryable, selection: Selection, by: str, anchor: str) -> Section | None:
    """Return what each value of a dimension costs; None where no execution has one."""
    found = performance(database, by, selection, limit=_VALUES)
    return None if {each.group[0] for each in found} <= {UNKNOWN} else spend(found, by, anchor)


def spend(found: Sequence[Performance], by: str, anchor: str) -> Section:
    """Return what each group of executions costs, and how it fares."""
    heading = of_groups(found, by)
    has_costs = any(each.cost_usd is not None for each in found)
    rows = [
        BarRow(
            _name(each),
            each.cost_usd if has_costs else each.executions,
            _group_cost(each, each.cost_usd) if has_costs else f"{each.executions:,}",
            is_bound=has_costs and bool(each.partial or each.unpriced),
            is_muted=each.groups > 1,
        )
        for each in sorted(found, key=lambda each: (each.groups > 1, -(each.cost_usd or 0.0), -each.executions))
    ]
    what = nouns(by)[0]
    table = Table(
        (Column(what.capitalize()), *_GROUP_COLUMNS),
        tuple(
            (
                _name(each),
                f"{each.executions:,}",
                formatting.interval(each.success),
                None if each.p95_seconds is None else formatting.seconds(each.p95_seconds),
                _group_cost(each, each.cost_usd),
                _group_cost(each, each.cost_per_success_usd),
            )
            for each in found
        ),
    )
    amount = "Known cost in US dollars" if has_costs else "Executions"
    return Section(
        anchor,
        heading,
        f"{amount}, by {what}",
        bar_rows(heading.text, rows),
        table,
        _left_out(found) if has_costs else (),
    )


def _left_out(groups: Sequence[Performance] | Sequence[Alternative]) -> tuple[str, ...]:
    return cost_notes(
        sum(each.partial for each in groups),
        sum(each.unpriced for each in groups),
        sum(each.unreported for each in groups),
    )


def _whisker_row(each: Alternative) -> WhiskerRow:
    success = row_charts.Estimate(
        each.success.estimate, each.success.low, each.success.high, formatting.share(each.success.estimate)
    )
    amount = each.cost_per_success_usd
    cost = (
        row_charts.Estimate(None, text="unknown" if each.cost_status == "unknown" else "no success")
        if amount is None
        else row_charts.Estimate(amount.estimate, amount.low, amount.high, formatting.dollars(amount.estimate))
    )
    note = f"dominated by {' and '.join(each.dominated_by)}" if each.dominated_by else ""
    return WhiskerRow(each.value, (success, cost), note, is_muted=bool(each.dominated_by))


def _qualities(finding: Heading | None, found: SideBySide) -> Markup | None:
    """Return the quality of those values that have one, under what it comes to."""
    if finding is None:
        return None
    rows = [
        WhiskerRow(
            each.value,
            (row_charts.Estimate(amount.estimate, amount.low, amount.high, f"{amount.estimate:.1f}"),),
            f"{each.rated:,} of {each.executions:,}",
        )
        for each in found.alternatives
        if (amount := each.quality) is not None
    ]
    return whisker_rows(finding.text, rows, (_QUALITY,))


def _quantile_row(group: Performance, wait: QueueWait | None) -> QuantileRow:
    lines = [Quantiles("run", group.p50_seconds, group.p95_seconds, group.p99_seconds)]
    if wait is not None and wait.measured:
        lines.append(Quantiles("wait", wait.p50_seconds, wait.p95_seconds, wait.p99_seconds))
    return QuantileRow(group.group[0], tuple(lines))


def _quantiles(group: Performance | QueueWait | None) -> tuple[str | None, ...]:
    if group is None:
        return None, None, None
    found = (group.p50_seconds, group.p95_seconds, group.p99_seconds)
    return tuple(None if seconds is None else formatting.seconds(seconds) for seconds in found)


def _over(found: SideBySide) -> str:
    names = [nouns(name)[0] for name in found.mix] + (["complexity"] if found.has_complexity else [])
    return f", over the same mix of {', '.join(names)}" if names else ""


def _choice_notes(found: SideBySide) -> list[str]:
    notes = []
    alone = sum(not each.compared for each in found.alternatives)
    if alone and not found.inconclusive:
        notes.append(f"{formatting.counted(alone, 'value')} with too few of the same tasks not compared.")
    if any(each.dominated_by for each in found.alternatives):
        notes.append(
            "Dominated (a circle): another is better beyond chance in success or cost, and no worse in the other."
        )
    if found.others:
        more = formatting.counted(found.others, "less frequent value")
        notes.append(f"{more} with {formatting.counted(found.others_executions, 'execution')} not shown.")
    return notes


def _standing(each: Alternative) -> str:
    return f"dominated by {' and '.join(each.dominated_by)}" if each.dominated_by else each.standing


def _group_cost(each: Performance, amount: float | None) -> str:
    return formatting.amount(amount, bool(each.partial or each.unpriced))


def _name(each: Performance) -> str:
    return each.group[0] if each.groups == 1 else formatting.counted(each.groups, "other")

"""The figures of a period beside those of the period before, each with its change and how well that is supported."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from .. import formatting
from ..rollups.measures import NANO_SCALE
from .changes import cost_change, duration_change, success_change
from .comparison import Change
from .days import Days
from .events import Event, Events
from .group_totals import GroupTotals
from .headings import Heading
from .intervals import wilson
from .periods import Period

FigureVerdict = Literal["better", "worse", "higher", "lower", "no change", "too little data", "too few days"]
_SAME: Final = 0.0005
#: How far the change of all executions is from that over one mix, in points, where the mix is said to have changed.
_OF_MIX: Final = 0.01


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a period, and that of the period before. None: not known."""

    before: float | None
    after: float | None
    #: The 95% interval of ``after``, where there is one.
    low: float | None
    high: float | None
    verdict: FigureVerdict
    #: What changed against the period before, and how well that is supported.
    change: Heading


@dataclass(frozen=True, slots=True)
class Tiles:
    """The four figures of a period, and the changes that were tested."""

    executions: Figure
    success: Figure
    cost: Figure
    p95: Figure
    of_success: Change
    of_duration: Change
    of_cost: Change


def tiles(days: Days, period: Period, events: Events, is_recorded: bool) -> Tiles:
    """Return the figures of *period*.

    Args:
        days: the executions.
        period: the one that the figures are of.
        events: what happened on some of its days.
        is_recorded: whether executions were recorded in the whole of the period before.
    """
    before, after = days.totals(period.before), days.totals(period)
    cells = days.cells(period.before), days.cells(period)
    ago = before_words(period)
    of_success, of_duration, of_cost = (change(*cells) for change in (success_change, duration_change, cost_change))
    return Tiles(
        _executions(before, after, ago, is_recorded),
        _told(_success(before, after, of_success, ago), events.get("success")),
        _told(_cost(before, after, of_cost, ago), events.get("cost")),
        _told(_p95(before, after, of_duration, ago), events.get("duration")),
        of_success,
        of_duration,
        of_cost,
    )


def before_words(period: Period) -> str:
    """Return what the period before is called."""
    return {1: "the day before", 7: "the week before"}.get(period.days, f"the {period.days} days before")


def _executions(before: GroupTotals, after: GroupTotals, ago: str, is_recorded: bool) -> Figure:
    counts = before.count("executions"), after.count("executions")
    if counts[0] and not is_recorded:
        told = Heading(f"{counts[0]:,} in {ago}", "recording began within them")
        return Figure(float(counts[0]), float(counts[1]), None, None, "too few days", told)
    verdict: FigureVerdict = "no change" if counts[0] == counts[1] else "higher" if counts[1] > counts[0] else "lower"
    text = _more(*counts, ago, "many") if counts[0] else f"none in {ago}"
    return Figure(float(counts[0]), float(counts[1]), None, None, verdict, Heading(text))


def _told(figure: Figure, event: Event | None) -> Figure:
    """Return *figure* with the verdict of its *event*, where all days together show no change.

    The first sentences say what happened, and how well that is supported.
    """
    if event is None or event.is_of_place or figure.verdict in ("better", "worse"):
        return figure
    if figure.before is None or figure.after is None or event.spell.is_higher is not (figure.after > figure.before):
        return figure
    verdict: FigureVerdict = "worse" if event.is_worse else "better"
    return replace(figure, verdict=verdict, change=Heading(figure.change.text))


def _success(before: GroupTotals, after: GroupTotals, change: Change, ago: str) -> Figure:
    known = [wilson(side.count("succeeded"), side.count("executions")) for side in (before, after)]
    then, now = known
    if now is None:
        before_it = None if then is None else then.estimate
        return Figure(before_it, None, None, None, "too little data", Heading("no execution"))
    if then is None:
        return Figure(None, now.estimate, now.low, now.high, "too little data", Heading(f"no execution in {ago}"))
    difference = now.estimate - then.estimate
    text = f"as in {ago}" if abs(difference) < _SAME else f"{_points(difference)} {ago}"
    told = Heading(text, success_evidence(change, difference))
    return Figure(then.estimate, now.estimate, now.low, now.high, _verdict(change), told)


def success_evidence(change: Change, difference: float) -> str:
    """Return how well a change of success is supported; *difference* is that of all executions."""
    said = evidence(change)
    if change.effect is not None and abs(change.effect - difference) >= _OF_MIX:
        return f"{formatting.points(change.effect)} over the same mix of tasks, which changed; {said}"
    return said


def evidence(change: Change) -> str:
    """Return how well *change* is supported."""
    executions = change.before_executions + change.after_executions
    if change.verdict == "too little data":
        return f"too little data: {change.before_executions:,} executions before, {change.after_executions:,} now"
    if change.verdict == "too few days":
        return "too few days to tell a change from a difference of days"
    assert change.low is not None
    assert change.high is not None
    assert change.detectable is not None
    is_success = change.metric == "success"
    between = (formatting.points_between if is_success else formatting.changes_between)(change.low, change.high)
    if change.verdict == "no change":
        least = (
            formatting.points(change.detectable).lstrip("+")
            if is_success
            else formatting.change(change.detectable).lstrip("+")
        )
        return f"no change that {executions:,} executions could show; {least} would show"
    if change.verdict == "negligible":
        return f"{between} over the same mix of tasks: too little to matter"
    return f"{between} over the same mix of tasks (95% interval)"


def _cost(before: GroupTotals, after: GroupTotals, change: Change, ago: str) -> Figure:
    known = [side.total("cost_nano", NANO_SCALE, "priced") for side in (before, after)]
    if known[1] is None:
        return Figure(known[0], None, None, None, "too little data", Heading("no cost is known"))
    if known[0] is None:
        return Figure(None, known[1], None, None, "too little data", Heading(f"no cost is known of {ago}"))
    each = [side.mean("cost_nano", NANO_SCALE, "priced") for side in (before, after)]
    text = _more(known[0], known[1], ago, "much") if known[0] > 0 else f"{formatting.dollars(known[0])} in {ago}"
    said = f"an execution: {evidence(change)}"
    if each[0] and each[1] is not None:
        said = f"{formatting.dollars(each[1])} {said}"
    return Figure(known[0], known[1], None, None, _verdict(change), Heading(text, said))


def _p95(before: GroupTotals, after: GroupTotals, change: Change, ago: str) -> Figure:
    known = [side.quantile(0.95) for side in (before, after)]
    if known[1] is None:
        return Figure(known[0], None, None, None, "too little data", Heading("no duration was measured"))
    if known[0] is None:
        return Figure(None, known[1], None, None, "too little data", Heading(f"no duration was measured in {ago}"))
    ratio = known[1] / known[0] if known[0] else None
    text = f"as in {ago}" if ratio is None or abs(ratio - 1) < 0.015 else f"{_longer(ratio)} than {ago}"
    said = f"all durations: {evidence(change)}"
    return Figure(known[0], known[1], None, None, _verdict(change), Heading(text, said))


def _verdict(change: Change) -> FigureVerdict:
    return "no change" if change.verdict == "negligible" else change.verdict


def _points(difference: float) -> str:
    return f"{abs(difference) * 100:.1f} points {'above' if difference > 0 else 'below'}"


def _more(before: float, after: float, ago: str, noun: str) -> str:
    if after >= 2 * before:
        return f"{after / before:.1f} times as {noun} as in {ago}"
    change = round(100 * (after / before - 1))
    return f"{abs(change)}% {'more' if change > 0 else 'less'} than {ago}" if change else f"as {noun} as in {ago}"


def _longer(ratio: float) -> str:
    if ratio >= 2:
        return f"{ratio:.1f} times longer"
    return f"{abs(ratio - 1):.0%} {'longer' if ratio > 1 else 'shorter'}"

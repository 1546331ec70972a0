"""The figures of a period beside those of the period before, each with its change and how well that is supported."""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from .. import formatting
from ..rollups.measures import NANO_SCALE
from .changes import changes_of
from .comparison import Change
from .days import Days
from .events import Event, Events, day_name
from .headings import Heading
from .intervals import wilson
from .periods import Period
from .sources.cube_rows import GroupTotals

FigureVerdict = Literal["better", "worse", "higher", "lower", "no change", "too little data", "too few days"]
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
    of_success, of_duration, of_cost = changes_of(days.cells(period.before), days.cells(period))
    return Tiles(
        _executions(before, after, before_words(period), is_recorded),
        _told(_success(before, after, of_success), events.get("success"), period),
        _told(_cost(before, after, of_cost), events.get("cost"), period),
        _told(_p95(before, after, of_duration), events.get("duration"), period),
        of_success,
        of_duration,
        of_cost,
    )


def before_words(period: Period) -> str:
    """Return what the period before is called."""
    return "the day before" if period.days == 1 else f"the {period.days} days before"


def _executions(before: GroupTotals, after: GroupTotals, ago: str, is_recorded: bool) -> Figure:
    counts = before.count("executions"), after.count("executions")
    if counts[0] and not is_recorded:
        told = Heading(f"{counts[0]:,} in {ago}", "recording began within them")
        return Figure(float(counts[0]), float(counts[1]), None, None, "too few days", told)
    verdict: FigureVerdict = "no change" if counts[0] == counts[1] else "higher" if counts[1] > counts[0] else "lower"
    if counts[0]:
        told = Heading(_sized(counts[1] / counts[0], "more", "fewer"), f"{counts[0]:,} in {ago}")
    else:
        told = Heading(f"none in {ago}")
    return Figure(float(counts[0]), float(counts[1]), None, None, verdict, told)


def _told(figure: Figure, event: Event | None, period: Period) -> Figure:
    """Return *figure* with what happened on some days, which a headline says: it counts where all days together do not.

    What a spell of costs comes to in dollars is told in place of a share of all costs.
    """
    if event is None or event.is_of_place or figure.before is None or figure.after is None:
        return figure
    is_tested = figure.verdict in ("better", "worse")
    if not is_tested and event.spell.is_higher is not (figure.after > figure.before):
        return figure
    verdict: FigureVerdict = figure.verdict if is_tested else "worse" if event.is_worse else "better"
    text = figure.change.text if is_tested else _plain(event, figure.before, figure.after)
    if event.extra_usd is not None and not event.spell.is_over:
        amount = formatting.dollars(abs(event.extra_usd))
        since = day_name(event.spell.first, period)
        text = f"about {amount} {'more' if event.extra_usd > 0 else 'less'} since {since}"
    return replace(figure, verdict=verdict, change=Heading(text))


def _plain(event: Event, before: float, after: float) -> str:
    if event.spell.figure == "success":
        return _points(after - before)
    more, less = ("more", "less") if event.spell.figure == "cost" else ("longer", "shorter")
    return _sized(after / before if before else math.inf, more, less)


def _success(before: GroupTotals, after: GroupTotals, change: Change) -> Figure:
    known = [wilson(side.count("succeeded"), side.count("executions")) for side in (before, after)]
    then, now = known
    if now is None:
        before_it = None if then is None else then.estimate
        return Figure(before_it, None, None, None, "too little data", Heading("no execution"))
    if then is None:
        return Figure(None, now.estimate, now.low, now.high, "too little data", Heading(_NOTHING_OLDER))
    difference = now.estimate - then.estimate
    least = change.detectable if change.verdict == "no change" else None
    text = _compared(_points(difference), change, least is None or abs(difference) <= least)
    told = Heading(text, success_evidence(change, difference))
    return Figure(then.estimate, now.estimate, now.low, now.high, _verdict(change), told)


def success_evidence(change: Change, difference: float) -> str:
    """Return how well a change of success is supported; *difference* is that of all executions."""
    said = evidence(change)
    if change.effect is not None and abs(change.effect - difference) >= _OF_MIX:
        return f"{formatting.points(change.effect)} over the same mix of tasks, which changed; {said}"
    return said


def evidence(change: Change) -> str:
    """Return how well *change* is supported, in plain words."""
    if change.verdict == "too little data":
        return f"only {counts_of(change)} are of the same tasks"
    if change.verdict == "too few days":
        return "too few days to tell a change from a difference of days"
    if change.verdict == "negligible":
        return "too little to matter"
    assert change.low is not None
    assert change.high is not None
    is_success = change.metric == "success"
    if change.verdict == "no change":
        assert change.detectable is not None
        least = (formatting.points if is_success else formatting.change)(change.detectable).lstrip("+")
        return f"we would see a change of {least} or more"
    between = (formatting.points_between if is_success else formatting.changes_between)(change.low, change.high)
    return f"{between} for the same mix of tasks"


def counts_of(change: Change) -> str:
    """Return the executions that were compared."""
    now = formatting.counted(change.after_executions, "execution")
    return f"{now} and {change.before_executions:,} before"


def _compared(change_words: str, change: Change, is_small: bool) -> str:
    """Return a change in words which agree with what was tested: *is_small* where a test would not have shown it."""
    if change.verdict in ("better", "worse") or change_words == "as before":
        return change_words
    if change.verdict == "no change" and is_small:
        return f"about as before: {change_words} is within chance"
    if change.verdict == "negligible" and is_small:
        return f"about as before: {change_words}"
    return f"{change_words}, may be chance"


def _cost(before: GroupTotals, after: GroupTotals, change: Change) -> Figure:
    known = [side.total("cost_nano", NANO_SCALE, "priced") for side in (before, after)]
    if known[1] is None:
        return Figure(known[0], None, None, None, "too little data", Heading("no cost is known"))
    if known[0] is None:
        return Figure(None, known[1], None, None, "too little data", Heading("no cost is known from before"))
    each = [side.mean("cost_nano", NANO_SCALE, "priced") for side in (before, after)]
    ratio = each[1] / each[0] if each[0] and each[1] is not None else None
    in_all = _sized(known[1] / known[0], "more", "less") if known[0] > 0 else f"{formatting.dollars(known[0])} before"
    if ratio is None or change.verdict == "too little data":
        told = Heading(in_all, evidence(change))
    else:
        least = change.detectable if change.verdict == "no change" else None
        is_small = least is None or abs(math.log(ratio)) <= abs(math.log(least))
        is_as_before = change.verdict in ("no change", "negligible") and is_small
        text = "about as before" if is_as_before else _compared(_sized(ratio, "more", "less"), change, is_small)
        said = evidence(change)
        if in_all != "as before":
            said = f"{in_all} in all" if is_as_before else f"{in_all} in all; {said}"
        told = Heading(f"{formatting.dollars(each[1] or 0.0)} an execution, {text}", said)
    return Figure(known[0], known[1], None, None, _verdict(change), told)


def _p95(before: GroupTotals, after: GroupTotals, change: Change) -> Figure:
    known = [side.quantile(0.95) for side in (before, after)]
    if known[1] is None:
        return Figure(known[0], None, None, None, "too little data", Heading("no duration was measured"))
    if known[0] is None:
        return Figure(None, known[1], None, None, "too little data", Heading("no duration is known from before"))
    ratio = known[1] / known[0] if known[0] else math.inf
    if change.verdict in ("better", "worse"):
        assert change.effect is not None
        whole = f"the typical duration {_sized(change.effect, 'longer', 'shorter')}"
        # The percentile was not tested: it may have gone the other way.
        agrees = (ratio > 1) is (change.effect > 1)
        told = Heading(_sized(ratio, "longer", "shorter"), whole) if agrees else Heading(whole)
    else:
        least = change.detectable if change.verdict == "no change" else None
        is_small = (
            math.isfinite(ratio) and ratio > 0 and (least is None or abs(math.log(ratio)) <= abs(math.log(least)))
        )
        said = evidence(change) if is_small or change.verdict == "too little data" else _TYPICAL
        told = Heading(_compared(_sized(ratio, "longer", "shorter"), change, is_small), said)
    return Figure(known[0], known[1], None, None, _verdict(change), told)


def _verdict(change: Change) -> FigureVerdict:
    return "no change" if change.verdict == "negligible" else change.verdict


def _points(difference: float) -> str:
    size = f"{abs(difference) * 100:.1f}"
    if size == "0.0":
        return "as before"
    return f"{size} point{'' if size == '1.0' else 's'} {'higher' if difference > 0 else 'lower'}"


def _sized(ratio: float, more: str, less: str) -> str:
    """Return a ratio as a change: ``12% more``, ``as before``."""
    if ratio >= 2:
        return f"{formatting.times(ratio)} as {_AS[less]}"
    change = round(100 * (ratio - 1))
    return f"{abs(change)}% {more if change > 0 else less}" if change else "as before"


_AS: Final = {"fewer": "many", "less": "much", "shorter": "long"}
_TYPICAL: Final = "the typical duration is as before"
_NOTHING_OLDER: Final = "nothing older to compare with"

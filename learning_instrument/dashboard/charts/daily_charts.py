"""Charts over days and of calibration, as SVG: numbers and labels in, markup out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ..markup import Markup
from .axes import ACROSS, Axis, Unit, from_zero, known, known_share
from .drawing import (
    MARGIN,
    NARROWEST_PLOT,
    area,
    box,
    days_below,
    dots,
    foot,
    legend,
    level,
    middle,
    nothing,
    number,
    path,
    percent,
    picture,
    plot,
    rungs,
    said,
    text,
    upright,
)

#: Days that are drawn, the last ones.
MOST_DAYS: Final = 366
#: Groups of a calibration that are drawn.
MOST_POINTS: Final = 50
_HEIGHT: Final = 150.0
_TOP: Final = 10.0
_LABELS: Final = 18.0
_MARK: Final = 7.0


@dataclass(frozen=True, slots=True)
class SharePoint:
    """A share of one day, with its interval; None where it is not known."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class BarPoint:
    """An amount of one day; None where it is not known."""

    label: str
    value: float | None
    #: A part of it, drawn in another pattern.
    part: float | None = None
    #: Whether it is a lower bound: more is not known.
    is_bound: bool = False


@dataclass(frozen=True, slots=True)
class QuantilePoint:
    """The p50 and p95 of one day, in seconds; None where they are not known."""

    label: str
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """Executions of about the same stated confidence."""

    stated: float | None
    observed: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and what was spent of it, in US dollars; days are counted from the start of its period."""

    #: All days of the period, in order.
    labels: tuple[str, ...]
    #: Spent in all until the end of each day so far, the last until now; None where it is not known.
    spent: tuple[float | None, ...]
    amount: float
    #: How many days of the period have passed.
    elapsed: float
    #: Expected until the end of the period, with its band.
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    #: When the budget runs out, with its band; None: not within the period, or not known.
    run_out: float | None = None
    earliest: float | None = None
    latest: float | None = None


def daily_shares(label: str, points: Sequence[SharePoint]) -> Markup:
    """Return dots with their intervals, from 0% to 100%; a day without a share is a gap."""
    if not points:
        return nothing(label)
    shown = points[-MOST_DAYS:]
    axis = from_zero(1.0, "share", _HEIGHT, 5)
    whiskers: list[str] = []
    places = []
    for place, point in enumerate(shown):
        value = known_share(point.value)
        if value is None:
            continue
        x = middle(place, len(shown))
        places.append((x, axis.up(value)))
        whiskers += _whisker(axis, x, point.low, point.high)
    marks = (path("c-whisker", whiskers), dots("c-dot", places, _dot(len(shown))))
    return _upwards(label, axis, [point.label for point in shown], *marks, note=_last(points))


def daily_bars(
    label: str, points: Sequence[BarPoint], unit: Unit = "dollars", names: tuple[str, str] | None = None
) -> Markup:
    """Return a bar for each day, from 0.

    Args:
        label: what a screen reader calls the chart.
        points: the days, in order. One without a value has a question mark.
        unit: of the values.
        names: what the bars are, and their parts, where they have any.
    """
    if not points:
        return nothing(label)
    shown = points[-MOST_DAYS:]
    values = [known(point.value) for point in shown]
    axis = from_zero(max((value for value in values if value is not None), default=0.0), unit, _HEIGHT, 4)
    half = min(24.0, 0.36 * ACROSS / len(shown))
    bars, parts, marks = [], [], []
    for place, (point, value) in enumerate(zip(shown, values, strict=True)):
        if value is None:
            continue
        x, top = middle(place, len(shown)), axis.up(value)
        part = max(0.0, min(known(point.part) or 0.0, value))
        between = axis.up(part)
        if value > part:
            bars.append(box(x - half, top, x + half, between))
        if part > 0:
            parts.append(box(x - half, between, x + half, _HEIGHT))
        if point.is_bound:
            marks.append(_more(x, max(top, _MARK), half))
        if value < 0:  # credits: less than nothing was spent
            marks.append(level(x - half, _HEIGHT - 2, x + half))
    drawn = (path("c-bar", bars), path("c-bar2", parts), path("c-mark", marks))
    unknown = [
        text("?", percent(ACROSS * (first + last + 1) / 2 / len(shown)), _HEIGHT - 4, "c-muted", "middle")
        for first, last in _gaps(values)
    ]
    key = [("c-bar", names[0]), ("c-bar2", names[1])] if names and parts else []
    return _upwards(label, axis, [point.label for point in shown], *drawn, words=unknown, key=key, note=_last(points))


def daily_quantiles(label: str, points: Sequence[QuantilePoint]) -> Markup:
    """Return a dot for the p95 of each day, and a circle for its p50, from 0; a day without them is a gap."""
    if not points:
        return nothing(label)
    shown = points[-MOST_DAYS:]
    found = [(known(point.p50), known(point.p95)) for point in shown]
    axis = from_zero(max((most for _, most in found if most is not None), default=0.0), "seconds", _HEIGHT, 4)
    halves, most, between = [], [], []
    for place, (half, high) in enumerate(found):
        if half is None or high is None:
            continue
        x = middle(place, len(shown))
        halves.append((x, axis.up(half)))
        most.append((x, axis.up(high)))
        between.append(upright(x, axis.up(half), axis.up(high)))
    size = _dot(len(shown)) + 1
    marks = (
        path("c-whisker", between),
        dots("c-dot", most, size),
        dots("c-dot", halves, size),
        dots("c-hole", halves, size / 2),
    )
    key = [("c-dot", "p95"), ("c-hole", "p50")] if most else []
    return _upwards(label, axis, [point.label for point in shown], *marks, key=key, note=_last(points))


def calibration(label: str, points: Sequence[CalibrationPoint]) -> Markup:
    """Return what was observed above what was stated, both from 0% to 100%, beside the diagonal where they are equal.

    The area of a dot is proportional to its executions.
    """
    axis = from_zero(1.0, "share", _HEIGHT, 5)
    across = from_zero(1.0, "share", ACROSS, 5)
    whiskers: list[str] = []
    sized = []
    shown = [
        point for point in points[:MOST_POINTS] if None not in (known_share(point.stated), known_share(point.observed))
    ]
    if not shown:
        return nothing(label)
    most = max(1, *(point.count for point in shown))
    for point in shown:
        x, y = across.at(point.stated or 0.0), axis.up(point.observed or 0.0)
        whiskers += _whisker(axis, x, point.low, point.high)
        sized.append(dots("c-dot", [(x, y)], round(max(5.0, 16 * (max(0, point.count) / most) ** 0.5), 1)))
    below, grid = foot(across, _HEIGHT + _LABELS, _HEIGHT, NARROWEST_PLOT)
    drawn = (path("c-line", [f"M0 {number(_HEIGHT)}L{ACROSS} 0"]), path("c-whisker", whiskers), *sized)
    note = f"The first {MOST_POINTS:,} of {len(points):,} groups." if len(points) > MOST_POINTS else None
    return _upwards(label, axis, (), grid, *drawn, words=[below], note=note)


def burn_down(label: str, budget: Budget) -> Markup:
    """Return what was spent so far, the budget, the band of what is expected, and that of the day it runs out."""
    days = len(budget.labels)
    if not days:
        return nothing(label)
    amount = max(0.0, known(budget.amount) or 0.0)
    spent = [known(value) for value in budget.spent[:days]]
    ends = [known(value) for value in (budget.low, budget.expected, budget.high)]
    axis = from_zero(max(amount, *(value or 0.0 for value in (*spent, *ends))), "dollars", _HEIGHT, 4)

    def at(day: float | None) -> float | None:
        found = known(day)
        return None if found is None or not 0 <= found <= days else found * ACROSS / days

    elapsed = at(budget.elapsed) or 0.0
    steps = [0.0, *(min((place + 1) * ACROSS / days, elapsed) for place in range(len(spent)))]
    line, is_broken = [f"M0 {number(_HEIGHT)}"], False
    for x, value in zip(steps[1:], spent, strict=True):
        if value is not None:
            line.append(f"{'M' if is_broken else 'L'}{number(x)} {number(axis.up(value))}")
        is_broken = value is None
    now = next((value for value in reversed(spent) if value is not None), 0.0)
    start = f"M{number(elapsed)} {number(axis.up(now))}"
    low, expected, high = ends
    band = (
        [f"{start}L{ACROSS} {number(axis.up(high))}V{number(axis.up(low))}z"]
        if low is not None and high is not None
        else []
    )
    ahead = [f"{start}L{ACROSS} {number(axis.up(expected))}"] if expected is not None else []
    height = axis.up(amount)
    early, out, late = (at(day) for day in (budget.earliest, budget.run_out, budget.latest))
    between = [level(early, height, ACROSS if late is None else late)] if early is not None else []
    drawn = (
        path("c-band", band),
        path("c-limit", [f"M0 {number(height)}h{ACROSS}"]),
        path("c-line", ahead),
        path("c-run", line),
        path("c-runout", between),
        dots("c-dot", [(out, height)], 8.0) if out is not None else None,
    )
    key = [("c-run", "spent"), ("c-limit", "budget")]
    key += [("c-line", "expected")] if ahead else []
    key += [("c-runout", "runs out")] if between or out is not None else []
    return _upwards(label, axis, budget.labels, *drawn, key=key)


def _upwards(
    label: str,
    axis: Axis,
    days: Sequence[str],
    *marks: Markup | None,
    words: Sequence[Markup] = (),
    key: Sequence[tuple[str, str]] = (),
    note: str | None = None,
) -> Markup:
    """Return a chart whose axis goes upwards."""
    labels, grid = rungs(axis)
    below = _HEIGHT + _LABELS
    lines = [legend(*key, x=-MARGIN, y=below + _LABELS)] if key else []
    lines += [said(note, below + _LABELS * (len(lines) + 1), -MARGIN)] if note else []
    within = (plot(grid, *marks, height=_HEIGHT), labels, *words, days_below(days, below) if days else None, *lines)
    height = _TOP + below + 6 + _LABELS * len(lines)
    return picture(label, height, area(*within, left=0, width=100, height=height, top=_TOP), is_upwards=True)


def _whisker(axis: Axis, x: float, low: float | None, high: float | None) -> Iterator[str]:
    bottom, top = known_share(low), known_share(high)
    if bottom is not None and top is not None:
        yield upright(x, axis.up(min(bottom, top)), axis.up(max(bottom, top)))


def _more(x: float, top: float, half: float) -> str:
    """Return an arrow upwards above a bar: it is at least as high."""
    wide = min(half, 9.0)
    return (
        f"M{number(x - wide)} {number(top - 2)}L{number(x)} {number(top - _MARK)}L{number(x + wide)} {number(top - 2)}"
    )


def _gaps(values: Sequence[float | None]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last day of each row of days without a value."""
    for is_unknown, days in groupby(range(len(values)), key=lambda place: values[place] is None):
        if is_unknown:
            first, *others = days
            yield first, others[-1] if others else first


def _dot(number_of_days: int) -> float:
    return 7.0 if number_of_days <= 31 else 5.0 if number_of_days <= 92 else 3.0


def _last(points: Sequence[object]) -> str | None:
    return f"The last {MOST_DAYS:,} of {len(points):,} days." if len(points) > MOST_DAYS else None

"""Charts of named rows, as SVG: numbers and labels in, markup out.

The name of a row is above its marks: it may be as long as the chart is wide, on a phone, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ... import formatting
from ..markup import Markup, element
from .axes import ACROSS, Axis, Unit, from_zero, known, logarithmic
from .drawing import (
    NARROWEST,
    above,
    area,
    box,
    dots,
    foot,
    level,
    name,
    nothing,
    path,
    picture,
    plot,
    said,
    share_beside,
    text,
    width_of,
)

#: Rows that are drawn.
MOST_ROWS: Final = 20
#: From this factor between the largest and the smallest on, an axis is logarithmic.
_MANY_TIMES: Final = 50
_NAME: Final = 16.0
#: Between two rows: a name is nearer to its own marks than to those above it.
_GAP: Final = 10.0
_MARKS: Final = 18.0
_FOOT: Final = 16.0
_TITLE: Final = 20.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval, and the text that says it; None where it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """What one column of estimates is."""

    title: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class WhiskerRow:
    """A row with an estimate for each panel."""

    label: str
    estimates: tuple[Estimate, ...]
    #: What is said beside the name: "dominated by small".
    note: str = ""
    #: Drawn as circles, not as dots: another row is better in every respect.
    is_muted: bool = False


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The p50, p95 and p99 of what *name* says, in seconds."""

    name: str
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class QuantileRow:
    """A row with a line for each of its quantities."""

    label: str
    lines: tuple[Quantiles, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class BarRow:
    """A row with an amount, and the text that says it; None where it is not known."""

    label: str
    value: float | None
    text: str = ""
    #: Whether it is a lower bound: more is not known.
    is_bound: bool = False
    note: str = ""
    is_muted: bool = False


def whisker_rows(label: str, rows: Sequence[WhiskerRow], panels: Sequence[Panel]) -> Markup:
    """Return a dot with its interval for each row, in one panel or in several beside each other.

    An axis of shares goes from 0% to 100%, each other from 0.
    """
    shown = rows[:MOST_ROWS]
    if not shown or not panels:
        return nothing(label)
    each = 100 / len(panels)
    pitch = _NAME + _MARKS + _GAP
    height = pitch * len(shown) - _GAP
    drawn: list[Markup] = []
    for number, panel in enumerate(panels):
        estimates = [row.estimates[number] for row in shown]
        ends = [known(end) for estimate in estimates for end in (estimate.value, estimate.high)]
        axis = from_zero(max((end for end in ends if end is not None), default=0.0), panel.unit, ACROSS, 2)
        width = share_beside([estimate.text for estimate in estimates], (NARROWEST - 12) / len(panels))
        whiskers: list[str] = []
        bold: list[tuple[float, float]] = []
        muted: list[tuple[float, float]] = []
        for place, (row, estimate) in enumerate(zip(shown, estimates, strict=True)):
            value, low, high = known(estimate.value), known(estimate.low), known(estimate.high)
            y = pitch * place + _NAME + _MARKS / 2
            if low is not None and high is not None and value is not None:
                whiskers.append(level(axis.at(min(low, high)), y, axis.at(max(low, high))))
            if value is not None:
                (muted if row.is_muted else bold).append((axis.at(value), y))
        room = (NARROWEST - 12) / len(panels)
        labels, grid = foot(axis, height + 14, height, room * width / 100)
        marks = (grid, path("c-whisker", whiskers), dots("c-dot", bold, 9), *_circles(muted))
        words = [
            text(estimate.text, "100%", pitch * place + _NAME + _MARKS / 2 + 4)
            for place, estimate in enumerate(estimates)
        ]
        within = area(plot(*marks, height=height), labels, left=0, width=width, height=height + _FOOT)
        values = element("g", *words, class_="c-value", text_anchor="end")
        gap = 4.0 if number else 0.0
        part = (
            text(panel.title, 0, 12, "c-label"),
            area(within, values, left=0, width=100, height=height + _FOOT, top=_TITLE),
        )
        drawn.append(area(*part, left=each * number + gap, width=each - gap, height=_TITLE + height + _FOOT))
    names = [name(row.label, _TITLE + pitch * place + 12, row.note) for place, row in enumerate(shown)]
    return _rows(label, _TITLE + height + _FOOT, (*drawn, *names), rows)


def quantile_rows(label: str, rows: Sequence[QuantileRow]) -> Markup:
    """Return p50, p95 and p99 as dots on a bar, a line for each quantity of a row.

    The axis starts at 0; where the largest is more than 50 times the smallest p50 it is logarithmic, and says so.
    """
    shown = rows[:MOST_ROWS]
    lines = [line for row in shown for line in row.lines]
    found = [_known(line) for line in lines]
    values = [value for quantiles in found for value in quantiles]
    if not shown:
        return nothing(label)
    axis = _time_axis(values, [quantiles[0] for quantiles in found if quantiles])
    words = [_said(quantiles) for quantiles in found]
    left = max((width_of(line.name) for line in lines), default=0.0) + 8
    before = round(min(40.0, left / NARROWEST * 100), 1) if left > 8 else 0.0
    width = share_beside(words, NARROWEST * (1 - before / 100))
    bars, halves, most, last, texts, names, kinds = [], [], [], [], [], [], []
    y = -_GAP
    for row in shown:
        y += _GAP
        names.append(name(row.label, y + 12, row.note))
        y += _NAME
        for line in row.lines:
            quantiles, middle = _known(line), y + _MARKS / 2
            kinds.append(text(line.name, 0, middle + 4))
            texts.append(text(_said(quantiles), "100%", middle + 4))
            if quantiles:
                first, second, third = map(axis.at, quantiles)
                bars.append(level(first, middle, third))
                halves.append((first, middle))
                most.append((second, middle))
                last.append((third, middle))
            y += _MARKS
    labels, grid = foot(axis, y + 14, y, NARROWEST * (1 - before / 100) * width / 100)
    marks = (grid, path("c-whisker", bars), dots("c-dot", halves, 9), dots("c-dot", most, 6.5), dots("c-dot", last, 4))
    within = area(
        area(plot(*marks, height=y), labels, left=0, width=width, height=y + _FOOT),
        element("g", *texts, class_="c-value", text_anchor="end"),
        left=before,
        width=100 - before,
        height=y + _FOOT,
    )
    below = y + _FOOT + 16
    how = [said("Dots: p50, p95, p99; as text: p95.", below)]
    how += [said("The axis is logarithmic.", below + _FOOT)] if axis.is_logarithmic else []
    drawn = (within, element("g", *kinds, class_="c-label"), *names, *how)
    return _rows(label, y + _FOOT * (1 + len(how)) + 6, drawn, rows)


def bar_rows(label: str, rows: Sequence[BarRow]) -> Markup:
    """Return a bar for each row, from 0."""
    shown = rows[:MOST_ROWS]
    if not shown:
        return nothing(label)
    values = [known(row.value) for row in shown]
    # An axis of shares to 100% says of an error's share only that it is small.
    most = max((value for value in values if value is not None), default=0.0)
    axis = Axis(0.0, most, ACROSS, ()) if most > 0 else Axis(0.0, 1.0, ACROSS, ())
    width = share_beside([row.text for row in shown], NARROWEST)
    pitch = _NAME + _MARKS + _GAP
    bars: list[str] = []
    muted: list[str] = []
    marks, texts, names = [], [], []
    for place, (row, value) in enumerate(zip(shown, values, strict=True)):
        y = pitch * place + _NAME
        names.append(name(row.label, y - 3, row.note))
        texts.append(text(row.text or ("?" if value is None else ""), "100%", y + 12))
        if value is None:
            continue
        end = axis.at(value)
        (muted if row.is_muted else bars).append(box(0, y + 2, end, y + 12))
        if row.is_bound:
            marks.append(f"M{end + 6:.0f} {y + 3:.0f}L{end + 16:.0f} {y + 7:.0f}L{end + 6:.0f} {y + 11:.0f}")
    drawn = (path("c-bar", bars), path("c-bar3", muted), path("c-mark", marks))
    height = pitch * len(shown) - _GAP
    within = area(plot(*drawn, height=height), left=0, width=width, height=height)
    values_right = element("g", *texts, class_="c-value", text_anchor="end")
    return _rows(label, height, (within, values_right, *names), rows)


def _rows(label: str, height: float, drawn: Sequence[Markup | None], rows: Sequence[object]) -> Markup:
    note = above(rows, MOST_ROWS, "rows")
    return picture(label, height + (18 if note else 0), *drawn, said(note, height + 14) if note else None)


def _circles(places: Sequence[tuple[float, float]]) -> tuple[Markup | None, Markup | None]:
    return dots("c-dot", places, 9), dots("c-hole", places, 5)


def _known(line: Quantiles) -> list[float]:
    """Return the three quantiles, in order; none where one of them is not known."""
    found = [known(value) for value in (line.p50, line.p95, line.p99)]
    numbers = [max(0.0, value) for value in found if value is not None]
    return numbers if len(numbers) == len(found) else []


def _said(quantiles: Sequence[float]) -> str:
    return formatting.seconds(quantiles[1]) if quantiles else "not known"


def _time_axis(values: Sequence[float], medians: Sequence[float]) -> Axis:
    most = max(values, default=0.0)
    least = min((median for median in medians if median > 0), default=0.0)
    if least > 0 and most > _MANY_TIMES * least:
        return logarithmic(least, most, ACROSS, 4)
    return from_zero(most, "seconds", ACROSS, 3)

"""The story of an execution, drawn: a row for each thing that happened, with its bar on one axis of time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ... import formatting
from ...analytics import story_words
from ...analytics.story import Story, StoryLine
from ...analytics.story_axis import StoryAxis
from ..markup import Markup, element, joined, shortened
from ..tables import Column, Table
from .axes import ACROSS
from .drawing import box, number, path

#: Lines that are drawn.
MOST_LINES: Final = 200
#: The deepest level that has an indent of its own.
_DEEPEST: Final = 8
_HEIGHT: Final = 18
_NAME_CHARACTERS: Final = 60
_OUTCOME_CHARACTERS: Final = 30
#: The narrowest bar, in units of the plot: a shorter one could not be seen.
_LEAST: Final = 5.0
#: Upper and lower edge of a bar. What is told apart by colour is by shape, too.
_EDGES: Final = {"c-work": (3, 15), "c-call": (6, 12), "c-wait": (4, 14), "c-attempt": (7, 11)}
_WORDS: Final = {
    "c-wait": "waiting, in the queue or in the pool",
    "c-work": "execution",
    "c-call": "model call",
    "c-attempt": "another attempt",
    "c-mark": "goes on, or lies, outside of the axis",
}


def waterfall(story: Story, execution_link: Callable[[str], str | None] = lambda execution_id: None) -> Markup:
    """Return what an execution waited for and what ran within it, as a table of bars.

    Args:
        story: the one to show.
        execution_link: the address of an execution; None where it has none.
    """
    lines = _largest(story.lines)
    axis = StoryAxis.of(story)
    bars = [_bar(axis, line) for line in lines]
    columns = (
        Column("what"),
        Column(_heading(axis)),
        Column("start", is_number=True),
        Column("length", is_number=True),
        Column("outcome"),
        Column("cost", is_number=True),
        Column("details"),
    )
    rows = tuple(_row(line, bar, execution_link) for line, bar in zip(lines, bars, strict=True))
    notes = list(story_words.notes(story))
    if len(lines) < len(story.lines):
        notes.append(f"Not drawn: {formatting.counted(len(story.lines) - len(lines), 'line')}, further in or shorter.")
    return joined(
        element("div", Table(columns, rows).markup("Timeline"), class_="waterfall"),
        _legend([class_ for class_ in _WORDS if any(class_ in bar.classes for bar in bars)]),
        element("ul", *(element("li", note) for note in notes), class_="notes") if notes else None,
    )


@dataclass(frozen=True, slots=True)
class _Bar:
    markup: Markup
    #: What it is made of, for the legend.
    classes: tuple[str, ...]


def _heading(axis: StoryAxis) -> Markup:
    """Return the ends of the axis."""
    ends = dict.fromkeys((story_words.start(axis.start), story_words.start(axis.end)))
    return element("span", *(element("span", end) for end in ends), class_="ends")


def _bar(axis: StoryAxis, line: StoryLine) -> _Bar:
    """Return the bar of *line*, at its place, and arrows where it lies outside."""
    extent = axis.extent(line, 1 / ACROSS)
    if extent is None:
        return _Bar(element("span", f"{'start' if line.is_timed else 'length'} not known", class_="muted"), ())
    parts = []
    if extent.is_within and extent.work > extent.start:
        parts.append(("c-wait", extent.start, extent.work))
    if extent.is_within and (extent.end > extent.work or not parts):
        parts.append((_class_of(line), extent.work, extent.end))
    drawn = [path(class_, [_box(class_, *ends)]) for class_, *ends in parts]
    outside = zip(_ARROWS, (extent.is_before, extent.is_after), strict=True)
    arrows = [arrow for arrow, is_outside in outside if is_outside]
    zero = f"M{number(axis.share(0.0) * ACROSS)} 0v{_HEIGHT}"
    markup = element(
        "svg", path("c-grid", [zero]), *drawn, path("c-mark", arrows), class_="c", width="100%", height=_HEIGHT,
        viewBox=f"0 0 {ACROSS} {_HEIGHT}", preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip
    return _Bar(markup, (*(class_ for class_, *_ in parts), *("c-mark" for _ in arrows[:1])))


def _box(class_: str, start: float, end: float) -> str:
    """Return a bar between two shares of the axis."""
    top, bottom = _EDGES[class_]
    left = min(start * ACROSS, ACROSS - _LEAST)
    return box(left, top, max(left + _LEAST, end * ACROSS), bottom)


_ARROWS: Final = ("M24 3L6 9L24 15", f"M{ACROSS - 24} 3L{ACROSS - 6} 9L{ACROSS - 24} 15")


def _row(line: StoryLine, bar: _Bar, execution_link: Callable[[str], str | None]) -> tuple[Markup | str | None, ...]:
    words = shortened(story_words.name(line), _NAME_CHARACTERS) or "-"
    is_other = line.kind in ("execution", "attempt") and line.execution_id is not None
    address = execution_link(line.execution_id) if is_other and line.execution_id is not None else None
    what = element("a", words, href=address) if address else words
    details = story_words.details(line)
    cost = None if line.cost_usd is None else formatting.bound(formatting.dollars(line.cost_usd), line.is_partial)
    return (
        element("span", what, class_=f"in{min(line.depth, _DEEPEST)}"),
        bar.markup,
        None if line.offset_seconds is None else story_words.start(line.offset_seconds),
        story_words.length(line),
        line.outcome and shortened(line.outcome, _OUTCOME_CHARACTERS),
        cost,
        details and shortened(details, _NAME_CHARACTERS),
    )


def _class_of(line: StoryLine) -> str:
    classes = {"queue": "c-wait", "wait": "c-wait", "model_call": "c-call", "attempt": "c-attempt"}
    return classes.get(line.kind, "c-work")


def _largest(lines: tuple[StoryLine, ...]) -> list[StoryLine]:
    """Return the lines to draw, in their order: none without the one around it, else the longest."""
    if len(lines) <= MOST_LINES:
        return list(lines)
    order = sorted(range(len(lines)), key=lambda place: (lines[place].depth, -lines[place].seconds))
    return [lines[place] for place in sorted(order[:MOST_LINES])]


def _legend(classes: list[str]) -> Markup | None:
    """Return what the bars mean."""
    entries = [element("span", _swatch(class_), f" {_WORDS[class_]}") for class_ in classes]
    return element("p", *entries, class_="legend small") if entries else None


def _swatch(class_: str) -> Markup:
    shape = _ARROWS[0] if class_ == "c-mark" else box(1, _EDGES[class_][0], 23, _EDGES[class_][1])
    return element(
        "svg", path(class_, [shape]), class_="c", width=24, height=_HEIGHT, viewBox=f"0 0 24 {_HEIGHT}",
        aria_hidden="true",
    )  # fmt: skip

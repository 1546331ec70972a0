"""The story of an execution as a waterfall: a line for each thing that happened, with its bar on one axis of time."""

from dataclasses import dataclass
from typing import Any, Final

from .. import formatting
from ..analytics import story_words
from ..analytics.story import Story, StoryLine
from ..analytics.story_axis import StoryAxis
from ..safety.control_characters import one_line
from . import styles
from .rendering import TableColumn, is_terminal, print_note, print_table, value_of, write
from .terminal import terminal_width, writes_unicode

#: The width of the axis in a pipe, and the limits on a terminal, of which it takes a quarter.
_AXIS: Final = 40
_NARROWEST: Final = 10
_WIDEST: Final = 40
#: The deepest level that has an indent of its own.
_DEEPEST: Final = 8
_MARKS: Final = {
    True: {"work": "\N{FULL BLOCK}", "call": "\N{DARK SHADE}", "waiting": "\N{LIGHT SHADE}"},
    False: {"work": "#", "call": "=", "waiting": "."},
}


@dataclass(frozen=True, slots=True)
class _LaidOut(TableColumn):
    """A column whose text is laid out already: its blanks stay."""

    def cell(self, row: Any, is_brief: bool = False) -> str:
        """Return the text of this column in *row*."""
        return str(value_of(row, self.name))


def _outcome_style(outcome: str | None) -> str:
    return "" if outcome is None else styles.outcome_style(outcome)


_COLUMNS: Final = (
    _LaidOut("what", "what", is_text=True, least=12),
    _LaidOut("bar", "timeline"),
    TableColumn("line.offset_seconds", "start", story_words.start, is_number=True, rank=2),
    TableColumn("length", "length", is_number=True, rank=1),
    TableColumn("line.outcome", "outcome", is_text=True, rank=3, style=_outcome_style),
    TableColumn("line.cost_usd", "cost", formatting.dollars, is_number=True, rank=4, bound_if=("line.is_partial",)),
    TableColumn("details", "details", is_text=True, rank=6),
    TableColumn("id", "id", rank=5),
)


def print_story(story: Story) -> None:
    """Print where the time of an execution went."""
    write("\nTimeline")
    print_note(story_words.time_spent(story))
    width = max(_NARROWEST, min(terminal_width() // 4, _WIDEST)) if is_terminal() else _AXIS
    bars = _Bars(StoryAxis.of(story), width, _MARKS[writes_unicode()])
    rows = [
        {
            "what": _what(line),
            "bar": bars.bar(line),
            "line": line,
            "length": story_words.length(line),
            "details": story_words.details(line),
            "id": _id(line),
        }
        for line in story.lines
    ]
    print_table(rows, _COLUMNS, "")
    for note in (bars.legend, *story_words.notes(story)):
        print_note(note)


@dataclass(frozen=True, slots=True)
class _Bars:
    """Bars on an axis of so many characters."""

    axis: StoryAxis
    width: int
    marks: dict[str, str]

    @property
    def legend(self) -> str:
        marks = self.marks
        return (
            f"{marks['work']} execution, {marks['call']} model call, {marks['waiting']} waiting; < and > lie outside."
        )

    def bar(self, line: StoryLine) -> str:
        """Return the bar of *line*, at its place."""
        extent = self.axis.extent(line, 1 / self.width)
        if extent is None:
            return "?"
        if not extent.is_within:
            return "<" if extent.is_before else " " * (self.width - 1) + ">"
        first, work, last = (self._place(share) for share in (extent.start, extent.work, extent.end))
        mark = self.marks["call" if line.kind == "model_call" else "waiting" if _is_wait(line) else "work"]
        cells = [self.marks["waiting"]] * (work - first) + [mark] * (last - work + 1)
        if extent.is_before:
            cells[0] = "<"
        if extent.is_after:
            cells[-1] = ">"
        return " " * first + "".join(cells)

    def _place(self, share: float) -> int:
        return min(self.width - 1, int(share * self.width))


def _is_wait(line: StoryLine) -> bool:
    return line.kind in ("queue", "wait")


def _what(line: StoryLine) -> str:
    return "  " * min(line.depth, _DEEPEST) + (one_line(story_words.name(line)) or "-")


def _id(line: StoryLine) -> str | None:
    return (
        formatting.short_id(line.execution_id) if line.kind in ("execution", "attempt") and line.execution_id else None
    )

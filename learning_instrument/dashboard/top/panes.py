"""The four panes of ``top``: their columns, and in which order their rows stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ... import formatting
from ...analytics.error_groups import ErrorGroup
from ...analytics.executions import is_cost_known, is_cost_partial, measured_seconds
from ...analytics.performance import Performance
from ...record import ExecutionRecord
from ...safety.control_characters import one_line
from ..in_flight import InFlight
from .state import Look

#: No more of a text fits any terminal.
_LONGEST: Final = 500
#: A row of a pane: one of the answers.
Row = Any
Show = Callable[[Row, Look], str | None]


@dataclass(frozen=True, slots=True)
class PaneColumn:
    """A column of a pane.

    Args:
        heading: its heading.
        width: how many characters it has; 0: what the others leave.
        show: a row -> its text; None: a dash.
        order: a row -> what the rows are sorted by; rows without a value come last.
        is_number: whether it is set flush right.
        is_descending: whether its rows are sorted from the largest, or latest, at first.
        from_width: how wide the terminal must be.
        style: a row -> its style: the name of a colour, ``bold`` or ``dim``.
    """

    heading: str
    width: int
    show: Show
    order: Callable[[Row, Look], Any]
    is_number: bool = False
    is_descending: bool = False
    from_width: int = 0
    style: Callable[[Row], str] = lambda row: ""

    def cell(self, row: Row, look: Look) -> str:
        """Return the text of this column in *row*, on one line."""
        text = self.show(row, look)
        return "-" if text is None else one_line(text[:_LONGEST])


@dataclass(frozen=True, slots=True)
class Pane:
    """One pane. The heading of its first column is its *title*."""

    title: str
    columns: tuple[PaneColumn, ...]
    rows: Callable[[Look], Sequence[Row]]
    #: Tells a row from the others, also in the next look.
    key: Callable[[Row], Any]
    #: The heading of the column that it is sorted by at first.
    sorted_by: str
    #: What the words of a filter may be in, beside what is shown.
    words: Callable[[Row], str] = lambda row: ""
    #: How many rows there are, in words.
    counted: Callable[[Sequence[Row]], str] = lambda rows: f"{len(rows):,}"

    def ordered(self, look: Look, column: PaneColumn, is_reversed: bool) -> list[Row]:
        """Return the rows that have the words asked for, sorted by *column*."""
        rows = [
            row
            for row in self.rows(look)
            if look.asked.has_words(" ".join([*(each.cell(row, look) for each in self.columns), self.words(row)]))
        ]
        known = [row for row in rows if column.order(row, look) is not None]
        known.sort(key=lambda row: column.order(row, look), reverse=column.is_descending != is_reversed)
        return known + [row for row in rows if column.order(row, look) is None]


def _clock(moment: datetime, look: Look) -> str:
    """Return the time of day, or of an earlier day its date."""
    there = moment.astimezone(look.moment.tzinfo)
    return there.strftime("%H:%M:%S" if there.date() == look.moment.date() else "%Y-%m-%d")


def _text(heading: str, width: int, value: Callable[[Row], str | None], from_width: int = 0) -> PaneColumn:
    return PaneColumn(
        heading,
        width,
        lambda row, look: value(row),
        lambda row, look: None if value(row) is None else str(value(row)).casefold(),
        from_width=from_width,
    )


def _figure(
    heading: str,
    width: int,
    value: Callable[[Row, Look], Any],
    show: Callable[[Any], str],
    from_width: int = 0,
    style: Callable[[Row], str] = lambda row: "",
) -> PaneColumn:
    def shown(row: Row, look: Look) -> str | None:
        found = value(row, look)
        return None if found is None else show(found)

    return PaneColumn(heading, width, shown, value, True, True, from_width, style)


def _time(heading: str, value: Callable[[Row], datetime | None], from_width: int = 0) -> PaneColumn:
    def shown(row: Row, look: Look) -> str | None:
        moment = value(row)
        return None if moment is None else _clock(moment, look)

    return PaneColumn(heading, 10, shown, lambda row, look: value(row), is_descending=True, from_width=from_width)


def _age(row: InFlight, look: Look) -> float | None:
    return None if row.started is None else max(0.0, (look.moment - row.started).total_seconds())


def _running_and_dead(rows: Sequence[InFlight]) -> str:
    dead = sum(row.is_dead for row in rows)
    return f"{len(rows) - dead:,}" + (f", {dead:,} dead" if dead else "")


RUNNING: Final = Pane(
    "Running",
    (
        _text("task type", 18, lambda row: row.task_type),
        _text("pool", 10, lambda row: row.pool_type),
        _text("tier", 8, lambda row: row.model_tier),
        _figure("age", 9, _age, formatting.seconds),
        PaneColumn(
            "state",
            7,
            lambda row, look: "dead" if row.is_dead else "running",
            lambda row, look: row.is_dead,
            is_descending=True,
            style=lambda row: "red" if row.is_dead else "",
        ),
        _text("process", 20, lambda row: f"{row.host}:{row.process_id}", from_width=120),
        _text("about", 0, lambda row: row.about),
    ),
    lambda look: look.running,
    lambda row: row.execution_id,
    "age",
    lambda row: row.execution_id,
    _running_and_dead,
)


def per_minute(value: float) -> str:
    """Return a rate, small ones with two digits."""
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def _per_minute(row: Performance, look: Look) -> float:
    return row.executions / (look.asked.window / timedelta(minutes=1))


GROUPS: Final = Pane(
    "Pools",
    (
        _text("pool", 18, lambda row: row.group[0]),
        _text("tier", 10, lambda row: row.group[1]),
        _figure("executions", 11, lambda row, look: row.executions, "{:,}".format),
        _figure("per minute", 11, _per_minute, per_minute),
        _figure("succeeded", 10, lambda row, look: row.success.estimate, formatting.share),
        _figure("p50", 9, lambda row, look: row.p50_seconds, formatting.seconds, 100),
        _figure("p95", 9, lambda row, look: row.p95_seconds, formatting.seconds),
        PaneColumn(
            "cost",
            18,
            lambda row, look: (
                None
                if row.cost_usd is None
                else formatting.bound(formatting.dollars(row.cost_usd), bool(row.partial or row.unpriced))
            ),
            lambda row, look: row.cost_usd,
            True,
            True,
            120,
        ),
    ),
    lambda look: look.groups,
    lambda row: row.group,
    "executions",
)


def _end(row: ExecutionRecord, look: Look) -> datetime | None:
    seconds = _duration(row, look)
    return None if seconds is None else row.timestamp + timedelta(seconds=seconds + (row.wait_seconds or 0.0))


def _shown_end(row: ExecutionRecord, look: Look) -> str | None:
    end = _end(row, look)
    return None if end is None else _clock(end, look)


def _cost(row: ExecutionRecord, look: Look) -> float | None:
    return row.actual_cost if is_cost_known(row) else None


def _shown_cost(row: ExecutionRecord, look: Look) -> str | None:
    cost = _cost(row, look)
    return None if cost is None else formatting.bound(formatting.dollars(cost), is_cost_partial(row))


def _duration(row: ExecutionRecord, look: Look) -> float | None:
    return measured_seconds(row)


RECENT: Final = Pane(
    "Recent",
    (
        _text("task type", 18, lambda row: row.task_type),
        # One whose end is not known is as new as its start.
        PaneColumn("ended", 10, _shown_end, lambda row, look: _end(row, look) or row.timestamp, is_descending=True),
        _text("pool", 10, lambda row: row.pool_type, 100),
        _text("tier", 8, lambda row: row.model_tier),
        PaneColumn(
            "outcome",
            9,
            lambda row, look: row.outcome.value,
            lambda row, look: row.outcome.value,
            style=lambda row: "" if row.success else "red",
        ),
        _figure("duration", 9, _duration, formatting.seconds),
        PaneColumn("cost", 18, _shown_cost, _cost, True, True, 120),
        _text("about", 0, lambda row: row.error_message or row.task_description),
    ),
    lambda look: look.recent,
    lambda row: row.execution_id,
    "ended",
    lambda row: " ".join(filter(None, (row.execution_id, row.task_id, row.repo, row.model, row.task_description))),
)


def _news(row: ErrorGroup) -> str:
    return "new" if row.is_new else "back" if row.back_since is not None else ""


def _errors_and_new(rows: Sequence[ErrorGroup]) -> str:
    new = sum(row.is_new for row in rows)
    return f"{len(rows):,}" + (f", {new:,} new" if new else "")


ERRORS: Final = Pane(
    "Errors",
    (
        _text("type", 18, lambda row: row.exception_type or row.error_type),
        _time("last", lambda row: row.last_seen),
        PaneColumn(
            "",
            4,
            lambda row, look: _news(row),
            lambda row, look: _news(row) or None,
            is_descending=True,
            style=lambda row: "red bold",
        ),
        _figure("count", 6, lambda row, look: row.executions, "{:,}".format),
        _time("first", lambda row: row.first_seen, 120),
        _text("message", 0, lambda row: row.template),
    ),
    lambda look: look.errors,
    lambda row: (row.exception_type, row.error_type, row.template),
    "last",
    lambda row: str(row.error_type or ""),
    _errors_and_new,
)

PANES: Final = (RUNNING, GROUPS, RECENT, ERRORS)

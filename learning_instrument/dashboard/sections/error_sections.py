"""Sections about failures, solutions that worked, and single executions that stand out."""

from collections.abc import Iterator, Sequence
from typing import Final

from ... import formatting
from ...analytics import ErrorGroup, ErrorReport, SolutionPattern, execution_words, solution_patterns
from ...analytics.error_groups import GroupCost
from ...analytics.extremes import Extremes, extremes
from ...analytics.headings import new_kinds, of_errors, of_extremes, of_patterns
from ...record import ExecutionRecord
from ...sqlite.selection import Queryable, Selection
from ..charts.row_charts import BarRow, bar_rows
from ..markup import Child, element, shortened
from ..record_cells import cost_of, reported, when_of
from ..tables import Column, Table
from ..views import Links
from .section import Section, cost_notes

#: How many are shown, the most frequent ones.
_GROUPS: Final = 8
_PATTERNS: Final = 6
_EXTREMES: Final = 4
#: Characters of a text in a cell, and of a name in a list.
_TEXT: Final = 140
_NAME: Final = 40
_THEIR_COST: Final = Column("Their cost", is_number=True)
_ERROR_COLUMNS: Final = (
    Column("Error"),
    Column("Failures", is_number=True),
    _THEIR_COST,
    Column("First seen"),
    Column("Last seen"),
    Column("More often than by chance in"),
    Column("Latest"),
)
_EXTREME_COLUMNS: Final = (
    Column("Started (UTC)"),
    Column("Task"),
    Column("Tier"),
    Column("Outcome"),
    Column("Duration", is_number=True),
    Column("Cost", is_number=True),
)
_PATTERN_COLUMNS: Final = (
    Column("Solution"),
    Column("Task type"),
    Column("Worked", is_number=True),
    Column("Tasks like these that succeeded", is_number=True),
    Column("Mean cost", is_number=True),
    Column("Best tier"),
)


def kinds(found: ErrorReport, links: Links, new: Sequence[ErrorGroup] | None = None) -> Section:
    """Return the failures by the template of their message; *new* are those that are said to be so, None: not asked."""
    new = new_kinds(found) if new is None else new
    heading, shown = of_errors(found, new), found.groups[:_GROUPS]
    rows = [BarRow(_name(group), group.executions, f"{group.executions:,}", note=_news(group, new)) for group in shown]
    has_costs = any(group.cost is not None for group in shown)
    columns = tuple(column for column in _ERROR_COLUMNS if has_costs or column is not _THEIR_COST)
    table = Table(columns, tuple(_error_row(group, links, has_costs, _news(group, new)) for group in shown))
    more = len(found.groups) - len(shown)
    notes = (f"{formatting.counted(more, 'less frequent kind')} not shown.",) if more else ()
    return Section(
        "errors",
        heading,
        "Failures by the template of their message; new: never seen before, and 3 times or more",
        bar_rows(heading.text, rows),
        table,
        notes,
    )


def extreme(database: Queryable, selection: Selection, links: Links) -> Section | None:
    """Return the slowest and the dearest executions; None where no duration was measured and no cost is known."""
    found = extremes(database, selection, limit=_EXTREMES)
    return standing_out(found, links) if list(found) else None


def standing_out(found: Extremes, links: Links) -> Section:
    """Return the slowest and the dearest executions."""
    rows = tuple(_extreme_row(record, links) for record in found)
    return Section(
        "extremes",
        of_extremes(found),
        "The slowest executions, then the dearest that are not among them",
        table=Table(_EXTREME_COLUMNS, rows),
        notes=cost_notes(found.partial, found.unpriced, found.unreported),
        is_wide=True,
    )


def patterns(database: Queryable, selection: Selection) -> Section | None:
    """Return the solutions that worked more than once; None where there are none."""
    found = solution_patterns(database, selection, limit=_PATTERNS)
    return solutions(found) if found else None


def solutions(found: Sequence[SolutionPattern]) -> Section:
    """Return solutions that worked."""
    heading = of_patterns(found)
    return Section(
        "patterns",
        heading,
        "Summaries of successful executions, those that say the same together",
        table=Table(_PATTERN_COLUMNS, tuple(map(_pattern_row, found))),
        is_wide=True,
    )


def _error_row(group: ErrorGroup, links: Links, has_costs: bool, news: str) -> tuple[Child, ...]:
    example = next(iter(group.examples), None)
    address = None if example is None else links.execution(example)
    shown = None if example is None else formatting.short_id(example)
    return (
        shortened(_name(group), _TEXT),
        f"{group.executions:,}",
        *([_cost(group.cost)] if has_costs else []),
        f"{formatting.day(group.first_seen)}{f' ({news})' if news else ''}",
        formatting.day(group.last_seen),
        ", ".join(_places(group)),
        shown if address is None else element("a", shown, href=address),
    )


def _cost(cost: GroupCost | None) -> str:
    return "unknown" if cost is None else formatting.amount(cost.usd, bool(cost.partial or cost.unpriced))


def _name(group: ErrorGroup) -> str:
    kind = group.exception_type or group.error_type
    return f"{kind}: {group.template}" if kind and group.template else kind or group.template or "no message"


def _news(group: ErrorGroup, new: Sequence[ErrorGroup]) -> str:
    return "new" if group in new else "back" if group.back_since is not None else ""


def _places(group: ErrorGroup) -> Iterator[str]:
    for noun, places in (("pool", group.pool_types), ("tier", group.model_tiers), ("repository", group.repos)):
        yield from (f"{noun} {shortened(place.name, _NAME)}" for place in places if place.is_telling)


def _extreme_row(record: ExecutionRecord, links: Links) -> tuple[Child, ...]:
    when, address = when_of(record), links.execution(record.execution_id)
    return (
        when if address is None else element("a", when, href=address),
        shortened(record.task_description or record.task_id, _TEXT),
        reported(record, "model_tier"),
        record.outcome.value,
        execution_words.duration(record),
        cost_of(record),
    )


def _pattern_row(pattern: SolutionPattern) -> tuple[Child, ...]:
    return (
        shortened(pattern.summary, _TEXT),
        pattern.task_type,
        f"{pattern.support:,}",
        formatting.interval(pattern.success),
        formatting.amount(pattern.mean_cost_usd, bool(pattern.partial)),
        pattern.best_tier,
    )

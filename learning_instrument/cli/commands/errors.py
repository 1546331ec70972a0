"""``errors``: failures grouped by message."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from ... import formatting
from ...analytics import ErrorGroup, ErrorReport, GroupCost, Touched, error_groups
from ...safety.control_characters import one_line
from ...timestamps import moment
from .. import moments
from ..options import Question, limit_option, reporting_command
from ..rendering import Output, TableColumn, csv_names, fields_of, print_fields, print_note, render, write

_COLUMNS: Final = (
    TableColumn("executions", "count", "{:,}".format, is_number=True),
    TableColumn("template", "message", is_text=True, least=30),
    TableColumn("error_type", "kind", rank=3),
    TableColumn("exception_type", "exception", is_text=True, rank=4),
    TableColumn("first_seen", "first seen", moments.clock, rank=6),
    TableColumn("last_seen", "last seen", moments.clock, rank=2),
    TableColumn("where", "mostly in", is_text=True, rank=5),
    TableColumn("example", "example", formatting.short_id, rank=7),
)
#: How many groups a table has.
_IN_A_TABLE: Final = 20
_NEWS: Final = TableColumn("news", "news", rank=1, style=lambda news: "red" if news == "new" else "yellow")


@reporting_command("errors")
@click.option("--new-since", metavar="WHEN", help="Mark groups first seen since then as new.  [default: --since]")
@limit_option(_IN_A_TABLE, "How many groups.")
@click.option("--details", is_flag=True, help="Print every field of each group.")
def errors_command(question: Question, new_since: str | None, limit: int | None, details: bool) -> None:
    """Show failures by the template of their message.

    The most frequent come first. In a template, <N>, <ID>, <PATH> and the like stand for variable parts. "Mostly in"
    names pools, tiers and repositories that fail so more often than others, and more often than by chance. News of a
    group: new for one first seen since --new-since, back for one that came again after a week or longer.
    """
    with question.database() as database:
        found = error_groups(
            database,
            question.selection,
            new_since=moment(new_since) if new_since else None,
            with_costs=details or question.output is not Output.TEXT,
        )
        if not found.executions:
            question.explain_nothing(database)
    limit = question.limit(limit, _IN_A_TABLE)
    shown = found.groups[:limit]
    if question.output is Output.TEXT and details and shown:
        for group in shown:
            print_note(f"{formatting.counted(group.executions, 'failure')}: {one_line(group.template)}")
            print_fields(dict(_details(group)))
            write("")
        for note in _notes(found, limit):
            print_note(note)
    else:
        rows = [_row(group) for group in shown] if question.output is Output.TEXT else shown
        nothing = f"No failures in {formatting.counted(found.executions, 'execution')}."
        columns = [*_COLUMNS[:1], _NEWS, *_COLUMNS[1:]] if any(_news(group) for group in shown) else _COLUMNS
        if question.output is Output.TEXT and not any(_telling(group) for group in shown):
            columns = [column for column in columns if column.name != "where"]
        render(
            rows,
            columns,
            question.output,
            names=csv_names(ErrorGroup),
            document=replace(found, groups=shown),
            nothing=nothing,
            notes=_notes(found, limit),
        )


def _row(group: ErrorGroup) -> dict[str, Any]:
    """Return the columns of the line for *group*."""
    return {
        **fields_of(group),
        "news": _news(group),
        "where": "; ".join(f"{_elsewhere(place)}: {name} {place.name}" for name, place in _telling(group)),
        "example": next(iter(group.examples), None),
    }


def _news(group: ErrorGroup) -> str | None:
    return "new" if group.is_new else "back" if group.back_since is not None else None


def _places(group: ErrorGroup) -> Iterator[tuple[str, Sequence[Touched]]]:
    return zip(("pool", "model tier", "repository"), (group.pool_types, group.model_tiers, group.repos), strict=True)


def _telling(group: ErrorGroup) -> list[tuple[str, Touched]]:
    """Return where more of *group* happened than by chance, the least likely first."""
    found = [(name, place) for name, places in _places(group) for place in places if place.is_telling]
    return sorted(found, key=lambda each: each[1].p_value)


def _elsewhere(place: Touched) -> str:
    times = place.times_elsewhere
    return "nowhere else" if times is None else f"{formatting.times(times)} as often as elsewhere"


def _details(group: ErrorGroup) -> Iterator[tuple[str, str]]:
    if group.error_type is not None:
        yield "kind", group.error_type
    if group.exception_type is not None:
        yield "exception", group.exception_type
    new = " (new)" if group.is_new else ""
    yield "seen", f"first {moments.clock(group.first_seen)}{new}, last {moments.when(group.last_seen)}"
    if group.back_since is not None and group.silence_seconds is not None:
        yield (
            "back",
            f"{moments.when(group.back_since)}, after {formatting.seconds(group.silence_seconds)} of silence",
        )
    for name, places in _places(group):
        yield (
            name,
            ", ".join(
                f"{place.name} {place.executions:,}{f' ({_elsewhere(place)})' if place.is_telling else ''}"
                for place in places
            ),
        )
    if group.cost is not None:
        yield "cost", _cost(group.cost)
    yield "examples", ", ".join(map(formatting.short_id, group.examples))


def _cost(cost: GroupCost) -> str:
    unknown = formatting.excluded_costs(cost.partial, cost.unpriced, cost.unreported)
    if cost.usd is None:
        return "unknown: no cost was reported"
    known = formatting.bound(formatting.dollars(cost.usd), bool(cost.partial or cost.unpriced))
    return f"{known}, without {'; '.join(unknown)}" if unknown else known


def _notes(found: ErrorReport, limit: int | None) -> Iterator[str]:
    if found.failures:
        yield f"{formatting.counted(found.failures, 'failure')} in {formatting.counted(found.executions, 'execution')}."
    if limit is not None and len(found.groups) > limit:
        yield f"The {limit:,} most frequent of {len(found.groups):,} groups; --limit shows more."

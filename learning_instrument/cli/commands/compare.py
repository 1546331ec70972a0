"""``compare``: tests whether success, duration or cost changed between two sides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final

import click

from ...analytics import (
    CellComparison,
    Change,
    Comparison,
    Gate,
    Quantile,
    Version,
    compare,
    price_tables,
    side,
    unmatched,
)
from ...analytics.sides import Side, narrowed
from ...errors import ConfigurationError
from ...sqlite.selection import Queryable, Selection
from .. import formatting
from ..options import NumberRange, Question, reporting_command
from ..rendering import (
    Output,
    TableColumn,
    csv_names,
    fields_of,
    plain,
    print_csv,
    print_fields,
    print_json,
    print_note,
    print_section,
)

_CHANGE_COLUMNS: Final = (
    TableColumn("metric", "metric"),
    TableColumn("verdict", "verdict", style=formatting.verdict_style),
    TableColumn("before", "before", is_number=True, rank=4),
    TableColumn("after", "after", is_number=True, rank=4),
    TableColumn("effect", "change", is_number=True),
    TableColumn("interval", "95% interval", rank=2),
    TableColumn("p_value", "p", formatting.p_value, is_number=True, rank=3),
    TableColumn("detectable", "detectable change", is_number=True, rank=1),
)
_CELL_COLUMNS: Final = (
    TableColumn("task_type", "task type", is_text=True),
    TableColumn("model_tier", "tier", is_text=True),
    TableColumn("before_executions", "before", "{:,}".format, is_number=True, rank=3),
    TableColumn("after_executions", "after", "{:,}".format, is_number=True, rank=3),
    TableColumn("success", "success", style=formatting.verdict_style),
    TableColumn("duration", "duration", style=formatting.verdict_style, rank=1),
    TableColumn("cost", "cost", style=formatting.verdict_style, rank=2),
)
#: Dimension of the mix -> what its values are called.
_MIX: Final = {"task_type": "task types", "model_tier": "tiers"}
#: Metric -> how its values, and how a change of it, are written.
_WRITTEN: Final = {
    "success": (formatting.share, formatting.points, formatting.points_between),
    "duration": (formatting.seconds, formatting.change, formatting.changes_between),
    "cost": (formatting.dollars, formatting.change, formatting.changes_between),
}


@reporting_command("compare")
@click.option("--before", required=True, metavar="SIDE", help="The baseline: a window, or NAME=VALUE.")
@click.option("--after", required=True, metavar="SIDE", help="The side compared with it, of the same kind.")
@click.option(
    "--gate-success",
    metavar="POINTS",
    default=2.0,
    type=NumberRange(0, 100),
    show_default=True,
    help="The least change of success that matters, in percentage points.",
)
@click.option(
    "--gate-ratio",
    metavar="RATIO",
    default=1.1,
    type=NumberRange(min=1),
    show_default=True,
    help="The least change of duration and cost that matters: 1.1 is by 10%.",
)
def compare_command(question: Question, before: str, after: str, gate_success: float, gate_ratio: float) -> None:
    """Compare two windows of time, tiers, models, pools or versions. Exits with 1 on a regression.

    A SIDE is a window such as 2026-11-01..2026-11-08 or 14d..7d, which ends before its second moment, and of which
    either end may be left out (then --since and --until apply); or a column or a key of the tasks' metadata, and its
    value, such as model=gpt-4o or metadata.version=1.4; or one window and several of these, with commas between them,
    which all hold. A value that no execution has is an error.

    \b
      compare --before 14d..7d --after 7d..
      compare --before model_tier=small --after model_tier=large
      compare --before metadata.version=1.3 --after metadata.version=1.4 --since 30d
      compare --before 14d..7d,model=gpt-4o --after 7d..,model=gpt-4o

    Both sides are weighted to one mix of task types and model tiers, without what the sides differ in. A change is
    better or worse where it is beyond chance and large enough to matter, else negligible. The detectable change is the
    smallest one that so many executions would show in 80% of cases.
    """  # noqa: D301  # click needs the backspace itself: it keeps the following lines unwrapped
    now = datetime.now(timezone.utc)
    sides = side(before, now), side(after, now)
    gate = Gate(success=gate_success / 100, ratio=gate_ratio)
    with question.database() as database:
        found = compare(database, *sides, question.selection, gate=gate)
        _check(database, found, dict(zip(("--before", "--after"), sides, strict=True)), question.selection)
        tables = price_tables(database)
    if question.output is Output.JSON:
        named = {"before": before, "after": after, "regression": found.regression, "price_tables": tables}
        print_json({**named, **plain(found)})
    elif question.output is Output.CSV:
        print_csv(_csv_rows(found), ("task_type", "model_tier", *csv_names(Change)))
    else:
        _print(found, before, after, tables)
    if found.regression:
        click.get_current_context().exit(1)


def _check(database: Queryable, found: Comparison, sides: Mapping[str, Side], selection: Selection) -> None:
    """Refuse a value that no execution has: a gate with a mistyped one would never close."""
    counts = found.before_executions, found.after_executions
    for (option, wanted), executions in zip(sides.items(), counts, strict=True):
        chosen = narrowed(selection, wanted)
        if executions or not (isinstance(wanted, Version) or wanted.filters):
            continue
        reasons = " ".join(map(str, unmatched(database, chosen)))
        raise ConfigurationError(f"Invalid {option} {wanted}. {reasons or f'No execution is in all of {chosen}.'}")


def _csv_rows(found: Comparison) -> Iterator[dict[str, Any]]:
    """Yield each change; those overall have neither task type nor tier."""
    for change in (found.success, found.duration, found.cost):
        yield {"task_type": None, "model_tier": None, **fields_of(change)}
    for cell in found.cells:
        for change in cell.changes:
            yield {"task_type": cell.task_type, "model_tier": cell.model_tier, **fields_of(change)}


def _print(found: Comparison, before: str, after: str, tables: tuple[str, ...]) -> None:
    print_fields(
        {
            "before": _side(before, found.before_executions, found.before_assumed),
            "after": _side(after, found.after_executions, found.after_assumed),
            "compared": f"{formatting.share(found.compared_share)} of them: {_mix(found.mix)}",
            "p95 before": _quantile(found.p95_before),
            "p95 after": _quantile(found.p95_after),
        }
    )
    changes = [_change(change) for change in (found.success, found.duration, found.cost)]
    print_section("Over the same mix of tasks", changes, _CHANGE_COLUMNS)
    columns = [column for column in _CELL_COLUMNS if column.name in found.mix or column.name not in _MIX]
    title = " and ".join(column.heading for column in columns if column.name in found.mix)
    if title:
        print_section(f"By {title}", [_cell(cell) for cell in found.cells], columns)
    for note in _notes(found, tables):
        print_note(note)


def _mix(mix: Sequence[str]) -> str:
    """Return what the sides are compared within, and what of it they differ in."""
    within = " and ".join(_MIX[name] for name in mix)
    apart = " and ".join(words for name, words in _MIX.items() if name not in mix)
    common = f"the {within} that both sides have" if within else "executions"
    return f"{common}, across {apart}, in which they differ" if apart else common


def _side(name: str, executions: int, assumed: int) -> str:
    counted = f"{name}, {formatting.counted(executions, 'execution')}"
    return f"{counted}, {assumed:,} of them assumed to have succeeded" if assumed else counted


def _quantile(quantile: Quantile | None) -> str:
    if quantile is None:
        return "too little data"
    if quantile.low is None or quantile.high is None:
        return f"{formatting.seconds(quantile.p95)} (too little data for an interval)"
    p95, low, high = map(formatting.seconds, (quantile.p95, quantile.low, quantile.high))
    return f"{p95} ({low} to {high})"


def _change(change: Change) -> dict[str, Any]:
    value, difference, interval = _WRITTEN[change.metric]
    row: dict[str, Any] = {"metric": change.metric, "verdict": change.verdict, "p_value": change.p_value}
    row |= {name: _or_none(value, getattr(change, name)) for name in ("before", "after")}
    row |= {name: _or_none(difference, getattr(change, name)) for name in ("effect", "detectable")}
    if change.low is not None and change.high is not None:
        row["interval"] = interval(change.low, change.high)
    return row


def _or_none(show: Callable[[float], str], value: float | None) -> str | None:
    return None if value is None else show(value)


def _cell(cell: CellComparison) -> dict[str, Any]:
    verdicts: dict[str, str] = {}
    for change in cell.changes:
        effect = _or_none(_WRITTEN[change.metric][1], change.effect)
        says_how_much = change.verdict in ("better", "worse", "negligible")
        verdicts[change.metric] = f"{change.verdict} {effect}" if says_how_much else change.verdict
    return fields_of(cell) | verdicts


def _notes(found: Comparison, tables: tuple[str, ...]) -> Iterator[str]:
    known, every = ((change.before_executions, change.after_executions) for change in (found.cost, found.success))
    if known != every:
        in_part = f" ({found.before_partial:,} before, {found.after_partial:,} after)"
        yield (
            f"Compared are the costs of {known[0]:,} of {every[0]:,} executions before and of {known[1]:,} of"
            f" {every[1]:,} after; those of the others are unknown, known in part{in_part}, or 0."
        )
    if tables:
        yield f"Prices: {formatting.prices(tables)}."
    if found.regression:
        yield "Regression found."
    elif found.success.verdict == "too little data":
        yield "Too little data to detect a change."
    else:
        yield "No regression that this many executions could show."

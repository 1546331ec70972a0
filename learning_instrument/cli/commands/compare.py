"""``compare``: tests what changed between two sides, or sets all values of a name side by side."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Final

import click

from ...analytics import (
    Alternative,
    Change,
    Comparison,
    Gate,
    Version,
    compare,
    price_tables,
    side,
    side_by_side,
    unmatched,
)
from ...analytics.sides import Side, narrowed
from ...errors import ConfigurationError
from ...sqlite.selection import Queryable, Selection
from ..comparison_report import Verdict, comparison_report, verdict
from ..options import NumberRange, Question, reporting_command
from ..progress import NO_SUMS_BY
from ..rendering import Output, csv_names, fields_of, plain, print_csv, print_json, tell
from ..report import Report, print_markdown, print_report
from ..side_by_side_report import alternative_fields, side_by_side_report, side_by_side_verdict

#: Values of --by: each is tested against each.
_VALUES: Final = 10
_MOST_VALUES: Final = 100


@reporting_command("compare")
@click.option("--before", metavar="SIDE", help="The baseline: a window, NAME=VALUE, or both.")
@click.option("--after", metavar="SIDE", help="The side compared with it.")
@click.option("--by", metavar="NAME", help="In place of two sides: all values of a column, or of metadata.KEY.")
@click.option(
    "--limit",
    metavar="N",
    default=_VALUES,
    type=click.IntRange(1, _MOST_VALUES),
    show_default=True,
    help="How many values of --by, the most frequent ones; the others are counted.",
)
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
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a comment on a pull request.")
def compare_command(
    question: Question,
    before: str | None,
    after: str | None,
    by: str | None,
    limit: int,
    gate_success: float,
    gate_ratio: float,
    as_markdown: bool,
) -> None:
    """Compare windows, tiers, models or versions with each other.

    A SIDE is a window such as 2026-11-01..2026-11-08 or 14d..7d, which ends before its second moment, and of which
    either end may be left out (then --since and --until apply); or a column or a key of the tasks' metadata, and its
    value, such as model=gpt-4o or metadata.version=1.4; or one window and several of these, with commas between them,
    which all hold. A value that no execution has is an error, in filters too.

    \b
      compare --before 14d..7d --after 7d..
      compare --before model_tier=small --after model_tier=large
      compare --before metadata.version=1.3 --after metadata.version=1.4 --since 30d
      compare --before 14d..7d,model=gpt-4o --after 7d..,model=gpt-4o
      compare --by model_tier

    Both sides are weighted to one mix of task types and model tiers, without what the sides differ in. A change is
    better or worse where it is beyond chance and large enough to matter, else negligible. The detectable change is the
    smallest one that so many executions would show in 80% of cases. --by shows success, duration, cost and cost per
    success of each value, and which values are dominated by another.

    In CSV, tasks that are new and fail are rows of the metric failures: their share after, and the stated share before.

    Exit codes: 0, nothing is worse; 1, a regression; 2, an error; 3, inconclusive: too little can be compared.
    """  # noqa: D301  # click needs the backspace itself: it keeps the following lines unwrapped
    if as_markdown and question.output is not Output.TEXT:
        raise ConfigurationError("--markdown, --json and --csv exclude each other; leave all but one out.")
    if by is not None:
        if before is not None or after is not None:
            raise ConfigurationError("--by and --before/--after exclude each other; leave one of them out.")
        told = _values(question, by, limit, as_markdown)
    elif before is None or after is None:
        missing = "--before" if before is None else "--after"
        raise ConfigurationError(f"Missing option '{missing}'. Expected --before and --after, or --by NAME.")
    else:
        gate = Gate(success=gate_success / 100, ratio=gate_ratio)
        told = _sides(question, (before, after), gate, as_markdown)
    if told.exit_code:
        click.get_current_context().exit(told.exit_code)


def _sides(question: Question, names: tuple[str, str], gate: Gate, as_markdown: bool) -> Verdict:
    now = datetime.now(timezone.utc)
    before, after = (side(name, now) for name in names)
    with question.database() as database:
        found = compare(database, before, after, question.selection, gate=gate)
        if not (found.before_executions and found.after_executions):
            _check_filters(database, question.selection)
        options = {f"--before {names[0]}": before, f"--after {names[1]}": after}
        _check(database, found, options, question.selection)
        tables = price_tables(database)
    told = verdict(found, gate)
    if question.output is Output.JSON:
        named = {"before": names[0], "after": names[1], "regression": found.regression, "price_tables": tables}
        print_json({**named, **_told(told), **plain(found)})
    elif question.output is Output.CSV:
        print_csv(_csv_rows(found), ("task_type", "model_tier", *csv_names(Change)))
    else:
        _print(comparison_report(found, names, told, tables), as_markdown)
    return told


def _values(question: Question, by: str, limit: int, as_markdown: bool) -> Verdict:
    with question.database(NO_SUMS_BY) as database:
        found = side_by_side(database, by, question.selection, limit=limit)
        tables = price_tables(database)
        if not found.alternatives:
            _check_filters(database, question.selection)
            question.explain_nothing(database)
        strangers = unmatched(database, Selection(where={by: ""})) if len(found.alternatives) == 1 else ()
    if strangers and strangers[0].is_name_unknown:
        raise ConfigurationError(f"Invalid --by {by}. {strangers[0]}")
    told = side_by_side_verdict(found)
    rows = [alternative_fields(each) for each in found.alternatives]
    if question.output is Output.JSON:
        print_json({**plain(found), **_told(told), "alternatives": rows, "price_tables": tables})
    elif question.output is Output.CSV:
        print_csv(rows, (*csv_names(Alternative), "unreported"))
        if found.others:
            tell(f"{found.others:,} less frequent values are left out; --limit shows more of them.")
    else:
        _print(side_by_side_report(found, told, tables), as_markdown)
    return told


def _told(told: Verdict) -> dict[str, Any]:
    more = None if told.more is None else dict(zip(("before", "after"), told.more, strict=True))
    return {"verdict": told.verdict, "exit_code": told.exit_code, "reason": told.reason, "more_executions": more}


def _print(report: Report, as_markdown: bool) -> None:
    (print_markdown if as_markdown else print_report)(report)


def _check_filters(database: Queryable, selection: Selection) -> None:
    """Refuse a filter that no execution meets, as a side that none is in: a gate that lets a 3 pass would not stop."""
    if strangers := unmatched(database, selection):
        raise ConfigurationError(" ".join(map(str, strangers)))


def _check(database: Queryable, found: Comparison, sides: Mapping[str, Side], selection: Selection) -> None:
    """Refuse a value that no execution has: a gate with a mistyped one would never close."""
    counts = found.before_executions, found.after_executions
    for (written, wanted), executions in zip(sides.items(), counts, strict=True):
        chosen = narrowed(selection, wanted)
        if executions or not (isinstance(wanted, Version) or wanted.filters):
            continue
        reasons = " ".join(map(str, unmatched(database, chosen)))
        raise ConfigurationError(f"Invalid {written}. {reasons or f'No execution is in all of {chosen}.'}")


def _csv_rows(found: Comparison) -> Iterator[dict[str, Any]]:
    """Yield each change, those overall without task type and tier, and what is new and fails."""
    for change in (found.success, found.duration, found.cost):
        yield {"task_type": None, "model_tier": None, **fields_of(change)}
    for cell in found.cells:
        for change in cell.changes:
            yield {"task_type": cell.task_type, "model_tier": cell.model_tier, **fields_of(change)}
    for finding in found.findings:
        yield {
            "task_type": finding.task_type,
            "model_tier": finding.model_tier,
            "metric": "failures",
            "verdict": "worse",
            "after_executions": finding.executions,
            "before": finding.stated_share,
            "after": finding.failed_share,
            "effect": finding.failed_share - finding.stated_share,
            "p_value": finding.p_value,
        }

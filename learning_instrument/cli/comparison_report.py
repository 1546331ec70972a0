"""What ``compare`` says of two sides: the verdict with its exit code, the fields, the tables and the notes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from .. import formatting
from ..analytics import CellComparison, Change, Comparison, Gate, Quantile
from ..analytics.clustering import ENOUGH_DAYS
from ..analytics.mix import ENOUGH
from . import styles
from .rendering import TableColumn, fields_of
from .report import Field, Report, Section

_CHANGE_COLUMNS: Final = (
    TableColumn("metric", "metric"),
    TableColumn("verdict", "verdict", style=styles.verdict_style),
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
    TableColumn("success", "success", style=styles.verdict_style),
    TableColumn("duration", "duration", style=styles.verdict_style, rank=1),
    TableColumn("cost", "cost", style=styles.verdict_style, rank=2),
)
_FINDING_COLUMNS: Final = (
    TableColumn("what", "executions of", is_text=True),
    TableColumn("executions", "executions", "{:,}".format, is_number=True),
    TableColumn("failed_share", "fail", formatting.share, is_number=True),
    TableColumn("stated_share", "more than", formatting.share, is_number=True, rank=2),
    TableColumn("against", "beside", is_text=True, rank=1),
)
#: Dimension of the mix -> what its values are called.
MIX: Final = {"task_type": "task types", "model_tier": "tiers"}
#: Metric -> how its values, and how a change of it, are written.
_WRITTEN: Final = {
    "success": (formatting.share, formatting.points, formatting.points_between),
    "duration": (formatting.seconds, formatting.change, formatting.changes_between),
    "cost": (formatting.dollars, formatting.change, formatting.changes_between),
}

#: How many cells that got worse are named in a line.
_NAMED: Final = 3

Word = Literal["regression", "inconclusive", "no regression", "dominated", "none dominated"]
#: Those that do not let a gate pass by themselves.
_EXIT_CODES: Final[dict[Word, int]] = {"regression": 1, "inconclusive": 3}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate does, and why."""

    verdict: Word
    reason: str
    #: How many more executions it takes before and after, where that can be said.
    more: tuple[int, int] | None = None

    @property
    def exit_code(self) -> int:
        """The status with which the command ends."""
        return _EXIT_CODES.get(self.verdict, 0)


def verdict(found: Comparison, gate: Gate) -> Verdict:
    """Return the verdict of a comparison."""
    if found.regression:
        return Verdict("regression", f"Regression: {'; '.join(_worse(found))}.")
    if found.inconclusive:
        more = _more(found)
        return Verdict("inconclusive", f"Inconclusive: {_open(found)}. {_takes(found, gate, more)}", more)
    better = [_effect(change) for change in (found.success, found.duration, found.cost) if change.verdict == "better"]
    if better:
        return Verdict("no regression", f"No regression; better: {', '.join(better)}.")
    return Verdict("no regression", "No regression that this many executions could show.")


def comparison_report(
    found: Comparison, sides: tuple[str, str], told: Verdict, price_tables: tuple[str, ...]
) -> Report:
    """Return the report of a comparison of *sides*, each as it was written."""
    before, after = sides
    fields = (
        Field("before", _side(found.before_executions, found.before_assumed), before),
        Field("after", _side(found.after_executions, found.after_assumed), after),
        Field(
            "compared",
            f"{formatting.share(found.compared_share)} of them: {_mix(found.mix, found.has_complexity)}",
        ),
        Field("p95 before", _quantile(found.p95_before)),
        Field("p95 after", _quantile(found.p95_after)),
    )
    changes = [_change(change) for change in (found.success, found.duration, found.cost)]
    columns = [column for column in _CELL_COLUMNS if column.name in found.mix or column.name not in MIX]
    sections = [
        Section("Over the same mix of tasks", changes, _CHANGE_COLUMNS),
        Section("Without a like before, and failing", found.findings, _FINDING_COLUMNS),
    ]
    if found.mix:
        title = f"By {' and '.join(column.heading for column in columns if column.name in found.mix)}"
        sections.append(Section(title, [_cell(cell) for cell in found.cells], columns, is_detail=True))
    return Report(told.reason, fields, sections, list(_notes(found, price_tables)))


def _worse(found: Comparison) -> Iterator[str]:
    """Yield what got worse: overall, else where; then what is new and fails."""
    overall = [_effect(change) for change in (found.success, found.duration, found.cost) if change.verdict == "worse"]
    yield from overall
    cells = [(cell, [change for change in cell.changes if change.verdict == "worse"]) for cell in found.cells]
    worse = [(cell, changes) for cell, changes in cells if changes]
    for cell, changes in [] if overall else worse[:_NAMED]:
        yield f"{' '.join(filter(None, (cell.task_type, cell.model_tier)))}: {', '.join(map(_effect, changes))}"
    if len(worse) > _NAMED and not overall:
        yield f"{len(worse) - _NAMED:,} more"
    for finding in found.findings[:_NAMED]:
        yield (
            f"{formatting.share(finding.failed_share)} of {formatting.counted(finding.executions, 'execution')} of"
            f" {finding.what} fail, which have no like before"
        )
    if len(found.findings) > _NAMED:
        yield f"{len(found.findings) - _NAMED:,} more that fail"


def _effect(change: Change) -> str:
    text = _or_none(_WRITTEN[change.metric][1], change.effect)
    return f"{change.metric} {text}"


def _open(found: Comparison) -> str:
    """Return why a comparison says nothing."""
    if found.success.verdict == "too few days":
        return "success changed, and days differ too much for so few of them to tell"
    if found.success.verdict == "too little data":
        return "too little data to detect a change"
    return f"only {formatting.share(found.compared_share)} of the executions are compared"


def _more(found: Comparison) -> tuple[int, int] | None:
    """Return how many more executions it takes on each side; None: more would not do, or nothing says how many."""
    if found.success.verdict == "too few days":
        return None
    target = max(ENOUGH, found.success.needed or ENOUGH)
    before, after = (
        max(0, target - have) for have in (found.success.before_executions, found.success.after_executions)
    )
    return (before, after) if before or after else None


def _takes(found: Comparison, gate: Gate, more: tuple[int, int] | None) -> str:
    """Return what it takes in a sentence."""
    if found.success.verdict == "too few days":
        return f"It takes {ENOUGH_DAYS} days or more on each side."
    if more is None:
        return "It takes executions of the same task types and tiers on both sides."
    counts = [f"{count:,} more {where}" for count, where in zip(more, ("before", "after"), strict=True) if count]
    aim = f", to show a change of {formatting.points(gate.success).lstrip('+')}" if found.success.needed else ""
    return f"It takes about {' and '.join(counts)}, of task types and tiers that both have{aim}."


def kinds(mix: Sequence[str], has_complexity: bool) -> str:
    """Return the kinds of tasks that executions are compared within; empty: they are compared all together."""
    *first, last = [*(MIX[name] for name in mix), *(["bands of complexity"] if has_complexity else [])] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _mix(mix: Sequence[str], has_complexity: bool) -> str:
    """Return what the sides are compared within, and what of it they differ in."""
    within = kinds(mix, has_complexity)
    apart = " and ".join(words for name, words in MIX.items() if name not in mix)
    common = f"the {within} that both sides have" if within else "executions"
    return f"{common}, across {apart}, in which they differ" if apart else common


def _side(executions: int, assumed: int) -> str:
    counted = formatting.counted(executions, "execution")
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
    if found.is_day_against_day:
        yield "Each side is of one day: what differs between these days looks like a change."
    if not found.has_complexity:
        yield f"Complexity is not in the mix: it is known of {formatting.share(found.complexity_share)} of a side."
    if tables:
        yield f"Prices: {formatting.prices(tables)}."

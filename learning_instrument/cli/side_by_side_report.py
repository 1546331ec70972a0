"""What ``compare --by`` says: which values are dominated, and the figures of each side by side."""

from collections.abc import Iterator
from typing import Any, Final

from .. import formatting
from ..analytics import Alternative, SideBySide, alternative_words
from ..analytics.mix import ENOUGH
from . import styles
from .comparison_report import MIX, Verdict, kinds
from .grouping import group_columns
from .rendering import TableColumn, fields_of
from .report import Field, Report, Section

_COLUMNS: Final = (
    TableColumn("executions", "executions", "{:,}".format, is_number=True, rank=6),
    TableColumn("compared", "compared", is_number=True, rank=5),
    TableColumn("success", "success", formatting.interval, brief=formatting.estimate),
    TableColumn("duration", "duration", rank=4),
    TableColumn("cost", "cost", rank=3),
    TableColumn("per_success", "cost per success", rank=2),
    TableColumn("standing", "verdict", style=styles.verdict_style),
)
#: Shown where any value has some.
_BETTER: Final = TableColumn("better", "by", is_text=True, rank=1)
_RULE: Final = (
    "Dominated: another is better beyond chance in success or in cost per success, and as good in the other, of which a"
    " loss of 5 points, or of a quarter of the cost, is ruled out."
)
_FIGURES: Final = "Intervals are 95%; durations are geometric means, costs means of what is known."


def side_by_side_verdict(found: SideBySide) -> Verdict:
    """Return what is dominated, or why nothing can be said."""
    if found.inconclusive:
        reason = (
            f"Inconclusive: no two values of {found.by} have {ENOUGH} executions or more of the same kinds of tasks."
        )
        return Verdict("inconclusive", reason)
    dominated = [each for each in found.alternatives if each.standing == "dominated"]
    unclear = [each.value for each in found.alternatives if each.standing in ("too little data", "cost unknown")]
    told = [f"{each.value} is dominated by {' and '.join(each.dominated_by)}" for each in dominated]
    reason = "; ".join(told) if told else f"No {found.by} is shown to be dominated"
    if unclear:
        reason += f"; too little is known of {', '.join(unclear)}"
    return Verdict("dominated" if told else "none dominated", f"{reason}.")


def side_by_side_report(found: SideBySide, told: Verdict, price_tables: tuple[str, ...]) -> Report:
    """Return the report of the values of one dimension."""
    within = kinds(found.mix, found.has_complexity)
    apart = " and ".join(words for name, words in MIX.items() if name not in found.mix)
    mix = f"the {within} that the values share" if within else "all executions"
    mix = f"{mix}, across {apart}" if apart and found.by not in MIX else mix
    fields = (Field("compared", mix),)
    has_dominated = any(each.dominated_by for each in found.alternatives)
    columns = (*group_columns([found.by]), *_COLUMNS, *([_BETTER] if has_dominated else []))
    rows = [_row(found, each) for each in found.alternatives]
    return Report(
        told.reason, fields, [Section("Over the same mix of tasks", rows, columns)], list(_notes(found, price_tables))
    )


def alternative_fields(each: Alternative) -> dict[str, Any]:
    """Return the fields of one value for other programs."""
    return {**fields_of(each), "unreported": each.unreported}


def _row(found: SideBySide, each: Alternative) -> dict[str, Any]:
    return {
        found.by: each.value,
        "executions": each.executions,
        "compared": formatting.share(each.compared / each.executions) if each.compared else None,
        "success": each.success,
        "duration": alternative_words.duration(each),
        "cost": alternative_words.cost(each, each.cost_usd),
        "per_success": alternative_words.cost(each, each.cost_per_success_usd),
        "standing": each.standing,
        "better": ", ".join(each.dominated_by) or None,
    }


def _notes(found: SideBySide, price_tables: tuple[str, ...]) -> Iterator[str]:
    alone = [each.value for each in found.alternatives if not each.compared]
    if alone and not found.inconclusive:
        yield f"Not compared (their tasks are others or too few; the figures are of their own): {', '.join(alone)}."
    few = [each.value for each in found.alternatives if each.has_few_days]
    if few:
        yield f"Days differ, and are too few to tell by how much: intervals may be too narrow for {', '.join(few)}."
    if found.others:
        yield (
            f"{formatting.counted(found.others, 'less frequent value')} with"
            f" {formatting.counted(found.others_executions, 'execution')} not shown; --limit shows more of them."
        )
    if not found.has_complexity and not found.inconclusive:
        yield "Complexity is not in the mix: it is not known of most executions of each value."
    if any(each.assumed for each in found.alternatives):
        yield formatting.ASSUMED
    if found.alternatives:
        yield _FIGURES
    partial, unpriced, unreported = (
        sum(getattr(each, name) for each in found.alternatives) for name in ("partial", "unpriced", "unreported")
    )
    excluded = formatting.excluded_costs(partial, unpriced, unreported)
    if excluded:
        yield f"Excluded from costs: {'; '.join(excluded)}."
    if price_tables:
        yield f"Prices: {formatting.prices(price_tables)}."
    if not found.inconclusive:
        yield _RULE

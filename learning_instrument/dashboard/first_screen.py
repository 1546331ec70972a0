"""What a reader sees first: what the file is, the verdict, four figures beside the period before, the last failures."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timezone
from typing import Final

from .. import formatting
from ..analytics.briefing import Briefing
from ..analytics.executions import is_cost_known, is_cost_partial
from ..analytics.headings import of_failures
from ..analytics.tiles import Figure
from ..record import ExecutionRecord
from .markup import Child, Markup, element, joined, shortened
from .section import Section
from .tables import Column, Table
from .views import Links

#: How many of the latest failures are listed.
FAILURES: Final = 6
#: How much of an error is shown: its beginning tells it from others.
_ERROR: Final = 120
#: And of a name.
_NAME: Final = 60
_FAILURE_COLUMNS: Final = (
    Column("When (UTC)"),
    Column("Task type"),
    Column("Tier"),
    Column("Error"),
    Column("Cost", is_number=True),
)
#: What records executions.
_RUN: Final = "learning-instrument run --pools my_pools:Pool python app.py"
#: Verdict on a change -> the class of its colour; the words say it as well.
_COLOURS: Final = {"better": "good", "worse": "bad"}


def title(name: str, said: str) -> Markup:
    """Return the row above all: the name of the file, and what of it is shown."""
    return element("div", element("h1", name), element("p", said, class_="muted small"), class_="title")


def days_of(briefing: Briefing) -> str:
    """Return the days of a period: ``2026-11-20 to 2026-11-27``."""
    return f"{formatting.day(briefing.period.since)} to {formatting.day(briefing.period.until)}"


def failed_of(briefing: Briefing) -> int:
    """Return how many executions did not succeed."""
    totals = briefing.totals
    return round(totals.executions * (1 - totals.success.estimate)) if totals else 0


def verdict(briefing: Briefing) -> Markup:
    """Return what happened, the most important first, each with how well it is supported."""
    lines = []
    for headline in briefing.headlines:
        said = element("span", headline.evidence, class_="evidence") if headline.evidence else None
        lines.append(element("p", headline.text, said))
    if briefing.totals is None:
        commands = (element("code", _RUN), ", or ", element("code", "@record_execution"))
        lines.append(element("p", "To record executions: ", *commands, " above a function.", class_="muted small"))
    return element("div", *lines, class_="verdict")


def tiles(briefing: Briefing) -> Markup | None:
    """Return the four figures, each with its change against the period before; None of no executions."""
    if briefing.totals is None:
        return None
    is_bound = bool(briefing.totals and (briefing.totals.partial or briefing.totals.unpriced))
    shown: tuple[tuple[str, Figure, Callable[[float], str]], ...] = (
        ("Executions", briefing.executions, lambda value: f"{value:,.0f}"),
        ("Succeeded", briefing.success, formatting.share),
        ("Cost", briefing.cost, lambda value: formatting.bound(formatting.dollars(value), is_bound)),
        ("95% took at most", briefing.p95, formatting.seconds),
    )
    left_out = "; ".join(briefing.left_out)
    return joined(
        element("dl", *(_tile(name, figure, show) for name, figure, show in shown), class_="tiles"),
        element("p", f"Not in these figures: {left_out}.", class_="left-out muted small") if left_out else None,
    )


def _tile(name: str, figure: Figure, show: Callable[[float], str]) -> Markup:
    if figure.after is None:
        value = element("dd", "unknown", class_="figure unknown")
    else:
        value = element("dd", show(figure.after), class_="figure")
    interval = None
    if figure.low is not None and figure.high is not None:
        interval = element("dd", f"95% interval {show(figure.low)} to {show(figure.high)}", class_="muted")
    return element(
        "div",
        element("dt", name),
        value,
        interval,
        element("dd", figure.change.text, class_=_COLOURS.get(figure.verdict)),
        element("dd", figure.change.evidence, class_="muted support") if figure.change.evidence else None,
        class_="tile",
    )


def failures(records: Sequence[ExecutionRecord], links: Links, total: int, prefix: str = "") -> Markup | None:
    """Return the latest failures as rows; None where there are none."""
    if not records:
        return None
    caption = f"The latest {len(records):,} of {formatting.counted(total, 'failure')}"
    table = Table(_FAILURE_COLUMNS, tuple(_row(record, links) for record in records))
    heading = replace(of_failures(records), evidence="")  # that it is a count is seen
    return Section("failures", heading, caption, table=table, is_wide=True).markup(prefix)


def _row(record: ExecutionRecord, links: Links) -> tuple[Child, ...]:
    when, address = when_of(record), links.execution(record.execution_id)
    return (
        when if address is None else element("a", when, href=address),
        reported(record, "task_type"),
        reported(record, "model_tier"),
        shortened(error_of(record), _ERROR),
        cost_of(record),
    )


def error_of(record: ExecutionRecord) -> str:
    """Return what went wrong: the exception's name and message, else how it ended."""
    kind = record.exception_type or (record.error_type.value if record.error_type else record.outcome.value)
    return f"{kind}: {record.error_message}" if record.error_message else kind


def cost_of(record: ExecutionRecord) -> str:
    """Return the cost of an execution; one that is not known is never 0."""
    if not is_cost_known(record):
        return "unknown"
    return formatting.bound(formatting.dollars(record.actual_cost), is_cost_partial(record))


def when_of(record: ExecutionRecord) -> str:
    """Return when an execution started, in UTC, to the minute."""
    return record.timestamp.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M")


def reported(record: ExecutionRecord, name: str) -> str:
    """Return the value of a column that an execution was told; ``unknown`` for a stand-in."""
    return "unknown" if name in record.defaulted else shortened(str(getattr(record, name)), _NAME)

"""What a reader sees first: what the file is, the verdict, four figures beside the period before, the last failures."""

from collections.abc import Callable, Container, Iterable, Sequence
from itertools import chain, islice, pairwise, zip_longest
from typing import Final

from ... import formatting
from ...analytics.briefing import Briefing
from ...analytics.executions import executions_of, latest
from ...analytics.headlines import NOTHING
from ...analytics.tiles import Figure
from ...record import ExecutionRecord
from ...sqlite.selection import Queryable
from ..markup import Child, Markup, element, joined, shortened
from ..record_cells import cost_of, error_of, reported, when_of
from ..tables import Column, Table
from ..views import Links
from .section import Section

#: How many failures are listed, and at most so many of them for they are of new kinds, or of an outage that is over.
FAILURES: Final = 6
_TELLING: Final = 3
#: How much of an error is shown: its beginning tells it from others.
_ERROR: Final = 120
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
    if NOTHING in briefing.headlines:
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
        ("1 in 20 took longer than", briefing.p95, formatting.seconds),
    )
    left_out, told = ", ".join(briefing.left_out), {headline.evidence for headline in briefing.headlines}
    return joined(
        element("dl", *(_tile(name, figure, show, told) for name, figure, show in shown), class_="tiles"),
        element("p", f"Not in these figures: {left_out}.", class_="left-out muted") if left_out else None,
    )


def _tile(name: str, figure: Figure, show: Callable[[float], str], told: Container[str]) -> Markup:
    """Return one figure; what a headline has *told* already is not said again."""
    evidence = figure.change.evidence
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
        element("dd", evidence, class_="muted support") if evidence and evidence not in told else None,
        class_="tile",
    )


def shown_failures(
    database: Queryable, briefing: Briefing, last: Iterable[ExecutionRecord]
) -> tuple[ExecutionRecord, ...]:
    """Return the failures that are listed: some of new kinds, of an outage that is over, and then the *last* ones.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    examples = chain.from_iterable(zip_longest(*(group.examples for group in briefing.new_errors)))
    ids = [each for each in examples if each is not None][:_TELLING]
    read = executions_of(database, ids) if ids else {}
    shown = {each: read[each] for each in ids if each in read}
    if not shown and briefing.outage is not None:
        shown = {record.execution_id: record for record in latest(database, briefing.outage, _TELLING, failed=True)}
    shown |= {record.execution_id: record for record in last if record.execution_id not in shown}
    return tuple(islice(shown.values(), FAILURES))


def failures(records: Sequence[ExecutionRecord], briefing: Briefing, links: Links) -> Section | None:
    """Return failures as rows, those of new kinds marked; None where there are none."""
    if not records:
        return None
    is_latest = all(one.timestamp >= next_one.timestamp for one, next_one in pairwise(records))
    first = f"{'New kinds' if briefing.new_errors else 'Those of the outage'} first, then the latest"
    caption = "" if len(records) == failed_of(briefing) else "The latest of them" if is_latest else first
    table = Table(_FAILURE_COLUMNS, tuple(_row(record, links, _is_new(record, briefing)) for record in records))
    return Section("failures", briefing.failures_heading, caption, table=table, is_wide=True)


def _is_new(record: ExecutionRecord, briefing: Briefing) -> bool:
    """Tell whether a failure is of a new kind: one of its examples, or of an exception that only new kinds have."""
    new = briefing.new_errors
    if any(record.execution_id in group.examples for group in new):
        return True
    others = {group.exception_type for group in briefing.errors or () if group not in new}
    return record.exception_type in {group.exception_type for group in new} - others - {None}


def _row(record: ExecutionRecord, links: Links, is_new: bool) -> tuple[Child, ...]:
    when, address = when_of(record), links.execution(record.execution_id)
    error = shortened(error_of(record), _ERROR)
    return (
        when if address is None else element("a", when, href=address),
        reported(record, "task_type"),
        reported(record, "model_tier"),
        joined(element("span", "new", class_="bad"), f" \u00b7 {error}") if is_new else error,
        cost_of(record),
    )

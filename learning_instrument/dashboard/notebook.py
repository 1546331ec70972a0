"""Answers of ``analytics`` in a notebook: shown as the tables and charts of the page. They know nothing of it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import count
from typing import Any, Final

from .. import formatting
from ..analytics import (
    Briefing,
    Change,
    Comparison,
    Costs,
    DaySpend,
    ErrorReport,
    Extremes,
    Heading,
    Performance,
    QueueWait,
    RoutingCalibration,
    SideBySide,
    SolutionPattern,
    Story,
    Summary,
)
from ..analytics.headings import of_losses, of_spend
from .charts.daily_charts import BarPoint, daily_bars
from .charts.waterfall import waterfall
from .markup import Child, Markup, element, joined, trusted
from .pages.page import packaged
from .sections import cost_sections, error_sections, first_screen, group_sections
from .sections import page_sections as sections
from .sections.section import Section
from .tables import Column, Table
from .views import Links

_HTML: Final = "text/html"
#: Around all of an answer: its style reaches nothing else of a notebook.
_CLASS: Final = "learning-instrument"
#: Twice, to come before what a notebook says of tables and lists.
_WITHIN: Final = f".{_CLASS}.{_CLASS}"
#: Days of spend that are drawn, the last ones.
_DAYS: Final = 90
#: The colours of the notebook's theme, which is not always that of the system.
_RESET: Final = (
    ".learning-instrument {{ {light} color-scheme: light; padding: 0.75rem; border-radius: 12px;"
    " background: var(--page); color: var(--text); font: 0.9375rem/1.45 system-ui, sans-serif; }}"
    " @media (prefers-color-scheme: dark) {{ .learning-instrument {{ {dark} color-scheme: dark; }} }}"
    " [data-jp-theme-light=true] .learning-instrument, .vscode-light .learning-instrument"
    " {{ {light} color-scheme: light; }}"
    " [data-jp-theme-light=false] .learning-instrument, .vscode-dark .learning-instrument"
    " {{ {dark} color-scheme: dark; }}"
    f" {_WITHIN} tr, {_WITHIN} tr:hover {{{{ background: none !important; }}}}"
    f" {_WITHIN} table {{{{ margin: 0; table-layout: auto; color: inherit; }}}}"
    f" {_WITHIN} dt, {_WITHIN} dd {{{{ float: none; width: auto; font-weight: inherit; }}}}"
)
_number = count(1)
_Show = Callable[[Any], Iterable[Markup] | None]


def load(ipython: Any) -> None:
    """Let *ipython* show answers as tables and charts. Twice is once."""
    formatter = ipython.display_formatter.formatters[_HTML]
    for kind, show in _SHOWN.items():
        if not isinstance(formatter.type_printers.get(kind), _Shown):
            before = formatter.for_type(kind)
            formatter.for_type(kind, _Shown(show, before))


def unload(ipython: Any) -> None:
    """Let *ipython* show them as before."""
    formatter = ipython.display_formatter.formatters[_HTML]
    for kind in _SHOWN:
        ours = formatter.type_printers.get(kind)
        if isinstance(ours, _Shown):
            formatter.pop(kind)
            if ours.before is not None:
                formatter.for_type(kind, ours.before)


class _Shown:
    """Shows answers of one type, and leaves all else to what did before."""

    def __init__(self, show: _Show, before: Callable[[Any], Any] | None) -> None:
        self._show = show
        self.before = before

    def __call__(self, answer: Any) -> Any:
        """Return the HTML of *answer*; None: a notebook shows its text."""
        parts = self._show(answer)
        if parts is None:
            return None if self.before is None else self.before(answer)
        return str(element("div", element("style", style()), *parts, class_=_CLASS))


@cache
def style() -> Markup:
    """Return the style of the page, of which each rule holds within an answer alone."""
    text = re.sub(r"/\*.*?\*/", "", packaged("page.css") + packaged("charts.css"), flags=re.S)
    light, dark = (_variables(found) for found in re.findall(r":root \{(.*?)\}", text, re.S)[:2])
    return trusted(_RESET.format(light=light, dark=dark) + "".join(_within(text)))


def _variables(declarations: str) -> str:
    return " ".join(each + ";" for each in re.findall(r"--[\w-]+: [^;]+", declarations))


def _within(text: str) -> Iterator[str]:
    """Yield the rules of a style sheet for elements below an answer; those of the document are left out."""
    for prelude, block in re.findall(r"([^{}]+)\{((?:[^{}]|\{[^{}]*\})*)\}", text):
        name = prelude.strip()
        if name.startswith("@media"):
            if "screen" in name or "width" in name:
                yield f"{name} {{{''.join(_within(block))}}}"
        elif not re.search(r":root|\bhtml\b|\bbody\b|^main$", name):
            yield f"{', '.join(f'{_WITHIN} {each.strip()}' for each in name.split(','))} {{{block}}}"


# What each answer is shown as.


def _cards(*shown: Section | None) -> Iterator[Markup]:
    prefix, found = f"li-{next(_number)}-", [each for each in shown if each is not None]
    cards = (replace(each, is_wide=each.is_wide or len(found) == 1).markup(prefix) for each in found)
    yield element("div", *cards, class_="cards")


def _briefing(found: Briefing) -> Iterable[Markup]:
    yield first_screen.verdict(found)
    figures = first_screen.tiles(found)
    if figures is not None:
        yield figures
        yield from _cards(*sections.of_days(found))


def _summary(found: Summary) -> Iterable[Markup]:
    success = "no executions" if found.success is None else formatting.interval(found.success)
    unknown = found.partial + found.unpriced
    fields: list[tuple[str, Child]] = [
        ("executions", f"{found.executions:,}"),
        ("succeeded", success),
        ("only assumed", formatting.assumed_successes(found.assumed, _succeeded(found)) if found.assumed else None),
        ("ended", ", ".join(f"{number:,} {outcome}" for outcome, number in found.outcomes.items()) or None),
        ("cost", formatting.cost(found.cost_usd, found.failures_cost_usd, bool(unknown))),
        (
            "in no figure",
            "; ".join(formatting.excluded_costs(found.partial, found.unpriced, found.unreported)) or None,
        ),
        ("lost", of_losses(found).text),
    ]
    rows = [joined(element("dt", name), element("dd", value)) for name, value in fields if value is not None]
    table = Table(
        (Column("Tier"), *(Column(name, is_number=True) for name in ("Executions", "Succeeded", "Cost"))),
        tuple(
            (
                tier.model_tier,
                f"{tier.executions:,}",
                formatting.interval(tier.success),
                formatting.amount(tier.cost_usd, bool(tier.partial or tier.unpriced)),
            )
            for tier in found.tiers
        ),
    )
    tiers = table.markup("Tiers") if found.tiers else None
    yield element("div", element("dl", *rows, class_="fields"), tiers, class_="card wide")


def _succeeded(found: Summary) -> int:
    return 0 if found.success is None else round(found.success.estimate * found.executions)


def _costs(found: Costs) -> Iterable[Markup]:
    heading = of_spend(found)
    spent = {day.day: day for day in found.by_day}
    days = list(_days(found))
    points = [_point(spent[day]) if day in spent else BarPoint(day, 0.0) for day in days]
    table = Table(
        (Column("Day"), Column("Executions", is_number=True), Column("Cost", is_number=True)),
        tuple(
            (day, f"{spent[day].executions:,}", formatting.amount(points[place].value, points[place].is_bound))
            for place, day in enumerate(days)
            if day in spent
        ),
    )
    groups = Table(
        (Column("Group"), Column("Executions", is_number=True), Column("Cost", is_number=True)),
        tuple(
            (
                _group(each.group),
                f"{each.executions:,}",
                formatting.amount(each.cost_usd, bool(each.partial or each.unpriced)),
            )
            for each in found.groups
        ),
    )
    drawn = daily_bars(heading.text, points, "dollars", ("on successes", "on failures")) if days else None
    yield from _cards(
        Section("spend", heading, "Known cost in US dollars, by day", drawn, table if days else None),
        Section("groups", Heading("Groups, the costliest first"), "Known cost", table=groups) if found.groups else None,
        cost_sections.accuracy(found),
    )


def _point(day: DaySpend) -> BarPoint:
    return BarPoint(day.day, day.cost_usd, day.failures_cost_usd, bool(day.partial or day.unpriced))


def _days(found: Costs) -> Iterator[str]:
    """Yield every day from the first to the last, those without executions too; of many the last."""
    if found.by_day:
        first, last = (date.fromisoformat(found.by_day[place].day) for place in (0, -1))
        for number in range(min((last - first).days, _DAYS - 1), -1, -1):
            yield (last - timedelta(days=number)).isoformat()


def _list(found: Sequence[Any]) -> Iterable[Markup] | None:
    """Return what a list of answers is shown as; None for any other list."""
    kinds = {type(each) for each in found}
    if kinds == {Performance}:
        named = [replace(each, group=(_group(each.group),)) for each in found]
        return _cards(group_sections.spend(named, "group", "groups"))
    if kinds == {QueueWait}:
        return [_waits(found).markup("Waits")]
    if kinds == {SolutionPattern}:
        return _cards(error_sections.solutions(found))
    return None


def _waits(found: Sequence[QueueWait]) -> Table:
    names = ("Executions", "Known of", "p50", "p95", "p99")
    return Table(
        (Column("Group"), *(Column(name, is_number=True) for name in names)),
        tuple(
            (
                _group(wait.group),
                f"{wait.executions:,}",
                f"{wait.measured:,}",
                *(
                    None if value is None else formatting.seconds(value)
                    for value in (wait.p50_seconds, wait.p95_seconds, wait.p99_seconds)
                ),
            )
            for wait in found
        ),
    )


def _comparison(found: Comparison) -> Iterable[Markup]:
    whole = ((("all",), change) for change in (found.success, found.duration, found.cost))
    cells = (
        (tuple(filter(None, (cell.task_type, cell.model_tier))), change)
        for cell in found.cells
        for change in cell.changes
        if change.verdict in ("better", "worse")
    )
    names = ("Before", "After", "Change (95% interval)")
    table = Table(
        (Column("Tasks"), Column("Figure"), *(Column(name, is_number=True) for name in names), Column("Verdict")),
        tuple(
            (", ".join(name) or "all", change.metric, *_figures(change), change.verdict)
            for name, change in (*whole, *cells)
        ),
    )
    new = tuple(f"{each.what}: {formatting.percent(each.failed_share)} fail" for each in found.findings)
    said = "Something is worse" if found.regression else "Nothing is worse beyond chance"
    sides = f"{found.before_executions:,} executions before, {found.after_executions:,} after"
    yield from _cards(Section("changes", Heading(said, sides), "Over the same mix of tasks", table=table, notes=new))


def _figures(change: Change) -> tuple[str | None, ...]:
    show = {"success": formatting.share, "duration": formatting.seconds}.get(change.metric, formatting.dollars)
    before, after = (None if value is None else show(value) for value in (change.before, change.after))
    if change.effect is None:
        return before, after, None
    is_share = change.metric == "success"
    effect = (formatting.points if is_share else formatting.change)(change.effect)
    if change.low is None or change.high is None:
        return before, after, effect
    between = (formatting.points_between if is_share else formatting.changes_between)(change.low, change.high)
    return before, after, f"{effect} ({between})"


def _story(found: Story) -> Iterable[Markup]:
    yield element("div", waterfall(found), class_="card wide")


def _group(names: Sequence[str]) -> str:
    return ", ".join(names)


_SHOWN: Final[dict[type, _Show]] = {
    Briefing: _briefing,
    Comparison: _comparison,
    Costs: _costs,
    ErrorReport: lambda found: _cards(error_sections.kinds(found, Links())),
    Extremes: lambda found: _cards(error_sections.standing_out(found, Links())),
    RoutingCalibration: lambda found: _cards(group_sections.confidence(found)),
    SideBySide: lambda found: _cards(group_sections.alternatives(found)),
    Story: _story,
    Summary: _summary,
    list: _list,
}

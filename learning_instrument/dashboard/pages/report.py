"""The file that needs no server: every view in it is made beforehand, and shown or hidden."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from ... import formatting
from ...analytics.briefing import MOST_READ, Briefing, briefing, briefings
from ...analytics.days import Days, read_days
from ...analytics.executions import latest
from ...analytics.group_totals import has_cube
from ...analytics.headings import Heading
from ...analytics.periods import Period
from ...analytics.sources.source import source_of
from ...record import ExecutionRecord
from ...sqlite.dimensions import value_in
from ...sqlite.selection import OpenDatabase, Selection
from ..markup import Markup, element, joined, shortened
from ..sections import daily_sections
from ..sections.first_screen import FAILURES, days_of, failed_of, shown_failures, title
from ..sections.page_sections import of_days, sections
from ..views import Budget, Links, View
from .kept_executions import KeptExecutions
from .page import body, document, packaged

#: Dimensions that have views of single values -> what a value is called.
DIMENSIONS: Final = {
    "pool_type": "Pool", "model_tier": "Tier", "model": "Model", "task_type": "Task type", "repo": "Repository",
}  # fmt: skip
#: Of each, the most frequent.
_VALUES: Final = 8
#: Failures that are read at once, for all views.
_FAILURES_AT_ONCE: Final = 1000
#: Characters of a value in the list of them.
_CHARACTERS: Final = 60
_REST: Final = element(
    "p",
    "Other sections are made of all executions alone; ",
    element("code", "learning-instrument serve"),
    " shows them of any.",
    class_="muted small",
)


@dataclass(frozen=True, slots=True)
class Report:
    """A file, and what it says first."""

    document: bytes
    verdict: Heading


def report(
    database: OpenDatabase,
    periods: Sequence[Period],
    selection: Selection | None = None,
    budget: Budget | None = None,
) -> Report:
    """Return the report of a database.

    Args:
        database: the one to ask.
        periods: at least one, the shortest first; the first one that has executions is shown first.
        selection: filters that all of it is about.
        budget: what lasts for how long is shown.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    with database.snapshot():
        return _Made(database, periods, selection or Selection(), budget).report()


class _Made:
    """A report in the making."""

    def __init__(
        self, database: OpenDatabase, periods: Sequence[Period], selection: Selection, budget: Budget | None
    ) -> None:
        self._database = database
        self._periods = periods
        self._selection = selection
        self._budget = budget
        self._numbers = count()
        self._kept = KeptExecutions()
        chosen = View(periods[-1], selection).chosen
        latest_failures = latest(database, chosen, _FAILURES_AT_ONCE, failed=True)
        self._failures = [(record, record.to_dict()) for record in latest_failures]

    def report(self) -> Report:
        days = read_days(self._database, self._periods, self._selection)
        whole = self._whole_periods(days)
        self._periods = tuple(whole)
        first = next((period for period, found in whole.items() if found.totals), self._periods[0])
        views = [self._whole(found, is_shown=period is first) for period, found in whole.items()]
        options = []
        most = max((found.totals.executions for found in whole.values() if found.totals), default=0)
        for by, called in DIMENSIONS.items():
            if by in dict(self._selection.filters):
                continue  # it has that one value
            if most > MOST_READ and not has_cube(self._database, (by,), self._selection):
                continue  # each execution would be read
            found = briefings(self._database, self._periods, by, _VALUES, self._selection, days)
            names = [element("option", shortened(value, _CHARACTERS), value=_only(by, value)) for value in found]
            options += [element("optgroup", *names, label=called)] if names else []
            for value, of_value in found.items():
                views += self._of_value(by, value, of_value)
        name = source_of(self._database).name()
        said = f"only {self._selection} \u00b7 " if self._selection.filters else ""
        content = element(
            "main",
            element("div", title(name, f"{said}times are UTC"), self._controls(first, options), class_="bar"),
            *views,
            self._kept.markup(self._database),
            id="main",
        )
        script = packaged("page.js")
        return Report(document(f"{name}: executions", content, scripts=(script,)), whole[first].headlines[0])

    def _whole_periods(self, days: Days) -> dict[Period, Briefing]:
        """Return what happened in each period; a longer one that has no more executions is left out."""
        found: dict[Period, Briefing] = {}
        most = -1
        for period in self._periods:
            executions = days.totals(period).count("executions")
            if executions > most:
                found[period], most = briefing(self._database, period, self._selection, days), executions
        return found

    def _controls(self, first: Period, options: Sequence[Markup]) -> Markup:
        """Return what chooses a view; hidden, for without the script nothing would happen."""
        radios = [_radio(period, is_checked=period is first) for period in self._periods]
        every = element("option", "all executions", value="")
        values = element("label", "Show ", element("select", every, *options)) if options else None
        periods = element("fieldset", element("legend", "Last"), *radios)
        return element("div", periods, values, class_="controls", id="controls", hidden=True)

    def _whole(self, found: Briefing, is_shown: bool) -> Markup:
        view = View(found.period, self._selection, Links(execution=self._kept.address), self._budget)
        latest_failures = self._latest(found, [record for record, _ in self._failures])
        shown = body(
            found,
            shown_failures(self._database, found, latest_failures),
            view,
            sections(self._database, view, found),
            self._prefix(),
        )
        return _view(found, shown, is_shown=is_shown)

    def _of_value(self, by: str, value: str, found: Mapping[Period, Briefing]) -> Iterator[Markup]:
        """Yield the views of the executions of one value, one for each period."""
        selection = self._selection.narrowed({by: value})
        failures = [record for record, row in self._failures if value_in(row, by) == value]
        if len(failures) < min(FAILURES, failed_of(found[self._periods[-1]])):  # they are further back
            chosen = View(self._periods[-1], selection).chosen
            failures = list(latest(self._database, chosen, FAILURES, failed=True))
        for each in found.values():
            view = View(each.period, selection, Links(execution=self._kept.kept))
            only = _only(by, value)
            # One table for all charts, and no chart of volume: there are many such views.
            charts = [replace(section, table=None) for section in of_days(each) if section.name != "volume"]
            shown = body(each, self._latest(each, failures), view, charts if each.totals else (), self._prefix())
            yield _view(
                each,
                joined(shown, _numbers(each), _REST),
                only,
                f"{DIMENSIONS[by].lower()} {shortened(value, _CHARACTERS)}",
            )

    def _prefix(self) -> str:
        """Return what the anchors of one more view begin with."""
        return f"v{next(self._numbers)}-"

    def _latest(self, found: Briefing, failures: Sequence[ExecutionRecord]) -> list[ExecutionRecord]:
        """Return the latest of *failures* in a period, which are the latest of the longest one."""
        return [record for record in failures if record.timestamp >= found.period.since][:FAILURES]


def _view(found: Briefing, shown: Markup, only: str = "", called: str = "", is_shown: bool = False) -> Markup:
    said = " \u00b7 ".join(filter(None, (days_of(found), called)))
    return element(
        "div",
        element("p", said, class_="muted small"),
        shown,
        data_period=_name(found.period),
        data_only=only,
        hidden=not is_shown,
    )


def _numbers(found: Briefing) -> Markup | None:
    if not found.totals:
        return None
    table = daily_sections.numbers(found).markup("Figures of each day")
    return element("details", element("summary", "Numbers of each day"), table, class_="card")


def _radio(period: Period, is_checked: bool) -> Markup:
    days = formatting.counted(period.days, "day")
    box = element("input", type="radio", name="period", value=_name(period), checked=is_checked)
    return element("label", box, f" {days}")


def _name(period: Period) -> str:
    return str(period.days)


def _only(by: str, value: str) -> str:
    return f"{by}={value}"

"""The sections of a page, in their order: each asks analytics, and is left out where it has nothing to show."""

from collections.abc import Iterator
from typing import Final

from ...analytics import costs, summary
from ...analytics.briefing import MOST_READ, Briefing
from ...analytics.headings import Heading
from ...sqlite.selection import Queryable
from ..views import View
from . import cost_sections, daily_sections, error_sections, file_sections, group_sections
from .section import Section

#: Of more executions, sections that group the executions themselves are left out; of more than :data:`MOST_READ`, all
#: that read them.
MOST_COMPARED: Final = 50_000


def of_days(briefing: Briefing) -> Iterator[Section]:
    """Yield the sections that a briefing has all figures of."""
    yield daily_sections.success(briefing)
    yield daily_sections.volume(briefing)
    yield daily_sections.spend(briefing)
    durations = daily_sections.durations(briefing)
    if durations is not None:
        yield durations


def sections(database: Queryable, view: View, briefing: Briefing) -> Iterator[Section]:
    """Yield all sections of a page.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    found = summary(database, view.chosen)
    if briefing.totals is not None:
        yield from of_days(briefing)
        shown = [*_of_sums(database, view, briefing)]
        executions = briefing.totals.executions
        if executions <= MOST_COMPARED:
            shown += _compared(database, view, briefing)
        if executions <= MOST_READ:
            shown += _of_rows(database, view)
        yield from (section for section in shown if section is not None)
        if executions > MOST_COMPARED:
            yield _left_out(executions)
    running = file_sections.running(database, view.selection, found)
    if running is not None:
        yield running
    yield file_sections.losses(database, found)


def _of_sums(database: Queryable, view: View, briefing: Briefing) -> Iterator[Section | None]:
    """Yield the sections that roll-ups answer, where there are some."""
    chosen = view.chosen
    yield group_sections.choice(database, chosen, "model_tier", briefing)
    yield group_sections.choice(database, chosen, "pool_type", briefing)
    if briefing.errors is not None and briefing.errors.groups:
        yield error_sections.kinds(briefing.errors, view.links, briefing.new_errors)
    yield cost_sections.accuracy(costs(database, chosen))
    if view.budget is not None:
        yield cost_sections.budget(database, view.selection, view.budget, view.period.until)
    for number, by in enumerate(("repo", "task_type"), 1):
        yield group_sections.group(database, chosen, by, f"by-{number}")


def _compared(database: Queryable, view: View, briefing: Briefing) -> Iterator[Section | None]:
    """Yield the sections that the executions themselves are grouped for."""
    for by in ("model", "metadata.version"):
        yield group_sections.choice(database, view.chosen, by, briefing)
    for number, by in enumerate(group_sections.keys(database), 3):
        yield group_sections.group(database, view.chosen, by, f"by-{number}")


def _of_rows(database: Queryable, view: View) -> Iterator[Section | None]:
    """Yield the sections that a few columns of the executions are read for."""
    chosen = view.chosen
    yield group_sections.waits(database, chosen)
    yield group_sections.routing(database, chosen)
    yield error_sections.extreme(database, chosen, view.links)
    yield error_sections.patterns(database, chosen)


def _left_out(executions: int) -> Section:
    """Return what is not there of so many executions."""
    names = ["models", "versions", "keys of metadata"]
    if executions > MOST_READ:
        names += ["waits", "routing", "the slowest and dearest", "solutions", "what failures cost"]
    most = MOST_READ if executions > MOST_READ else MOST_COMPARED
    return Section(
        "left-out",
        Heading(f"Some sections are left out: there are more than {most:,} executions"),
        f"They are read execution by execution: {', '.join(names)}. A shorter period, or fewer executions by a filter,"
        " has them.",
    )

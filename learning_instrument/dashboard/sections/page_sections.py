"""The sections of a page, in their order: each asks analytics, and is left out where it has nothing to show."""

from collections.abc import Iterator

from ...analytics import costs, summary
from ...analytics.briefing import MOST_READ, Briefing
from ...analytics.headings import Heading
from ...sqlite.selection import Queryable
from ..views import View
from . import cost_sections, daily_sections, error_sections, file_sections, group_sections
from .section import Section


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
        is_read = briefing.totals.executions <= MOST_READ
        has_pools = is_read or group_sections.is_rolled_up(database, view.chosen, "pool_type", briefing)
        shown = [*_of_sums(database, view, briefing, has_pools=has_pools)]
        shown += _of_rows(database, view, briefing) if is_read else [_left_out(has_pools=has_pools)]
        yield from (section for section in shown if section is not None)
    running = file_sections.running(database, view.selection, found)
    if running is not None:
        yield running
    yield file_sections.losses(database, found)


def _of_sums(database: Queryable, view: View, briefing: Briefing, *, has_pools: bool) -> Iterator[Section | None]:
    """Yield the sections that roll-ups answer, where there are some."""
    chosen = view.chosen
    yield group_sections.choice(database, chosen, "model_tier", briefing)
    if has_pools:
        yield group_sections.choice(database, chosen, "pool_type", briefing)
    if briefing.errors is not None and briefing.errors.groups:
        yield error_sections.kinds(briefing.errors, view.links, briefing.new_errors)
    yield cost_sections.accuracy(costs(database, chosen))
    if view.budget is not None:
        yield cost_sections.budget(database, view.selection, view.budget, view.period.until)
    for number, by in enumerate(("repo", "task_type"), 1):
        yield group_sections.group(database, chosen, by, f"by-{number}")


def _of_rows(database: Queryable, view: View, briefing: Briefing) -> Iterator[Section | None]:
    """Yield the sections that the executions themselves are read for."""
    chosen = view.chosen
    for by in ("model", "metadata.version"):
        yield group_sections.choice(database, chosen, by, briefing)
    for number, by in enumerate(group_sections.keys(database), 3):
        yield group_sections.group(database, chosen, by, f"by-{number}")
    yield group_sections.waits(database, chosen)
    yield group_sections.routing(database, chosen)
    yield error_sections.extreme(database, chosen, view.links)
    yield error_sections.patterns(database, chosen)


def _left_out(*, has_pools: bool) -> Section:
    """Return what is not there of more executions than are read."""
    pools = "" if has_pools else "pools side by side, "
    return Section(
        "left-out",
        Heading(f"Some sections are left out: there are more than {MOST_READ:,} executions"),
        f"They are read execution by execution: {pools}models, versions, keys of metadata, waits, routing, the slowest"
        " and dearest, solutions, what failures cost. A shorter period, or fewer executions by a filter, has them.",
    )

"""Sections about the file itself: what runs now, how large it is, what could not be recorded."""

from datetime import datetime, timezone
from typing import Final

from ... import formatting
from ...analytics import Summary
from ...analytics.headings import of_losses, of_running
from ...analytics.sources.source import source_of
from ...sqlite.selection import Queryable, Selection, has_table
from ...storage.statistics import lost_noun
from ..in_flight import in_flight
from ..markup import Child
from ..tables import Column, Table
from .section import Section

#: Executions that run that are listed, the oldest.
_RUNNING: Final = 10
_RUNNING_COLUMNS: Final = (
    Column("Execution"),
    Column("Task type"),
    Column("Pool"),
    Column("Started (UTC)"),
    Column("Running for", is_number=True),
    Column("Its process"),
)
_LOSS_COLUMNS: Final = (Column("Reason"), Column("Could not be recorded", is_number=True))


def running(database: Queryable, selection: Selection, found: Summary) -> Section | None:
    """Return what the crash ledger has, the executions that have run for more than a second, and what was lost.

    Args:
        database: the one to ask.
        selection: whose filters the executions pass.
        found: how the executions ended.
    """
    now = datetime.now(timezone.utc)
    entries = in_flight(database, selection) if has_table(database, "running") else []
    begun = [(each.started.astimezone(timezone.utc), each) for each in entries if each.started is not None]
    lost = found.outcomes.get("lost", 0)
    if not begun and not lost:
        return None
    begun.sort(key=lambda pair: pair[0])
    alive = [_age(started, now) for started, entry in begun if not entry.is_dead]
    heading = of_running(alive, len(begun) - len(alive), lost)
    rows: list[tuple[Child, ...]] = [
        (
            formatting.short_id(entry.execution_id),
            entry.task_type,
            entry.pool_type,
            f"{started:%Y-%m-%d %H:%M}",
            formatting.seconds(_age(started, now)),
            "ended: to be stored as lost" if entry.is_dead else f"{entry.process_id} on {entry.host}",
        )
        for started, entry in begun[:_RUNNING]
    ]
    return Section(
        "running",
        heading,
        "What has run for a second or more; lost: the process ended before the execution did",
        table=Table(_RUNNING_COLUMNS, tuple(rows)) if rows else None,
    )


def losses(database: Queryable, found: Summary) -> Section:
    """Return the size of the database, and what could not be recorded."""
    rows = tuple((reason, formatting.counted(count, lost_noun(reason))) for reason, count in found.losses.items())
    return Section(
        "file",
        of_losses(found, source_of(database).size()),
        "Executions of this period, and the size of the whole file",
        table=Table(_LOSS_COLUMNS, rows) if rows else None,
    )


def _age(started: datetime, now: datetime) -> float:
    return max(0.0, (now - started).total_seconds())

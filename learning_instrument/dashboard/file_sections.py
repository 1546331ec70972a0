"""Sections about the file itself: what runs now, how large it is, what could not be recorded."""

from typing import Final

from .. import formatting
from ..analytics import Summary
from ..analytics.headings import of_losses, of_running
from ..safety.clocks import time
from ..sqlite.selection import Queryable, has_table
from ..storage.liveness import has_died, last_seen
from ..storage.statistics import lost_noun
from ..timestamps import from_iso
from .markup import Child
from .section import Section
from .tables import Column, Table

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
_LEDGER: Final = "SELECT execution_id, task_type, pool_type, process_id, host, process, started, heartbeat FROM running"


def running(database: Queryable, found: Summary) -> Section | None:
    """Return what the crash ledger has, the executions that have run for more than a second, and what was lost."""
    now = time.time()
    entries = []
    for entry in database.query(_LEDGER) if has_table(database, "running") else ():
        seen = last_seen(entry["process_id"], entry["host"], entry["process"], entry["heartbeat"])
        age = _age(entry["started"], now)
        if seen is not None and age is not None:
            entries.append((age, has_died(seen[0], now - seen[1]), entry))
    lost = found.outcomes.get("lost", 0)
    if not entries and not lost:
        return None
    entries.sort(key=lambda each: -each[0])
    alive = [age for age, is_dead, _ in entries if not is_dead]
    heading = of_running(alive, len(entries) - len(alive), lost)
    rows: list[tuple[Child, ...]] = [
        (
            formatting.short_id(str(entry["execution_id"])),
            str(entry["task_type"]),
            str(entry["pool_type"]),
            str(entry["started"])[:16].replace("T", " "),
            formatting.seconds(age),
            "ended: to be stored as lost" if is_dead else f"{entry['process_id']} on {entry['host']}",
        )
        for age, is_dead, entry in entries[:_RUNNING]
    ]
    return Section(
        "running",
        heading,
        "What has run for a second or more; lost: the process ended before the execution did",
        table=Table(_RUNNING_COLUMNS, tuple(rows)) if rows else None,
    )


def losses(database: Queryable, found: Summary) -> Section:
    """Return the size of the database, and what could not be recorded."""
    (size,) = database.query("SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()")
    rows = tuple((reason, formatting.counted(count, lost_noun(reason))) for reason, count in found.losses.items())
    return Section(
        "file",
        of_losses(found, size["bytes"]),
        "Executions of this period, and the size of the whole file",
        table=Table(_LOSS_COLUMNS, rows) if rows else None,
    )


def _age(started: object, now: float) -> float | None:
    """Return the seconds since *started*; None for what is no time, as in a damaged file."""
    try:
        return max(0.0, now - from_iso(str(started)).timestamp())
    except (ValueError, OverflowError):
        return None

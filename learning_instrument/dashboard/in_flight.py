"""Executions in flight: the entries of the crash ledger, and whether their processes live."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ..columns import COLUMNS
from ..safety.clocks import time
from ..sqlite.dimensions import dimension
from ..sqlite.selection import Queryable, Selection
from ..storage.liveness import Process, has_died, last_seen
from ..timestamps import from_iso

#: The entries under the names of the columns of ``executions``, so that every filter of those is one of these.
_RECORD: Final = "CASE WHEN json_valid(record) THEN record END"
_ENTRIES: Final = (
    "WITH executions AS (SELECT rowid AS entry, execution_id AS entered_id, task_type AS entered_type,"
    " pool_type AS entered_pool, process_id AS entered_process, host, process, started, heartbeat, record, "
    + ", ".join(f"json_extract({_RECORD}, '$.{name}') AS {name}" for name in COLUMNS)
    + " FROM running)"
)
_QUESTION: Final = (
    f"{_ENTRIES} SELECT entered_id AS execution_id, {dimension('task_type')} AS task_type, entered_type,"
    f" entered_pool AS pool_type, {dimension('model_tier')} AS model_tier, task_description AS about,"
    " entered_process AS process_id, host, process, started, heartbeat, record FROM executions WHERE"
)


@dataclass(frozen=True, slots=True)
class InFlight:
    """One execution that has begun, more than about a second ago, and of which no end is known."""

    execution_id: str
    task_type: str
    pool_type: str
    model_tier: str
    about: str | None
    #: None where the entry has no time.
    started: datetime | None
    process_id: int
    host: str
    #: Whether its process has died: it ends as ``lost`` when a process opens the file for writing.
    is_dead: bool
    #: The row to store then, as JSON.
    record: str


def in_flight(database: Queryable, selection: Selection | None = None) -> list[InFlight]:
    """Return the executions in flight that pass the filters of *selection*, the oldest entry first.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    condition, parameters = (selection or Selection()).filter_condition()
    verdicts: dict[tuple[Process, float], bool] = {}
    found = []
    for entry in database.query(f"{_QUESTION} {condition} ORDER BY entry", parameters):
        seen = last_seen(entry["process_id"], entry["host"], entry["process"], entry["heartbeat"])
        if seen is None:  # garbage, which doctor names
            continue
        if seen not in verdicts:
            verdicts[seen] = has_died(seen[0], time.time() - seen[1])
        found.append(
            InFlight(
                execution_id=str(entry["execution_id"]),
                task_type=str(entry["task_type"] or entry["entered_type"]),
                pool_type=str(entry["pool_type"]),
                model_tier=str(entry["model_tier"]),
                about=None if entry["about"] is None else str(entry["about"]),
                started=_moment(entry["started"]),
                process_id=entry["process_id"],
                host=entry["host"],
                is_dead=verdicts[seen],
                record=str(entry["record"]),
            )
        )
    return found


def _moment(text: Any) -> datetime | None:
    try:
        moment = from_iso(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None

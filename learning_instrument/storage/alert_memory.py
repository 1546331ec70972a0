"""What watches remember in the file: how far they have looked, and the alerts that they told or are to tell.

A watch is known by its filters and where it tells. Several processes of one watch take turns: a look counts only where
no other has counted since it began, so each alert is stored once; and one process at a time delivers it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..ids import new_uuid
from ..sqlite.connection import Execute
from ..sqlite.executions import placeholders
from ..sqlite.selection import Queryable, has_table
from ..timestamps import from_iso, iso

#: Longer than a delivery takes: after that another process may take it up.
_LEASE: Final = timedelta(seconds=120)
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_GIVEN_UP: Final = timedelta(hours=24)
#: Longer than the longest period of a budget.
_KEPT: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class WatchState:
    """How far a watch has looked."""

    began: datetime
    looked: datetime
    #: The ids of the executions stored last.
    place: tuple[str, ...]
    #: Minute -> the executions that ended in it, and those of them that failed.
    minutes: Mapping[str, tuple[int, int]]
    is_in_burst: bool


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell. The subject says which of its kind it is."""

    kind: str
    subject: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert to tell at one target, by this process."""

    alert_id: str
    target: str
    timestamp: datetime
    document: dict[str, Any]
    attempts: int


def state_of(database: Queryable, watch: str) -> WatchState | None:
    """Return how far *watch* has looked, or None before its first look."""
    if not has_table(database, "watches"):
        return None  # an older release wrote the file
    rows = database.query("SELECT began, looked, place, minutes, is_in_burst FROM watches WHERE watch = ?", [watch])
    return _state(*rows[0].values()) if rows else None


def last_told(database: Queryable, watch: str, kind: str, subject: str) -> datetime | None:
    """Return when *watch* last stored an alert of that kind and subject; None: never. After :func:`state_of`."""
    (row,) = database.query(
        "SELECT max(timestamp) AS last FROM alerts WHERE watch = ? AND kind = ? AND subject = ?", [watch, kind, subject]
    )
    return None if row["last"] is None else from_iso(row["last"])


def count_since(database: Queryable, watch: str, kinds: Sequence[str], since: datetime) -> int:
    """Return how many alerts of *kinds* are stored since. After :func:`state_of`."""
    (row,) = database.query(
        "SELECT count(DISTINCT alert_id) AS number FROM alerts WHERE watch = ? AND timestamp > ?"
        f" AND kind IN {placeholders(kinds)}",
        [watch, iso(since), *kinds],
    )
    return int(row["number"])


def advance(
    execute: Execute,
    watch: str,
    before: WatchState | None,
    after: WatchState,
    alerts: Sequence[Alert],
    targets: Sequence[str],
) -> bool:
    """Store the state after a look, with its alerts for each of *targets*, unless another process was faster.

    Args:
        execute: runs a statement within a transaction.
        watch: the watch.
        before: the state that the look began with.
        after: the one that it ends with.
        alerts: what is to be told. Its document gets the alert's id.
        targets: where.

    Returns:
        Whether it was stored.
    """
    rows = execute("SELECT began, looked, place, minutes, is_in_burst FROM watches WHERE watch = ?", (watch,))
    if (_state(*rows[0]) if rows else None) != before:
        return False
    looked = iso(after.looked)
    execute(
        "INSERT OR REPLACE INTO watches (watch, began, looked, place, minutes, is_in_burst) VALUES (?, ?, ?, ?, ?, ?)",
        (
            *(watch, iso(after.began), looked, json.dumps(after.place)),
            *(json.dumps(after.minutes), after.is_in_burst),
        ),
    )
    execute("DELETE FROM alerts WHERE watch = ? AND timestamp < ?", (watch, iso(after.looked - _KEPT)))
    for alert in alerts:
        alert_id = new_uuid()
        document = json.dumps({"alert_id": alert_id, **alert.document})
        for target in targets:
            execute(
                "INSERT INTO alerts (alert_id, target, watch, kind, subject, timestamp, document, due, attempts)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (alert_id, target, watch, alert.kind, alert.subject, looked, document, looked),
            )
        if not targets:
            execute(
                "INSERT INTO alerts (alert_id, target, watch, kind, subject, timestamp, attempts)"
                " VALUES (?, '', ?, ?, ?, ?, 0)",
                (alert_id, watch, alert.kind, alert.subject, looked),
            )
    return True


def is_due(database: Queryable, watch: str, target: str, now: datetime) -> bool:
    """Tell whether an alert is to be delivered at *target* now. After :func:`state_of`."""
    return bool(
        database.query(
            "SELECT 1 FROM alerts WHERE watch = ? AND target = ? AND due <= ? LIMIT 1", [watch, target, iso(now)]
        )
    )


def take(execute: Execute, watch: str, target: str, now: datetime) -> Delivery | None:
    """Return the oldest alert that is to be delivered at *target* now; no other process gets it for a while."""
    rows = execute(
        "SELECT alert_id, timestamp, document, attempts FROM alerts WHERE watch = ? AND target = ? AND due <= ?"
        " ORDER BY rowid LIMIT 1",
        (watch, target, iso(now)),
    )
    for alert_id, timestamp, document, attempts in rows:
        execute("UPDATE alerts SET due = ? WHERE alert_id = ? AND target = ?", (iso(now + _LEASE), alert_id, target))
        return Delivery(alert_id, target, from_iso(timestamp), json.loads(document), attempts)
    return None


def settle(execute: Execute, delivery: Delivery) -> None:
    """Store that *delivery* was told: its document is not needed any more."""
    execute(
        "UPDATE alerts SET document = NULL, due = NULL WHERE alert_id = ? AND target = ?",
        (delivery.alert_id, delivery.target),
    )


def retry(execute: Execute, delivery: Delivery, now: datetime) -> timedelta | None:
    """Store that *delivery* failed; return after how long it is tried again, or None: never, after a day."""
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(4 ** min(delivery.attempts, 10)))
    if now - delivery.timestamp > _GIVEN_UP:
        settle(execute, delivery)
        return None
    execute(
        "UPDATE alerts SET due = ?, attempts = attempts + 1 WHERE alert_id = ? AND target = ?",
        (iso(now + pause), delivery.alert_id, delivery.target),
    )
    return pause


def forget(execute: Execute, execution_ids: Sequence[str]) -> None:
    """Delete what was not told yet of these executions, and their ids from the places of watches."""
    ids = json.dumps(execution_ids)
    among = "value IN (SELECT value FROM json_each(?))"
    execute(
        "DELETE FROM alerts WHERE document IS NOT NULL AND EXISTS"
        f" (SELECT 1 FROM json_each(document, '$.execution_ids') WHERE {among})",
        (ids,),
    )
    # An empty id in its place says that there was one.
    execute(
        f"UPDATE watches SET place = (SELECT json_group_array(CASE WHEN {among} THEN '' ELSE value END)"
        f" FROM json_each(place)) WHERE EXISTS (SELECT 1 FROM json_each(place) WHERE {among})",
        (ids, ids),
    )


def _state(began: str, looked: str, place: str, minutes: str, is_in_burst: int) -> WatchState:
    return WatchState(
        began=from_iso(began),
        looked=from_iso(looked),
        place=tuple(json.loads(place)),
        minutes={minute: (counts[0], counts[1]) for minute, counts in json.loads(minutes).items()},
        is_in_burst=bool(is_in_burst),
    )

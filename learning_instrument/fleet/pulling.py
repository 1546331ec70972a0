"""Copies executions of a fleet into a file: an import, whose source is the fleet."""

import heapq
import itertools
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..columns import COLUMNS
from ..database import LearningDatabase
from ..sqlite.selection import Selection
from ..storage.feedback import Visibility, check_visibility
from ..timestamps import from_iso, iso
from ..transfer.importing import ImportAnswer, Progress, import_source
from ..transfer.nested import CALL_MEMBERS, FEEDBACK_MEMBERS, MODEL_CALLS, REPORTED_COST, add_feedback
from ..transfer.sources import ROWS, Found, SourceBatch
from . import schema
from .address import Address
from .client import Client

#: Executions that are asked for at once.
_SLICE: Final = 2000
#: A call begins while its execution runs. So far apart may the clocks of their machines be.
_SKEW_SECONDS: Final = 3600.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

_EXECUTIONS: Final = (
    f"SELECT rowid, {', '.join(COLUMNS)} FROM executions WHERE {{condition}} AND timestamp >= :timestamp"
    f" AND (timestamp > :timestamp OR execution_id > :execution_id) ORDER BY timestamp, execution_id LIMIT {_SLICE}"
)
_NUMBER: Final = "SELECT count(*) AS number FROM executions WHERE {condition}"
#: What belongs to the executions of a slice, found by their order: their ids would be too long a parameter.
_INSIDE: Final = (
    "execution_id IN (SELECT execution_id FROM learning_instrument_executions"
    " WHERE timestamp >= {first:String} AND timestamp <= {last:String})"
)
_REPORTED: Final = (
    "SELECT execution_id, reported_cost AS cost FROM learning_instrument_executions FINAL"
    " WHERE timestamp >= {first:String} AND timestamp <= {last:String} AND reported_cost IS NOT NULL"
)
_CALLS: Final = (
    f"SELECT execution_id, {', '.join(CALL_MEMBERS)} FROM model_calls"
    f" WHERE timestamp >= {{begin:String}} AND timestamp <= {{end:String}} AND {_INSIDE} ORDER BY rowid"
)
_FEEDBACK: Final = (
    f"SELECT execution_id, {', '.join(FEEDBACK_MEMBERS)} FROM feedback WHERE {_INSIDE} ORDER BY timestamp, feedback_id"
)


def pull(
    address: Address | str,
    database: LearningDatabase | str | os.PathLike[str],
    selection: Selection | None = None,
    *,
    visibility: Visibility = "team",
    progress: Progress | None = None,
) -> ImportAnswer:
    """Store executions of a fleet in a file, with their model calls and feedback.

    What the file has stays, and is not doubled. Model calls and feedback that came to the fleet since are added, and
    costs become those of the fleet, unless the file knows of a model call that the fleet does not. An interrupted pull
    is started again.

    Args:
        address: the fleet's.
        database: the file, made if missing.
        selection: the executions; None: all.
        visibility: the most confidential feedback to include: ``"public"``, ``"team"`` or ``"private"``.
        progress: called with a label, the number done and the total.

    Raises:
        ConfigurationError: for an invalid address or visibility, or without the extra ``scale``.
        DatabaseError: if the fleet cannot be asked, or the file cannot be written.
    """
    check_visibility(visibility)
    where = Address.parse(address)
    with schema.connect_to_fleet(where) as client:
        batches = _batches(client, selection or Selection(), visibility)
        return import_source(database, str(where), lambda: batches, progress=progress)


def _batches(client: Client, selection: Selection, visibility: Visibility) -> Iterator[SourceBatch]:
    """Yield the executions, with what is nested in them, in the order of their rowids.

    Where all else is equal, rowids decide: which execution is the newest, and the example.
    """
    condition, parameters = selection.condition()
    ((of,),) = [row.values() for row in _rows(client, _NUMBER.format(condition=condition), parameters)]
    executions, done = _by_end(client, condition, parameters, visibility), 0
    while rows := [*itertools.islice(executions, ROWS)]:
        done += len(rows)
        yield SourceBatch([Found(f"execution {row['execution_id']}", row) for row in rows], done, max(done, of))


def _by_end(
    client: Client, condition: str, parameters: dict[str, Any], visibility: Visibility
) -> Iterator[dict[str, Any]]:
    """Yield the executions as they ended, which is how rowids grow. They are read as they began.

    So those that ran at one time are in memory together.
    """
    sql, reached = _EXECUTIONS.format(condition=condition), {"timestamp": "", "execution_id": ""}
    running: list[tuple[int, str, str, dict[str, Any]]] = []
    while rows := _rows(client, sql, {**parameters, **reached}):
        reached = {name: rows[-1][name] for name in reached}
        _add_nested(client, rows, visibility)
        for row in rows:
            heapq.heappush(running, (row.pop("rowid"), row["timestamp"], row["execution_id"], row))
        least = _least_rowid(reached["timestamp"])
        while running and running[0][0] < least:
            yield heapq.heappop(running)[-1]
    while running:
        yield heapq.heappop(running)[-1]


def _rows(client: Client, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    from .dialect import translated  # here: the plain install lacks sqlglot, as it lacks what connects

    return client.rows(*translated(sql, parameters))


def _least_rowid(timestamp: str) -> int:
    """Return the least rowid of an execution that began then or later, as ``schema.sql`` makes it."""
    return max(0, (from_iso(timestamp) - _EPOCH) // timedelta(microseconds=1)) << 64


def _add_nested(client: Client, rows: list[dict[str, Any]], visibility: Visibility) -> None:
    """Add model calls, feedback and reported costs to a slice of executions."""
    by_id = {row["execution_id"]: row for row in rows}
    where = {
        "first": rows[0]["timestamp"],
        "last": rows[-1]["timestamp"],
        "begin": _moved(rows[0]["timestamp"], -_SKEW_SECONDS),
        "end": max(_moved(row["timestamp"], row["duration_seconds"] + _SKEW_SECONDS) for row in rows),
    }
    calls, feedback, reported = (
        [row for row in client.rows(sql, where) if row["execution_id"] in by_id]
        for sql in (_CALLS, _FEEDBACK, _REPORTED)
    )
    for call in calls:
        by_id[call.pop("execution_id")].setdefault(MODEL_CALLS, []).append(call)
    for each in reported:
        by_id[each["execution_id"]][REPORTED_COST] = each["cost"]
    add_feedback(by_id, feedback, visibility)


def _moved(timestamp: str, seconds: float) -> str:
    """Return a time earlier or later; the first or last of all where there is none so far away."""
    try:
        return iso(from_iso(timestamp) + timedelta(seconds=seconds))
    except (ValueError, OverflowError):
        return "" if seconds < 0 else "~"

"""The table ``running``: long executions in flight, which become ``lost`` rows when their process dies.

An entry holds the row to store then. Whether a process is dead, on other hosts and in containers too, is decided in
``liveness``.
"""

import json
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from ..columns import COLUMNS
from ..record import Row
from ..safety.clocks import time
from ..safety.guards import warn
from ..sqlite.connection import WriteConnection
from ..sqlite.executions import placeholders
from ..timestamps import from_iso, iso_of_nanoseconds
from .insertion import UNBINDABLE
from .liveness import Process, has_died, last_seen, this_process

log = logging.getLogger(__name__)


_ENTRY: Final = (
    "execution_id", "task_id", "task_type", "pool_type", "process_id", "host", "process", "started", "heartbeat",
    "record",
)  # fmt: skip
_INSERT: Final = f"INSERT INTO running ({','.join(_ENTRY)}) VALUES "
_AGAIN: Final = " ON CONFLICT (execution_id) DO UPDATE SET heartbeat = excluded.heartbeat"
_CHUNK: Final = 100
_BUSY_SECONDS: Final = 0.5
#: A clock that is further from the newest execution of another process may be wrong, or the file idle.
_FAR_SECONDS: Final = 86400.0
#: How long a heartbeat must then stay the same under the eyes of this process. A living one renews it every 5 s.
_WATCHED_SECONDS: Final = 50.0
_NEWEST_OF_OTHERS: Final = (
    "SELECT timestamp, duration_seconds + coalesce(wait_seconds, 0) FROM"
    " (SELECT timestamp, duration_seconds, wait_seconds, process_id FROM executions ORDER BY rowid DESC LIMIT 1000)"
    " WHERE process_id <> ? LIMIT 1"
)


class CrashLedger:
    """Writes the entries of this process, and settles those of dead ones. Used by one thread at a time.

    Each statement commits by itself: a transaction would hold the database's lock while this thread waits for the
    interpreter's.

    Args:
        path: the absolute path of the database.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = WriteConnection(path, _BUSY_SECONDS)
        #: How many statements it has run: they show that its thread is alive.
        self.statements = 0
        #: The execution ids of this process's entries.
        self.standing: set[str] = set()
        #: Silent processes -> their heartbeat, and since when this process has seen it, by the monotonic clock.
        self._silent: dict[Process, tuple[float, float]] = {}

    @property
    def has_file(self) -> bool:
        """Whether the file exists. Only an execution makes it: a deleted file must not come back for housekeeping."""
        return os.path.exists(self._path)

    def enter(self, rows: Sequence[Row]) -> None:
        """Enter executions, each by the row to store if this process dies."""
        now = iso_of_nanoseconds(time.time_ns())
        process = this_process()
        for chunk in _chunks([_entry(row, process, now) for row in rows]):
            places = ",".join([placeholders(_ENTRY)] * len(chunk))
            self._write(f"{_INSERT}{places}{_AGAIN}", [value for entry in chunk for value in entry])
            self.standing.update(entry[0] for entry in chunk)

    def renew(self) -> None:
        """Write a heartbeat. Entries that are gone, since the file was replaced, are entered again by the watchdog."""
        identity = this_process().identity
        now = iso_of_nanoseconds(time.time_ns())
        self._write("UPDATE running SET heartbeat = ? WHERE process = ?", (now, identity))
        found = self._connection.execute("SELECT execution_id FROM running WHERE process = ?", (identity,))
        self.standing.intersection_update(execution_id for (execution_id,) in found)

    def leave(self, execution_ids: Collection[str], is_stored: bool) -> None:
        """Delete the entries of ended executions.

        Args:
            execution_ids: the ids of the ended executions.
            is_stored: whether all their rows are stored. Otherwise an entry stays until its row is.
        """
        if not self.has_file:
            self.standing.difference_update(execution_ids)
            return
        for chunk in _chunks(list(execution_ids)):
            these = f"execution_id IN {placeholders(chunk)}"
            if is_stored:
                self._write(f"DELETE FROM running WHERE {these}", chunk)
                self.standing.difference_update(chunk)
            else:
                found = self._connection.execute(f"SELECT execution_id FROM executions WHERE {these}", chunk)
                if found:
                    self.leave([execution_id for (execution_id,) in found], is_stored=True)

    def settle_dead(self) -> bool:
        """Store the executions of dead processes as lost; tell whether other processes still have entries."""
        identity = this_process().identity
        others = self._connection.execute(
            "SELECT execution_id, process_id, host, process, started, heartbeat, record FROM running"
            " WHERE process <> ? ORDER BY rowid",
            (identity,),
        )
        dead = self._of_dead_processes(others)
        for chunk in _chunks(dead):
            # Stored first: if this process dies in between, the next one stores the same row again, which keeps one.
            self._store([row for row in map(_lost_row, chunk) if row is not None])
            ids = [entry[0] for entry in chunk]
            self._write(f"DELETE FROM running WHERE execution_id IN {placeholders(ids)}", ids)
        return len(dead) < len(others)

    def _of_dead_processes(self, entries: Iterable[Row]) -> list[Row]:
        now = time.time()
        silent, self._silent = self._silent, {}
        verdicts: dict[Process, bool] = {}
        dead = []
        for entry in entries:
            _, process_id, host, identity, _, heartbeat, _ = entry
            seen = last_seen(process_id, host, identity, heartbeat)
            if seen is None:  # garbage, which doctor names
                continue
            process, beat = seen
            if process not in verdicts:  # all its entries have one heartbeat
                is_dead = has_died(process, now - beat)
                if is_dead and not has_died(process, 0.0):  # by this process's clock alone
                    since = silent.get(process, (beat, time.monotonic()))
                    self._silent[process] = since if since[0] == beat else (beat, time.monotonic())
                    is_watched = time.monotonic() - self._silent[process][1] >= _WATCHED_SECONDS
                    is_dead = is_watched or self._agrees_with_others(now)
                verdicts[process] = is_dead
            if verdicts[process]:
                dead.append(entry)
        return dead

    def _agrees_with_others(self, now: float) -> bool:
        """Tell whether the newest execution of another process, if there is any, ended about *now*."""
        for timestamp, seconds in self._connection.execute(_NEWEST_OF_OTHERS, (os.getpid(),)):
            try:
                return bool(abs(now - _seconds(timestamp) - seconds) < _FAR_SECONDS)
            except (TypeError, ValueError, OverflowError):  # garbage
                return False
        return True

    def _store(self, rows: Sequence[Row]) -> None:
        try:
            self._connection.insert(rows)
        except UNBINDABLE as error:
            if len(rows) > 1:
                for row in rows:
                    self._store([row])
            else:
                warn(log, "An entry of the table running cannot be stored (%s); skipped.", error)

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._connection.close()

    def reset(self) -> None:
        """Start over in a forked child: entries and connection are the parent's."""
        self._connection.abandon()
        self.standing = set()
        self._silent = {}

    def _write(self, sql: str, parameters: Sequence[Any]) -> None:
        self._connection.execute(sql, parameters)
        self.statements += 1


def _entry(row: Row, process: Process, now: str) -> Row:
    values = {column: value for column, value in zip(COLUMNS, row, strict=True) if value is not None}
    return (
        values["execution_id"],
        values["task_id"],
        values["task_type"],
        values["pool_type"],
        process.process_id,
        process.host,
        process.identity,
        values["timestamp"],
        now,
        json.dumps(values, separators=(",", ":")),
    )


def _lost_row(entry: Row) -> Row | None:
    execution_id, process_id, host, _, started, heartbeat, record = entry
    try:
        values = dict(json.loads(record))
        values["duration_seconds"] = max(0.0, _seconds(heartbeat) - _seconds(started))
    except (TypeError, ValueError, OverflowError, RecursionError):
        warn(log, "Entry %s of the table running is unreadable; skipped.", execution_id)
        return None
    values["error_message"] = f"Process {process_id} on {host} ended before its task did; last seen at {heartbeat}."
    return tuple(values.get(column) for column in COLUMNS)


def _seconds(timestamp: str) -> float:
    return from_iso(timestamp).timestamp()


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]

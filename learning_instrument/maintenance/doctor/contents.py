"""Checks of the contents of the database."""

import os
import shlex
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Final

from ...safety.clocks import time
from ...sqlite import schema
from ...sqlite.read_only import ReadOnlyDatabase
from ...storage.liveness import has_died, last_seen, this_process
from ...storage.statistics import lost_noun
from ...timestamps import iso
from ..vectors import stored_vectors
from .captured import bare_bools, swallowed_failures, unmatched_fields, unnamed_tasks
from .costs import COSTS
from .finding import LAST_ROWS, Finding, Severity, counted, executions_are
from .values import invalid_values

#: Reading larger files through takes more than a moment.
_CHECKED_BYTES: Final = 200_000_000
_LATELY: Final = timedelta(days=7)
_FUTURE_SECONDS: Final = 300
_BACKWARD_SECONDS: Final = 5
_SILENT_SECONDS: Final = 60
#: Times are those of one clock, to the microsecond; the end is worked out.
_SAME_SECONDS: Final = 0.0005


#: The remedy for a damaged file.
RECOVERY: Final = "learning-instrument recover sets it aside, and brings back what can be read; or restore a backup."

_LOSS_REMEDIES: Final = {
    "queue full": "The database could not be written for so long that memory ran out: see its disk and its rights.",
    "unreadable": "A span was changed by another processor before it was stored: look for one that redacts or drops.",
    "memory": "The process had no memory left: raise its limit, or lower what its tasks take.",
    "process ended": "The folder of the database takes no files: give the user that records the right to write it.",
    "file changed": "Another program deleted, emptied or overwrote the files of the database while it was in use.",
    "fault": "A fault of learning_instrument: please report the warning in the application's log.",
}


def _losses(database: ReadOnlyDatabase) -> Iterator[Finding]:
    if not database.has_table("losses"):
        return
    for row in database.query(
        "SELECT reason, sum(executions) AS lost, max(timestamp) AS last FROM losses GROUP BY reason ORDER BY 2 DESC"
    ):
        yield Finding(
            "records lost",
            Severity.WARNING,
            f"{counted(row['lost'], lost_noun(row['reason']), 'was', 'were')} not recorded ({row['reason']}), the last"
            f" of them at {row['last'][:19]}.",
            _LOSS_REMEDIES.get(row["reason"], "See the warnings in the application's log."),
        )


def _schema_age(database: ReadOnlyDatabase) -> Iterator[Finding]:
    (row,) = database.query("PRAGMA user_version")
    if row["user_version"] < schema.VERSION:
        yield Finding(
            "schema",
            Severity.WARNING,
            f"The file has schema {row['user_version']}, this release {schema.VERSION}: some questions have no"
            " answer yet.",
            "learning-instrument rebuild brings it up to date, as does the next execution that is recorded.",
        )
    if row["user_version"] > schema.VERSION:
        yield Finding(
            "schema",
            Severity.NOTE,
            f"A newer release gave the file schema {row['user_version']}; this one has {schema.VERSION}, and goes on"
            " reading and writing.",
            "Nothing has to be done. What only the newer release knows, it catches up when it writes next.",
        )


def _running(database: ReadOnlyDatabase) -> Iterator[Finding]:
    if not database.has_table("running"):
        return
    now, here = time.time(), this_process().host
    alive = dead = elsewhere = unreadable = 0
    for row in database.query("SELECT process_id, host, process, heartbeat FROM running"):
        seen = last_seen(row["process_id"], row["host"], row["process"], row["heartbeat"])
        if seen is None:
            unreadable += 1
            continue
        process, beat = seen
        silent_seconds = now - beat
        if has_died(process, silent_seconds):
            dead += 1
        elif row["host"] != here:
            elsewhere += silent_seconds > _SILENT_SECONDS
        else:
            alive += 1
    if unreadable:
        yield Finding(
            "running",
            Severity.WARNING,
            f"The table running has {unreadable:,} unreadable {'entry' if unreadable == 1 else 'entries'}, skipped.",
            "If no process records here, delete them: sqlite3 FILE 'DELETE FROM running'.",
        )
    if alive:
        what = f"{executions_are(alive, 'is', 'are')} running now."
        yield Finding("running", Severity.NOTE, what, "Nothing has to be done.")
    if dead:
        yield Finding(
            "lost executions",
            Severity.WARNING,
            executions_are(dead, "is still marked as running, but its", "are still marked as running, but their")
            + " process is dead.",
            "The next process that records here turns each into a record with outcome lost.",
        )
    if elsewhere:
        yield Finding(
            "lost executions",
            Severity.WARNING,
            f"{executions_are(elsewhere, 'on another host has', 'on other hosts have')} been silent for more than"
            f" {_SILENT_SECONDS} s.",
            "See there whether the process still runs.",
        )


def _lost_lately(database: ReadOnlyDatabase) -> Iterator[Finding]:
    since = iso(datetime.now(timezone.utc) - _LATELY)
    (row,) = database.query(
        "SELECT count(*) AS lost FROM executions WHERE timestamp >= ? AND outcome = 'lost'", [since]
    )
    if row["lost"]:
        yield Finding(
            "lost executions",
            Severity.WARNING,
            f"{executions_are(row['lost'], 'ended with its', 'ended with their')} process in the last"
            f" {_LATELY.days} days (outcome lost).",
            "See the system's log for what killed it: out of memory, a timeout of the supervisor, a deployment.",
        )


def _clock(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find rows of one process that ended before the one stored ahead of them."""
    latest = iso(datetime.now(timezone.utc) + timedelta(seconds=_FUTURE_SECONDS))
    (row,) = database.query("SELECT count(*) AS ahead FROM executions WHERE timestamp > ?", [latest])
    if row["ahead"]:
        yield Finding(
            "clock",
            Severity.WARNING,
            f"{executions_are(row['ahead'], 'is', 'are')} dated in the future.",
            "Have the clocks of all machines set by NTP; reports by day and --since are off until then.",
        )
    (row,) = database.query(
        "WITH recent AS (SELECT rowid AS row, process_id, (julianday(timestamp) - 2440587.5) * 86400 + duration_seconds"
        " + coalesce(wait_seconds, 0) AS ended FROM executions"
        " WHERE rowid > (SELECT max(rowid) FROM executions) - ? AND batch_id IS NULL"
        " AND process_id IS NOT NULL), steps AS (SELECT ended - lag(ended) OVER (PARTITION BY process_id ORDER BY row)"
        " AS step FROM recent) SELECT count(*) AS jumps, -min(step) AS longest FROM steps WHERE step < ?",
        [LAST_ROWS, -_BACKWARD_SECONDS],
    )
    if row["jumps"]:
        times = "once" if row["jumps"] == 1 else f"{row['jumps']:,} times"
        yield Finding(
            "clock",
            Severity.WARNING,
            f"The clock went backwards {times} while executions were recorded, by up to {row['longest']:,.0f} s.",
            "Have NTP slew the clock rather than step it. Durations are right all the same; the order in time is not.",
        )


def _second(table: str, *, is_end: bool = False) -> str:
    """Return the SQL of the time at which an execution began, or ended, in seconds.

    SQLite itself reads times to the millisecond, in which a short execution begins and ends.
    """
    begun = f"strftime('%s', {table}.timestamp) + substr({table}.timestamp, 20, 7)"
    return f"{begun} + {table}.duration_seconds + coalesce({table}.wait_seconds, 0)" if is_end else begun


def _recorded_twice(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find executions that ran while another of the same task did, which began them: one run, told twice.

    A retry has the task and the parent of such a pair as well, and so has a stage that hands its task on. These begin
    when the other ends, or go on after it; a retry that runs within it is another attempt.
    """
    (row,) = database.query(
        "SELECT count(*) AS pairs FROM executions AS inner JOIN executions AS outer"
        " ON outer.execution_id = inner.parent_execution_id AND outer.task_id = inner.task_id"
        " WHERE inner.rowid > (SELECT max(rowid) FROM executions) - ?"
        " AND (inner.attempt IS NULL OR inner.attempt IS outer.attempt)"
        f" AND {_second('inner')} >= {_second('outer')} - {_SAME_SECONDS}"
        f" AND {_second('inner', is_end=True)} <= {_second('outer', is_end=True)} + {_SAME_SECONDS}",
        [LAST_ROWS],
    )
    if row["pairs"]:
        yield Finding(
            "duplicate instrumentation",
            Severity.WARNING,
            f"{executions_are(row['pairs'], 'stands', 'stand')} within another one of the same task: a pool"
            " and what calls it are both recorded.",
            "If that is not wanted, name only the inner pool (LEARNING_INSTRUMENT_POOLS), or decorate only that.",
        )


def _silence(database: ReadOnlyDatabase) -> Iterator[Finding]:
    (row,) = database.query("SELECT max(timestamp) AS last FROM executions")
    if row["last"] is None:
        if database.has_table("running") and database.query("SELECT 1 FROM running LIMIT 1"):
            return  # the first ones are still running, which another finding says
        yield Finding(
            "no executions",
            Severity.NOTE,
            "The database has no executions.",
            "See whether the application names its pools (LEARNING_INSTRUMENT_POOLS), or decorates them.",
        )
    elif row["last"] < iso(datetime.now(timezone.utc) - _LATELY):
        yield Finding(
            "no executions",
            Severity.NOTE,
            f"The last execution started at {row['last'][:19]}, more than {_LATELY.days} days ago.",
            "If there should be newer ones, see whether the application records into this file.",
        )


def _permissions(database: ReadOnlyDatabase) -> Iterator[Finding]:
    if os.name == "posix" and stat.S_IMODE(os.stat(database.path).st_mode) & 0o077:
        yield Finding(
            "readable by others",
            Severity.NOTE,
            f"{database.path} can be read by other users; it holds prompts and errors.",
            f"chmod 600 {shlex.quote(database.path)}",
        )


def _integrity(database: ReadOnlyDatabase) -> Iterator[Finding]:
    if os.path.getsize(database.path) <= _CHECKED_BYTES:
        (row,) = database.query("PRAGMA integrity_check(1)")
        if row["integrity_check"] != "ok":
            yield Finding(
                "damaged",
                Severity.ERROR,
                f"{database.path} is damaged: {row['integrity_check'].splitlines()[-1]}.",
                RECOVERY,
            )


def _announced_rounds(database: ReadOnlyDatabase) -> Iterator[Finding]:
    if not database.has_table("retention_rounds"):
        return
    for row in database.query("SELECT * FROM retention_rounds WHERE boundary IS NULL"):
        yield Finding(
            "retention",
            Severity.WARNING,
            f"Retention ({row['options']}) will delete {row['executions']:,} of {row['total']:,} executions: process"
            f" {row['process_id']} on {row['host']} announced it at {row['announced'][:19]}; it begins an hour later.",
            "If that is too many, see whether the clock of that process is right; if not, learning-instrument prune"
            f" {row['options']} does it at once.",
        )


def _unfinished_deletion(database: ReadOnlyDatabase) -> Iterator[Finding]:
    if not database.has_table("deletions"):
        return
    for row in database.query("SELECT since FROM deletions WHERE NOT is_finished ORDER BY since LIMIT 1"):
        yield Finding(
            "deletion",
            Severity.WARNING,
            f"A deletion of {row['since'][:19]} was interrupted, or could not overwrite everything: the file may have"
            " remains of deleted executions.",
            "Run the same learning-instrument delete again; it does the rest.",
        )


def _vectors(database: ReadOnlyDatabase) -> Iterator[Finding]:
    for each in stored_vectors(database):
        yield Finding(
            "vectors",
            Severity.NOTE,
            f"{counted(each.descriptions, 'description', 'has a vector', 'have vectors')} by {each.model}:"
            f" {each.bytes / 1e6:,.1f} MB.",
            f"Nothing has to be done; learning-instrument prune --vectors {shlex.quote(each.model)} deletes them.",
        )


#: The checks, in the order of their findings.
CONTENTS: Final = (
    _permissions, _integrity, invalid_values, _schema_age, _losses, _running, _lost_lately, _clock, *COSTS,
    bare_bools, unmatched_fields, unnamed_tasks, swallowed_failures, _recorded_twice, _announced_rounds,
    _unfinished_deletion, _vectors, _silence,
)  # fmt: skip

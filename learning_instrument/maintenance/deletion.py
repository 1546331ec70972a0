"""``delete``: deletes executions with what hangs on them, and overwrites what the file had of them.

Rows go in short transactions, the nested ones first, so that an interrupted deletion can be done again by the same id
or selection. A row in ``deletions`` says when, and whether the file is overwritten.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from ..costs.attribution import delete_of_spans
from ..database import LearningDatabase
from ..errors import ConfigurationError, DatabaseError, UnknownExecutionError
from ..rollups import catch_up, search_index
from ..sqlite import yielding
from ..sqlite.connection import Connection, WriteConnection, executing, open_for_maintenance
from ..sqlite.executions import placeholders
from ..sqlite.paths import absolute
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.relocation import is_full, worked_on_elsewhere
from ..sqlite.selection import Selection
from ..storage import alert_memory, spill
from ..storage.crash_ledger import CrashLedger
from ..storage.retention import give_space_back, used_bytes, utc_now
from ..timestamps import iso
from ..transfer.importing import Progress
from .beyond_reach import files_beside, in_flight, recording_processes
from .chosen_rows import ChosenRows, slices
from .indexing import Database

Which = str | Iterable[str] | Selection
"""One execution id, several, or a selection."""

_AT_ONCE: Final = 500
#: Rows looked through at a time for other executions of a trace.
_WINDOW: Final = 20_000
#: A larger file is rewritten only while no other process writes: its rows wait meanwhile in memory.
_REWRITTEN_BYTES: Final = 50_000_000
#: How long to wait for such a moment, and for the readers of the log.
_QUIET_SECONDS: Final = 10.0
_READERS_SECONDS: Final = 10.0
#: Tables whose rows hang on an execution, in the order of the answer.
_HANGING: Final = ("model_calls", "feedback")


@dataclass(frozen=True, slots=True)
class Deleted:
    """The result of a deletion, or of its rehearsal."""

    #: Executions deleted (in a rehearsal: to delete): those chosen, and those nested within them.
    executions: int
    nested: int
    #: The number of executions before.
    of: int
    model_calls: int
    feedback: int
    #: Chosen executions that have not ended: their ids. They are stored when they end.
    in_flight: tuple[str, ...]
    #: Processes that are recording, whose rows may not be stored yet: "4711 on host", or "4711".
    recording: tuple[str, ...]
    #: Files beside the database that may hold executions, and were not touched.
    beyond_reach: tuple[str, ...]
    #: Whether an earlier deletion was interrupted, and is completed with this one.
    completes_another: bool = False
    #: Whether the file was written anew, so that it has no remains of deleted rows.
    is_rewritten: bool = False
    #: Whether the write-ahead log was emptied; a reader that stays open prevents it.
    is_log_empty: bool = False

    @property
    def is_overwritten(self) -> bool:
        """Whether nothing of the deleted rows is left in the files of the database."""
        return self.is_rewritten and self.is_log_empty


class _Plan(NamedTuple):
    """The executions to delete: rowid -> id."""

    chosen: dict[int, str]
    nested: dict[int, str]
    of: int
    hanging: dict[str, int]
    completes_another: bool
    began: datetime

    @property
    def rows(self) -> dict[int, str]:
        """All of them, the innermost first."""
        return {**dict(reversed(self.nested.items())), **self.chosen}


def delete(
    database: Database,
    which: Which,
    *,
    everything: bool = False,
    is_rehearsal: bool = False,
    progress: Progress | None = None,
) -> Deleted:
    """Delete executions with those nested within them, their model calls, feedback, and entries in every index.

    The file is then written anew and its log emptied, so that no byte of it is left in them; recording goes on
    meanwhile. Spill files and executions of dead processes are taken in first. Backups, archives and exports keep what
    they hold. After an interruption, the same call does the rest.

    Args:
        database: the database, or its path.
        which: an execution id, several, or a selection.
        everything: whether a selection without any condition may delete all executions.
        is_rehearsal: whether to count only.
        progress: called with a label, the number done, and the total (0: unknown).

    Raises:
        ConfigurationError: for a selection without a condition.
        UnknownExecutionError: for an id that no execution has.
        DatabaseError: if the database cannot be written.
    """
    if isinstance(which, Selection) and not everything and which == Selection():
        raise ConfigurationError(
            "Invalid selection: it has no condition, and would delete all executions; add one, or pass everything=True."
        )
    chosen = which if isinstance(which, Selection) else (which,) if isinstance(which, str) else tuple(which)
    if isinstance(database, LearningDatabase):
        database.flush()
        database = database.path
    path, tell = absolute(database), progress or (lambda label, done, of: None)
    if is_rehearsal:
        return _answer(path, chosen, _plan(path, chosen))
    try:
        return _delete(path, chosen, tell)
    except DatabaseError as error:
        if not is_full(error.__cause__, path):
            raise
    with worked_on_elsewhere(path) as copy:
        return _delete(copy, chosen, tell)


def take_in_waiting(path: str | os.PathLike[str]) -> None:
    """Take in the spill files beside the database at *path*, and what dead processes were running.

    Raises:
        DatabaseError: if the database cannot be written.
    """
    with open_for_maintenance(absolute(path)) as connection:
        _take_in(absolute(path), connection)


def is_unfinished(database: ReadOnlyDatabase) -> bool:
    """Tell whether a deletion was interrupted, or could not overwrite everything."""
    return database.has_table("deletions") and bool(database.query("SELECT 1 FROM deletions WHERE NOT is_finished"))


def _take_in(path: str, connection: WriteConnection) -> None:
    connection.open()  # which migrates an older file
    spill.take_in(path, connection)
    ledger = CrashLedger(path)
    try:
        ledger.settle_dead()
    finally:
        ledger.close()


def _delete(path: str, which: Sequence[str] | Selection, tell: Progress) -> Deleted:
    with open_for_maintenance(path, is_overwriting=True) as connection:
        _take_in(path, connection)
        plan = _plan(path, which)
        rows = ChosenRows(connection, plan.rows, tell)
        rows.delete(partial(_delete_hanging, traces=_traces_of(connection, plan.rows)))
        is_rewritten = is_log_empty = False
        if plan.rows or plan.completes_another:
            is_rewritten, is_log_empty = _overwrite(connection, tell)
    return _answer(path, which, plan, is_rewritten, is_log_empty)


def _answer(
    path: str, which: Sequence[str] | Selection, plan: _Plan, is_rewritten: bool = False, is_log_empty: bool = False
) -> Deleted:
    with ReadOnlyDatabase(path) as database:
        return Deleted(
            executions=len(plan.chosen),
            nested=len(plan.nested),
            of=plan.of,
            **plan.hanging,
            in_flight=in_flight(database, which, {*plan.chosen.values(), *plan.nested.values()}),
            recording=recording_processes(database, plan.began),
            beyond_reach=files_beside(path),
            completes_another=plan.completes_another,
            is_rewritten=is_rewritten,
            is_log_empty=is_log_empty,
        )


def _plan(path: str, which: Sequence[str] | Selection) -> _Plan:
    with ReadOnlyDatabase(path) as database:
        began, completes_another = utc_now(), is_unfinished(database)
        if isinstance(which, Selection):
            chosen = _selected(database, which)
        else:
            chosen = _by_id(database, which)
            unknown = {*which} - {*chosen.values()}
            if unknown and not completes_another:  # else the interrupted deletion may have deleted it
                raise UnknownExecutionError(
                    f"Unknown execution {min(unknown)!r}; learning-instrument list shows the ids."
                )
        nested: dict[int, str] = {}
        level = chosen
        while level:
            level = _within(database, level.values(), {*chosen, *nested})
            nested |= level
        ids = [*chosen.values(), *nested.values()]
        hanging = {table: _count(database, table, ids) for table in _HANGING}
        ((of,),) = (row.values() for row in database.query("SELECT count(*) FROM executions"))
        return _Plan(chosen, nested, of, hanging, completes_another, began)


def _selected(database: ReadOnlyDatabase, selection: Selection) -> dict[int, str]:
    condition, parameters = selection.condition()
    return _rows(database.query(f"SELECT rowid AS row, execution_id FROM executions WHERE {condition}", parameters))


def _by_id(database: ReadOnlyDatabase, ids: Sequence[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for _, some in slices(ids, _AT_ONCE):
        sql = f"SELECT rowid AS row, execution_id FROM executions WHERE execution_id IN {placeholders(some)}"
        found |= _rows(database.query(sql, some))
    return found


def _within(database: ReadOnlyDatabase, parents: Iterable[str], known: set[int]) -> dict[int, str]:
    """Return the executions directly within *parents*, without those that are *known* by their rowids."""
    found: dict[int, str] = {}
    for _, some in slices(list(parents), _AT_ONCE):
        sql = f"SELECT rowid AS row, execution_id FROM executions WHERE parent_execution_id IN {placeholders(some)}"
        found |= _rows(database.query(sql, some))
    return {row: execution_id for row, execution_id in found.items() if row not in known}


def _rows(found: Iterable[dict[str, Any]]) -> dict[int, str]:
    return {each["row"]: each["execution_id"] for each in found}


def _count(database: ReadOnlyDatabase, table: str, ids: Sequence[str]) -> int:
    if not database.has_table(table):  # an older release wrote the file
        return 0
    number = 0
    for _, some in slices(ids, _AT_ONCE):
        sql = f"SELECT count(*) AS number FROM {table} WHERE execution_id IN {placeholders(some)}"
        number += database.query(sql, some)[0]["number"]
    return number


def _traces_of(connection: WriteConnection, rows: dict[int, str]) -> set[str]:
    """Return the traces with links or waiting calls in which there is no other execution than *rows*."""
    traces: set[str] = set()
    for _, some in slices(list(rows), _AT_ONCE):
        found = connection.execute(
            "SELECT trace_id FROM executions AS e WHERE trace_id IS NOT NULL AND (EXISTS (SELECT 1 FROM span_links AS l"
            " WHERE l.trace_id = e.trace_id) OR EXISTS (SELECT 1 FROM model_calls AS c WHERE c.trace_id = e.trace_id"
            f" AND c.execution_id IS NULL)) AND rowid IN {placeholders(some)}",
            some,
        )
        traces.update(trace_id for (trace_id,) in found)
    if traces:  # their column has no index
        running = "SELECT json_extract(record, '$.trace_id') FROM running WHERE json_valid(record)"
        traces.difference_update(trace_id for (trace_id,) in connection.execute(running))
        window = "SELECT rowid, trace_id FROM executions WHERE rowid > ? ORDER BY rowid LIMIT ?"
        last = 0
        while found := connection.execute(window, (last, _WINDOW)):
            traces.difference_update(trace_id for rowid, trace_id in found if rowid not in rows)
            last = found[-1][0]
    return traces


def _delete_hanging(connection: Connection, rowids: Sequence[int], traces: set[str]) -> None:
    """Delete within a transaction what no trigger on the table deletes with it."""
    unfinished = "SELECT 1 FROM deletions WHERE NOT is_finished"
    connection.execute(f"INSERT INTO deletions (since) SELECT ? WHERE NOT EXISTS ({unfinished})", (iso(utc_now()),))
    found = connection.execute(
        f"SELECT execution_id, trace_id, span_id FROM executions WHERE rowid IN {placeholders(rowids)}", rowids
    ).fetchall()
    delete_of_spans(connection, [(trace_id, span_id) for _, trace_id, span_id in found if trace_id], traces)
    ids = [execution_id for execution_id, _, _ in found]
    alert_memory.forget(executing(connection), ids)
    for table in ("running", "totals_due"):
        connection.execute(f"DELETE FROM {table} WHERE execution_id IN {placeholders(ids)}", ids)


def _overwrite(connection: WriteConnection, tell: Progress) -> tuple[bool, bool]:
    """Take the deleted rows out of all derived tables, and overwrite them; tell whether file and log are clean."""
    catch_up.catch_up_fully(connection, tell)
    search_index.compact(connection)
    is_rewritten = False
    if used_bytes(connection) <= _REWRITTEN_BYTES or yielding.becomes_quiet(connection, _QUIET_SECONDS):
        tell("Rewriting the file", 0, 0)
        is_rewritten = connection.rewrite()
    if not is_rewritten:
        give_space_back(connection, partial(tell, "Giving space back"))
    is_log_empty = connection.empty_log(_READERS_SECONDS)
    if is_rewritten and is_log_empty:
        with connection.transaction() as opened:
            opened.execute("DELETE FROM deletions WHERE is_finished")
            opened.execute("UPDATE deletions SET is_finished = 1")
    return is_rewritten, is_log_empty

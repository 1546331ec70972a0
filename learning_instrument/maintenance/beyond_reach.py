"""What a deletion cannot reach: executions in flight, processes that record, files beside the database."""

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from ..columns import COLUMNS
from ..safety.clocks import time
from ..sqlite.file_watch import is_database
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.renewal import is_ours, set_aside_files
from ..sqlite.selection import Selection
from ..storage import spill_names
from ..storage.liveness import has_died, last_seen
from ..timestamps import iso

_PARQUET: Final = b"PAR1"
#: Entries of the folder that are looked at.
_MOST_ENTRIES: Final = 1000
#: The entries of the crash ledger as executions.
_RUNNING: Final = (
    f"SELECT {', '.join(f'''json_extract(record, '$.{name}') AS {name}''' for name in COLUMNS)}"
    " FROM running WHERE json_valid(record)"
)


def in_flight(
    database: ReadOnlyDatabase, which: Sequence[str] | Selection, deleted: Collection[str]
) -> tuple[str, ...]:
    """Return the ids of the executions that have not ended, and are selected or within *deleted* ones."""
    if not database.has_table("running"):
        return ()
    found = database.query(f"SELECT execution_id, parent_execution_id FROM ({_RUNNING})")
    chosen = {row["execution_id"] for row in found if row["parent_execution_id"] in deleted}
    if isinstance(which, Selection):
        condition, parameters = which.condition()
        selected = database.query(f"SELECT execution_id FROM ({_RUNNING}) WHERE {condition}", parameters)
        chosen.update(row["execution_id"] for row in selected)
    return tuple(sorted(chosen - set(deleted)))


def recording_processes(database: ReadOnlyDatabase, since: datetime) -> tuple[str, ...]:
    """Return the living processes of the crash ledger, "4711 on host", and those of executions *since*, "4711"."""
    if not database.has_table("running"):
        return ()
    living = set()  # with the host: each container has its own process 1
    for row in database.query("SELECT process_id, host, process, heartbeat FROM running"):
        seen = last_seen(row["process_id"], row["host"], row["process"], row["heartbeat"])
        if seen is not None and not has_died(seen[0], time.time() - seen[1]):
            living.add((seen[0].process_id, f"{seen[0].process_id} on {seen[0].host}"))
    known = {number for number, _ in living}
    stored = "SELECT DISTINCT process_id FROM executions WHERE timestamp >= ? AND typeof(process_id) = 'integer'"
    for row in database.query(stored, [iso(since)]):
        if row["process_id"] not in known:
            living.add((row["process_id"], str(row["process_id"])))
    return tuple(name for _, name in sorted(living))


def files_beside(path: str) -> tuple[str, ...]:
    """Return the files beside the database at *path* that may hold executions.

    Databases that were set aside or copied, spill files that could not be taken in, Parquet files.
    """
    place = os.path.realpath(path)
    own = {place, f"{place}-wal", f"{place}-shm"}
    spilled = (*spill_names.files(path), *spill_names.unfinished_files(path), *spill_names.unreadable_files(path))
    found = {*set_aside_files(path), *spilled}
    try:
        entries = sorted(os.listdir(os.path.dirname(place)))[:_MOST_ENTRIES]
    except OSError:  # a folder that cannot be read
        entries = []
    for entry in entries:
        file = os.path.join(os.path.dirname(place), entry)
        if file not in own and _may_hold_executions(file):
            found.add(file)
    return tuple(sorted(found))


def _may_hold_executions(file: str) -> bool:
    if not os.path.isfile(file):  # opening a pipe would wait for its writer
        return False
    try:
        if is_database(file):
            return is_ours(file)
        with open(file, "rb") as handle:
            return handle.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False

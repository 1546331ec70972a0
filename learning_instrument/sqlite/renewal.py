"""Gives a database whose files were tampered with a new file, which every process that uses it notices.

All connections see with their one look at the file that it was replaced, and open it anew: none goes on with a log,
or an index of it, that others do not have. One process does it, under a lock on the folder.
"""

import contextlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from typing import Final

from ..safety.clocks import time
from ..safety.file_lock import lock
from .file_watch import Fault, FileWatch, shared_watch
from .opening import connect

_BUSY_SECONDS: Final = 1.0
#: A file that was changed less long ago may still be written.
_SETTLED_SECONDS: Final = 0.5
#: The schema of a database of this package is near its beginning.
_SCHEMA_BYTES: Final = 2**22
_OURS: Final = re.compile(
    rb"CREATE TABLE ['\"\[`]?(executions|execution_search|rollup_state|error_state|error_dirty_days|search_state|"
    rb"model_calls|span_links|totals_due)\b"
)
_LOG_FILES: Final = ("-wal", "-shm")
#: Words of the errors of a damaged file; the last are about the tables of the search index.
_DAMAGE: Final = ("malformed", "not a database", "unsupported file format", "vtable constructor failed")
_SET_ASIDE: Final = ".corrupt-"


def renew(watch: FileWatch, connection: sqlite3.Connection) -> Fault | None:
    """Mend what is wrong with the files of an open database. Then open it anew.

    Args:
        watch: its files as they were.
        connection: an open connection; it may see rows that no other process will.

    Returns:
        What was wrong; None if another process has mended it.

    Raises:
        sqlite3.Error, OSError: if it cannot be done now.
    """
    with _alone(watch.path):
        fault = watch.fault()
        if fault in (None, Fault.REPLACED):
            return None
        if fault is Fault.LOG_CUT and _is_log_moved(watch.path, connection):
            watch.accept_log()
            return None
        if fault is Fault.LOG_CUT and watch.fault() is None:  # it was cut to nothing, and has been written since
            return None
        if fault in (Fault.EMPTIED, Fault.OVERWRITTEN):
            _wait_until_written(watch.path)
        if fault is Fault.EMPTIED:
            watch.mends.count += 1  # before the file is another one: other threads may look at it meanwhile
            _delete(watch.path, *_LOG_FILES, "")
            return fault
        copy = f"{watch.path}.renewed"
        _delete(copy, "", *_LOG_FILES)
        if fault in (Fault.LOG_GONE, Fault.LOG_REPLACED):
            is_whole = _copy_view(connection, copy, is_checked=fault is Fault.LOG_REPLACED)
        else:
            is_whole = _copy_file(watch.path, copy)
        if not watch.is_in_place():  # deleted meanwhile: its rows are not to come back
            _delete(copy, "", *_LOG_FILES)
            return None
        watch.mends.count += 1
        if is_whole:
            _delete(watch.path, *_LOG_FILES)
            os.replace(copy, watch.path)
        else:
            _delete(copy, "", *_LOG_FILES)
            _rename(watch.path)
        return fault


def set_aside_damaged(path: str, was_ours: bool) -> str | None:
    """Rename a database of this package, and its log, if a new connection finds it damaged as well.

    Args:
        path: the absolute path of the database.
        was_ours: whether this process has had it open. Otherwise the file itself must show it.

    Returns:
        The new path; None if it stays.

    Raises:
        sqlite3.Error, OSError: if it cannot be done now.
    """
    place = os.path.realpath(path)
    with _alone(place):
        if not os.path.exists(place) or not (was_ours or is_ours(place)) or _is_whole(place):
            return None
        if (watch := shared_watch(place)) is not None:
            watch.mends.count += 1
        return _rename(place)


def set_aside_files(path: str) -> list[str]:
    """Return the paths of the damaged databases that were set aside beside the one at *path*, the oldest first."""
    folder, name = os.path.split(os.path.realpath(path))
    found = re.compile(re.escape(name + _SET_ASIDE) + r"[0-9TZ.]+")
    try:
        return sorted(os.path.join(folder, other) for other in os.listdir(folder) if found.fullmatch(other))
    except OSError:  # no folder
        return []


def is_damage(error: BaseException) -> bool:
    """Tell whether *error* means that the file is damaged, or no database. A full disk and its like do not."""
    return isinstance(error, sqlite3.DatabaseError) and any(words in str(error) for words in _DAMAGE)


def is_ours(path: str) -> bool:
    """Tell whether the damaged file at *path* shows the schema of this package."""
    if shared_watch(path) is not None:  # opened before; closing it here would release the locks of this process
        return True
    if not os.path.isfile(path):  # opening a pipe would wait for its writer
        return False
    try:
        with open(path, "rb") as file:
            return _OURS.search(file.read(_SCHEMA_BYTES)) is not None
    except OSError:
        return False


def _copy_view(connection: sqlite3.Connection, copy: str, is_checked: bool) -> bool:
    """Write the database as *connection* sees it to the new file *copy*; tell whether it is whole."""
    try:
        with contextlib.closing(connect(copy, _BUSY_SECONDS)) as target:
            connection.backup(target)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return False
        raise
    return not is_checked or _is_whole(copy)


def _copy_file(path: str, copy: str) -> bool:
    """Copy the database without its log; tell whether it is whole."""
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    shutil.copyfile(path, copy)
    return _is_whole(copy)


def _is_log_moved(path: str, connection: sqlite3.Connection) -> bool:
    """Tell whether the log is empty because all of it is in the database, as SQLite itself cuts it."""
    if os.path.getsize(f"{path}-wal"):  # a checkpoint would move its holes into the database
        return False
    try:
        _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.DatabaseError:
        return False
    return bool(pages == moved)


def _is_whole(path: str) -> bool:
    try:
        with contextlib.closing(connect(path, _BUSY_SECONDS)) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return False
        raise


def _wait_until_written(path: str) -> None:
    if 0 <= time.time() - os.stat(path).st_mtime < _SETTLED_SECONDS:
        raise sqlite3.OperationalError("database is locked: another program is overwriting it")


def _rename(path: str) -> str:
    new = f"{path}{_SET_ASIDE}{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}Z"
    while os.path.lexists(new):
        new = f"{new}.1"
    # The log first: SQLite deletes that of a new file. Its name leads SQLite from the database to it.
    with contextlib.suppress(FileNotFoundError):
        os.rename(f"{path}-wal", f"{new}-wal")
    os.rename(path, new)
    _delete(path, "-shm")
    return new


def _delete(path: str, *suffixes: str) -> None:
    for suffix in suffixes:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Keep the other processes from doing the same at the same time.

    Raises:
        sqlite3.OperationalError: if another process does.
    """
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        if not lock(folder):
            raise sqlite3.OperationalError("database is locked: another process mends its files")
        yield
    finally:
        os.close(folder)

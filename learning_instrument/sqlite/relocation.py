"""Works on a copy of a database whose disk is full.

Where the write-ahead log fills the disk, nothing can be deleted: a deletion needs room in the log, and moving the log
into the database needs room there.
"""

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from typing import Final

from ..errors import DatabaseError
from .busy import is_busy
from .opening import connect

_BUSY_SECONDS: Final = 5.0
_LEAST_BYTES: Final = 100_000


def is_full(error: BaseException | None, path: str) -> bool:
    """Tell whether *error* means that there is no room on the disk of *path*."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    # Without room for the index of the log, the error says less.
    return "disk is full" in str(error) or ("disk I/O error" in str(error) and _free_bytes(path) < _LEAST_BYTES)


def _free_bytes(path: str) -> int:
    return shutil.disk_usage(os.path.dirname(os.path.realpath(path))).free


@contextlib.contextmanager
def worked_on_elsewhere(path: str) -> Iterator[str]:
    """Yield the path of a copy in the folder for temporary files. It replaces the database when the block succeeds.

    The copy is complete before the room that it needs is made: by deleting the log, and where that is not enough by
    writing over the database. If that is interrupted, the copy is kept, and the error names it.

    Raises:
        DatabaseError: if another process has the database open, or there is no room for the copy either.
    """
    folder = tempfile.mkdtemp(prefix="learning-instrument-")
    copy = os.path.join(folder, os.path.basename(path))
    connection = connect(path, _BUSY_SECONDS)
    is_needed = False
    try:
        _copy_alone(connection, path, copy)
        yield copy
        connection.close()  # no other process can write meanwhile: there is no room
        is_needed = True
        _replace(path, copy)
        is_needed = False
    except BaseException as error:
        if is_needed:
            raise DatabaseError(f"{path} was not replaced ({error!r}). Its executions are in {copy}.") from error
        raise
    finally:
        connection.close()
        if not is_needed:
            shutil.rmtree(folder, ignore_errors=True)


def _copy_alone(connection: sqlite3.Connection, path: str, copy: str) -> None:
    """Copy the database of *connection*, which from then on no other connection can open."""
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the index of the log is then in memory
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        with contextlib.closing(connect(copy, _BUSY_SECONDS)) as target:
            connection.backup(target)
    except sqlite3.OperationalError as error:
        if is_busy(error):
            remedy = "end the processes that have the database open, or make room"
        elif is_full(error, path) or is_full(error, copy):
            remedy = f"make room there or in {tempfile.gettempdir()}, or set TMPDIR to a folder on another disk"
        else:
            raise
        raise DatabaseError(f"The disk of {path} is full: {remedy}.") from error


def _replace(path: str, copy: str) -> None:
    """Write *copy* back to *path*, in the room that the log took."""
    target = os.path.realpath(path)
    mode = os.stat(target).st_mode & 0o777
    for log in (f"{target}-wal", f"{target}-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(log)
    unfinished = f"{target}.unfinished"
    try:
        _write(unfinished, copy, mode)
        os.replace(unfinished, target)
    except OSError as error:
        os.unlink(unfinished)
        if error.errno != errno.ENOSPC:
            raise
        _write(target, copy, mode)


def _write(path: str, copy: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(copy, "rb") as source, open(descriptor, "wb") as file:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(descriptor)

"""Opens a database for writing: permissions, pragmas, schema, and what a deleted file left behind."""

import contextlib
import os
import sqlite3
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Final, TypeVar
from urllib.parse import quote

from ..safety.clocks import time
from ..safety.forks import ForkLock
from . import schema
from .busy import is_busy, showing_life
from .file_watch import LOG_BYTES, shared_watch
from .paths import index_of
from .read_only import lenient

try:
    import fcntl
except ImportError:  # Windows, where open files cannot be deleted
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")

#: How long other processes have to notice that the log was deleted. They look each second.
_NOTICE_SECONDS: Final = 5.0
#: How long to wait for another process that makes the database or migrates it: making one takes a tenth of that.
_MAKING_SECONDS: Final = 1.0
#: Path -> when its log was first found missing while other processes use it.
_lost_since: Final[dict[str, float]] = {}
#: Where the connections of SQLite hold their shared lock on the database.
_LOCK_START: Final = 0x40000002
_LOCK_LENGTH: Final = 510


#: Path -> the lock of the threads that open it now.
_locks: "Final[weakref.WeakValueDictionary[str, ForkLock]]" = weakref.WeakValueDictionary()
_locks_lock: Final = ForkLock()


def open_alone(path: str, busy_seconds: float, make: Callable[[], T]) -> T:
    """Return a connection to the file at *path*, opened by *make*: one thread at a time.

    Making and looking at the file closes a descriptor, which releases the locks that SQLite holds on it for the other
    connections of this process.

    Raises:
        sqlite3.OperationalError: if another thread takes longer than *busy_seconds*, and longer than a second.
    """
    lock = _locks_lock.call(_locks.setdefault, os.path.realpath(path), ForkLock())
    assert lock is not None  # it waits for ever
    connection = lock.call(make, timeout=max(busy_seconds, _MAKING_SECONDS))
    if connection is None:
        raise sqlite3.OperationalError("database is locked: another thread is making or migrating it")
    return connection


def open_for_writing(path: str, busy_seconds: float) -> sqlite3.Connection:
    """Return a connection to the database at *path*; make a missing one, and migrate an old one.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if it cannot be opened.
    """
    _wait_for_renewal(os.path.realpath(path), busy_seconds)
    connection = connect(path, busy_seconds)
    try:
        _prepare_in_turn(connection, path)
    except BaseException:  # raised again, with the connection closed
        connection.close()
        raise
    return connection


def _wait_for_renewal(path: str, busy_seconds: float) -> None:
    """Wait while other processes use the database without its log, or the index of that, until one of them notices.

    A new index beside theirs would damage the database.

    Raises:
        sqlite3.OperationalError: if it takes longer than *busy_seconds*.
    """
    deadline = time.monotonic() + busy_seconds
    while _is_log_lost(path):
        # An older release, or another program, never notices.
        if time.monotonic() - _lost_since.setdefault(path, time.monotonic()) > _NOTICE_SECONDS:
            return
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked: its write-ahead log was deleted while in use")
        time.sleep(0.005)
    _lost_since.pop(path, None)


def _is_log_lost(path: str) -> bool:
    if fcntl is None or (os.path.exists(f"{path}-wal") and os.path.exists(f"{path}-shm")):
        return False
    shared = shared_watch(path)
    if shared is not None:  # a connection of this process
        return shared.is_in_place()
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:  # no file
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_LENGTH, _LOCK_START)
    except BlockingIOError:
        return os.fstat(file).st_size > 0
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(file)
    return False


def connect(path: str, busy_seconds: float) -> sqlite3.Connection:
    """Return a connection to the database at *path*; make a missing file and its folder.

    Raises:
        sqlite3.Error, OSError: if it cannot be opened.
    """
    target = os.path.realpath(path)  # behind a dangling link: such a file could not be made exclusively
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # Prompts and errors are private to the user. SQLite gives its other files the same mode.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    # No implicit transactions; several threads use it, one at a time.
    connection = sqlite3.connect(os.fsencode(path), timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    connection.text_factory = lenient
    return connection


def connect_read_only(path: str) -> sqlite3.Connection:
    """Return a connection that changes nothing, to a database that may be damaged. It may leave a ``-shm`` behind.

    Raises:
        sqlite3.Error: if it cannot be opened.
    """
    return sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, isolation_level=None)


def open_in_memory() -> sqlite3.Connection:
    """Return a connection to a new database of the newest schema, which is in memory and of this connection alone.

    Raises:
        sqlite3.Error: if it cannot be made.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.text_factory = lenient
    schema.migrate(connection)
    return connection


def _drop_index_of_deleted(connection: sqlite3.Connection, path: str) -> None:
    """Delete the index of the write-ahead log that a deleted database left behind, if the file at *path* is new.

    Connections to the deleted file still use it, and a new file that shared it with them would be waited for in vain
    (``SQLITE_PROTOCOL``, after 10 s). SQLite itself deletes the log that was left.
    """
    index = index_of(path)
    if not os.path.exists(index) or os.path.getsize(path):
        return
    # An empty file under an exclusive lock has no log yet, so no connection uses the index for it.
    with transaction(connection, "BEGIN EXCLUSIVE"):
        if not os.path.getsize(path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(index)


def _prepare_in_turn(connection: sqlite3.Connection, path: str) -> None:
    """Prepare *connection*, after another process that makes or migrates the same file.

    Raises:
        sqlite3.Error, DatabaseError: if it cannot be written, or the other process takes longer than a second.
    """
    deadline = time.monotonic() + _MAKING_SECONDS
    while True:
        try:
            _drop_index_of_deleted(connection, path)
            return prepare(connection)
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def prepare(connection: sqlite3.Connection) -> None:
    """Set up *connection* for writing, and migrate a new or old file.

    Raises:
        sqlite3.Error, DatabaseError: if it cannot be written.
    """
    # A checkpoint syncs the disk, so tasks do none.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA synchronous = NORMAL")
    # Some builds of SQLite overwrite each page that becomes free: emptying a table writes it once more. ``delete`` asks
    # for that, and nothing else does.
    connection.execute("PRAGMA secure_delete = FAST")
    # So that the triggers on deletes see the rows that INSERT OR REPLACE replaces.
    connection.execute("PRAGMA recursive_triggers = ON")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    is_current = schema.is_current(connection)
    if not is_current:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has an effect before the first table only
    connection.execute("PRAGMA journal_mode = WAL")  # a backup that was put in place may have another
    connection.execute("PRAGMA user_version").fetchone()  # makes the log, whose absence would look like its loss
    if not is_current:
        with showing_life(connection):
            schema.migrate(connection)


def abandon(connection: sqlite3.Connection) -> None:
    """Keep *connection* open until the process ends.

    Closing it would delete the write-ahead log by name: that of another file by now, or one in use by the parent of
    a fork. An extra reference, never released, keeps the interpreter from closing it at exit.
    """
    import ctypes  # here: isolated interpreters of Python 3.12 have none

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def leave(connection: sqlite3.Connection) -> None:
    """Close *connection*, whose file was replaced, without a checkpoint: the log by that name is that of another file.

    Before Python 3.12 SQLite cannot be told so: it stays open until the process ends.
    """
    if sys.version_info < (3, 12):
        abandon(connection)
    else:
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        connection.close()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Run the block in a transaction, which is rolled back after an exception."""
    try:
        connection.execute(begin)  # within the try: a signal handler may raise right after it
        yield
        connection.execute("COMMIT")
    except BaseException:  # raised again, after the rollback
        # A full disk may have ended the transaction already; the error of the rollback must not hide that.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise

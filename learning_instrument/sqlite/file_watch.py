"""The three files of an open database, and what became of them: other programs delete, empty and overwrite them.

A connection keeps its descriptors, so it goes on without an error, and its rows are seen by no other process.
"""

import contextlib
import os
import sqlite3
import weakref
from enum import Enum
from typing import Final

from ..safety.guards import is_interruption
from .paths import size_of

#: The log is cut to this size when it starts over: a reader that stayed open may have let it grow.
LOG_BYTES: Final = 32_000_000
_MAGIC: Final = b"SQLite format 3\0"
#: The first bytes of a write-ahead log; the last of the four varies.
_LOG_MAGIC: Final = b"\x37\x7f\x06"


class Fault(Enum):
    """What another program did to the files. The value completes "path: ..."."""

    REPLACED = "it was deleted or replaced"
    EMPTIED = "it was emptied"
    OVERWRITTEN = "it was overwritten"
    LOG_CUT = "its write-ahead log was emptied"
    LOG_GONE = "its write-ahead log or the index of that was deleted"
    LOG_REPLACED = "its write-ahead log or the index of that was replaced"


class Mends:
    """How often connections of this process have begun to mend what another program did to the files."""

    def __init__(self) -> None:
        self.count = 0


class FileWatch:
    """The files of an open database as they were at opening. Shared by the connections of this process.

    Args:
        path: the path of the file itself: SQLite keeps the other files beside it, not beside a link.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        #: Those that are open. A kept exception may keep the watch after the last of them was closed.
        self.connections: set[sqlite3.Connection] = set()
        self.mends = Mends()
        status = os.stat(path)
        self._file = (status.st_dev, status.st_ino)
        self._changed = status.st_mtime_ns
        self._header: tuple[int, ...] = ()  # read by the first look: not on a task's thread
        self._log = identity(f"{self._path}-wal")
        self._index = identity(f"{self._path}-shm")
        self._log_start, self._log_size = _read_log(f"{self._path}-wal")

    @property
    def path(self) -> str:
        """The path of the file itself, behind symbolic links."""
        return self._path

    @property
    def file(self) -> tuple[int, int]:
        """Device and inode of the database."""
        return self._file

    def is_in_place(self) -> bool:
        """Tell whether the database still is the file at its path."""
        return self.is_at(self._path)

    def is_at(self, path: str) -> bool:
        """Tell whether the database is the file at *path*, which may be a link. One call of the system."""
        try:
            status = os.stat(path)
        except OSError as error:
            if is_interruption(error):  # this is asked in tasks, whose time limit may be a TimeoutError
                raise
            return False
        return (status.st_dev, status.st_ino) == self._file

    def fault(self) -> Fault | None:
        """Return what happened to the files, or None."""
        try:
            status = os.stat(self._path)
        except OSError:
            return Fault.REPLACED
        if (status.st_dev, status.st_ino) != self._file:
            return Fault.REPLACED
        if status.st_size == 0:
            return Fault.EMPTIED
        if status.st_mtime_ns != self._changed or not self._header:
            header = self._read_header()
            # Each checkpoint of this or another process raises the numbers; an older copy has lower ones.
            if header < self._header:
                return Fault.OVERWRITTEN
            self._changed, self._header = status.st_mtime_ns, header
        return self._fault_of_log()

    def _fault_of_log(self) -> Fault | None:
        if self._log is None or self._index is None:  # a file system without shared memory
            return None
        log, index = identity(f"{self._path}-wal"), identity(f"{self._path}-shm")
        if log is not None and log != self._log and not size_of(f"{self._path}-wal"):
            log = None  # a question made it
        if None in (log, index) and log in (None, self._log) and index in (None, self._index):
            return Fault.LOG_GONE
        if (log, index) != (self._log, self._index):
            return Fault.LOG_REPLACED
        start, size = _read_log(f"{self._path}-wal")
        # SQLite writes the beginning of a log that starts over, syncs it, and cuts the file last.
        is_cut = size < min(self._log_size, LOG_BYTES) and start in (b"", self._log_start)
        if is_cut or (size and not start.startswith(_LOG_MAGIC)):
            return Fault.LOG_CUT
        self._log_start, self._log_size = start, size
        return None

    def accept_log(self) -> None:
        """Take the log as it is now: SQLite itself has cut it."""
        self._log_start, self._log_size = _read_log(f"{self._path}-wal")

    def _read_header(self) -> tuple[int, ...]:
        """Return the numbers in the header that changes raise, or zeros where it has none.

        Read through SQLite's own descriptor: closing another one would release the locks of this process.
        """
        with contextlib.suppress(OSError):
            for name in os.listdir("/dev/fd"):
                with contextlib.suppress(OSError, ValueError):
                    status = os.fstat(int(name))
                    if (status.st_dev, status.st_ino) == self._file:
                        header = os.pread(int(name), 100, 0)
                        if not header.startswith(_MAGIC):
                            return (0, 0)
                        return int.from_bytes(header[24:28], "big"), int.from_bytes(header[40:44], "big")
        return self._header


def identity(path: str) -> tuple[int, int] | None:
    """Return device and inode of the file at *path*, or None."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _read_log(path: str) -> tuple[bytes, int]:
    """Return the first bytes of a write-ahead log, which change when it starts over, and its size. It has no locks."""
    try:
        with open(path, "rb") as log:
            return log.read(32), os.fstat(log.fileno()).st_size
    except OSError:
        return b"", 0


#: Path -> the watch of the connections of this process.
_watches: "Final[weakref.WeakValueDictionary[str, FileWatch]]" = weakref.WeakValueDictionary()


def watch(path: str, connection: sqlite3.Connection) -> FileWatch:
    """Return the watch of the database at *path*, which *connection* has open now.

    It is that of the connections opened before, if they have the file: a later one shares their index of the log, even
    where that was deleted.
    """
    place = os.path.realpath(path)
    shared = shared_watch(place)
    if shared is None or not shared.is_in_place():
        shared = _watches[place] = FileWatch(place)
    shared.connections.add(connection)
    return shared


def is_database(path: str) -> bool:
    """Tell whether the file at *path* is an SQLite database.

    Raises:
        OSError: if it cannot be read.
    """
    if shared_watch(os.path.realpath(path)) is not None:  # closing it here would release the locks of this process
        return True
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def shared_watch(path: str) -> FileWatch | None:
    """Return the watch of the connections of this process to the file at *path*, which is no link, or None."""
    found = _watches.get(path)
    return found if found is not None and found.connections else None

"""``FollowedDatabase``: reads the database at a path for a long time, also when another file takes its place."""

import sqlite3

from ..errors import DatabaseError
from .file_watch import identity
from .read_only import ReadOnlyDatabase


class FollowedDatabase(ReadOnlyDatabase):
    """A database that is only read, and may be deleted, rotated or restored meanwhile.

    Args:
        path: the path of the file.
    """

    #: Device and inode of the open file.
    _file: tuple[int, int] | None = None

    @property
    def file(self) -> tuple[int, int] | None:
        """What tells the open file from another at the same path; None before one is open."""
        return self._file

    def follow(self) -> bool:
        """Read the file that is at the path by now; tell whether it is. Until it is a database, the open one is."""
        with self._lock:
            if self._connection is None or identity(self.path) == self._file:
                return True
            before, file = self._connection, self._file
            try:
                self._connection = self._connect()
            except DatabaseError:  # it is gone, or another process is making it
                self._file = file
                return False
            before.close()
            return True

    def _connect(self) -> sqlite3.Connection:
        self._file = identity(self.path)
        return super()._connect()

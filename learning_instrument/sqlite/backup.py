"""Backups: a whole and consistent copy of a database, also while others write to it."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from typing import Final

from ..atomic_file import atomic_write
from ..errors import ConfigurationError, DatabaseError
from .opening import connect
from .paths import absolute
from .read_only import open_read_only

#: The pages between two calls of the progress.
_PAGES: Final = 500
_BUSY_SECONDS: Final = 5.0


def backup(
    path: str,
    target: str | os.PathLike[str],
    *,
    is_replacing: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> str:
    """Copy the database at *path*, its write-ahead log included, as it is now; return the path of the copy.

    Writers do not wait for it. The copy appears when it is whole, for its owner alone to read.

    Args:
        path: the absolute path of the database.
        target: the path of the copy.
        is_replacing: whether a file there may be replaced.
        progress: called with the number of pages copied, and of all.

    Raises:
        ConfigurationError: if there is a file at *target*, or it cannot be written.
        DatabaseError: if the database cannot be read.
    """
    place = absolute(target)
    if os.path.exists(place) and os.path.samefile(path, place):
        raise ConfigurationError(f"Invalid backup file {place}: it is the database itself; expected another.")
    if os.path.lexists(place) and not is_replacing:
        raise ConfigurationError(f"Invalid backup file {place}: it exists already; expected a new file.")

    def tell(_: int, left: int, of: int) -> None:
        if progress is not None:
            progress(of - left, of)

    with contextlib.closing(open_read_only(path)) as source, atomic_write(place) as unfinished:
        try:
            source.execute("BEGIN")  # else each write of others would begin the copy anew
            source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            with contextlib.closing(connect(unfinished, _BUSY_SECONDS)) as copy:
                source.backup(copy, pages=_PAGES, progress=tell)
        except sqlite3.Error as error:
            raise DatabaseError(f"{path} cannot be copied to {place}: {error}.") from error
    return place

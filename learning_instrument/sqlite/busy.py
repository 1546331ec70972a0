"""Another writer's lock: told from faults, and waited for while its holder makes progress."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from ..safety.clocks import time
from .paths import log_of

T = TypeVar("T")

#: How long a direct call, such as a question, waits for another process that makes no progress.
_PATIENCE_SECONDS: Final = 5.0
#: How often a long transaction shows that it goes on, and after how many steps of SQLite's it asks for the time.
_SIGN_SECONDS: Final = 0.5
_STEPS_BETWEEN_SIGNS: Final = 20_000


def is_busy(error: BaseException) -> bool:
    """Tell whether *error* means that another writer holds the lock, which is no fault."""
    return isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "busy" in str(error))


def retry_while_busy(path: str, action: Callable[[], T]) -> T:
    """Return the result of *action*, repeated while another process holds the lock and makes progress.

    For direct calls, which can wait. A migration may take minutes; its process shows that it goes on.
    """
    seen, deadline = _signs_of_life(path), time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            now = _signs_of_life(path)
            if now != seen:
                seen, deadline = now, time.monotonic() + _PATIENCE_SECONDS
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _signs_of_life(path: str) -> object:
    """Return a value that changes while another process writes the database at *path*."""
    signs: list[int] = []
    for name in (path, log_of(path)):
        with contextlib.suppress(OSError):
            status = os.stat(name)
            signs += (status.st_size, status.st_mtime_ns)
    return signs


@contextlib.contextmanager
def showing_life(connection: sqlite3.Connection) -> Iterator[None]:
    """Change the time of the file while a long transaction goes on: until its end it may write nothing."""
    # As bytes: the path may be no UTF-8.
    ((path,),) = connection.execute("SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'")
    shown = time.monotonic()

    def show() -> int:
        nonlocal shown
        if time.monotonic() - shown > _SIGN_SECONDS:
            shown = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(path)
        return 0

    connection.set_progress_handler(show, _STEPS_BETWEEN_SIGNS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)

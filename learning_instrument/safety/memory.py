"""Counts executions that are lost because memory is exhausted.

Then nothing can be allocated, not even a number, so the counter is made beforehand.
"""

import itertools
import mmap
import threading
from typing import Final

#: What an interpreter without memory raises. CPython 3.11 has no memory for a frame, and says "error return without
#: exception set".
EXHAUSTED: Final = (MemoryError, SystemError)
#: Made beforehand, as any tuple of exceptions that is needed then has to be.
_REFUSED: Final = (OSError, *EXHAUSTED)


def has_free(size: int) -> bool:
    """Tell whether this process may have *size* more bytes of memory. None of it is touched."""
    try:
        mmap.mmap(-1, size).close()
    except _REFUSED:
        return False
    return True


class Misses:
    """Counts without an allocation, and is read later, once there is memory again."""

    def __init__(self) -> None:
        self._counter = itertools.count()
        self._lock = threading.Lock()
        self._reads = self._taken = 0

    def add(self) -> None:
        """Count one execution."""
        try:
            next(self._counter)
        except MemoryError:
            pass  # it has counted: only the number could not be returned

    def take(self) -> int:
        """Return the number counted since the last call."""
        with self._lock:  # each read counts as well
            new = next(self._counter) - self._reads - self._taken
            self._reads += 1
            self._taken += new
        return new

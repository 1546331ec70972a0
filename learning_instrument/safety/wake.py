"""Wakes threads from any place: unlike ``threading.Event``, whose lock a signal handler could wait for."""

import threading

from .guards import is_interruption


class Wake:
    """Wakes one thread. What the interpreter runs in the middle of a call may call it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # locked: nothing has happened
        self._lock.acquire()

    def set(self) -> None:
        """Wake the thread, or let its next wait end at once."""
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError as error:  # another thread was first
                if is_interruption(error):
                    raise

    def wait(self, seconds: float) -> bool:
        """Wait until :meth:`set` is called, or was since the last wait, at most *seconds*; tell whether it was."""
        return self._lock.acquire(timeout=seconds)

    def clear(self) -> None:
        """Forget that :meth:`set` was called."""
        self._lock.acquire(blocking=False)


class Latch:
    """Keeps threads waiting until it is opened, once and for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # locked: it is closed
        self._lock.acquire()

    def open(self) -> None:
        """Let all threads pass, those that come later too. Call it once."""
        self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is open, at most *seconds*; tell whether it is."""
        is_open = self._lock.acquire(timeout=seconds)
        if is_open:
            self._lock.release()
        return is_open

"""Starts the threads of this package, where the interpreter can run one.

Where it cannot, the caller does the work itself, and tries again with the next.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from .memory import has_free
from .wake import Latch

#: Memory for the stack and the first objects of a thread: one that has none for its first lines is waited for forever.
_SPARE_BYTES: Final = 16 << 20
#: How long a thread may take to run: one that lacks memory never does.
_START_SECONDS: Final = 1.0
#: A thread's own faults: blocked, they would end the process without a word of ``faulthandler``.
_FAULTS: Final = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
#: The signals of the process, empty where threads cannot block any.
_SIGNALS: Final = (
    signal.valid_signals() - {getattr(signal, name, None) for name in _FAULTS}
    if hasattr(signal, "pthread_sigmask")
    else frozenset()
)


def take_signals() -> None:
    """Let this thread take signals, and the processes that it starts: they inherit what it blocks."""
    if _SIGNALS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Block signals in this thread: those that are started meanwhile inherit that, and never take one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if _SIGNALS else None
    try:
        if _SIGNALS:
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class BackgroundThread:
    """A daemon thread that ``threading`` does not list.

    Tests compare the list before and after, count the threads that are started, and put something else in the place of
    ``threading.Thread``: none of this is about ours.

    Args:
        name: its name.
        target: its function.
        args: the arguments of the function.
    """

    def __init__(self, name: str, target: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.name = name
        #: None before it starts.
        self.ident: int | None = None
        self.native_id: int | None = None
        self._target = target
        self._args = args
        self._process_id = os.getpid()
        self._has_ended = False
        self._beginning, self._end = Latch(), Latch()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.ident}>"

    def start(self) -> None:
        """Start it, and wait until it runs.

        A process that is forked from C while a thread takes the lock of the interpreter for the first time hangs.

        Raises:
            RuntimeError: where the system or the interpreter refuses.
        """
        allowed = getattr(_thread, "daemon_threads_allowed", None)  # since Python 3.12
        if allowed is not None and not allowed():
            raise RuntimeError("daemon threads are disabled in this interpreter")
        self.ident = _thread.start_new_thread(self._run, ())
        self._beginning.wait(_START_SECONDS)

    def is_alive(self) -> bool:
        """Tell whether it runs. Those of the parent do not in a forked process."""
        return self.ident is not None and not self._has_ended and self._process_id == os.getpid()

    def is_current(self) -> bool:
        """Tell whether it is the one that asks."""
        return self.ident == threading.get_ident() and self.is_alive()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, at most *seconds*."""
        if self.is_alive():
            self._end.wait(seconds)

    def _run(self) -> None:
        self.ident, self.native_id = threading.get_ident(), threading.get_native_id()
        # What the application blocks, as billiard does while it holds a lock, the system gives to any other thread. Not
        # before the start: in the main thread an exception of a handler would leave them blocked.
        if _SIGNALS:
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._beginning.open()
        try:
            if trace := threading.gettrace():
                sys.settrace(trace)
            if profile := threading.getprofile():
                sys.setprofile(profile)
            self._target(*self._args)
        finally:
            # A dummy, made where its name was asked, by a log line say: before Python 3.12 it stays.
            getattr(threading, "_active", {}).pop(self.ident, None)
            self._has_ended = True
            self._end.open()


def start(
    name: str,
    target: Callable[..., object],
    *args: Any,
    known: Callable[[BackgroundThread | None], object] = lambda thread: None,
) -> bool:
    """Start a daemon thread that calls *target* with *args*; tell whether it runs.

    Args:
        name: the name of the thread.
        target: its function.
        args: the arguments of the function.
        known: called with the thread before it runs, and with None where it does not.
    """
    if can_run() and has_free(_SPARE_BYTES):
        try:
            thread = BackgroundThread(name, target, args)
            known(thread)
            thread.start()
            return True
        except (
            RuntimeError,
            MemoryError,
        ):  # too many threads for now, or an isolated interpreter, which has no daemon threads
            pass
    known(None)
    return False


def can_run() -> bool:
    """Tell whether a thread that is started now would run.

    Not in an interpreter that is shutting down: Python 3.11 would wait for its start forever. Not in the master of
    uWSGI, whose workers it forks from C, and which would hang in the lock of the interpreter that a thread waits for;
    and not in a worker without ``--enable-threads``, which keeps that lock.
    """
    if sys.is_finalizing():
        return False
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None or not hasattr(uwsgi, "worker_id"):
        return True
    options = getattr(uwsgi, "opt", {})
    return bool(uwsgi.worker_id()) and any(option in options for option in ("enable-threads", "threads"))

"""Measures the resources of a synchronous task: processor time of its thread, memory of its process.

Both are measured only where they can be attributed. Processor time: of a call that begins and ends on one thread, where
nothing else runs meanwhile. Memory is that of the process, so it is measured where the process runs one task at a time,
and only where the task raised the process's peak.
"""

import os
import sys
import threading
from typing import Final

from ..safety.clocks import time
from ..safety.forks import on_child
from ..safety.guards import guarded
from ..safety.imported import imported

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


#: The error of processor time, in nanoseconds. Reading a thread's clock is a system call that takes a twentieth of the
#: time of recording, so short tasks in a row share one reading.
RESOLUTION: Final = 500_000

_KILOBYTE: Final = 1024


class _ThreadClock(threading.local):
    #: The time of the last reading, and the difference of this thread's processor time to the monotonic clock; None for
    #: the difference where green threads share the thread.
    reading: tuple[int, int | None] = (-(2**62), None)


_clock = _ThreadClock()


def processor_mark(now: int) -> int | None:
    """Return the mark for :func:`processor_time` of a task that begins on this thread at the monotonic time *now*.

    None where other code may run on this thread before the task ends: green threads, such as gevent's.
    """
    read_at, ahead = _clock.reading
    if now - read_at > RESOLUTION:
        greenlet = sys.modules.get("greenlet")
        is_shared = greenlet is not None and _has_green_threads(greenlet)
        ahead = None if is_shared else time.thread_time_ns() - now
        _clock.reading = (now, ahead)
    return ahead


def processor_time(mark: int, started: int, elapsed: int) -> int:
    """Return the processor time, in nanoseconds, of a task that ends now on the thread it began on.

    Args:
        mark: the result of :func:`processor_mark` at its start.
        started: its start, by the monotonic clock.
        elapsed: the nanoseconds since its start. Up to the resolution, this is the answer itself.
    """
    now = started + elapsed
    ahead = time.thread_time_ns() - now
    _clock.reading = (now, ahead)
    return min(max(0, ahead - mark + elapsed), elapsed)


def _has_green_threads(greenlet: object) -> bool:
    """Tell whether another greenlet may run while a call on this thread waits. SQLAlchemy alone imports the package."""
    if "gevent" in sys.modules or "eventlet" in sys.modules:
        return True
    current = getattr(greenlet, "getcurrent", None)
    return current is None or current().parent is not None


class Worker:
    """This process, if it is a pool's worker that runs one task at a time."""

    #: Whether it may be one. Every execution reads it; in nearly all processes it becomes false for good.
    may_be_one: bool = True
    #: The peak memory by the system before any execution: a spawned process begins with that of its parent.
    peak_before: int = 0

    @classmethod
    def renew(cls) -> None:
        """Reset in a forked child."""
        global _clock
        cls.may_be_one = True
        cls.peak_before = _peak_by_the_system()
        _clock = _ThreadClock()


def memory_mark() -> tuple[int, int] | None:
    """Return the peak and the present memory of this process, in bytes, at the start of an execution.

    None where they cannot be read, or where the process may run several tasks: workers run theirs on the main thread.
    """
    is_main = threading.get_ident() == threading.main_thread().ident
    Worker.may_be_one = _READS_MEMORY and is_main and _is_started_by_multiprocessing()
    # Guarded: the process may have too many open files, and a container's /proc other contents.
    mark: tuple[int, int] | None = guarded(_peak_and_present_memory) if Worker.may_be_one else None
    return mark


def memory_peak(mark: tuple[int, int]) -> int | None:
    """Return by how many bytes memory rose while a task ran, at most, or None where that is unknown.

    The system keeps one peak for the life of a process, so a rise is known only where the task exceeded it. Resetting
    the peak before each task would falsify it for others: celery replaces its children by it.

    Args:
        mark: the result of :func:`memory_mark` at the start of the task.
    """
    highest, at_start = mark
    peak: int | None = guarded(_peak_memory)
    return max(0, peak - at_start) if peak is not None and peak > highest and Worker.may_be_one else None


def _peak_and_present_memory() -> tuple[int, int]:
    return _peak_memory(), _memory()


def _peak_memory() -> int:
    peak = _peak_by_the_system()
    return peak if peak > Worker.peak_before else _peak_of_this_program()


def _peak_by_the_system() -> int:
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE


def _peak_of_this_program() -> int:
    """Return the peak memory since the process started its present program. Ten times as slow."""
    with open(_STATUS, "rb", buffering=0) as status:
        _, _, rest = status.read(4096).partition(b"VmHWM:")
    return int(rest.split(maxsplit=1)[0]) * _KILOBYTE


def _memory() -> int:
    with open(_STATM, "rb", buffering=0) as statm:
        return int(statm.read(256).split()[1]) * _PAGE


_STATM: Final = "/proc/self/statm"
_STATUS: Final = "/proc/self/status"
_READS_MEMORY: Final = resource is not None and sys.platform == "linux" and os.path.exists(_STATM)
_PAGE: Final = resource.getpagesize() if _READS_MEMORY else 0


def _is_started_by_multiprocessing() -> bool:
    """Tell whether this is a child of multiprocessing, or of billiard, celery's copy, which uses the same variable."""
    current = imported("multiprocessing.process", "_current_process")
    return getattr(current, "_parent_pid", None) is not None


Worker.peak_before = _peak_by_the_system()
on_child(Worker.renew)

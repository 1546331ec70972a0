"""What a synchronous task takes of the machine: the processor time of its thread, and the memory of its process.

Both are measured only where they are the task's alone. Processor time is, of a call that begins and ends on one
thread: nothing else runs there meanwhile. Memory is that of a whole process, so it is measured where that runs one
task at a time, and only where the task is known to have caused it.
"""

import os
import sys
import threading
import time
from typing import Final

from ..safety.forks import on_child

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


#: Processor time is right to within so many nanoseconds. To read a thread's clock is a system call, which with what it
#: slows down takes a twentieth of what recording does; short tasks in a row share one reading.
RESOLUTION: Final = 500_000

_KILOBYTE: Final = 1024


class _ThreadClock(threading.local):
    #: When this thread's processor time was read last, and how far it was ahead of the monotonic clock then; None in
    #: place of that where green threads share it.
    reading: tuple[int, int | None] = (-(2**62), None)


_clock = _ThreadClock()


def processor_mark(now: int) -> int | None:
    """Return what :func:`processor_time` needs of a task that begins on this thread at the monotonic time *now*.

    None where others may run on this thread before the task ends: the green threads of gevent and its like.
    """
    read_at, ahead = _clock.reading
    if now - read_at > RESOLUTION:
        greenlet = sys.modules.get("greenlet")
        is_shared = greenlet is not None and _has_green_threads(greenlet)
        ahead = None if is_shared else time.thread_time_ns() - now
        _clock.reading = (now, ahead)
    return ahead


def processor_time(mark: int, started: int, elapsed: int) -> int:
    """Return the processor time, in nanoseconds, of a task that ends on the thread it began on, just now.

    Args:
        mark: what :func:`processor_mark` said when it began.
        started: when that was, by the monotonic clock.
        elapsed: how long ago that is, in nanoseconds. No longer than the resolution, it stands for the answer itself.
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
    """This process, if it is one of a pool's that runs one task at a time."""

    #: Whether it may be one. Looked at by every execution, and false for good in nearly all processes.
    may_be_one: bool = True
    #: What the system says was the most memory it held before any execution: a spawned process begins with the mark of
    #: the one that started it.
    peak_before: int = 0

    @classmethod
    def renew(cls) -> None:
        """Look again, in a forked child."""
        global _clock
        cls.may_be_one = True
        cls.peak_before = _peak_by_the_system()
        _clock = _ThreadClock()


def memory_mark() -> tuple[int, int] | None:
    """Return the most memory this process ever held, and what it holds now, in bytes, as an execution begins.

    None where it cannot be read, or is not that of one task at a time: such tasks all begin on the main thread.
    """
    is_main = threading.get_ident() == threading.main_thread().ident
    Worker.may_be_one = _READS_MEMORY and is_main and _is_started_by_multiprocessing()
    try:
        return (_peak_memory(), _memory()) if Worker.may_be_one else None
    except OSError:  # too many open files
        return None


def memory_peak(mark: tuple[int, int]) -> int | None:
    """Return by how many bytes memory rose while a task ran, at most, or None where that is not known.

    The system keeps one mark of high water for the life of a process. Only where a task raised it was that the task's
    doing. To set it back before each task would tell of them all, and falsify what others read: celery, for one,
    replaces its children by it.

    Args:
        mark: what :func:`memory_mark` said when the task began.
    """
    highest, at_start = mark
    peak = _peak_memory()
    return max(0, peak - at_start) if peak > highest and Worker.may_be_one else None


def _peak_memory() -> int:
    peak = _peak_by_the_system()
    return peak if peak > Worker.peak_before else _peak_of_this_program()


def _peak_by_the_system() -> int:
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE


def _peak_of_this_program() -> int:
    """Return the most memory held since the process began to run what it runs now. It takes ten times as long."""
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
    processes = sys.modules.get("multiprocessing.process")
    current = getattr(processes, "_current_process", None)
    return getattr(current, "_parent_pid", None) is not None


Worker.peak_before = _peak_by_the_system()
on_child(Worker.renew)

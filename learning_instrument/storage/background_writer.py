"""The background writer: a bounded queue, one thread, and what happens to what cannot be written.

The thread starts with the first item and ends after some idle seconds, so a database that nobody
uses costs nothing, and neither does a forked child that records nothing.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..safety.exit import at_exit, forget, has_begun
from ..safety.forks import ForkLock

log = logging.getLogger(__name__)


Item = Any
Row = Any

CAPACITY: Final = 8192
#: Where so many wait, those who add more are slowed down: a span waits in some 3 kB of memory.
CROWDED: Final = 2048
BATCH: Final = 512
GATHER_SECONDS: Final = 0.02
_IDLE_SECONDS: Final = 5.0
_HOUSEKEEPING_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 2.0
#: How long one caller at the most is slowed down.
_PATIENCE_SECONDS: Final = 0.05
#: How long a fork waits for the thread to end.
_PAUSE_SECONDS: Final = 2.0
_EXIT_SECONDS: Final = 5.0


class _Mark:
    """Stands in the queue behind what a flush waits for."""

    __slots__ = ("is_written",)

    def __init__(self) -> None:
        self.is_written = False


class BackgroundWriter:
    """Hands items to *write* from a thread of its own, in order, again where it raises.

    Args:
        prepare: turns items into rows; called once for each item.
        write: stores rows; what it raises is passed to *failed*, and the rows are tried again.
        failed: called with each exception of *write*; answers whether it passes by itself, as a lock does.
        housekeep: called about once a second while there is work, and before the thread ends.
        capacity: the most items in the queue, those that wait for a retry left out.
        gather_seconds: how long items gather before they are written.
        write_lock: held while a batch is written or *housekeep* runs.
    """

    def __init__(
        self,
        prepare: Callable[[Sequence[Any]], Sequence[Row]],
        write: Callable[[Sequence[Row]], object],
        failed: Callable[[Exception], bool],
        housekeep: Callable[[], object],
        capacity: int = CAPACITY,
        gather_seconds: float = GATHER_SECONDS,
        *,
        write_lock: ForkLock,
    ) -> None:
        self._prepare = prepare
        self._write = write
        self._failed = failed
        self._run_housekeeping = housekeep
        self._capacity = capacity
        self._gather_seconds = gather_seconds
        self._write_lock = write_lock
        self.reset()

    def reset(self) -> None:
        """Start empty; in a forked child, for the queue and the thread are the parent's."""
        self._queue: deque[Item] = deque()
        self._taken: Sequence[Row] = ()  # the batch that is being written, or waits for its retry
        self._wake = threading.Event()
        self._is_waiting = False
        self._hurry = False
        self._is_housekeeping_due = False
        self._is_paused = False
        self._marks: list[_Mark] = []  # those behind the batch that is being written
        self._start_lock = threading.RLock()  # a signal handler may record in the thread that holds it
        self._waiting: list[None] = []  # those who wait for it
        self._thread: threading.Thread | None = None
        self._is_failing = False
        self._failures = 0
        self._progress = 0

    @property
    def backlog(self) -> int:
        """The number of items not written yet."""
        return len(self._queue) + len(self._taken)

    @property
    def unwritten(self) -> int:
        """The number of items not written yet, without what flushes have left in the queue."""
        return sum(type(item) is not _Mark for item in self._queue.copy()) + len(self._taken)

    @property
    def is_waited_for(self) -> bool:
        """Whether *housekeep* is in anybody's way."""
        return bool(self.backlog or self._waiting or self._is_paused)

    def put(self, item: Item) -> bool:
        """Queue *item*, after a moment's wait where the queue is crowded. Where it is full, answer False."""
        if self._is_crowded():
            self._wait_for_room()
            if len(self._queue) >= self._capacity:
                return False
        self._queue.append(item)
        if self._is_waiting:
            self._wake.set()
        elif self._thread is None:
            self._start()
        if has_begun() and not self._is_failing:
            self.flush(_EXIT_SECONDS)  # nobody will after us
        return True

    def end(self) -> None:
        """Write what is queued: the process ends."""
        if self.backlog and not self.flush(_EXIT_SECONDS):
            if unwritten := self.unwritten:
                log.warning("%d executions were never written: the process ended first.", unwritten)
            forget(self)

    def request_housekeeping(self) -> None:
        """Have the thread call *housekeep* soon, though there may be nothing to write."""
        self._is_housekeeping_due = True
        self._wake.set()
        if self._thread is None:
            self._start()

    def flush(self, timeout: float) -> bool:
        """Wait until all that is queued by now is written, at most *timeout* seconds. Answer whether it is.

        Two failures of a kind that does not pass by itself end the wait: the exit of a process must not hang on them.
        """
        if not self.backlog:
            return True
        deadline = time.monotonic() + timeout
        most = self._failures + 2
        mark = _Mark()
        self._queue.append(mark)
        self._hurry = True
        try:
            while not mark.is_written:
                self._wake.set()
                if self._thread is None:
                    self._start()
                if self._thread is None and not self._is_paused:  # the interpreter ends, and starts no threads
                    self._write_batch()
                if time.monotonic() >= deadline or self._failures >= most:
                    return mark.is_written
                time.sleep(0.001)
            return True
        finally:
            self._hurry = False

    def pause(self) -> None:
        """Have the thread end after its batch, and start no other, until :meth:`unpause`."""
        self._is_paused = True
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._wake.set()
            thread.join(timeout=_PAUSE_SECONDS)

    def unpause(self) -> None:
        """Go on after :meth:`pause`."""
        self._is_paused = False
        if self.backlog:
            self._start()

    def between_batches(self, action: Callable[[], object]) -> None:
        """Call *action* while no batch is being written."""
        self.hold()
        try:
            action()
        finally:
            self.release()

    def hold(self, timeout: float = -1) -> bool:
        """Keep batches from being written until :meth:`release`; answer whether that came about in time."""
        self._waiting.append(None)  # one step, other than counting up
        try:
            return self._write_lock.acquire(timeout=timeout)
        finally:
            self._waiting.pop()

    def release(self) -> None:
        """Let batches be written again."""
        self._write_lock.release()

    def _is_crowded(self) -> bool:
        return len(self._queue) >= CROWDED or len(self._queue) >= self._capacity

    def _wait_for_room(self) -> None:
        """Wait for the writer, but not for one that fails, and not for long while another's lock holds it up."""
        seen, deadline = self._progress, time.monotonic() + _PATIENCE_SECONDS
        while self._is_crowded() and not self._is_failing and time.monotonic() < deadline:
            time.sleep(0.001)
            if self._progress != seen:
                seen, deadline = self._progress, time.monotonic() + _PATIENCE_SECONDS

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None and not self._is_paused:
                thread = threading.Thread(target=self._run, name="learning-instrument-writer", daemon=True)
                self._thread = thread
                at_exit(self, phase=0)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is on its way out, and starts no threads: here and now, then
                    self._thread = None
                    self._write_batch()

    def _run(self) -> None:
        try:
            self._write_until_idle()
        finally:
            if self._thread is threading.current_thread():
                self._thread = None  # the next item starts another

    def _write_until_idle(self) -> None:
        last = time.monotonic()
        retry_seconds = 0.05
        while not self._is_paused:
            if self._is_housekeeping_due or time.monotonic() - last > _HOUSEKEEPING_SECONDS:
                self._run_housekeeping_guarded()
                last = time.monotonic()
            if not self.backlog and not self._is_paused and not self._wait_for_work():
                self._run_housekeeping_guarded()
                with self._start_lock:
                    # None first: who appends after the check sees it, and starts another thread.
                    self._thread = None
                    if not self._queue and not self._is_housekeeping_due:
                        return
                    self._thread = threading.current_thread()
            if not self._hurry and len(self._queue) < BATCH and not self._is_failing:
                self._wake.wait(self._gather_seconds)  # a flush cuts it short
                self._wake.clear()
            if self._write_batch():
                retry_seconds = 0.05
            else:
                self._wake.clear()
                self._wake.wait(retry_seconds)
                retry_seconds = min(2 * retry_seconds, _LONGEST_RETRY_SECONDS)

    def _wait_for_work(self) -> bool:
        """Wait for something to do; answer False when nothing came for some seconds."""
        self._is_waiting = True
        try:
            if not self._queue and not self._is_housekeeping_due:
                self._wake.wait(_IDLE_SECONDS)
                self._wake.clear()
        finally:
            self._is_waiting = False
        return bool(self._queue) or self._is_housekeeping_due

    def _write_batch(self) -> bool:
        with self._write_lock:
            if not self._taken:
                # By index: other threads go on appending. Taken first and removed then, so that whoever looks at the
                # backlog meanwhile sees an item twice rather than not at all.
                items = [self._queue[index] for index in range(min(BATCH, len(self._queue)))]
                self._marks = [item for item in items if type(item) is _Mark]
                self._taken = self._prepare([item for item in items if type(item) is not _Mark])
                for _ in items:
                    self._queue.popleft()
            if not self._taken:
                self._reach_marks()
                return True
            try:
                self._write(self._taken)
            except Exception as error:  # a full disk, a lock, a file that is no database: it may pass
                self._is_failing = True
                if not self._failed(error):
                    self._failures += 1
                return False
            self._taken = ()
            self._is_failing = False
            self._progress += 1
            self._reach_marks()
            return True

    def _reach_marks(self) -> None:
        for mark in self._marks:
            mark.is_written = True
        self._marks = []

    def _run_housekeeping_guarded(self) -> None:
        self._is_housekeeping_due = False
        try:
            with self._write_lock:
                self._run_housekeeping()
        except Exception as error:  # upkeep; it comes round again
            self._failed(error)

"""The background writer: a bounded queue, one thread, and retries.

The thread starts with the first item and ends after some idle seconds, so an unused database costs nothing, and
neither does a forked child that records nothing.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from ..safety import deferral, threads
from ..safety.clocks import time
from ..safety.deferral import Section
from ..safety.exit import WRITERS, at_exit, is_exiting, seconds_left
from ..safety.forks import ForkLock
from ..safety.guards import is_interruption
from ..safety.memory import EXHAUSTED
from ..safety.progress import join
from ..safety.wake import Wake

T = TypeVar("T")

Item = Any
Row = Any

CAPACITY: Final = 8192
#: The length of the queue from which callers of ``put`` are slowed down: a span takes some 3 kB of memory.
CROWDED: Final = 2048
BATCH: Final = 512
GATHER_SECONDS: Final = 0.02
_IDLE_SECONDS: Final = 5.0
_HOUSEKEEPING_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 2.0
#: How long a caller is slowed down at most, while no batch is written.
_PATIENCE_SECONDS: Final = 0.05
#: How long an item that comes after the exit hooks is waited for, unless an earlier one was in vain.
_LATE_SECONDS: Final = 0.5
#: What lack of memory or stack raises. Made beforehand: without memory there is none for a tuple.
_WITHOUT_ROOM: Final = (*EXHAUSTED, RecursionError)
#: How long the end of the process waits for a batch that is being taken from the queue.
_TAKE_SECONDS: Final = 0.5


class _Mark:
    """Stands in the queue behind the items that a flush waits for."""

    __slots__ = ("is_spilled", "is_written")

    def __init__(self) -> None:
        self.is_written = self.is_spilled = False


class BackgroundWriter:
    """Passes items to *write* on a thread of its own, in order, and again after an exception.

    Args:
        prepare: turns items into rows; called once for each item.
        write: stores rows; its exceptions are passed to *failed*, and the rows are retried.
        spill: keeps rows that cannot be written before the process ends; it raises nothing.
        failed: called with each exception of *write*; tells whether it ends by itself, as another's lock does.
        housekeeping: called about once a second while there is work, and before the thread ends.
        look: called about once a second; tells whether the database was used since.
        rest: called before the thread ends, after some idle seconds; closes the database if it can.
        is_in_use: tells whether the database is open. As long as it is, the thread does not end.
        capacity: the most items in the queue, beside the batch that is written or retried.
        gather_seconds: how long items gather before they are written.
        write_lock: held while a batch is written and during housekeeping.
    """

    def __init__(
        self,
        prepare: Callable[[Sequence[Any]], Sequence[Row]],
        write: Callable[[Sequence[Row]], object],
        spill: Callable[[Sequence[Row]], object],
        failed: Callable[[Exception], bool],
        housekeeping: Callable[[], object],
        look: Callable[[], object] = lambda: False,
        rest: Callable[[], object] = lambda: None,
        is_in_use: Callable[[], object] = lambda: False,
        capacity: int = CAPACITY,
        gather_seconds: float = GATHER_SECONDS,
        *,
        write_lock: ForkLock,
    ) -> None:
        self._prepare = prepare
        self._write = write
        self._spill = spill
        self._failed = failed
        self._housekeeping = housekeeping
        self._look = look
        self._rest = rest
        self._is_in_use = is_in_use
        self._capacity = capacity
        self._gather_seconds = gather_seconds
        self._write_lock = write_lock
        self.reset()

    def reset(self) -> None:
        """Start empty; in a forked child, for the queue and the thread are the parent's."""
        self._queue: deque[Item] = deque()
        self._taken: Sequence[Row] = ()  # the batch that is written or retried
        # Around a batch, from the queue to the file. No thread waits for it: it runs foreign code, such as prices.
        self._turn = Section()
        # Around the step from the queue to the batch; never held while one is prepared or written.
        self._take_lock = Section()
        self._spilled: Sequence[Row] = ()  # the batch that was spilled while a thread was writing it
        self._has_given_up = False
        self._wake = Wake()
        self._is_waiting = False
        self._hurry = False
        self._is_housekeeping_due = False
        self._is_paused = False
        self._marks: list[_Mark] = []  # those of this batch
        self._start_lock = threading.RLock()  # a signal handler may record in the thread that holds it
        self._waiting: list[None] = []  # one entry for each thread that waits for the write lock
        self._thread: threads.BackgroundThread | None = None
        self._is_failing = False
        self._failures = 0
        self._progress = 0  # batches written
        self._steps = 0  # of the thread: they show that it is alive

    @property
    def backlog(self) -> int:
        """The number of items not written yet."""
        return len(self._queue) + len(self._taken)

    @property
    def unwritten(self) -> int:
        """The number of items not written yet, without the marks of flushes."""
        return sum(type(item) is not _Mark for item in self._queue.copy()) + len(self._taken)

    def is_held(self) -> bool:
        """Tell whether this thread is in the middle of the writer's work, so that it cannot wait for it."""
        return self._turn.is_held() or self._write_lock.is_held()

    @property
    def is_paused(self) -> bool:
        """Whether the process forks."""
        return self._is_paused

    @property
    def is_contended(self) -> bool:
        """Whether items, a waiting thread or a fork need the writer, so that housekeeping should end early."""
        self._steps += 1  # housekeeping asks before each statement
        return bool(self.backlog or self._waiting or self._is_paused)

    def put(self, item: Item) -> bool:
        """Queue *item*, after a short wait if the queue is crowded. Return False if it is full."""
        if self._is_crowded():
            self._wait_for_room()
            if len(self._queue) >= self._capacity:
                return False
        self._queue.append(item)
        try:
            if self._is_waiting:
                self._wake.set()
            elif self._thread is None:
                self._start()
        except _WITHOUT_ROOM:
            pass  # it is in the queue: the next one, or the end of the process, starts the thread
        # The exit hooks have run already.
        if is_exiting() and not self._flush(0.0 if self._has_given_up else _LATE_SECONDS):
            self.spill()
        return True

    def end(self) -> None:
        """Write the queue, or spill it: the process ends."""
        if self.backlog and not self.flush(seconds_left(WRITERS)):
            self.spill()

    def spill(self) -> None:
        """Spill the queue, and the batch that is being written: that may never end, and may be stored twice."""
        self._has_given_up = True
        left = self._take_lock.call(self._leave, True, timeout=_TAKE_SECONDS)
        taken, queued = left or self._leave(False)
        # Without the lock: it may warn, and a log handler may ask the database.
        if unspilled := [*taken, *self._prepare([item for item in queued if type(item) is not _Mark])]:
            self._spill(unspilled)

    def _leave(self, is_alone: bool) -> tuple[Sequence[Row], Sequence[Item]]:
        """Return the batch that is being written, unless it is spilled, and the queue, emptied where *is_alone*."""
        taken = self._taken
        queued = [self._queue.popleft() for _ in range(len(self._queue))] if is_alone else list(self._queue.copy())
        for mark in [item for item in (*queued, *self._marks) if type(item) is _Mark]:
            mark.is_spilled = True
        is_new, self._spilled = taken is not self._spilled, taken
        return taken if is_new else (), queued

    def wake(self) -> None:
        """Run the thread: the database is in use. Without a thread, as at the end of the process, do nothing."""
        if self._thread is None and not is_exiting():
            self._start(is_needed=False)

    def request_housekeeping(self) -> None:
        """Make the thread do housekeeping soon, even if the queue is empty."""
        self._is_housekeeping_due = True
        self._wake.set()
        if self._thread is None:
            self._start()

    def flush(self, timeout: float) -> bool:
        """Wait until the queue as it is now is written, at most *timeout* seconds. Tell whether it is.

        Two failures that do not end by themselves end the wait, as does the deadline of a process that ends.
        """
        return self._flush(min(timeout, seconds_left(WRITERS)))

    def drain(self, patience: float) -> bool:
        """Like :meth:`flush`, as long as any batch is written within *patience* seconds."""
        while True:
            seen = self._progress
            if self.flush(patience):
                return True
            if self._progress == seen:
                return False

    def _flush(self, timeout: float) -> bool:
        if not self.backlog:
            return True
        if self.is_held():  # a destructor, or a signal handler: what it interrupted goes on after it
            return False
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
                if self._must_write() and not self._is_paused:
                    self._write_batch()
                if mark.is_spilled or time.monotonic() >= deadline or self._failures >= most:
                    return mark.is_written
                time.sleep(0.001)
            return True
        finally:
            self._hurry = False

    def _must_write(self) -> bool:
        """Tell whether a caller that waits has to write: no thread has started, or it is the thread itself."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return not deferral.is_busy()
        return thread.is_current()

    def pause(self) -> bool:
        """End the thread after its batch, and start no other until :meth:`unpause`. Tell whether it has ended."""
        self._is_paused = True
        thread = self._thread
        if thread is not None and not thread.is_current():
            self._wake.set()
            return join(thread, lambda: self._steps)
        return True

    def unpause(self) -> None:
        """Go on after :meth:`pause`."""
        self._is_paused = False
        if self.backlog:
            self._start()

    def between_batches(self, action: Callable[[], T], timeout: float = -1) -> T | None:
        """Return the result of *action*, called between two batches; None if the writer does not stop in time."""
        try:
            self._waiting.append(None)  # atomic, unlike `+= 1`
            return self._write_lock.call(action, timeout=timeout)
        finally:
            self._waiting.pop()

    def _is_crowded(self) -> bool:
        return len(self._queue) >= CROWDED or len(self._queue) >= self._capacity

    def _wait_for_room(self) -> None:
        """Wait until the queue is less crowded, while the writer makes progress."""
        seen, deadline = self._progress, time.monotonic() + _PATIENCE_SECONDS
        while self._is_crowded() and not self._is_failing and not self.is_held() and time.monotonic() < deadline:
            time.sleep(0.001)
            if self._progress != seen:
                seen, deadline = self._progress, time.monotonic() + _PATIENCE_SECONDS

    def _start(self, *, is_needed: bool = True) -> None:
        if not self._has_started() and is_needed and not deferral.is_busy():
            self._write_batch()  # the interpreter is shutting down: write synchronously

    def _has_started(self) -> bool:
        """Start the thread, unless there is one; tell whether there is."""
        with self._start_lock:
            if self._thread is None and not self._is_paused:
                at_exit(self, phase=WRITERS)
                return threads.start("learning-instrument-writer", self._run, known=self._note_thread)
        return True

    def _note_thread(self, thread: threads.BackgroundThread | None) -> None:
        self._thread = thread

    def _run(self) -> None:
        own = self._thread
        try:
            self._write_until_idle(own)
        finally:
            if self._thread is own:
                self._thread = None  # the next item starts another

    def _write_until_idle(self, own: threads.BackgroundThread | None) -> None:
        last = time.monotonic()
        retry_seconds = 0.05
        while not self._is_paused:
            if self._is_housekeeping_due or time.monotonic() - last > _HOUSEKEEPING_SECONDS:
                self._run_housekeeping()
                last = time.monotonic()
            if not self.backlog and not self._is_paused and not self._wait_for_work():
                if self._is_paused:
                    break
                self._run_housekeeping()
                self._while_free(self._rest)
                with self._start_lock:
                    # None first: a caller that appends after the check sees it, and starts another thread.
                    self._thread = None
                    if not self._queue and not self._is_housekeeping_due and not self._is_in_use():
                        return
                    self._thread = own
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
        """Wait for work; return False after some idle seconds. Do housekeeping after the first: more may never come."""
        self._is_waiting = True
        is_first = True
        try:
            end = time.monotonic() + _IDLE_SECONDS
            while not self._queue and not self._is_housekeeping_due and time.monotonic() < end:
                has_waited = not self._wake.wait(_LOOK_SECONDS)
                self._wake.clear()
                if self._is_paused:
                    break
                if has_waited and is_first:
                    is_first = False
                    self._run_housekeeping()
                if has_waited and self._while_free(self._look):
                    end = time.monotonic() + _IDLE_SECONDS
        finally:
            self._is_waiting = False
        return bool(self._queue) or self._is_housekeeping_due

    def _write_batch(self) -> bool:
        """Write one batch; tell whether nothing failed. False too where another thread writes."""
        return not self._turn.is_held() and bool(self._turn.call(self._write_next, timeout=0))

    def _write_next(self) -> bool:
        try:
            if not self._taken:
                self._take()
            if self._taken:
                self._write_lock.call(self._write_taken)
                self._taken = ()
                self._is_failing = self._has_given_up = False
                self._progress += 1
            self._reach_marks()
            return True
        except Exception as error:  # a full disk, a lock, or an invalid file: retried
            if is_interruption(error):  # of a caller that writes itself
                raise
            self._is_failing = True
            if not self._failed(error):
                self._failures += 1
            return False

    def _write_taken(self) -> None:
        self._steps += 1
        self._write(self._taken)

    def _take(self) -> None:
        """Take a batch from the queue."""
        try:  # by index, since other threads append meanwhile
            items = [self._queue[index] for index in range(min(BATCH, len(self._queue)))]
        except IndexError:  # spilled meanwhile
            return
        rows = self._prepare([item for item in items if type(item) is not _Mark])
        self._take_lock.call(self._move, items, rows)

    def _move(self, items: Sequence[Item], rows: Sequence[Row]) -> None:
        """Take *items*, whose *rows* are to be written, from the queue."""
        if items and not (self._queue and self._queue[0] is items[0]):  # spilled meanwhile
            return
        # Taken first and removed later, so that the backlog counts an item twice rather than not at all.
        self._marks = [item for item in items if type(item) is _Mark]
        self._taken = rows
        for _ in items:
            self._queue.popleft()

    def _reach_marks(self) -> None:
        for mark in self._marks:
            mark.is_written = True
        self._marks = []

    def _run_housekeeping(self) -> None:
        self._is_housekeeping_due = False
        self._while_free(self._housekeeping)

    def _while_free(self, action: Callable[[], object]) -> object:
        """Return the result of *action*, called between two batches; None if it fails."""
        try:
            return self._write_lock.call(action)
        except Exception as error:  # the next round retries it
            self._failed(error)
            return None

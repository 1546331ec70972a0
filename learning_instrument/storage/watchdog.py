"""Watches the executions in flight of one database, and enters long ones in its crash ledger.

The thread starts with the first execution and ends after some idle seconds. An execution shorter than a second costs
nothing; all work on longer ones happens on this thread.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final

from ..record import Row, row_of_unfinished
from ..recording.in_flight import DeliverModelCall, InFlight
from ..safety import threads
from ..safety.clocks import time
from ..safety.exit import WATCHDOGS, at_exit, seconds_left
from ..safety.forks import ForkLock, Undo, copy_of
from ..safety.guards import is_interruption, warn
from ..safety.progress import join
from ..safety.wake import Wake
from .crash_ledger import CrashLedger

log = logging.getLogger(__name__)


#: How long an execution must have run to be entered.
LONG_SECONDS: Final = 1.0
#: The interval of the thread.
_TURN_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 5.0
#: How many executions are entered before a pause: with thousands in flight the tasks need the interpreter, too.
_ROUND: Final = 500
_PAUSE_SECONDS: Final = 0.02
#: The interval of looking for dead processes: in the background, and before questions.
_SETTLE_SECONDS: Final = 60.0
_SETTLE_FOR_QUESTION_SECONDS: Final = 1.0
#: The interval of looking for spill files.
_SPILL_SECONDS: Final = 5.0
#: The number of idle turns in a row after which the thread ends.
_IDLE_TURNS: Final = 10
#: How long a caller waits for the ledger.
_BUSY_SECONDS: Final = 2.0


class Watchdog:
    """Keeps the crash ledger of one database up to date.

    Args:
        path: the absolute path of the database.
        has_backlog: tells whether rows of ended executions are not stored yet.
        look_for_spill_files: called now and then while the database is in use.
        take_turn: called in each turn of the thread.
        deliver_model_call: see :class:`InFlight`.
    """

    def __init__(
        self,
        path: str,
        has_backlog: Callable[[], bool],
        look_for_spill_files: Callable[[], object],
        take_turn: Callable[[], object],
        deliver_model_call: DeliverModelCall,
    ) -> None:
        self.running = InFlight(self.watch, deliver_model_call)
        self._has_backlog = has_backlog
        self._look_for_spill_files = look_for_spill_files
        self._take_turn = take_turn
        self._ledger = CrashLedger(path)
        self._lock = ForkLock(self._ledger.close)  # around each use of the ledger
        self._reset()

    def _reset(self) -> None:
        self._start_lock = threading.RLock()  # a signal handler may start an execution in the thread that holds it
        self._wake = Wake()
        self._thread: threads.BackgroundThread | None = None
        self._is_paused = False
        #: Whether the database is in use: a closed one is not opened again for a heartbeat.
        self._is_in_use = False
        #: The executions in flight when it was closed.
        self._left: frozenset[str] = frozenset()
        self._renewed = self._settled = self._looked = float("-inf")
        self._others_run = False
        self._has_failed = self._has_warned = False

    def is_held(self) -> bool:
        """Tell whether this thread is using the ledger."""
        return self._lock.is_held()

    def watch(self) -> None:
        """Run the thread until no execution is in flight."""
        with self._start_lock:
            if self._is_paused:
                return
            self.running.is_watched = True
            if self._thread is not None:
                self._wake.set()
                return
            at_exit(self, phase=WATCHDOGS)
            if not threads.start("learning-instrument-watchdog", self._run, known=self._note_thread):
                self.running.is_watched = False  # there is no ledger until the next execution tries again

    def _note_thread(self, thread: threads.BackgroundThread | None) -> None:
        self._thread = thread

    def opened(self) -> None:
        """Note that the database is in use (again)."""
        self._left = frozenset()
        if not self._is_in_use or not self.running.is_watched:
            self._is_in_use = True
            self.watch()

    def settle_dead(self) -> None:
        """Store the executions of dead processes as lost, before a question."""
        if time.monotonic() - self._settled > _SETTLE_FOR_QUESTION_SECONDS:
            self._when_free(self._settle)

    def close(self) -> None:
        """Bring the ledger up to date and close it. Executions in flight stay in it."""
        self._when_free(self._look)
        self._is_in_use = False
        self._left = frozenset(copy_of(self.running.by_id))
        self._when_free(self._ledger.close)
        if not self.running.by_id:
            self._pause()
            self._is_paused = False
            if self.running.by_id:  # an execution began meanwhile
                self.watch()

    def end(self) -> None:
        """Stop watching: the process ends."""
        self._pause()
        self._when_free(self._look)
        self._when_free(self._ledger.close)

    def before_fork(self, undo: Undo) -> None:
        """End the thread while the process forks."""
        undo.callback(self._unpause)
        self._pause()

    def _unpause(self) -> None:
        """Watch the executions in flight; where there are none, the next starts the thread: the file is closed now.

        Python 3.13 warns of a thread that is started before ``os.fork()`` has returned.
        """
        self._is_paused = False
        if self.running.by_id:
            self.watch()

    def reset(self) -> None:
        """Start over in a forked child: the executions in flight are the parent's."""
        self._lock.reset()
        self._ledger.reset()
        self.running.reset()
        self.running.is_watched = False
        self._reset()

    def _pause(self) -> None:
        """Make the thread end, and start no other."""
        with self._start_lock:
            self._is_paused = True
            self.running.is_watched = False
            thread = self._thread
        if thread is not None and not thread.is_current():
            self._wake.set()
            join(thread, lambda: self._ledger.statements, seconds_left(WATCHDOGS))

    def _run(self) -> None:
        idle_turns = 0
        while not self._is_paused:
            self._wake.wait(_TURN_SECONDS)
            if self._is_paused:
                break
            self._wake.clear()
            self._take_turn()
            self._lock.call(self._guarded, self._look)
            is_idle = not self.running.by_id and not self._ledger.standing
            idle_turns = idle_turns + 1 if is_idle else 0
            if idle_turns >= _IDLE_TURNS and not self._go_on():
                return
        self._thread = None

    def _go_on(self) -> bool:
        """Tell whether to continue without executions in flight, to look for dead processes; if so, wait first."""
        with self._start_lock:
            # False first: an execution that begins after the check sees it, and calls watch().
            self.running.is_watched = False
            if self.running.by_id:
                self.running.is_watched = True
            elif not (self._others_run and self._is_in_use):
                self._thread = None
                return False
        if not self.running.is_watched:
            self._wake.wait(_SETTLE_SECONDS)
        return True

    def _look(self) -> None:
        """Bring the ledger up to date."""
        ledger = self._ledger
        for rows in self._long_ones():
            self._is_in_use = True
            ledger.enter(rows)
            thread = self._thread
            if len(rows) == _ROUND and not self._is_paused and thread is not None and thread.is_current():
                time.sleep(_PAUSE_SECONDS)
        ended = [execution_id for execution_id in ledger.standing if execution_id not in self.running.by_id]
        if ended:
            ledger.leave(ended, is_stored=not self._has_backlog())
        if self._is_in_use and ledger.has_file:
            if ledger.standing and time.monotonic() - self._renewed >= _HEARTBEAT_SECONDS:
                ledger.renew()
                self._renewed = time.monotonic()
            if time.monotonic() - self._settled >= _SETTLE_SECONDS:
                self._settle()
            if time.monotonic() - self._looked >= _SPILL_SECONDS:
                self._looked = time.monotonic()
                self._look_for_spill_files()
        if not ledger.standing:
            ledger.close()

    def _settle(self) -> None:
        self._others_run = self._ledger.settle_dead()
        self._settled = time.monotonic()
        if not self._ledger.standing:
            self._ledger.close()

    def _long_ones(self) -> Iterator[list[Row]]:
        """Yield the rows of executions to enter, and drop those that were garbage-collected without an end."""
        by_id = self.running.by_id
        rows = []
        for execution_id in copy_of(by_id):  # the oldest come first
            reference = by_id.get(execution_id)
            execution = None if reference is None else reference()
            if execution is None:
                by_id.pop(execution_id, None)
            elif execution_id not in self._ledger.standing and execution_id not in self._left:
                if execution.elapsed_seconds() < LONG_SECONDS:
                    break
                known = execution.attributes_so_far()
                if known is not None:
                    rows.append(row_of_unfinished(*known))
                if len(rows) == _ROUND:
                    execution = None  # it may end, and go, while its row is entered
                    yield rows
                    rows = []
        execution = None
        if rows:
            yield rows

    def _when_free(self, action: Callable[[], object]) -> None:
        """Call *action* with the lock; not at all in a signal handler that interrupted its holder."""
        if not self._lock.is_held():
            self._lock.call(self._guarded, action, timeout=min(_BUSY_SECONDS, seconds_left(WATCHDOGS)))

    def _guarded(self, action: Callable[[], object]) -> None:
        """Call *action*; after a full disk, a lock or an invalid file the next turn retries it."""
        try:
            action()
            self._has_failed = False
        except Exception as error:  # executions go on
            self._ledger.close()
            if is_interruption(error):  # of a caller that closes the database
                raise
            # Not after one failure: a file that was just deleted is made again.
            has_failed, self._has_failed = self._has_failed, True
            if has_failed and not self._has_warned and "locked" not in str(error):
                self._has_warned = True
                warn(log, "The ledger of running executions cannot be written: %s. Retrying.", error)

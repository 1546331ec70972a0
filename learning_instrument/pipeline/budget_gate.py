"""Checks budgets before tasks start: what the last reading of the database found, and what this process spent since.

A reading is used for a second, and until this process has spent a twentieth of what was left, so that several processes
that spend at the same time stop together: with a reading a second, eight that spend 2% of the limit a second stop at
some 109% of it (tests/benchmarks/budget_enforcement.py). Short readings are made on the task's thread, within some
milliseconds; those of many rows in the background.
"""

import dataclasses
import functools
import logging
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from .. import semconv
from ..budgets import NANO, Budget, BudgetStatus, Window, format_usd, window_around
from ..costs.spending import UNKNOWN_GROUP, Spending, SpendReader, Spent, group_in, status
from ..database import LearningDatabase
from ..errors import BudgetExceeded
from ..recording.capture import Capture
from ..recording.fields import FIELD_OF
from ..recording.types import Pipeline
from ..safety import threads
from ..safety.clocks import time
from ..safety.forks import ForkLock, Undo, register
from ..safety.guards import is_interruption, warn
from ..safety.wake import Latch
from .sdk_fast_path import attributes_of

log = logging.getLogger(__name__)

#: How long a reading is used, in seconds.
_FRESH_SECONDS: Final = 1.0
#: Unless this process spends this part of what was left before.
_PARTS: Final = 20
#: How long a task waits for a reading; for the first in a process and window; for that where the budget fails closed.
_TASK_SECONDS: Final = 0.01
_FIRST_SECONDS: Final = 1.0
_FIRST_SECONDS_CLOSED: Final = 5.0
#: A whole reading that takes no longer is made on the task's thread.
_SHORT_SECONDS: Final = 0.005
#: Longer ones take at most this share of the time of a background thread, and keep this distance.
_SHARE_OF_TIME: Final = 1 / 20
_BETWEEN_SECONDS: Final = 2.0
#: No reading is tried for so long after one that failed.
_PAUSE_SECONDS: Final = 0.25
#: A budget that fails closed does not rely on an older reading while the database cannot be read.
_STALE_SECONDS: Final = 10.0
#: How long a background reading waits for the queue, and for a lock of the database.
_BACKGROUND_BUSY_SECONDS: Final = 2.0
_NEVER: Final = float("-inf")
_NOTHING: Final = Spent()


class _View(NamedTuple):
    """What the last reading of a window found."""

    window: Window
    spending: Spending
    #: What this process had spent by then, in all windows.
    own: Mapping[str, int]
    #: When it began, and until when it is used, by the monotonic clock.
    read: float
    expires: float


class BudgetGate:
    """Checks one budget of one database, in this process.

    Args:
        budget: the budget.
        database: where executions are recorded; None where they are not, so that spending is unknown.
    """

    def __init__(self, budget: Budget, database: LearningDatabase | None) -> None:
        self.budget = budget
        #: The attribute that has the group; None: all are one group, or it is in the metadata.
        self._key = FIELD_OF[budget.by].key if budget.by in FIELD_OF else None
        self._limit = round(budget.usd * NANO)
        self._warn_threshold = round(budget.usd * budget.warn_at * NANO)
        self._database = (lambda: None) if database is None else weakref.ref(database)
        self._reader = None if database is None else SpendReader(database.path, budget.by)
        #: What the executions of this process cost that are stored, for each group.
        self._own = defaultdict[str, int](int)
        self._short_lock = ForkLock()  # around readings on the tasks' threads
        self._whole_lock = ForkLock()  # around those in the background
        self.reset()
        register(self)

    def reset(self) -> None:
        """Start over; in a forked child, for the parent reports its own spending."""
        self._own_lock = threading.RLock()  # a signal handler may record in the thread that holds it
        #: Those that are being stored.
        self._begun: dict[str, tuple[str, int]] = {}
        #: For each reading that goes on, those that it may find, and that :attr:`_own` did not have when it began.
        self._uncertain: list[dict[str, tuple[str, int]]] = []
        self._in_background: Latch | None = None
        self._is_forking = False
        self._view = self._unread()
        self._paused_until = _NEVER
        self._announced: set[tuple[str, float]] = set()
        self._has_warned_of_fault = self._has_warned_of_unpriced = self._has_warned_of_callback = False
        self._has_warned_of_clock = False
        self._fault: str | None = None if self._reader is not None else "no database is configured to record into"

    def _unread(self) -> _View:
        window = window_around(datetime.now(timezone.utc), self.budget.per)
        return _View(window, {}, dict(self._own), _NEVER, _NEVER)

    def check(self, task: Capture) -> None:
        """Check the budget before a task starts.

        Raises:
            BudgetExceeded: if the task must not start.
        """
        group = self._group_at_start(task)
        view = self._view
        found = view.spending.get(group, _NOTHING).nano
        since = self._own.get(group, 0) - view.own.get(group, 0)
        if (
            found + since >= self._warn_threshold
            or since * _PARTS > self._limit - found
            or time.monotonic() >= view.expires
        ):
            self._decide(group)

    def begin(self, attributes: Mapping[str, Any]) -> None:
        """Note the cost of an execution that ended in this process and will be stored now."""
        cost = attributes.get(semconv.COST_ACTUAL)
        if cost:
            execution_id = attributes.get(semconv.EXECUTION_ID, "")
            entry = self._group(attributes), round(cost * NANO)
            with self._own_lock:
                for known in (self._begun, *self._uncertain):
                    known[execution_id] = entry

    def add(self, attributes: Mapping[str, Any]) -> None:
        """Add the cost of an execution that has been stored."""
        with self._own_lock:
            entry = self._begun.pop(attributes.get(semconv.EXECUTION_ID, ""), None)
            if entry is not None:
                self._own[entry[0]] += entry[1]

    def _group_at_start(self, task: Capture) -> str:
        by = self.budget.by
        if by is None:
            return ""
        if self._key is None:
            return group_in(task.known_metadata(), by)
        known = task.known(by)
        return UNKNOWN_GROUP if known is None else str(known)

    def _group(self, attributes: Mapping[str, Any]) -> str:
        """Return the group of an execution that ended."""
        by = self.budget.by
        if by is None:
            return ""
        if self._key is None:
            return group_in(attributes.get(semconv.METADATA, ""), by)
        return str(attributes.get(self._key, UNKNOWN_GROUP))

    def _decide(self, group: str) -> None:
        self._refresh(group)
        view = self._view
        if self._fault is not None or view.read == _NEVER:
            self._unknown(view)
        found = view.spending.get(group, _NOTHING)
        spent = found._replace(nano=found.nano + self._own.get(group, 0) - view.own.get(group, 0))
        if spent.nano >= self._limit:
            self._announce(view, group, spent, 1.0)
            if self.budget.on_limit == "raise":
                raise BudgetExceeded(
                    f"{self.budget.describe(group)} is spent: {_since(view.window, spent)}. It opens again at"
                    f" {_minute(view.window.end)}.",
                    spent_usd=spent.nano / NANO,
                    limit_usd=self.budget.usd,
                    opens=view.window.end,
                )
        elif spent.nano >= self._warn_threshold:
            self._announce(view, group, spent, self.budget.warn_at)

    def _unknown(self, view: _View) -> None:
        """Warn that spending is unknown; refuse the task where the budget fails closed.

        Raises:
            BudgetExceeded: if the task is refused.
        """
        reason = self._fault or "the database was not read in time"
        if self._fault is not None and not self._has_warned_of_fault:
            self._has_warned_of_fault = True
            then = "tasks are refused" if self.budget.fail_closed else "only what this process spends counts"
            warn(log, "%s cannot be checked: %s. Until it can, %s.", self.budget.describe(), reason, then)
        if self.budget.fail_closed and time.monotonic() - view.read > _STALE_SECONDS:
            raise BudgetExceeded(
                f"{self.budget.describe()} cannot be checked: {reason}. fail_closed=True refuses its tasks meanwhile;"
                " mend the database, or leave fail_closed out.",
                limit_usd=self.budget.usd,
            )

    def _announce(self, view: _View, group: str, spent: Spent, share: float) -> None:
        """Log that *share* of the budget of *group* is spent, or call the user's function: once in a window."""
        with self._own_lock:
            if (group, share) in self._announced:
                return
            self._announced.add((group, share))
        budget = self.budget
        if callable(budget.on_limit):
            self._call(budget.on_limit, status(budget, group, spent, view.window))
        elif share < 1:
            percent = 100 * spent.nano / self._limit
            warn(log, "%s is spent to %.0f%%: %s.", budget.describe(group), percent, _since(view.window, spent))
        else:
            then = "are refused until" if budget.on_limit == "raise" else "go on; the next window begins at"
            what = budget.describe(group), _since(view.window, spent), then, _minute(view.window.end)
            warn(log, "%s is spent: %s. Tasks %s %s.", *what)

    def _call(self, on_limit: Callable[[BudgetStatus], object], found: BudgetStatus) -> None:
        try:
            on_limit(found)
        except BaseException as fault:  # a user's function may raise SystemExit; the task must not see it
            if is_interruption(fault):
                raise
            if not self._has_warned_of_callback:
                self._has_warned_of_callback = True
                warn(log, "on_limit=%r failed; the task goes on.", on_limit, exc_info=True)

    def _refresh(self, group: str) -> None:
        """Read what was spent, unless the last reading is recent enough."""
        view = self._view
        if not view.window.start <= datetime.now(timezone.utc) < view.window.end:
            with self._own_lock:
                if self._view is view:
                    self._view = self._unread()
                    self._announced.clear()
                view = self._view
        if self._reader is None or self._is_recent(group) or time.monotonic() < self._paused_until:
            return
        if view.read == _NEVER:
            patience = _FIRST_SECONDS_CLOSED if self.budget.fail_closed else _FIRST_SECONDS
            self._read_in_background(self._reader).wait(patience)
            if self._view.read == _NEVER:
                self._paused_until = time.monotonic() + _PAUSE_SECONDS
        else:
            self._short_lock.call(self._read_unless_recent, self._reader, group, timeout=_TASK_SECONDS)

    def _read_unless_recent(self, reader: SpendReader, group: str) -> None:
        if not self._is_recent(group):  # no other task has read meanwhile
            self._read_briefly(reader)

    def _is_recent(self, group: str) -> bool:
        view = self._view
        since = self._own.get(group, 0) - view.own.get(group, 0)
        left = self._limit - view.spending.get(group, _NOTHING).nano
        return (left <= 0 or since * _PARTS <= left) and time.monotonic() < view.expires

    def _read_briefly(self, reader: SpendReader) -> None:
        deadline = time.monotonic() + _TASK_SECONDS
        is_short = reader.whole_seconds <= _SHORT_SECONDS
        read = reader.read_whole if is_short else reader.read_last
        is_read = self._read(
            read, _TASK_SECONDS / 2, lambda: self._is_forking or time.monotonic() > deadline, is_brief=True
        )
        if self._fault is not None:  # where it was only slow, the next task tries again
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
        pause = max(_BETWEEN_SECONDS, reader.whole_seconds / _SHARE_OF_TIME)
        if not is_read or (not is_short and time.monotonic() - reader.whole_began > pause):
            self._read_in_background(reader)

    def _read_in_background(self, reader: SpendReader) -> Latch:
        """Start a whole reading on a thread of its own, unless there is one; return the latch that its end opens."""
        with self._own_lock:
            if self._in_background is None:
                done = self._in_background = Latch()
                if not threads.start("learning-instrument-budget", self._read_whole, reader, done):
                    self._in_background, self._fault = None, "no thread could be started"
                    done.open()
                return done
            return self._in_background

    def _read_whole(self, reader: SpendReader, done: Latch) -> None:
        read = functools.partial(self._whole_lock.call, reader.read_whole)
        try:
            self._read(read, _BACKGROUND_BUSY_SECONDS, lambda: self._is_forking)
        finally:
            self._in_background = None
            done.open()

    def _read(
        self,
        read: Callable[..., Spending | None],
        patience: float,
        is_over: Callable[[], bool],
        is_brief: bool = False,
    ) -> bool:
        """Read, and use what was found from now on; tell whether there was time for it."""
        before, database = self._view, self._database()
        with self._own_lock:
            own: Mapping[str, int] = self._own.copy()
            uncertain = self._begun.copy()
            self._uncertain.append(uncertain)
        began = time.monotonic()
        try:
            if database is not None and not database.flush(patience):
                if is_brief:  # the background waits longer
                    return False
                own = before.own  # the queue is not in the file: it still counts as spent since
            spending = read(before.window, patience, is_over, uncertain.copy)
        except Exception as error:  # a fault of the budget is not the task's
            if is_interruption(error):
                raise
            self._fault = str(error) or type(error).__qualname__
            return False
        finally:
            with self._own_lock:
                self._uncertain = [known for known in self._uncertain if known is not uncertain]
        if spending is None:
            return False
        self._fault, self._has_warned_of_fault = None, False
        expires = began + min(_FRESH_SECONDS, before.window.end.timestamp() - time.time())
        with self._own_lock:
            if self._view.window == before.window and self._view.read < began:
                self._view = _View(before.window, spending, own, began, expires)
        self._warn_of_unpriced(spending)
        self._warn_of_clock()
        return True

    def _warn_of_clock(self) -> None:
        later = 0 if self._reader is None else self._reader.later
        if later and not self._has_warned_of_clock:
            self._has_warned_of_clock = True
            warn(
                log,
                "%s does not count %d executions that are dated after its window: the clock of this process is behind,"
                " or that of another is ahead. No limit stops their costs.",
                *(self.budget.describe(), later),
            )

    def _warn_of_unpriced(self, spending: Spending) -> None:
        missed = sum(spent.missed for spent in spending.values())
        if missed and not self._has_warned_of_unpriced:
            self._has_warned_of_unpriced = True
            whole = sum(spent.executions for spent in spending.values())
            warn(
                log,
                "%s cannot see what %d of %d executions cost, or a part of it: it was not reported, and a model call of"
                " theirs has no price or did not say all its tokens. What is unknown does not count, and no limit stops"
                " it.",
                *(self.budget.describe(), missed, whole),
            )

    def before_fork(self, undo: Undo) -> None:
        """End the readings while the process forks."""
        undo.callback(setattr, self, "_is_forking", False)
        self._is_forking = True


# The gates of this process, each shared by all pipelines with that budget and database.
_gates: "weakref.WeakKeyDictionary[LearningDatabase, dict[Budget, BudgetGate]]" = weakref.WeakKeyDictionary()


def gate_of(budget: Budget, database: LearningDatabase | None) -> BudgetGate:
    """Return the gate of *budget* over *database*, the same one each time."""
    if database is None:
        return BudgetGate(budget, None)
    of_database = _gates.setdefault(database, {})
    gate = of_database.get(budget)
    # Where two threads ask at the same time, both get the gate of the first.
    return of_database.setdefault(budget, BudgetGate(budget, database)) if gate is None else gate


def within_budgets(pipeline: Pipeline, database: LearningDatabase | None, budgets: Sequence[Budget]) -> Pipeline:
    """Return *pipeline* with a check of *budgets* over *database* before each task."""
    if not budgets:
        return pipeline
    gates = [gate_of(budget, database) for budget in dict.fromkeys(budgets)]
    deliver = pipeline.deliver

    def check(task: Capture) -> None:
        for gate in gates:
            gate.check(task)

    def deliver_and_add(span: Any, execution_id: str) -> None:
        attributes = attributes_of(span)
        if not attributes.get(semconv.COST_ACTUAL):
            if deliver is not None:
                deliver(span, execution_id)
            return
        for gate in gates:
            gate.begin(attributes)
        try:
            if deliver is not None:
                deliver(span, execution_id)
        finally:
            for gate in gates:
                gate.add(attributes)

    return dataclasses.replace(
        pipeline,
        check_budgets=gates[0].check if len(gates) == 1 else check,
        deliver=deliver if database is None else deliver_and_add,
    )


def _since(window: Window, spent: Spent) -> str:
    at_least = "at least " if spent.partial else ""
    return f"{at_least}{format_usd(spent.nano / NANO)} since {_minute(window.start)}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

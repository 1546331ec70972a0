"""Whether a task may start, by its budgets: what is known to be spent, and when to look again.

Most tasks are admitted by figures at hand: what the last reading of the database found, and what ended in this process
since. A reading is good for a second, and until this process has spent a twentieth of what it left, so that several
processes that spend at once stop together. Short readings are made on the task's thread, with a limit of some
milliseconds; those of many rows on a thread of their own.
"""

import dataclasses
import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from .. import semconv
from ..budgets import NANO, Budget, BudgetStatus, Window, dollars, window_around
from ..costs.spending import UNKNOWN_GROUP, Spending, SpendReader, Spent, status
from ..database import LearningDatabase
from ..errors import BudgetExceeded
from ..recording.types import Pipeline
from ..safety.forks import ForkLock, register
from ..safety.guards import is_interruption, warn

log = logging.getLogger(__name__)

_GROUP_KEYS: Final = {
    "pool_type": semconv.POOL_TYPE,
    "model_tier": semconv.MODEL_TIER,
    "repo": semconv.TASK_REPO,
}
#: How long a reading is good for, in seconds.
_GOOD_SECONDS: Final = 1.0
#: And until this process has spent this part of what the reading left.
_PARTS: Final = 20
#: How long a task waits for a reading; for the first one in a process and window; and for that where it must be known.
_TASK_SECONDS: Final = 0.01
_FIRST_SECONDS: Final = 1.0
_FIRST_SECONDS_CLOSED: Final = 5.0
#: A whole reading that takes no longer is made on the task's thread.
_SHORT_SECONDS: Final = 0.005
#: Longer ones take at most this part of the time of a thread in the background, and come no sooner after one another.
_SHARE_OF_TIME: Final = 1 / 20
_BETWEEN_SECONDS: Final = 2.0
#: After a reading that failed, how long no other is tried.
_PAUSE_SECONDS: Final = 0.25
#: Figures so old tell nothing any more, where a budget fails closed.
_STALE_SECONDS: Final = 10.0
_BACKGROUND_BUSY_SECONDS: Final = 2.0
#: How often it looks meanwhile whether to stop.
_LOOK_SECONDS: Final = 0.05


class _View(NamedTuple):
    """What is known at one moment."""

    window: Window
    #: The same as seconds since the epoch.
    starts: float
    ends: float
    #: What the last reading found, in billionths of a dollar for each group, and all it found.
    nano: Mapping[str, int]
    spending: Spending
    #: What this process had spent by then, in all.
    own: Mapping[str, int]
    #: When that was, and until when it is good, by the monotonic clock.
    read: float
    expires: float


class Meter:
    """Admits tasks within one budget of one database, in this process.

    Args:
        budget: which.
        database: where executions are recorded; None: nowhere, so that nothing can be known.
    """

    def __init__(self, budget: Budget, database: LearningDatabase | None) -> None:
        self.budget = budget
        self._key = None if budget.by is None else _GROUP_KEYS[budget.by]
        self._limit = round(budget.usd * NANO)
        self._calm = round(budget.usd * budget.warn_at * NANO)
        self._database = (lambda: None) if database is None else weakref.ref(database)
        self._reader = None if database is None else SpendReader(database.path, budget.by)
        self._own: dict[str, int] = {}
        self._short_lock = ForkLock()  # around readings on the tasks' threads
        self._whole_lock = ForkLock()  # around those in the background
        self.reset()
        register(self)

    def reset(self) -> None:
        """Start over; in a forked child, for the parent reports its own spending."""
        self._own_lock = threading.RLock()  # a signal handler may record in the thread that holds it
        self._in_background: threading.Event | None = None
        self._is_forking = False
        self._view = self._nothing_known()
        self._paused_until = float("-inf")
        self._announced: set[tuple[str, float]] = set()
        self._has_warned_of_fault = self._has_warned_of_unpriced = self._has_warned_of_callback = False
        self._fault: str | None = None if self._reader is not None else "no database is configured to record into"

    def _nothing_known(self) -> _View:
        window = window_around(datetime.now(timezone.utc), self.budget.per)
        never = float("-inf")
        return _View(window, window.start.timestamp(), window.end.timestamp(), {}, {}, dict(self._own), never, never)

    def admit(self, attributes: Mapping[str, Any]) -> None:
        """Let a task start that is known by the *attributes* of its span to be.

        Raises:
            BudgetExceeded: if it may not.
        """
        group = "" if self._key is None else attributes.get(self._key, UNKNOWN_GROUP)
        view = self._view
        found = view.nano.get(group, 0)
        since = self._own.get(group, 0) - view.own.get(group, 0)
        if found + since < self._calm and since * _PARTS <= self._limit - found and time.monotonic() < view.expires:
            return
        self._decide(group)

    def add(self, attributes: Mapping[str, Any]) -> None:
        """Take note of an execution that ended in this process."""
        cost = attributes.get(semconv.COST_ACTUAL)
        if cost:
            group = "" if self._key is None else attributes.get(self._key, UNKNOWN_GROUP)
            with self._own_lock:
                self._own[group] = self._own.get(group, 0) + round(cost * NANO)

    def _decide(self, group: str) -> None:
        self._look(group)
        view = self._view
        if self._fault is not None or view.read == float("-inf"):
            self._doubt(view)
        spent = view.nano.get(group, 0) + self._own.get(group, 0) - view.own.get(group, 0)
        if spent >= self._limit:
            self._announce(view, group, spent, 1.0)
            if self.budget.on_limit == "raise":
                raise BudgetExceeded(
                    f"{self.budget.describe(group)} is spent: {_since(view.window, spent)}. It opens again at"
                    f" {_moment(view.window.end)}.",
                    spent_usd=spent / NANO,
                    limit_usd=self.budget.usd,
                    opens=view.window.end,
                )
        elif spent >= self._calm:
            self._announce(view, group, spent, self.budget.warn_at)

    def _doubt(self, view: _View) -> None:
        """Say that it cannot be told what is spent; refuse the task where that is wanted.

        Raises:
            BudgetExceeded: if it is.
        """
        reason = self._fault or "the database was not read in time"
        if self._fault is not None and not self._has_warned_of_fault:
            self._has_warned_of_fault = True
            then = "refused" if self.budget.fail_closed else "not held up"
            warn(log, "%s cannot be checked: %s. Tasks are %s meanwhile.", self.budget.describe(), reason, then)
        if self.budget.fail_closed and time.monotonic() - view.read > _STALE_SECONDS:
            raise BudgetExceeded(
                f"{self.budget.describe()} cannot be checked: {reason}. With fail_closed=True that refuses its tasks;"
                " see to the database, or leave fail_closed out.",
                limit_usd=self.budget.usd,
            )

    def _announce(self, view: _View, group: str, nano: int, share: float) -> None:
        """Log, or tell the user's function, once in a window, that *share* of the budget of *group* is spent."""
        with self._own_lock:
            if (group, share) in self._announced:
                return
            self._announced.add((group, share))
        budget = self.budget
        if callable(budget.on_limit):
            spent = view.spending.get(group, Spent())._replace(nano=nano)
            self._call(budget.on_limit, status(budget, group, spent, view.window))
        elif share < 1:
            percent = 100 * nano / self._limit
            warn(log, "%s is spent to %.0f%%: %s.", budget.describe(group), percent, _since(view.window, nano))
        else:
            then = "are refused until" if budget.on_limit == "raise" else "go on; the next window begins at"
            what = budget.describe(group), _since(view.window, nano), then, _moment(view.window.end)
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

    def _look(self, group: str) -> None:
        """Read what is spent, unless what is known is good enough."""
        view = self._view
        if not view.starts <= time.time() < view.ends:
            with self._own_lock:
                if self._view is view:
                    self._view = self._nothing_known()
                    self._announced.clear()
                view = self._view
        if self._reader is None or self._is_good(group) or time.monotonic() < self._paused_until:
            return
        if view.read == float("-inf"):
            patience = _FIRST_SECONDS_CLOSED if self.budget.fail_closed else _FIRST_SECONDS
            self._read_in_background().wait(patience)
            if self._view.read == float("-inf"):
                self._paused_until = time.monotonic() + _PAUSE_SECONDS
        elif self._short_lock.acquire(timeout=_TASK_SECONDS):
            try:
                if not self._is_good(group):  # nobody read it meanwhile
                    self._read_briefly(self._reader)
            finally:
                self._short_lock.release()

    def _is_good(self, group: str) -> bool:
        view = self._view
        since = self._own.get(group, 0) - view.own.get(group, 0)
        return since * _PARTS <= self._limit - view.nano.get(group, 0) and time.monotonic() < view.expires

    def _read_briefly(self, reader: SpendReader) -> None:
        deadline = time.monotonic() + _TASK_SECONDS
        is_short = reader.whole_seconds <= _SHORT_SECONDS
        read = reader.read_whole if is_short else reader.read_last
        is_read = self._read(read, _TASK_SECONDS / 2, lambda: self._is_forking or time.monotonic() > deadline)
        if self._fault is not None:  # where it was only slow, the next task tries again
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
        pause = max(_BETWEEN_SECONDS, reader.whole_seconds / _SHARE_OF_TIME)
        if not is_read or (not is_short and time.monotonic() - reader.whole_began > pause):
            self._read_in_background()

    def _read_in_background(self) -> threading.Event:
        """Start a whole reading on a thread of its own; return the event of its end."""
        with self._own_lock:
            if self._in_background is None:
                done = self._in_background = threading.Event()
                thread = threading.Thread(
                    target=self._read_whole, args=(done,), name="learning-instrument-budget", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is on its way out, and starts no threads
                    self._in_background = None
                    self._fault = "no thread could be started"
                    done.set()
                return done
            return self._in_background

    def _read_whole(self, done: threading.Event) -> None:
        try:
            with self._whole_lock:
                if self._reader is not None:
                    self._read(self._reader.read_whole, _BACKGROUND_BUSY_SECONDS, lambda: self._is_forking)
        finally:
            self._in_background = None
            done.set()

    def _read(self, read: Callable[..., Spending | None], patience: float, is_over: Callable[[], bool]) -> bool:
        """Take in a reading; answer whether there was one."""
        before, database = self._view, self._database()
        with self._own_lock:
            own = dict(self._own)
        began = time.monotonic()
        try:
            # What is queued is in the file then, and else is counted on.
            is_flushed = database is None or _is_flushed(database, patience, is_over)
            spending = read(before.window, patience, is_over)
        except Exception as error:  # whatever it is, the budget's trouble is not the task's
            if is_interruption(error):
                raise
            self._fault = str(error) or type(error).__qualname__
            return False
        if spending is None:
            return False
        self._fault, self._has_warned_of_fault = None, False
        nano = {group: spent.nano for group, spent in spending.items()}
        with self._own_lock:
            if self._view.window == before.window and self._view.read < began:
                own = own if is_flushed else dict(before.own)
                good = min(_GOOD_SECONDS, before.ends - time.time())
                self._view = before._replace(nano=nano, spending=spending, own=own, read=began, expires=began + good)
        self._warn_of_unpriced(spending)
        return True

    def _warn_of_unpriced(self, spending: Spending) -> None:
        missed = sum(spent.missed for spent in spending.values())
        if missed and not self._has_warned_of_unpriced:
            self._has_warned_of_unpriced = True
            whole = sum(spent.executions for spent in spending.values())
            warn(
                log,
                "%s cannot see what %d of %d executions cost: nobody reported it, and no model call of theirs has a"
                " price. They count as unknown, and no limit stops them.",
                *(self.budget.describe(), missed, whole),
            )

    def before_fork(self, undo: ExitStack) -> None:
        """End the readings while the process forks."""
        undo.callback(setattr, self, "_is_forking", False)
        self._is_forking = True


# The meters of this process: one for each budget of a database, wherever it is named.
_meters: "weakref.WeakKeyDictionary[LearningDatabase, dict[Budget, Meter]]" = weakref.WeakKeyDictionary()


def meter_of(budget: Budget, database: LearningDatabase | None) -> Meter:
    """Return the meter of *budget* over *database*, the same one each time."""
    if database is None:
        return Meter(budget, None)
    of_database = _meters.setdefault(database, {})
    meter = of_database.get(budget)
    # Of two threads that come at once, the first has its way.
    return of_database.setdefault(budget, Meter(budget, database)) if meter is None else meter


def within_budgets(pipeline: Pipeline, database: LearningDatabase | None, budgets: Sequence[Budget]) -> Pipeline:
    """Return *pipeline*, for tasks that start only as their *budgets* over *database* allow."""
    if not budgets:
        return pipeline
    meters = [meter_of(budget, database) for budget in dict.fromkeys(budgets)]
    deliver = pipeline.deliver

    def admit(attributes: Mapping[str, Any]) -> None:
        for meter in meters:
            meter.admit(attributes)

    def deliver_and_add(span: Any) -> None:
        if deliver is not None:
            deliver(span)
        # Once it is stored: a reading in between counts it twice for a moment, rather than not at all.
        attributes = span.attributes
        for meter in meters:
            meter.add(attributes)

    return dataclasses.replace(
        pipeline, admit=meters[0].admit if len(meters) == 1 else admit, deliver=deliver_and_add if database else deliver
    )


def _is_flushed(database: LearningDatabase, patience: float, is_over: Callable[[], bool]) -> bool:
    """Wait until what is queued is written, but not for long where that is over: another thread forks."""
    deadline = time.monotonic() + patience
    step = min(_LOOK_SECONDS, patience)
    while True:
        began = time.monotonic()
        if database.flush(step):
            return True
        now = time.monotonic()
        if is_over() or now >= deadline or now < began + step:  # the last: it failed, and is not worth the wait
            return False


def _since(window: Window, nano: int) -> str:
    return f"{dollars(nano / NANO)} since {_moment(window.start)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

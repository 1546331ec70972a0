"""Reads the workers and the queue length of pools when metrics are collected.

The code of a pool may fail, wait for its event loop, or hang. So each reading runs on a thread of its own, with a
timeout, and is not started again before it has ended.
"""

import asyncio
import logging
import math
import threading
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .. import semconv
from ..errors import ConfigurationError
from ..recording.capture import Capture, CaptureOptions
from ..recording.fields import CLEAN_GIVEN, INVALID
from ..safety import threads
from ..safety.clocks import time
from ..safety.forks import check
from ..safety.guards import guarded, warn
from ..safety.readers import reader_of
from ..safety.sanitize import exact

log = logging.getLogger(__name__)


Read = Callable[[Any], Any]
"""``pool -> figures``, or an awaitable of them."""

#: How long one collection waits for all pools together, in seconds.
READ_SECONDS: Final = 1.0
#: The gauges of one collection share one reading.
_FRESH_SECONDS: Final = 0.5

#: The figures, and their names in pools.
FIGURES: Final[Mapping[str, tuple[str, ...]]] = {
    "workers_active": ("workers_active", "active_workers", "busy_workers"),
    "workers": ("workers", "total_workers", "workers_total", "worker_count"),
    "queued": ("queued", "queued_tasks", "tasks_queued", "queue_size", "pending_tasks"),
}

Figures = dict[str, float]
"""Figure -> value, of the figures that a pool gave."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The figures of one pool, and the attributes that identify it."""

    attributes: Mapping[str, str]
    figures: Figures


class ObservedPool:
    """A pool, weakly referenced, and the function that reads its figures.

    Raises:
        ConfigurationError: for a pool without figures, or that cannot be weakly referenced.
    """

    def __init__(self, pool: Any, read: Read | None) -> None:
        if read is None and not callable(getattr(pool, "get_metrics", None)):
            raise ConfigurationError(
                f"Invalid pool {pool!r}: it has no get_metrics(). Pass read, a function pool -> figures."
            )
        if read is not None and not callable(read):
            raise ConfigurationError(f"Invalid read {read!r}: expected a function pool -> figures.")
        try:
            self._pool = weakref.ref(pool)
        except TypeError as error:
            raise ConfigurationError(
                f"Invalid pool {pool!r}: expected an object that takes weak references."
            ) from error
        self._read = read or _get_metrics
        self._loop = asyncio._get_running_loop()
        self._attributes = _attributes_of(pool)
        self._thread: threads.BackgroundThread | None = None
        self._figures: Figures | None = None
        self._has_warned = False

    @property
    def is_alive(self) -> bool:
        """Whether the pool still exists."""
        return self._pool() is not None

    def begin(self) -> None:
        """Start a reading, unless an earlier one still runs."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._figures = None
        if self._loop is not None and asyncio._get_running_loop() is self._loop:
            return  # this thread blocks the loop that the reading would run on
        threads.start("learning_instrument-pool-figures", self._run, known=self._note_thread)

    def end(self, timeout: float) -> Reading | None:
        """Return the reading, or None where it failed or takes longer than *timeout* seconds."""
        if self._thread is not None:
            self._thread.join(max(0.0, timeout))
        figures = self._figures
        return Reading(self._attributes, figures) if figures else None

    def _note_thread(self, thread: threads.BackgroundThread | None) -> None:
        self._thread = thread

    def forget_thread(self) -> None:
        """Clear the parent's reading after a fork."""
        self._thread = self._figures = None

    def _run(self) -> None:
        try:
            pool = self._pool()
            if pool is not None:
                answer = self._read(pool)
                self._figures = _figures_of(self._awaited(answer) if hasattr(type(answer), "__await__") else answer)
        except BaseException:  # an exception of the pool must not reach the collection
            if not self._has_warned:
                self._has_warned = True
                warn(log, "Cannot read the figures of the pool %s.", dict(self._attributes), exc_info=True)

    def _awaited(self, answer: Awaitable[Any]) -> Any:
        loop = self._loop
        if loop is None or loop.is_closed():
            return asyncio.run(_result_of(answer))
        # On the pool's own loop: its locks belong there.
        return asyncio.run_coroutine_threadsafe(_result_of(answer), loop).result(10 * READ_SECONDS)


@dataclass
class ObservedPools:
    """The pools whose figures become metrics."""

    pools: list[ObservedPool] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.RLock)
    _readings: list[Reading] = field(default_factory=list)
    _read_at: float = float("-inf")

    def add(self, pool: ObservedPool) -> None:
        """Add *pool*, from the next collection on."""
        with self._lock:
            self.pools.append(pool)

    def read(self) -> list[Reading]:
        """Return the readings of the pools that answer in time."""
        check()
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self.pools = [pool for pool in self.pools if pool.is_alive]
                for pool in self.pools:
                    pool.begin()
                deadline = time.monotonic() + READ_SECONDS
                read = [pool.end(deadline - time.monotonic()) for pool in self.pools]
                self._readings = [reading for reading in read if reading is not None]
                self._read_at = time.monotonic()
            return self._readings

    def reset(self) -> None:
        """Forget, in a forked child, readings that the parent has begun."""
        self._lock = threading.RLock()
        self._read_at = float("-inf")
        for pool in self.pools:
            pool.forget_thread()


def _get_metrics(pool: Any) -> Any:
    return pool.get_metrics()


async def _result_of(answer: Awaitable[Any]) -> Any:
    return await answer


def _figures_of(answer: Any) -> Figures:
    read = reader_of(answer)
    if read is None:
        return {}
    found: Figures = {}
    for figure, names in FIGURES.items():
        value = next((value for name in names if (value := guarded(_number, guarded(read, name))) is not None), None)
        if value is not None:
            found[figure] = value
    return found


def _number(value: Any) -> float | None:
    value = exact(value)
    return value if type(value) in (int, float) and math.isfinite(value) and value >= 0 else None


def _attributes_of(pool: Any) -> dict[str, str]:
    attributes = {semconv.POOL_TYPE: Capture(CaptureOptions(), pool, None).attributes[semconv.POOL_TYPE]}
    pool_id = guarded(exact, guarded(getattr, pool, "pool_id"))
    if type(pool_id) in (str, int):
        found = CLEAN_GIVEN["pool_id"](pool_id)
        if found is not INVALID:
            attributes[semconv.POOL_ID] = found
    return attributes

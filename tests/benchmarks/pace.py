"""How fast the machine is just now: the processor time of a bare SDK span, measured again and again in between."""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from .spans import bare_span
from .timing import time_block
from .workload import tasks

P = ParamSpec("P")
T = TypeVar("T")

#: What a bare span takes, in µs, on the machine that the targets in µs and ms are for.
NOMINAL_SPAN: Final = 16.0
_CALLS: Final = 500


class Pace:
    """Bare spans timed beside other work, so that its time can be told in spans."""

    def __init__(self) -> None:
        self._span, self._tasks = bare_span(), tasks(_CALLS)
        self._samples: list[float] = []
        time_block(self._span, self._tasks)  # warms up
        self.sample()

    def sample(self) -> None:
        """Time some bare spans now."""
        self._samples.append(time_block(self._span, self._tasks).processor / 1e3)

    @property
    def span(self) -> float:
        """The processor time of a bare span, in µs: the median of the samples."""
        return statistics.median(self._samples)

    def nominal(self, microseconds: float) -> float:
        """Return what *microseconds* measured here are on the machine of the targets."""
        return microseconds / self.span * NOMINAL_SPAN


class Stopwatch:
    """Adds up the processor time of functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return *function* with its processor time added here."""

        @functools.wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            started = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - started

        return timed

"""How long the page of ``learning-instrument report`` takes, and how large it is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from learning_instrument.analytics import Selection
from learning_instrument.analytics.overview import span
from learning_instrument.analytics.periods import default_periods
from learning_instrument.dashboard.pages.report import report
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

from .answers import database_of

#: Executions of an ordinary file, which a report reads row by row.
_FEW: Final = 10_000


@dataclass(frozen=True)
class Page:
    """The page of a file."""

    executions: int
    #: Of processor time, and on the clock.
    seconds: float
    wall_seconds: float
    megabytes: float


def measure(executions: int, rounds: int) -> Sequence[Page]:
    """Measure on few executions and on so many, in files that are kept in the temporary folder for the next time."""
    return [min((_page(each) for _ in range(rounds)), key=lambda page: page.seconds) for each in (_FEW, executions)]


def _page(executions: int) -> Page:
    with ReadOnlyDatabase(database_of(executions)) as database:
        _, last = span(database, Selection())
        assert last is not None
        clock, processor = time.perf_counter(), time.process_time()
        page = report(database, default_periods(database, last + timedelta(minutes=1))).document
        return Page(executions, time.process_time() - processor, time.perf_counter() - clock, len(page) / 1e6)

"""Bursts of failures: more of the executions of the last minutes failed than the share of the day before explains."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ..sqlite.selection import Queryable, Selection
from .group_totals import totals

#: The minutes that are looked at, and what they are compared with.
WINDOW: Final = timedelta(minutes=10)
_BEFORE: Final = timedelta(hours=24)
#: Fewer failures are no burst, and neither is a share that is less than twice that of before.
FEWEST: Final = 5
_TIMES: Final = 2.0
#: How likely so many failures are by chance, at most. A day has some 1,440 looks at windows that overlap.
_LEVEL: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Burst:
    """The executions that ended in the last ten minutes, and those of the 24 hours before."""

    failures: int
    executions: int
    failures_before: int
    executions_before: int
    #: How likely at least so many of these failures are in the last minutes, were they spread by chance.
    p_value: float


def burst_of(failures: int, executions: int, failures_before: int, executions_before: int) -> Burst | None:
    """Return the burst that these counts are, or None: by Fisher's exact test, one-sided, and by its size."""
    if failures < FEWEST or failures * executions_before < _TIMES * failures_before * executions:
        return None
    p_value = _upper_tail(failures, executions, failures + failures_before, executions + executions_before)
    return Burst(failures, executions, failures_before, executions_before, p_value) if p_value < _LEVEL else None


def counts_before(database: Queryable, selection: Selection, now: datetime) -> tuple[int, int]:
    """Return how many executions began in the last 24 hours (and up to one more), and how many of them failed.

    Args:
        database: the one to ask.
        selection: the filters; its times do not count.
        now: the present.
    """
    since = (now - _BEFORE).replace(minute=0, second=0, microsecond=0)  # roll-ups have whole hours
    found = totals(database, (), replace(selection, since=since, until=None), ("succeeded",)).get(())
    if found is None:
        return 0, 0
    executions = found.count("executions")
    return executions, executions - found.count("succeeded")


def _upper_tail(failures: int, executions: int, all_failures: int, all_executions: int) -> float:
    """Return the probability that at least *failures* of *all_failures* fall on *executions* of *all_executions*."""
    whole = _log_choose(all_executions, executions)
    total = 0.0
    for count in range(failures, min(executions, all_failures) + 1):
        others = _log_choose(all_executions - all_failures, executions - count)
        term = math.exp(_log_choose(all_failures, count) + others - whole)
        total += term
        if term < total * 1e-9:  # the rest is smaller still: above the mean, terms fall
            break
    return min(1.0, total)


def _log_choose(among: int, chosen: int) -> float:
    if not 0 <= chosen <= among:
        return -math.inf
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)
